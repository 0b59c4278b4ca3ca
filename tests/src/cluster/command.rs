//! Running a program to its end, and waiting for a condition; both with messages that say what was lacking.

use anyhow::{Context, Result, bail};
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(100);

/// Runs a command to its end, with `input` on its standard input, and returns its standard output.
///
/// # Errors
/// It could not be started, or failed; then the message has what it said.
pub fn output(command: &mut Command, input: &str) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", shown(command)))?;
    // From a thread of its own: a program that answers before it has read everything would wait for us, and we for it.
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
        child.wait_with_output()
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}: {}", shown(command), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// How far a condition is.
#[derive(Debug)]
pub enum Step<T> {
    /// It holds.
    Done(T),
    /// It does not hold yet, and why.
    NotYet(String),
}

/// Asks `step` until it says that it is done.
///
/// # Errors
/// `patience` is over, with the last reason why not; or at once what `step` itself fails with.
pub fn wait<T>(what: &str, patience: Duration, mut step: impl FnMut() -> Result<Step<T>>) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        match step().with_context(|| format!("waiting for {what}"))? {
            Step::Done(value) => return Ok(value),
            Step::NotYet(reason) if Instant::now() > deadline => {
                bail!("{what}: not within {patience:?}; last: {reason}")
            }
            Step::NotYet(_) => sleep(POLL),
        }
    }
}

/// Takes an error for "not yet": for questions that fail until the answer is there.
pub fn until_ok<T>(result: Result<T>) -> Result<Step<T>> {
    Ok(match result {
        Ok(value) => Step::Done(value),
        Err(error) => Step::NotYet(format!("{error:#}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_is_quoted() {
        let error = output(Command::new("sh").args(["-c", "echo it broke >&2; exit 3"]), "").unwrap_err().to_string();
        assert!(error.contains("it broke") && error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn more_input_than_a_pipe_holds_is_no_deadlock() {
        let input = "x".repeat(1 << 20);
        assert_eq!(output(&mut Command::new("cat"), &input).unwrap().len(), input.len());
    }

    #[test]
    fn patience_ends_with_the_last_reason() {
        let error = wait("the moon", Duration::ZERO, || Ok(Step::<()>::NotYet("it is day".into()))).unwrap_err();
        assert_eq!(error.to_string(), "the moon: not within 0ns; last: it is day");
    }
}
