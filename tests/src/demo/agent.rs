//! The real agent as a process of its own.

use crate::world::{World, prerequisites, signal};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LABEL: &str = "agent";
const PATIENCE: Duration = Duration::from_secs(30);
/// What the agent prints once its hooks are attached and old connections are read; it says earlier which DNS servers it watches.
const WATCHING: &str = "watching cgroup=";

/// `netwright-agent observe`, watching a world.
#[derive(Debug)]
pub struct Agent {
    pid: u32,
}

impl Agent {
    /// Starts it and waits until its hooks are attached.
    ///
    /// # Errors
    /// It is not built, or ended; the message has what it printed.
    pub fn start(world: &mut World, out: &Path, node: &str, options: &[&str]) -> Result<Self> {
        let program = prerequisites::program("netwright-agent")?;
        let cgroup = world.cgroup().display().to_string();
        let (program, out) = (program.display().to_string(), out.display().to_string());
        // What it prints goes to a file, and from there into a report.
        let mut command = vec![
            "env".into(),
            "NO_COLOR=1".into(),
            program,
            "observe".into(),
            "--out".into(),
            out,
            "--cgroup".into(),
            cgroup,
        ];
        command.extend(["--node".into(), node.to_owned()]);
        command.extend(options.iter().map(|option| (*option).to_owned()));
        let place = world.beside();
        let process = world.spawn(&place, LABEL, &command)?;
        process.wait_for(WATCHING, PATIENCE)?;
        Ok(Self { pid: process.pid() })
    }

    /// Tells it to stop and waits for that; returns all it printed.
    ///
    /// # Errors
    /// It did not end, or with a failure.
    pub fn stop(self, world: &mut World) -> Result<String> {
        signal(self.pid, "TERM")?;
        let process = self.process(world)?;
        let status = process.wait(PATIENCE)?;
        match status.success() {
            true => Ok(process.output()),
            false => bail!("netwright-agent ended with {status}:\n{}", process.output()),
        }
    }

    /// Ends it without a word, as `kill -9` or a power failure does.
    ///
    /// # Errors
    /// There was nothing to end.
    pub fn kill(self, world: &mut World) -> Result<()> {
        self.process(world)?.kill()
    }

    fn process<'a>(&self, world: &'a mut World) -> Result<&'a mut crate::world::Process> {
        let mut processes = world.processes().iter_mut();
        processes.find(|process| process.pid() == self.pid).context("the agent is not a process of this world")
    }
}

/// Asks `netwright-agent doctor` whether this machine can be watched; returns what it says where it cannot.
pub(super) fn doctor() -> Result<Option<String>> {
    let program = prerequisites::program("netwright-agent")?;
    let output = Command::new(&program).arg("doctor").output().with_context(|| program.display().to_string())?;
    let said = [output.stdout, output.stderr].concat();
    Ok((!output.status.success()).then(|| String::from_utf8_lossy(&said).into_owned()))
}
