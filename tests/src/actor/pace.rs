//! The steady pace of a client: attempt, say how it went, wait, until told to stop.

use super::Options;
use anyhow::Result;
use std::cell::RefCell;
use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How many errors of one client are printed when attempts are counted: the first ones say why.
const PRINTED_ERRORS: u64 = 20;

thread_local! {
    /// Who counts for this thread, if attempts are not printed one by one.
    static COUNT: RefCell<Option<Arc<Count>>> = const { RefCell::new(None) };
}

/// How many connections (or conversations) a client opened, read back from what it wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Attempts made.
    pub attempts: u64,
    /// Attempts that did not go as the role expects: a refused connection is the aim of `refused`.
    pub errors: u64,
    /// Whether the client said that it had finished, so that the two numbers are final.
    pub done: bool,
}

impl Tally {
    /// Reads the log of a client; a log that is not there yet reads as nothing done.
    pub fn read(log: &Path) -> Self {
        let text = fs::read_to_string(log).unwrap_or_default();
        let errors = count(&text, "error ");
        Self { attempts: errors + count(&text, "ok"), errors, done: text.lines().any(|line| line == "done") }
    }
}

impl Tally {
    /// What the log of a pod says about its client `name`: the latest numbers that `play` printed.
    pub fn of(log: &str, name: &str) -> Self {
        let mut lines = log.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": attempts="));
        lines.next_back().and_then(Self::parse).unwrap_or_default()
    }

    /// Reads `N errors=M`, and ` done` after it.
    fn parse(line: &str) -> Option<Self> {
        let (attempts, rest) = line.split_once(" errors=")?;
        let errors = rest.trim_end_matches(" done");
        Some(Self { attempts: attempts.parse().ok()?, errors: errors.parse().ok()?, done: rest.ends_with(" done") })
    }
}

fn count(text: &str, prefix: &str) -> u64 {
    text.lines().map(|line| u64::from(line.starts_with(prefix))).sum()
}

/// What one of several clients in one process did so far. A line for each attempt would fill the log of a pod.
#[derive(Debug)]
pub(super) struct Count {
    name: String,
    ok: AtomicU64,
    errors: AtomicU64,
}

impl Count {
    /// Counts from now on what this thread does, under `name`.
    pub(super) fn begin(name: &str) -> Arc<Self> {
        let count = Arc::new(Self { name: name.to_owned(), ok: AtomicU64::new(0), errors: AtomicU64::new(0) });
        COUNT.set(Some(Arc::clone(&count)));
        count
    }

    /// Whether some attempt went as it should.
    pub(super) fn succeeded(&self) -> bool {
        self.ok.load(Ordering::Relaxed) > 0
    }

    /// Whether there was an attempt: servers make none.
    pub(super) fn has_attempted(&self) -> bool {
        self.succeeded() || self.errors.load(Ordering::Relaxed) > 0
    }

    /// Prints `<name>: attempts=N errors=M`, and ` done` where the two are final.
    pub(super) fn report(&self, done: bool) -> Result<()> {
        let (ok, errors) = (self.ok.load(Ordering::Relaxed), self.errors.load(Ordering::Relaxed));
        let end = if done { " done" } else { "" };
        print(&format!("{}: attempts={} errors={errors}{end}", self.name, ok + errors))
    }

    fn add(&self, outcome: &Result<()>) -> Result<()> {
        match outcome {
            Ok(()) => self.ok.fetch_add(1, Ordering::Relaxed),
            Err(error) => {
                let before = self.errors.fetch_add(1, Ordering::Relaxed);
                if before < PRINTED_ERRORS {
                    print(&format!("{}: error {error:#}", self.name))?;
                }
                before
            }
        };
        Ok(())
    }
}

/// When a client attempts, and when it stops.
#[derive(Debug)]
pub(super) struct Pace {
    every: Duration,
    until: Option<Instant>,
    stop: Option<PathBuf>,
    count: Option<u64>,
    linger: Duration,
}

impl Pace {
    /// Reads `every=` and `linger=` (milliseconds), and what ends it: `count=` (attempts), `for=` (milliseconds) and `stop=`
    /// (a file that appears).
    pub(super) fn new(options: &Options) -> Result<Self> {
        Ok(Self {
            until: options.milliseconds("for")?.map(|length| Instant::now() + length),
            every: options.milliseconds("every")?.unwrap_or(Duration::from_millis(500)),
            stop: options.optional("stop")?,
            count: options.optional("count")?,
            linger: options.milliseconds("linger")?.unwrap_or_default(),
        })
    }

    /// Attempts until the count is reached, the time is over or the stop file is there.
    pub(super) fn run(&self, mut attempt: impl FnMut() -> Result<()>) -> Result<()> {
        let mut made = 0;
        while self.count.is_none_or(|count| made < count) && !self.stopped() {
            tell(&attempt())?;
            made += 1;
            sleep(self.every);
        }
        sleep(self.linger);
        say("done")
    }

    fn stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.exists()) || self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// Counts an outcome where this thread's are counted, else prints it.
pub(super) fn tell(outcome: &Result<()>) -> Result<()> {
    match (COUNT.with_borrow(Option::clone), outcome) {
        (Some(count), _) => count.add(outcome),
        (None, Ok(())) => print("ok"),
        (None, Err(error)) => print(&format!("error {error:#}")),
    }
}

/// Writes one line to the actor's log, unless several clients share it.
pub(super) fn say(line: &str) -> Result<()> {
    if COUNT.with_borrow(Option::is_some) { Ok(()) } else { print(line) }
}

/// Writes one line to the actor's log, at once.
pub(super) fn print(line: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_counts_both_outcomes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "ok\nerror connect: refused\nok\ndone\n").unwrap();
        assert_eq!(Tally::read(file.path()), Tally { attempts: 3, errors: 1, done: true });
    }

    #[test]
    fn the_latest_report_of_a_client_in_a_pod_counts() {
        let log =
            "web: attempts=3 errors=0\nweb2: attempts=8 errors=8\nweb: error refused\nweb: attempts=5 errors=1 done\n";
        assert_eq!(Tally::of(log, "web"), Tally { attempts: 5, errors: 1, done: true });
        assert_eq!(Tally::of(log, "web2"), Tally { attempts: 8, errors: 8, done: false });
        assert_eq!(Tally::of(log, "we"), Tally::default());
    }

    #[test]
    fn a_missing_log_is_nothing_done() {
        assert_eq!(Tally::read(Path::new("/nowhere/at/all")), Tally::default());
    }
}
