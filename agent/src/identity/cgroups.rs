//! The cgroup hierarchy as an index: the id that the kernel reports (the directory's inode number) to a path, and who owns it.

use netwright_record::Name;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How deep the hierarchy is followed. Nested container runtimes reach ten.
const DEEPEST: usize = 32;

/// Who a cgroup belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A pod, by the UID in the path.
    Pod {
        /// `metadata.uid`.
        uid: Name,
    },
    /// The node: anything outside every pod.
    Host,
}

/// A cgroup that was seen. Kept after its directory is gone: the flows of a short-lived pod are drained later.
#[derive(Debug, Clone)]
pub struct Cgroup {
    /// Its directory.
    pub path: PathBuf,
    /// Who it belongs to.
    pub owner: Owner,
}

/// All cgroups at and below one.
#[derive(Debug)]
pub struct Cgroups {
    root: PathBuf,
    by_id: HashMap<u64, Cgroup>,
}

impl Cgroups {
    /// Reads the hierarchy once. Errors only if the root itself cannot be read.
    pub fn read(root: PathBuf) -> std::io::Result<Self> {
        fs::read_dir(&root)?;
        let mut cgroups = Self { root, by_id: HashMap::new() };
        cgroups.refresh();
        Ok(cgroups)
    }

    /// Adds what has appeared since. O(directories); what vanishes meanwhile is passed over.
    pub fn refresh(&mut self) {
        let root = self.root.clone();
        self.walk(&root, &Owner::Host, 0);
    }

    /// The cgroup with this id, if it was there when the hierarchy was read.
    pub fn get(&self, id: u64) -> Option<&Cgroup> {
        self.by_id.get(&id)
    }

    /// The cgroup at a path, by what was read.
    pub fn at(&self, path: &Path) -> Option<(u64, &Cgroup)> {
        let id = fs::metadata(path).ok()?.ino();
        self.get(id).map(|cgroup| (id, cgroup))
    }

    /// Forgets the cgroups of pods that are gone.
    pub fn forget(&mut self, uids: &HashSet<Name>) {
        self.by_id.retain(|_, cgroup| !matches!(&cgroup.owner, Owner::Pod { uid } if uids.contains(uid)));
    }

    /// Where this index begins.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn walk(&mut self, directory: &Path, owner: &Owner, depth: usize) {
        let Ok(metadata) = fs::metadata(directory) else { return };
        self.by_id.entry(metadata.ino()).or_insert_with(|| Cgroup { path: directory.to_owned(), owner: owner.clone() });
        let Ok(entries) = fs::read_dir(directory) else { return };
        if depth == DEEPEST {
            return;
        }
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let own = pod_uid(&entry.file_name().to_string_lossy()).map(|uid| Owner::Pod { uid: uid.into() });
            self.walk(&entry.path(), own.as_ref().unwrap_or(owner), depth + 1);
        }
    }
}

/// The pod's UID in the name of a cgroup directory, as the kubelet makes it: `pod<UID>` with the cgroupfs driver,
/// `kubepods-burstable-pod<UID with _>.slice` with systemd's, below a `cgroupRoot` with that one's name before it. Static pods have 32
/// hexadecimal digits without dashes.
pub fn pod_uid(directory: &str) -> Option<String> {
    let name = directory.strip_suffix(".slice").unwrap_or(directory);
    let uid = match holds_pods(name) {
        true => name.rsplit_once("-pod")?.1,
        false => name.strip_prefix("pod")?,
    };
    let uid = uid.replace('_', "-");
    let digits = uid.chars().filter(|c| *c != '-').count();
    let well_formed =
        digits == 32 && matches!(uid.len(), 32 | 36) && uid.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
    well_formed.then_some(uid)
}

/// Whether a directory of this name is the kubelet's, with pods somewhere below it.
pub fn holds_pods(directory: &str) -> bool {
    directory.split('-').any(|part| part == "kubepods" || part == "kubepods.slice")
}

/// Where the paths in `/proc/PID/cgroup` begin: at the root of this process's cgroup namespace (cgroup_namespaces(7)), which in a
/// container is most often its own cgroup. `mountinfo` is the text of `/proc/self/mountinfo`, `watched` the cgroup to watch.
pub fn paths_begin_at(mountinfo: &str, watched: &Path) -> Option<PathBuf> {
    let mounts = mounts_with_roots(mountinfo);
    let holding = mounts.iter().filter(|(_, path)| watched.starts_with(path));
    let (root, mount) = holding.max_by_key(|(_, path)| path.components().count())?;
    if root == "/" {
        return Some(mount.clone());
    }
    // Its root lies above the namespace's, which is mounted elsewhere.
    let id =
        mounts.iter().find(|(root, _)| root == "/").and_then(|(_, own)| fs::metadata(own).ok()).map(|own| own.ino());
    let cgroups = Cgroups::read(mount.clone()).ok()?;
    let own = id.and_then(|id| cgroups.get(id)).map(|cgroup| cgroup.path.clone());
    Some(own.unwrap_or_else(|| mount.clone()))
}

