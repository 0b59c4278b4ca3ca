//! Exit codes. Scripts rely on them: a code never changes its meaning.
//!
//! | code | every verb but `diff` | `diff`, as diff(1) has it |
//! |---|---|---|
//! | 0 | done, and nothing to object to | the same |
//! | 1 | it could not be done; the reason is on stderr | different |
//! | 2 | the command line was wrong | trouble: it could not be done, or the command line was wrong |
//! | 3 | done, and there are findings: `check` has denied connections or warnings, `explain` a denied connection, `status` something that wants attention | |
//! | 130 | stopped by Ctrl-C or SIGTERM, and nothing was left half done | the same |
//!
//! A reader that stops reading (`netwright … | head`) changes nothing about them: what was found was found.

use super::interrupt;
use std::io;
use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: done, and nothing to object to.
    Success,
    /// 1: it could not be done; the reason is on stderr.
    Error,
    /// 2: the command line was wrong (also what clap exits with).
    Usage,
    /// 3: done, and there are findings: connections are denied, or something deserves a warning.
    Findings,
    /// 1: what `diff` compared differs.
    Different,
    /// 2: `diff` could not compare; the reason is on stderr.
    Trouble,
    /// 130: told to stop by Ctrl-C or SIGTERM, and nothing was left half done.
    Interrupted,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        ExitCode::from(match status {
            ExitStatus::Success => 0,
            ExitStatus::Error => 1,
            ExitStatus::Usage => 2,
            ExitStatus::Findings => 3,
            ExitStatus::Different => 1,
            ExitStatus::Trouble => 2,
            ExitStatus::Interrupted => interrupt::EXIT_CODE,
        })
    }
}

/// A command line that can be parsed and still asks for nothing that could be done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(pub String);

/// Ends the verb with [`ExitStatus::Usage`]; the message says what to write instead.
///
/// # Errors
///
/// Always.
pub fn misuse<T>(message: impl Into<String>) -> anyhow::Result<T> {
    Err(Misuse(message.into()).into())
}

/// What was written, or nothing at all if the reader of stdout went away: then there is nobody left to tell, and the
/// verb still ends with what it found.
///
/// # Errors
///
/// Those of `written`, but for a closed pipe.
pub fn unless_nobody_reads(written: anyhow::Result<()>) -> anyhow::Result<()> {
    written.or_else(|error| if is_broken_pipe(&error) { Ok(()) } else { Err(error) })
}

/// Whether the reader of stdout went away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
