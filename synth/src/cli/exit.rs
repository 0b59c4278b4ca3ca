//! Exit codes. Scripts rely on them: a code never changes its meaning.

use super::interrupt;
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
    /// 3: done, and there are findings: connections that were seen would be denied.
    Findings,
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
            ExitStatus::Interrupted => interrupt::EXIT_CODE,
        })
    }
}
