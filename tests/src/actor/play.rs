//! Several roles in one process: any workload, from a declared table, as the first process of a container.
//!
//! The table is the arguments and the lines of the environment variable `NETWRIGHT_ACTOR`; each line is a role with its
//! options, as on the command line. Empty lines and those that begin with `#` are passed over:
//!
//! ```text
//! http-serve on=[::]:8080
//! http-call to=cart.shop:80 every=500 as=cart
//! dns-query name=api.example count=3
//! ```
//!
//! Clients are counted, and every few seconds one line a client says how far it is (`cart: attempts=12 errors=0`; ` done` at the
//! end). Without `count=` or `for=` a client ends after an hour. The process ends when all roles have ended, with an error if some client never
//! had success, and on SIGTERM. It takes care of processes that others left to it, as the first process of a container has to.

use super::pace::{self, Count};
use super::{Options, perform};
use anyhow::{Context, Result, bail};
use rustix::process::{WaitOptions, wait as wait_for_child};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::spawn;
use std::time::Duration;

/// Another source of lines, besides the arguments.
const VARIABLE: &str = "NETWRIGHT_ACTOR";
/// How often clients are reported on.
const REPORT: Duration = Duration::from_secs(2);
/// How long a client calls that was not told: milliseconds, an hour.
const LONGEST: &str = "3600000";

/// One line of the table.
#[derive(Debug, Clone)]
struct Part {
    name: String,
    role: String,
    options: Options,
}

/// What happens while parts play.
#[derive(Debug)]
enum Event {
    Ended(usize, Result<()>),
    Terminate,
}

/// Plays the table until every part has ended, or the process is asked to end.
///
/// # Errors
/// A line that cannot be understood, a server that cannot listen, or a client that never had success.
pub fn run(arguments: impl Iterator<Item = String>) -> Result<()> {
    let parts = table(arguments.chain(std::env::var(VARIABLE)))?;
    let (sender, events) = channel();
    watch_signals(sender.clone())?;
    let counts = parts
        .into_iter()
        .enumerate()
        .map(|(number, part)| begin(number, part, sender.clone()))
        .collect::<Result<Vec<_>>>()?;
    conduct(&counts, &events)
}

/// Reads the table. Lines of one argument count singly.
fn table(texts: impl Iterator<Item = String>) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for text in texts {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            parts.push(part(line).with_context(|| format!("line {line:?} of the table"))?);
        }
    }
    match parts.is_empty() {
        true => bail!("nothing to play: give lines as arguments, or in {VARIABLE}"),
        false => Ok(parts),
    }
}

fn part(line: &str) -> Result<Part> {
    let mut words = line.split_whitespace().map(str::to_owned);
    let role = words.next().context("no role")?;
    let options = Options::parse(words)?.or("for", LONGEST);
    let target: Option<String> = options.optional("to")?;
    let name = options.optional("as")?.or(target).map_or_else(|| role.clone(), |name| name.replace(':', "."));
    Ok(Part { name, role, options })
}

/// Starts a part in a thread of its own.
fn begin(number: usize, part: Part, events: Sender<Event>) -> Result<Arc<Count>> {
    let (sender, counts) = channel();
    spawn(move || {
        // Whoever does not get these has ended.
        let _ = sender.send(Count::begin(&part.name));
        let _ = events.send(Event::Ended(number, perform(&part.role, &part.options)));
    });
    Ok(counts.recv()?)
}

fn conduct(counts: &[Arc<Count>], events: &Receiver<Event>) -> Result<()> {
    let mut playing = vec![true; counts.len()];
    while playing.contains(&true) {
        match events.recv_timeout(REPORT) {
            Ok(Event::Terminate) => return report(counts, &playing, true),
            Ok(Event::Ended(number, outcome)) => {
                let count = counts.get(number).context("a part without a number")?;
                outcome?;
                count.report(true)?;
                playing.iter_mut().skip(number).take(1).for_each(|playing| *playing = false);
            }
            Err(RecvTimeoutError::Timeout) => report(counts, &playing, false)?,
            Err(RecvTimeoutError::Disconnected) => bail!("the parts are gone"),
        }
    }
    match counts.iter().all(|count| count.succeeded()) {
        true => Ok(()),
        false => bail!("a client never had success; its first errors stand above"),
    }
}

