//! Removal of a cluster, by a process that outlives its starter.
//!
//! The guard waits for the end of its standard input, the other end of which only the starter holds: it comes when the
//! cluster is dropped, and when the starter panics, is interrupted or is killed.

use super::claim;
use super::names::Names;
use super::{cgroups, network};
use crate::world::prerequisites;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{ErrorKind, Read, stdin};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A folder into which the logs of a cluster are copied before it is removed, for a look afterwards.
const LOGS: &str = "NETWRIGHT_CLUSTER_LOGS";

/// The running guard of one cluster.
#[derive(Debug)]
pub(super) struct Guard(Option<Child>);

impl Guard {
    /// Starts the guard of the cluster in `directory`.
    pub(super) fn start(directory: &Path) -> Result<Self> {
        let program = prerequisites::program("netwright-cluster")?;
        let child = Command::new(&program)
            .arg("guard")
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // A group of its own: Ctrl-C ends the starter, and the guard then has work to do.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Self(Some(child)))
    }

    /// Ends the guard without its having done anything: the cluster stays.
    pub(super) fn dismiss(mut self) -> Result<()> {
        let Some(mut child) = self.0.take() else { return Ok(()) };
        // Killed while its input is open, so that it never sees the end of it.
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Has the cluster removed and waits for it.
    pub(super) fn finish(&mut self) -> Result<()> {
        let Some(mut child) = self.0.take() else { return Ok(()) };
        drop(child.stdin.take());
        match child.wait()?.success() {
            true => Ok(()),
            false => bail!("the cluster was not removed completely; the reason stands above"),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A destructor has nobody to tell; the guard itself prints what it could not remove.
        let _ = self.finish();
    }
}

/// The guard process: waits for the end of its input and removes the cluster in `directory`.
///
/// # Errors
/// There is no cluster, or something of it could not be removed.
pub(super) fn serve(directory: &Path) -> Result<()> {
    stdin().lock().read_to_end(&mut Vec::new())?;
    down(directory)
}

/// Removes the cluster in `directory`, whoever started it.
///
/// # Errors
/// There is no cluster, or something of it could not be removed.
pub fn down(directory: &Path) -> Result<()> {
    let _lock = claim::lock()?;
    // Somebody who wanted the index and found nobody may have removed the cluster already.
    let Ok(directory) = directory.canonicalize() else { return Ok(()) };
    remove(&directory, claim::names(&directory)?)
}

/// Ends everything that a cluster runs and removes what it made. The caller holds the lock. The index comes last: until then
/// it is nobody else's.
pub(super) fn remove(directory: &Path, names: Names) -> Result<()> {
    if claim::is_held(names, directory) {
        // With the last process of a node its mount namespace goes, and with that all mounts and the pods' namespaces.
        cgroups::remove(names)?;
        network::remove(names)?;
    }
    if let Some(kept) = std::env::var_os(LOGS) {
        keep_logs(directory, &PathBuf::from(kept))?;
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", directory.display()))?;
        }
        _ => {}
    }
    if claim::is_held(names, directory) { claim::release(names) } else { Ok(()) }
}

fn keep_logs(directory: &Path, into: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
    fs::create_dir_all(into).with_context(|| format!("making {}", into.display()))?;
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() && name.to_string_lossy().starts_with("nwk") {
            keep_logs(&path, &into.join(name))?;
        } else if path.extension().is_some_and(|extension| extension == "log") {
            fs::copy(&path, into.join(name))?;
        }
    }
    Ok(())
}
