//! The cgroups of pods as they come and go, to the millisecond: inotify on the directories that the kubelet and the container runtime make.
//!
//! A thread of its own waits for the kernel, so that what it says gets its time at once, whatever the event loop does. One queue brings
//! everything in the order in which it happened: where an address goes from one pod to the next, the end of the first is never after the
//! beginning of the second. Where the kernel has no watch left to give, the directories are read again and again instead.

mod inotify;
mod scan;

use netwright_record::{Name, Time};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

/// How often the directories are read where they cannot be watched.
const SCAN: Duration = Duration::from_millis(500);

/// What happened to a cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// A container's was made.
    Made {
        /// The pod.
        uid: Name,
        /// Its directory's name.
        container: String,
        /// When.
        at: Time,
    },
    /// A container's was removed.
    Removed {
        /// The pod.
        uid: Name,
        /// Its directory's name.
        container: String,
        /// When.
        at: Time,
    },
    /// A pod's was removed.
    PodRemoved {
        /// The pod.
        uid: Name,
        /// When.
        at: Time,
    },
    /// These containers are there, and no others. What happened since the look before was not seen.
    Look {
        /// By pod.
        present: HashMap<Name, HashSet<String>>,
        /// When the look before was.
        since: Option<Time>,
        /// When this one was.
        at: Time,
    },
    /// They cannot be watched, for this reason, and are read again and again from now on.
    Scanning(String),
}

/// Watches the pods' cgroups below `root`, from now until the receiver is dropped. The first thing to come is a [`Happened::Look`].
///
/// # Errors
/// No thread can be made.
pub fn watch(root: PathBuf) -> std::io::Result<mpsc::Receiver<Happened>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().name("cgroups".into()).stack_size(128 << 10).spawn(move || {
        if let Err(error) = inotify::follow(&root, &sender) {
            // Whoever listened may be gone, then so is this thread.
            let _ = sender.send(Happened::Scanning(error.to_string()));
            scan::follow(&root, SCAN, &sender);
        }
    })?;
    Ok(receiver)
}

fn now() -> Time {
    crate::clock::Clock::read().now()
}

#[cfg(test)]
mod tests;
