//! Reads the directories: once for the first look, and again and again where they cannot be watched.

use super::{Happened, now};
use crate::identity::cgroups::{holds_pods, pod_uid};
use netwright_record::{Name, Time};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// How deep the kubelet's own directory is looked for: `/kubelet.slice/kubelet-kubepods.slice`, and some more.
const DEEPEST: usize = 4;

/// Reads them each `pause` until nobody listens.
pub(super) fn follow(root: &Path, pause: Duration, sender: &Sender<Happened>) {
    let mut since: Option<Time> = None;
    loop {
        let (before, present) = (now(), present(root));
        if sender.send(Happened::Look { present, since, at: now() }).is_err() {
            return;
        }
        since = Some(before);
        std::thread::sleep(pause);
    }
}

/// All containers below `root`.
pub(super) fn present(root: &Path) -> HashMap<Name, HashSet<String>> {
    let mut present = HashMap::new();
    for top in tops(root) {
        collect(&top, &mut present);
    }
    present
}

/// The directories that hold pods at any depth: the kubelet's own. `root` itself, if it is inside of one of those.
pub(super) fn tops(root: &Path) -> Vec<PathBuf> {
    if root.ancestors().any(|directory| name(directory).is_some_and(|name| holds_pods(&name))) {
        return vec![root.to_owned()];
    }
    let mut found = Vec::new();
    look_for_tops(root, DEEPEST, &mut found);
    found
}

fn look_for_tops(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for child in directories(directory) {
        match name(&child) {
            Some(name) if holds_pods(&name) => found.push(child),
            Some(_) if depth > 1 => look_for_tops(&child, depth - 1, found),
            _ => {}
        }
    }
}

fn collect(directory: &Path, present: &mut HashMap<Name, HashSet<String>>) {
    for child in directories(directory) {
        match name(&child).and_then(|name| pod_uid(&name)) {
            Some(uid) => _ = present.insert(uid.into(), containers(&child)),
            None => collect(&child, present),
        }
    }
}

/// The containers of a pod, by the names of their directories.
pub(super) fn containers(pod: &Path) -> HashSet<String> {
    directories(pod).iter().filter_map(|child| name(child)).filter(|name| is_container(name)).collect()
}

/// Whether a directory in a pod's is a container's. (CRI-O has a cgroup beside it for each container's monitor.)
pub(super) fn is_container(name: &str) -> bool {
    !name.contains("conmon")
}

/// The directories in one; none if it is gone.
pub(super) fn directories(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

/// A directory's own name.
pub(super) fn name(directory: &Path) -> Option<String> {
    Some(directory.file_name()?.to_string_lossy().into_owned())
}
