//! One run of `netwright synth` as a process: how long, how much memory, and what it said took how long.
//!
//! The kernel counts as a child's peak also what its parent held while it was starting it. So the command is started by
//! this program anew, which then holds next to nothing, and which tells what the kernel counted for its only child.

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The argument that makes this program the one in between.
const IN_BETWEEN: &str = "--in-between";

/// What to run.
pub(crate) struct Run<'a> {
    pub(crate) program: &'a Path,
    pub(crate) observation: &'a Path,
}

/// What a run took.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    /// Of user and kernel, all threads.
    pub(crate) cpu_seconds: f64,
    /// The most that was resident.
    pub(crate) peak_bytes: f64,
    /// Seconds by phase, as logged.
    pub(crate) phases: Vec<(String, f64)>,
}

impl Run<'_> {
    /// Runs it once, into `out`, which must not be there.
    ///
    /// Folders are not removed between runs: for a minute after that some file systems (ext4 without a journal) look long
    /// for an inode that was not just given back, and the next run would pay for it.
    pub(crate) fn measured(&self, out: &Path) -> Result<Measured> {
        ensure!(!out.exists(), "{} is there already", out.display());
        let mut between = Command::new(std::env::current_exe()?);
        between.arg(IN_BETWEEN).arg(self.program).arg("synth").arg(self.observation).arg("--out").arg(out);
        let output = between.stdin(Stdio::null()).output().context("starting the process in between")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{:?} failed:\n{said}", self.program);
        serde_json::from_slice(&output.stdout).with_context(|| format!("reading what was measured; it said\n{said}"))
    }
}

/// Beside this bench's own program, where cargo puts the binaries of the same profile.
pub(crate) fn netwright() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    own.parent()?.parent().map(|folder| folder.join("netwright")).filter(|path| path.is_file())
}

/// If this is the process in between: runs the command of its arguments and prints what that took.
pub(crate) fn in_between() -> Option<Result<()>> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != IN_BETWEEN {
        return None;
    }
    let mut command = Command::new(arguments.next()?);
    command.args(arguments).env("RUST_LOG", "netwright=info").env("NO_COLOR", "1");
    Some(between(&mut command))
}

fn between(command: &mut Command) -> Result<()> {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {command:?}"))?;
    let seconds = start.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{command:?} ended with {}:\n{said}", output.status);
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let measured = Measured {
        seconds,
        cpu_seconds: time(usage.user_time()) + time(usage.system_time()),
        // Linux counts in KiB.
        peak_bytes: usage.max_rss() as f64 * 1024.0,
        phases: said.lines().filter_map(phase).collect(),
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

/// A line such as ` INFO netwright::phases: phase="infer" seconds=0.25`.
fn phase(line: &str) -> Option<(String, f64)> {
    let (_, rest) = line.split_once("phase=\"")?;
    let (name, rest) = rest.split_once('"')?;
    let seconds = rest.split_once("seconds=")?.1.split_whitespace().next()?;
    Some((name.to_owned(), seconds.parse().ok()?))
}
