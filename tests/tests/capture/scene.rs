//! What a test plays in: some pods of the one world that all tests of this binary share, below a cgroup of the test's own.
//!
//! An agent watches that cgroup and nothing else, so that tests neither disturb nor see each other.

use crate::pod::Pod;
use netwright_tests::demo::lacking;
use netwright_tests::world::{Addresses, Place, World, cgroup, prerequisites, signal};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::thread::sleep;
use std::time::Duration;

/// Addresses outside the cluster that answer (nobody listens there, unless a test has somebody do so).
pub(crate) const OUTSIDE: [Ipv4Addr; 3] =
    [Ipv4Addr::new(198, 18, 0, 10), Ipv4Addr::new(198, 18, 0, 11), Ipv4Addr::new(198, 18, 0, 53)];
/// An address where packets vanish.
pub(crate) const NOWHERE: Ipv4Addr = Ipv4Addr::new(198, 19, 255, 1);

/// The node's own addresses.
pub(crate) const NODE: Addresses =
    Addresses { v4: Ipv4Addr::new(172, 30, 0, 10), v6: Ipv6Addr::new(0xfd00, 0x30, 0, 0, 0, 0, 0, 0x10) };

static PODS: AtomicU16 = AtomicU16::new(1);

/// See the module.
pub(crate) struct Scene {
    name: &'static str,
}

impl Scene {
    /// The scene of the test `name`; none on a machine that cannot run it, which is said in one line.
    pub(crate) fn open(name: &'static str) -> Option<Self> {
        static LACKING: OnceLock<Option<String>> = OnceLock::new();
        if let Some(lacking) = LACKING.get_or_init(|| lacking().unwrap()) {
            netwright_tests::skipped(lacking);
            return None;
        }
        let scene = Self { name };
        fs::create_dir_all(scene.cgroup()).unwrap();
        Some(scene)
    }

    /// What an agent of this test watches.
    pub(crate) fn cgroup(&self) -> PathBuf {
        world().cgroup().join(self.name)
    }

    /// A folder for this test's files, removed with the world.
    pub(crate) fn directory(&self) -> PathBuf {
        let directory = world().directory().join(self.name);
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    /// A pod with a cgroup as the kubelet's cgroupfs driver makes them.
    pub(crate) fn pod(&self, name: &str) -> Pod {
        self.pod_in(name, uid(next()), |uid| format!("kubepods/burstable/pod{uid}/container"))
    }

    /// A pod whose cgroup, below the scene's, is what `cgroup` makes of its UID.
    pub(crate) fn pod_in(&self, name: &str, uid: String, cgroup: impl Fn(&str) -> String) -> Pod {
        let addresses = addresses(next());
        let path = format!("{}/{}", self.name, cgroup(&uid));
        let place = world().add_pod(&format!("{}-{name}", self.name), addresses, &path).unwrap();
        self.puppet(name, uid, addresses, &place)
    }

    /// Ends a pod's process and removes its cgroup, at once.
    pub(crate) fn remove(&self, pod: &Pod) {
        let pid: u32 = pod.tell("pid").parse().unwrap();
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let own = text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
        let container = mount().join(own);
        signal(pid, "KILL").unwrap();
        while self.ended(pid).is_none() {
            sleep(Duration::from_millis(5));
        }
        for directory in [container.as_path(), container.parent().unwrap()] {
            fs::remove_dir(directory).unwrap();
        }
    }

    /// A process of the node itself, with no pod's cgroup.
    pub(crate) fn host(&self, name: &str) -> Pod {
        let place = world().on_node(&format!("{}/system.slice/{name}.service", self.name)).unwrap();
        self.puppet(name, String::new(), NODE, &place)
    }

    /// A process outside the cluster, at `address`, which no agent watches.
    pub(crate) fn outside(&self, name: &str, address: Ipv4Addr) -> Pod {
        let place = world().on_outside();
        self.puppet(name, String::new(), Addresses { v4: address, v6: Ipv6Addr::UNSPECIFIED }, &place)
    }

    /// A process of its own that nobody watches, in the machine's network: for the agent. Returns its pid.
    pub(crate) fn start(&self, label: &str, command: &[String]) -> u32 {
        let mut world = world();
        let place = world.beside();
        world.spawn(&place, &self.label(label), command).unwrap().pid()
    }

    /// What the process of that label has printed.
    pub(crate) fn output(&self, label: &str) -> String {
        fs::read_to_string(world().log(&self.label(label))).unwrap()
    }

    /// Whether the process has ended, and how.
    pub(crate) fn ended(&self, pid: u32) -> Option<std::process::ExitStatus> {
        let mut world = world();
        let process = world.processes().iter_mut().find(|process| process.pid() == pid).unwrap();
        process.wait(Duration::ZERO).ok()
    }

    fn puppet(&self, name: &str, uid: String, addresses: Addresses, place: &Place) -> Pod {
        let socket = self.directory().join(format!("{name}.socket"));
        let program = prerequisites::program("netwright-puppet").unwrap();
        // One processor for all: what a count of conversations means is exact on one only.
        let command = ["taskset", "-c", &first_processor(), path(&program), path(&socket)].map(str::to_owned);
        world().spawn(place, &self.label(name), &command).unwrap();
        Pod::new(name, uid, addresses.both(), &socket)
    }

    fn label(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }
}

/// The world of this process. It is removed by its guard when the process ends: statics are not dropped.
fn world() -> MutexGuard<'static, World> {
    static WORLD: OnceLock<Mutex<World>> = OnceLock::new();
    let world = WORLD.get_or_init(|| Mutex::new(World::new(NODE, &OUTSIDE.map(IpAddr::V4)).unwrap()));
    // A test that failed while it held the lock left nothing half done that others use.
    world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Where cgroup v2 is mounted.
pub(crate) fn mount() -> PathBuf {
    cgroup::mount().unwrap()
}

/// The path as text; all paths here are.
pub(crate) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A pod UID that no other pod of this process has.
pub(crate) fn uid(number: u16) -> String {
    format!("5e1f0000-0000-4000-8000-{number:012x}")
}

/// A number that no other pod of this process has.
pub(crate) fn next() -> u16 {
    PODS.fetch_add(1, Ordering::Relaxed)
}

fn addresses(number: u16) -> Addresses {
    let [high, low] = number.to_be_bytes();
    Addresses { v4: Ipv4Addr::new(10, 244, high, low), v6: Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, number) }
}

fn first_processor() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    list.trim().chars().take_while(char::is_ascii_digit).collect()
}
