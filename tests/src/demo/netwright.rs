//! The `netwright` program, run for real.

use crate::world::prerequisites;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// How a run of `netwright` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The command line, for messages.
    pub command: String,
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it printed as data.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

impl Outcome {
    /// The same outcome, if the exit code is `code`.
    ///
    /// # Errors
    /// Another exit code; the message has all that was printed.
    pub fn expect(self, code: i32) -> Result<Self> {
        if self.code == Some(code) {
            return Ok(self);
        }
        bail!("{} exited with {:?}, expected {code}:\n{}{}", self.command, self.code, self.stdout, self.stderr)
    }
}

/// Runs `netwright` with `arguments`.
///
/// # Errors
/// It is not built or cannot be run.
pub fn netwright<'a>(arguments: impl IntoIterator<Item = &'a Path>) -> Result<Outcome> {
    let program = prerequisites::program("netwright")?;
    let arguments: Vec<OsString> = arguments.into_iter().map(|argument| argument.as_os_str().to_owned()).collect();
    let output = Command::new(&program).args(&arguments).output().with_context(|| program.display().to_string())?;
    Ok(Outcome {
        command: format!("netwright {}", arguments.join(OsString::from(" ").as_os_str()).display()),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
