//! Removal of a world, by a process that outlives its maker.
//!
//! The guard waits for the end of its standard input, the other end of which only the maker holds: it comes when the
//! maker drops the world, panics, is interrupted or is killed. A destructor alone would miss the last two, and the statics of
//! a test binary are never dropped.

use super::cgroup;
use super::prerequisites;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read, stdin};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where `ip netns` keeps the names of network namespaces.
const NAMESPACES: &str = "/run/netns";

/// The running guard of one world.
#[derive(Debug)]
pub(super) struct Guard(Option<Child>);

impl Guard {
    /// Starts the guard of the world of process `pid`.
    pub(super) fn start(pid: u32) -> Result<Self> {
        let actor = prerequisites::program("netwright-actor")?;
        let child = Command::new(&actor)
            .args(["guard", &pid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // A group of its own: Ctrl-C ends the maker, and the guard then has work to do.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {}", actor.display()))?;
        Ok(Self(Some(child)))
    }

    /// Has the world removed and waits for it.
    pub(super) fn finish(&mut self) -> Result<()> {
        let Some(mut child) = self.0.take() else { return Ok(()) };
        drop(child.stdin.take());
        match child.wait()?.success() {
            true => Ok(()),
            false => bail!("the world was not removed completely; the reason stands above"),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A destructor has nobody to tell; the guard itself prints what it could not remove.
        let _ = self.finish();
    }
}

/// The guard process: waits for the end of its input and removes the world of the pid in its first argument.
///
/// # Errors
/// No pid, or something could not be removed.
pub fn serve(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let pid = arguments.next().context("no pid given to guard")?.parse().context("the pid to guard")?;
    stdin().lock().read_to_end(&mut Vec::new())?;
    remove(pid)
}

/// Removes worlds whose makers are gone and whose guards were killed with them.
pub(super) fn remove_leftovers() {
    let gone = |pid: &u32| !Path::new("/proc").join(pid.to_string()).exists();
    for pid in owners().into_iter().filter(gone) {
        // Another run may be removing the same world at this moment.
        let _ = remove(pid);
    }
}

fn owners() -> BTreeSet<u32> {
    let mut owners: BTreeSet<u32> = cgroup::mount().map(|mount| cgroup::owners(&mount)).into_iter().flatten().collect();
    owners.extend(namespaces().iter().filter_map(|name| {
        let (pid, _) = name.strip_prefix("nw")?.split_once('-')?;
        pid.parse::<u32>().ok()
    }));
    owners
}

fn remove(pid: u32) -> Result<()> {
    cgroup::remove(&cgroup::root(pid)?)?;
    cgroup::remove(&cgroup::outside(pid)?)?;
    let prefix = network_prefix(pid);
    for name in namespaces().into_iter().filter(|name| name.starts_with(&prefix)) {
        super::net::remove(&name)?;
    }
    match fs::remove_dir_all(directory(pid)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("removing the world's folder"),
        _ => Ok(()),
    }
}

fn namespaces() -> Vec<String> {
    let Ok(entries) = fs::read_dir(NAMESPACES) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

/// What the names of the network namespaces of that world begin with.
pub(super) fn network_prefix(pid: u32) -> String {
    format!("nw{pid}-")
}

/// The folder of that world.
pub(super) fn directory(pid: u32) -> PathBuf {
    std::env::temp_dir().join(format!("netwright-test-{pid}"))
}
