//! A process in a place, with its output in a file.

use super::Place;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// A running (or ended) process of the world.
#[derive(Debug)]
pub struct Process {
    label: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` in `place`. The shell enters the cgroup before anything opens a socket, and is then replaced, as
    /// `ip netns exec` is: the pid is that of the program itself.
    pub(super) fn spawn(place: &Place, label: &str, command: &[String], log: &Path) -> Result<Self> {
        let output = File::create(log).with_context(|| format!("making {}", log.display()))?;
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"echo 0 >"$0" && exec "$@""#]).arg(place.cgroup.join("cgroup.procs"));
        if let Some(network) = &place.network {
            shell.args(["ip", "netns", "exec", network]);
        }
        let child = shell
            .args(command)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {label}"))?;
        Ok(Self { label: label.to_owned(), child, log: log.to_owned() })
    }

    /// The name it was started under.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What it has printed so far, on both outputs.
    pub fn output(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits until it has printed `text`.
    ///
    /// # Errors
    /// It ended, or took longer than `patience`; the message has what it printed.
    pub fn wait_for(&mut self, text: &str, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        while !self.output().contains(text) {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}) before it said {text:?}:\n{}", self.label, self.output());
            }
            if Instant::now() > deadline {
                bail!("{} did not say {text:?} within {patience:?}:\n{}", self.label, self.output());
            }
            sleep(POLL);
        }
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It took longer than `patience`.
    pub fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("{} did not end within {patience:?}:\n{}", self.label, self.output());
            }
            sleep(POLL);
        }
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as `kill -9` does.
    ///
    /// # Errors
    /// It could not be signalled.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

/// Sends a signal (`TERM`, `INT`) to one process.
///
/// # Errors
/// There is no such process.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    // The shell's own `kill`: the program of that name is in a package that need not be installed.
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status()?;
    match status.success() {
        true => Ok(()),
        false => bail!("kill -{name} {pid} failed"),
    }
}
