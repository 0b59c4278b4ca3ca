//! The cgroups of a cluster: one tree for each node and one for the control plane, in every hierarchy of the machine.
//!
//! By them everything that a place runs, containers included, is ended at once. On a machine with both versions of
//! cgroups the kubelet keeps to version 1, and runc makes each path in the version 2 tree as well.

use super::names::Names;
use crate::world::cgroup;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// What is neither a pod nor a container of a node, below the node's root.
const SYSTEM: &str = "system";

/// Makes the trees of `name`, and returns the cgroup v2 where its own programs run.
pub(super) fn make(name: &str) -> Result<PathBuf> {
    for (mount, kind) in hierarchies()? {
        let root = mount.join(name);
        fs::create_dir_all(&root).with_context(|| format!("making the cgroup {}", root.display()))?;
        // A new cpuset is empty, and nothing can run in it. Version 2 inherits.
        if kind == "cgroup" && mount.join("cpuset.cpus").exists() {
            for file in ["cpuset.cpus", "cpuset.mems"] {
                fs::write(root.join(file), fs::read(mount.join(file))?)?;
            }
        }
    }
    let system = root(name)?.join(SYSTEM);
    fs::create_dir_all(&system).with_context(|| format!("making the cgroup {}", system.display()))?;
    Ok(system)
}

/// The root of the cgroup v2 tree of `name`.
pub(super) fn root(name: &str) -> Result<PathBuf> {
    Ok(cgroup::mount()?.join(name))
}

/// Stops or continues everything in the tree of `name`.
pub(super) fn freeze(name: &str, frozen: bool) -> Result<()> {
    let file = root(name)?.join("cgroup.freeze");
    fs::write(&file, if frozen { "1" } else { "0" }).with_context(|| format!("writing {}", file.display()))
}

/// Ends everything that runs in a cluster's trees, and removes them.
pub(super) fn remove(names: Names) -> Result<()> {
    let hierarchies = hierarchies()?;
    for (mount, _) in hierarchies.iter().filter(|(_, kind)| kind == "cgroup2") {
        for root in trees(mount, names) {
            // What is frozen is killed all the same; what is stopped too.
            fs::write(root.join("cgroup.kill"), "1")
                .with_context(|| format!("ending what runs in {}", root.display()))?;
        }
    }
    for root in hierarchies.iter().flat_map(|(mount, _)| trees(mount, names)) {
        remove_tree(&root)?;
    }
    Ok(())
}

fn trees(mount: &Path, names: Names) -> Vec<PathBuf> {
    let prefix = names.prefix();
    let Ok(entries) = fs::read_dir(mount) else { return Vec::new() };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)))
        .collect()
}

/// Killed processes leave a cgroup within milliseconds, many of them within a few seconds.
fn remove_tree(root: &Path) -> Result<()> {
    let mut last = Ok(());
    for _ in 0..200 {
        last = cgroup::remove_tree(root);
        if last.is_ok() || !root.exists() {
            return Ok(());
        }
        sleep(Duration::from_millis(50));
    }
    last.with_context(|| format!("removing the cgroup {}", root.display()))
}

/// Where cgroups are mounted, and whether as `cgroup` or as `cgroup2`.
fn hierarchies() -> Result<Vec<(PathBuf, String)>> {
    let mounts = fs::read_to_string("/proc/mounts").context("reading /proc/mounts")?;
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let found = fields.filter_map(|fields| match fields.as_slice() {
        [_, path, kind @ ("cgroup" | "cgroup2"), ..] => Some((PathBuf::from(path), (*kind).to_owned())),
        _ => None,
    });
    Ok(found.collect())
}
