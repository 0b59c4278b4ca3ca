//! The cgroups of a world, under the cgroup v2 mount wherever this machine has it.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

const NAME: &str = "netwright-test-";
/// Killed processes leave a cgroup within milliseconds; a hundred tries are two seconds.
const TRIES: u32 = 100;

/// Where cgroup v2 is mounted: `/sys/fs/cgroup`, or `/sys/fs/cgroup/unified` on a hybrid machine.
///
/// # Errors
/// It is mounted nowhere.
pub fn mount() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").context("reading /proc/mounts")?;
    mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find_map(|fields| match fields.as_slice() {
            [_, path, "cgroup2", ..] => Some(PathBuf::from(path)),
            _ => None,
        })
        .context("cgroup v2 is not mounted; `mount -t cgroup2 none /sys/fs/cgroup/unified` on a cgroup v1 machine")
}

/// The root of the node's cgroups for the world of process `pid`.
pub(super) fn root(pid: u32) -> Result<PathBuf> {
    Ok(mount()?.join(format!("{NAME}{pid}")))
}

/// The cgroup of what runs outside the cluster in that world.
pub(super) fn outside(pid: u32) -> Result<PathBuf> {
    Ok(mount()?.join(format!("{NAME}{pid}-outside")))
}

/// The pids whose worlds have cgroups here.
pub(super) fn owners(mount: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(mount) else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_prefix(NAME)?.trim_end_matches("-outside").parse().ok())
        .collect()
}

/// Ends every process in the tree and removes it. A tree that is not there is removed already.
pub(super) fn remove(root: &Path) -> Result<()> {
    if !root.exists() {
        return Ok(());
    }
    fs::write(root.join("cgroup.kill"), "1").with_context(|| format!("ending what runs in {}", root.display()))?;
    let mut last = Ok(());
    for _ in 0..TRIES {
        last = remove_tree(root);
        if last.is_ok() {
            return Ok(());
        }
        sleep(Duration::from_millis(20));
    }
    last.with_context(|| format!("removing the cgroup {}", root.display()))
}

/// Removes a tree of cgroups without processes.
pub(crate) fn remove_tree(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(directory)
}
