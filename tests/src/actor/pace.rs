//! The steady pace of a client: attempt, say how it went, wait, until told to stop.

use super::Options;
use anyhow::Result;
use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

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

fn count(text: &str, prefix: &str) -> u64 {
    text.lines().map(|line| u64::from(line.starts_with(prefix))).sum()
}

/// When a client attempts, and when it stops.
#[derive(Debug)]
pub(super) struct Pace {
    every: Duration,
    stop: Option<PathBuf>,
    count: Option<u64>,
    linger: Duration,
}

impl Pace {
    /// Reads `every=` and `linger=` (milliseconds), `count=` (attempts) and `stop=` (a file whose appearance ends it).
    pub(super) fn new(options: &Options) -> Result<Self> {
        Ok(Self {
            every: options.milliseconds("every")?.unwrap_or(Duration::from_millis(500)),
            stop: options.optional("stop")?,
            count: options.optional("count")?,
            linger: options.milliseconds("linger")?.unwrap_or_default(),
        })
    }

    /// Attempts until the count is reached or the stop file is there.
    pub(super) fn run(&self, mut attempt: impl FnMut() -> Result<()>) -> Result<()> {
        let mut made = 0;
        while self.count.is_none_or(|count| made < count) && !self.stopped() {
            match attempt() {
                Ok(()) => say("ok")?,
                Err(error) => say(&format!("error {error:#}"))?,
            }
            made += 1;
            sleep(self.every);
        }
        sleep(self.linger);
        say("done")
    }

    fn stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.exists())
    }
}

/// Writes one line to the actor's log, at once.
pub(super) fn say(line: &str) -> Result<()> {
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
    fn a_missing_log_is_nothing_done() {
        assert_eq!(Tally::read(Path::new("/nowhere/at/all")), Tally::default());
    }
}
