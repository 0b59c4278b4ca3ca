//! The directories by inotify(7).

use super::scan::{directories, is_container, name, present, tops};
use super::{Happened, now};
use crate::identity::cgroups::{holds_pods, pod_uid};
use netwright_record::{Name, Time};
use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// A pod may speak before its cgroup's making has been read: its time is taken from so long before, but not from before
/// the latest removal.
const EARLIER: Duration = Duration::from_millis(10);
/// Room for some 30 events.
const ROOM: usize = 8192;

/// Nobody listens any more, or the kernel will not go on.
#[derive(Debug)]
pub(super) struct Stopped(String);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is watched.
#[derive(Debug, Clone)]
enum Role {
    /// Where the kubelet's directory may be made.
    Root,
    /// The kubelet's, and what is in it above pods.
    Above,
    /// A pod's.
    Pod(Name),
}

struct Watching<'a> {
    root: &'a Path,
    queue: &'a OwnedFd,
    watched: HashMap<i32, (PathBuf, Role)>,
    sender: &'a Sender<Happened>,
    latest_removal: Option<Time>,
    latest_look: Option<Time>,
}

/// Tells what happens until nobody listens any more.
///
/// # Errors
/// There is nothing to watch with.
pub(super) fn follow(root: &Path, sender: &Sender<Happened>) -> Result<(), Stopped> {
    let queue = init(CreateFlags::CLOEXEC).map_err(|errno| stopped("cannot make an inotify queue", errno))?;
    let mut watching =
        Watching { root, queue: &queue, watched: HashMap::new(), sender, latest_removal: None, latest_look: None };
    watching.look()?;
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut reader = Reader::new(&queue, &mut room);
    loop {
        let event = match reader.next() {
            Ok(event) => event,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(stopped("cannot read the inotify queue", errno)),
        };
        let file = event.file_name().map(|file| file.to_string_lossy().into_owned());
        if watching.take(event.wd(), event.events(), file)? == Listener::Gone {
            return Ok(());
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Listener {
    There,
    Gone,
}

impl Watching<'_> {
    /// Watches everything that is to be watched and tells what is there.
    fn look(&mut self) -> Result<Listener, Stopped> {
        self.add(self.root.to_owned(), Role::Root)?;
        for top in tops(self.root) {
            self.add_all(&top)?;
        }
        let (since, at) = (self.latest_look, now());
        self.latest_look = Some(at);
        // After the watches were set: what is made meanwhile is told twice rather than not at all.
        Ok(self.tell(Happened::Look { present: present(self.root), since, at }))
    }

    /// Watches a directory above pods, and all that is in it down to the pods.
    fn add_all(&mut self, directory: &Path) -> Result<(), Stopped> {
        self.add(directory.to_owned(), Role::Above)?;
        for child in directories(directory) {
            match name(&child).and_then(|name| pod_uid(&name)) {
                Some(uid) => self.add(child, Role::Pod(uid.into()))?,
                None => self.add_all(&child)?,
            }
        }
        Ok(())
    }

    fn add(&mut self, directory: PathBuf, role: Role) -> Result<(), Stopped> {
        let flags = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::ONLYDIR;
        match add_watch(self.queue, &directory, flags) {
            Ok(id) => {
                // The root may be the kubelet's own directory.
                let known = self.watched.entry(id).or_insert_with(|| (directory, role.clone()));
                if matches!(role, Role::Above) {
                    known.1 = role;
                }
                Ok(())
            }
            // Gone again already.
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(errno) => Err(stopped("cannot watch a cgroup by inotify (fs.inotify.max_user_watches)", errno)),
        }
    }

    fn take(&mut self, id: i32, flags: ReadFlags, file: Option<String>) -> Result<Listener, Stopped> {
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            return self.look();
        }
        if flags.contains(ReadFlags::IGNORED) {
            self.watched.remove(&id);
            return Ok(Listener::There);
        }
        let (Some((directory, role)), Some(file)) = (self.watched.get(&id).cloned(), file) else {
            return Ok(Listener::There);
        };
        match (flags.contains(ReadFlags::CREATE), role) {
            (true, Role::Pod(uid)) => Ok(self.made(uid, file)),
            (false, Role::Pod(uid)) => {
                let at = self.removal();
                Ok(self.tell(Happened::Removed { uid, container: file, at }))
            }
            (true, role) => self.directory_made(&directory.join(&file), &file, &role),
            (false, _) => Ok(pod_uid(&file).map_or(Listener::There, |uid| {
                let at = self.removal();
                self.tell(Happened::PodRemoved { uid: uid.into(), at })
            })),
        }
    }

    /// A directory that may hold pods, or a pod. What was made in it before it was watched is told now.
    fn directory_made(&mut self, path: &Path, file: &str, role: &Role) -> Result<Listener, Stopped> {
        if let Some(uid) = pod_uid(file) {
            return self.pod_made(path, uid.into());
        }
        if matches!(role, Role::Root) && !holds_pods(file) {
            return Ok(Listener::There);
        }
        self.add(path.to_owned(), Role::Above)?;
        for child in directories(path) {
            let file = name(&child).unwrap_or_default();
            if self.directory_made(&child, &file, &Role::Above)? == Listener::Gone {
                return Ok(Listener::Gone);
            }
        }
        Ok(Listener::There)
    }

    fn pod_made(&mut self, path: &Path, uid: Name) -> Result<Listener, Stopped> {
        self.add(path.to_owned(), Role::Pod(uid.clone()))?;
        for child in directories(path) {
            let container = name(&child).unwrap_or_default();
            if self.made(uid.clone(), container) == Listener::Gone {
                return Ok(Listener::Gone);
            }
        }
        Ok(Listener::There)
    }

    fn made(&mut self, uid: Name, container: String) -> Listener {
        if !is_container(&container) {
            return Listener::There;
        }
        let now = now();
        let earlier = now.checked_sub(EARLIER).unwrap_or(now);
        let at = self.latest_removal.map_or(earlier, |removal| earlier.max(removal.min(now)));
        self.tell(Happened::Made { uid, container, at })
    }

    fn removal(&mut self) -> Time {
        let at = now();
        self.latest_removal = Some(at);
        at
    }

    fn tell(&self, happened: Happened) -> Listener {
        if self.sender.send(happened).is_ok() { Listener::There } else { Listener::Gone }
    }
}

fn stopped(what: &str, errno: Errno) -> Stopped {
    Stopped(format!("{what}: {errno}"))
}