/// The mounts of cgroup v2: the root of each, as seen from this process's cgroup namespace, and where it is (proc_pid_mountinfo(5)).
fn mounts_with_roots(mountinfo: &str) -> Vec<(String, PathBuf)> {
    let parse = |line: &str| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, path) = (fields.next()?, fields.next()?);
        kind.starts_with("cgroup2 ").then(|| (unescape(root), PathBuf::from(unescape(path))))
    };
    mountinfo.lines().filter_map(parse).collect()
}

/// Where cgroup v2 is mounted, from the text of `/proc/self/mounts`: on a hybrid machine it is not `/sys/fs/cgroup`.
pub fn mount_point(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let path = fields.nth(1)?;
        (fields.next()? == "cgroup2").then(|| PathBuf::from(unescape(path)))
    })
}

/// Undoes what the kernel escapes in a mount point: space, tab, newline and backslash, as octal.
fn unescape(path: &str) -> String {
    BTreeMap::from([("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")])
        .into_iter()
        .fold(path.to_owned(), |path, (escaped, plain)| path.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0f6d7a53-7b8e-4c39-9a3e-1d2c3b4a5f60";

    #[test]
    fn the_uid_is_found_in_what_each_driver_makes() {
        assert_eq!(pod_uid(&format!("pod{UID}")).as_deref(), Some(UID));
        let systemd = format!("kubepods-burstable-pod{}.slice", UID.replace('-', "_"));
        assert_eq!(pod_uid(&systemd).as_deref(), Some(UID));
        let guaranteed = format!("kubepods-pod{}.slice", UID.replace('-', "_"));
        assert_eq!(pod_uid(&guaranteed).as_deref(), Some(UID));
        let below_a_root = format!("kubelet-kubepods-burstable-pod{}.slice", UID.replace('-', "_"));
        assert_eq!(pod_uid(&below_a_root).as_deref(), Some(UID));
        let of_static_pod = "d41d8cd98f00b204e9800998ecf8427e";
        assert_eq!(pod_uid(&format!("pod{of_static_pod}")).as_deref(), Some(of_static_pod));
    }

    #[test]
    fn other_directories_are_no_pods() {
        for name in
            ["kubepods", "kubepods.slice", "kubepods-besteffort.slice", "podman", "pod", "system.slice", "pod-1-2-3"]
        {
            assert_eq!(pod_uid(name), None, "{name}");
        }
    }

    #[test]
    fn a_hierarchy_is_indexed_by_inode() {
        let root = tempfile::tempdir().unwrap();
        let container = root.path().join(format!("kubepods/burstable/pod{UID}/abc"));
        let service = root.path().join("system.slice/sshd.service");
        fs::create_dir_all(&container).unwrap();
        fs::create_dir_all(&service).unwrap();
        let cgroups = Cgroups::read(root.path().into()).unwrap();
        let owner = |path: &Path| cgroups.at(path).map(|(_, cgroup)| cgroup.owner.clone());
        assert_eq!(owner(&container), Some(Owner::Pod { uid: UID.into() }));
        assert_eq!(owner(&service), Some(Owner::Host));
    }

    #[test]
    fn a_cgroup_is_remembered_after_it_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let pod = root.path().join(format!("pod{UID}"));
        fs::create_dir(&pod).unwrap();
        let id = fs::metadata(&pod).unwrap().ino();
        let mut cgroups = Cgroups::read(root.path().into()).unwrap();
        fs::remove_dir(&pod).unwrap();
        cgroups.refresh();
        assert_eq!(cgroups.get(id).map(|cgroup| &cgroup.owner), Some(&Owner::Pod { uid: UID.into() }));
    }

    #[test]
    fn paths_begin_at_the_root_of_the_namespace_wherever_the_nodes_is_mounted() {
        let (own, host) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let line = |root: &str, path: &Path| format!("31 23 0:27 {root} {} ro - cgroup2 cgroup rw\n", path.display());
        // A machine's own process: one mount, and perhaps a part of it elsewhere.
        let plain = line("/", host.path()) + &line("/some.slice", own.path());
        assert_eq!(paths_begin_at(&plain, &host.path().join("node")), Some(host.path().into()));
        // A container: its own cgroup is the root. (Here no folder of the node's tree has its number.)
        let inside = line("/", own.path()) + &line("/../..", host.path());
        assert_eq!(paths_begin_at(&inside, host.path()), Some(host.path().into()));
        // And here one has.
        let below = host.path().join("kubepods/pod/c");
        fs::create_dir_all(&below).unwrap();
        let inside = line("/../..", host.path()) + &line("/", &below);
        assert_eq!(paths_begin_at(&inside, host.path()), Some(below));
        assert_eq!(paths_begin_at(&plain, Path::new("/elsewhere")), None);
    }

    #[test]
    fn the_mount_point_is_found_on_pure_and_hybrid_machines() {
        let hybrid = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(mount_point(hybrid), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mount_point("cgroup2 /sys/fs/my\\040cgroup cgroup2 rw 0 0"), Some("/sys/fs/my cgroup".into()));
        assert_eq!(mount_point("proc /proc proc rw 0 0\n"), None);
    }
}