fn report(counts: &[Arc<Count>], playing: &[bool], done: bool) -> Result<()> {
    let still = counts.iter().zip(playing).filter(|(_, playing)| **playing);
    still.filter(|(count, _)| count.has_attempted()).try_for_each(|(count, _)| count.report(done))
}

/// The first process of a container is not ended by SIGTERM unless it says so, and gets every orphan.
fn watch_signals(events: Sender<Event>) -> Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGCHLD]).context("listening for signals")?;
    spawn(move || {
        for signal in &mut signals {
            match signal {
                SIGCHLD => while let Ok(Some(_)) = wait_for_child(WaitOptions::NOHANG) {},
                _ if events.send(Event::Terminate).is_err() => return,
                _ => {}
            }
        }
    });
    pace::print("playing")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Result<Vec<Part>> {
        table(texts.iter().map(|text| (*text).to_owned()))
    }

    #[test]
    fn a_table_has_lines_from_arguments_and_from_longer_texts() {
        let parts = lines(&[
            "tcp-serve on=[::]:1",
            "\n# a comment\n  http-call to=cart.shop:80 as=cart\n\nudp-call to=10.0.0.1:5\n",
        ])
        .unwrap();
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["tcp-serve", "cart", "10.0.0.1.5"]);
    }

    #[test]
    fn a_client_that_is_not_told_ends_all_the_same() {
        let parts = lines(&["udp-call to=10.0.0.1:5", "udp-call to=10.0.0.1:5 for=7"]).unwrap();
        let lengths: Vec<_> =
            parts.iter().map(|part| part.options.milliseconds("for").unwrap().unwrap().as_millis()).collect();
        assert_eq!(lengths, [3_600_000, 7]);
    }

    #[test]
    fn an_empty_table_and_a_word_without_a_value_are_refused() {
        assert!(lines(&["# nothing"]).is_err());
        let error = lines(&["http-call cart"]).unwrap_err();
        assert!(format!("{error:#}").contains("http-call cart"), "{error:#}");
    }

    #[test]
    fn conversations_of_all_kinds_succeed_and_are_counted() {
        // Port 0 would be another for each role; these are below the range of ephemeral ports and on loopback only.
        let servers = [
            "tcp-serve on=127.0.0.91:9101",
            "http-serve on=127.0.0.91:9102",
            "tls-serve on=127.0.0.91:9103",
            "udp-serve on=127.0.0.91:9104",
        ];
        for server in servers {
            let part = part(server).unwrap();
            spawn(move || perform(&part.role, &part.options));
        }
        std::thread::sleep(Duration::from_millis(300));
        let clients = [
            "tcp-call to=127.0.0.91:9101",
            "http-call to=127.0.0.91:9102",
            "tls-call to=127.0.0.91:9103",
            "udp-call to=127.0.0.91:9104",
            "dns-query name=localhost",
        ];
        let (sender, events) = channel();
        let counts: Vec<_> = clients
            .iter()
            .enumerate()
            .map(|(number, line)| {
                begin(number, part(&format!("{line} count=2 every=10")).unwrap(), sender.clone()).unwrap()
            })
            .collect();
        conduct(&counts, &events).unwrap();
    }

    #[test]
    fn a_client_without_success_is_an_error() {
        let (sender, events) = channel();
        let count = begin(0, part("tcp-call to=127.0.0.91:1 count=1 every=1").unwrap(), sender).unwrap();
        assert!(conduct(&[count], &events).is_err());
    }
}
