//! A node with its pods, and an outside, made of network namespaces and cgroups on this machine.
//!
//! Everything is named with the pid of the process that made it: namespaces `nw<pid>-*`, cgroups
//! `netwright-test-<pid>` (what the agent is told to watch) and `netwright-test-<pid>-outside`. Routes, addresses, forwarding and
//! nftables exist in those namespaces alone; nothing of the machine's own network is touched. A guard process
//! removes it all when its maker ends, however that happens (see [`guard`]).

pub mod cgroup;
pub mod guard;
mod nat;
mod net;
pub mod prerequisites;
mod process;

pub use nat::Translation;
pub use process::{Process, signal};

use anyhow::{Context, Result, bail};
use guard::Guard;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// The addresses of a pod or of the node: one of each family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// The IPv4 address.
    pub v4: Ipv4Addr,
    /// The IPv6 address.
    pub v6: Ipv6Addr,
}

impl Addresses {
    /// Both, IPv4 first.
    pub fn both(self) -> [IpAddr; 2] {
        [self.v4.into(), self.v6.into()]
    }
}

/// Where a process runs: in which network namespace and in which cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    network: Option<String>,
    cgroup: PathBuf,
}

/// A node, its pods and an outside. Dropping it removes them and ends every process in them.
#[derive(Debug)]
pub struct World {
    prefix: String,
    cgroups: PathBuf,
    outside_cgroup: PathBuf,
    directory: PathBuf,
    pods: u32,
    processes: Vec<Process>,
    // Dropped last: it removes what the others stand on.
    guard: Guard,
}

impl World {
    /// Makes a node with `node` as its addresses, and an outside that holds `outside`; removes what runs that were killed left.
    ///
    /// # Errors
    /// A missing prerequisite (all of them are named), or a second world in the same process.
    pub fn new(node: Addresses, outside: &[IpAddr]) -> Result<Self> {
        let missing = prerequisites::missing();
        if !missing.is_empty() {
            bail!("this machine cannot run the world:\n  {}", missing.join("\n  "));
        }
        guard::remove_leftovers();
        let pid = std::process::id();
        let cgroups = cgroup::root(pid)?;
        if cgroups.exists() {
            bail!("{} exists: one process can have one world at a time", cgroups.display());
        }
        let world = Self {
            guard: Guard::start(pid)?,
            prefix: guard::network_prefix(pid),
            outside_cgroup: cgroup::outside(pid)?,
            directory: guard::directory(pid),
            cgroups,
            pods: 0,
            processes: Vec::new(),
        };
        world.make_directories()?;
        net::make_node(&world.node(), node)?;
        net::make_outside(&world.node(), &world.outside(), node, outside)?;
        Ok(world)
    }

    fn make_directories(&self) -> Result<()> {
        for directory in [&self.cgroups, &self.outside_cgroup, &self.directory] {
            fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        }
        Ok(())
    }

    /// The root of the node's cgroups: what the agent watches.
    pub fn cgroup(&self) -> &Path {
        &self.cgroups
    }

    /// A folder for the logs and files of this world, removed with it.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Adds a pod with a network namespace of its own. `cgroup` is its container's path below the node's root:
    /// `kubepods/burstable/pod<UID>/<container id>`.
    ///
    /// # Errors
    /// The name is taken, or the kernel refuses the namespace or the cgroup.
    pub fn add_pod(&mut self, name: &str, addresses: Addresses, cgroup: &str) -> Result<Place> {
        let network = format!("{}{name}", self.prefix);
        self.pods += 1;
        net::make_pod(&self.node(), &network, self.pods, addresses)?;
        self.place(Some(network), &self.cgroups.join(cgroup))
    }

    /// A place for another container of the pod at `first`: the same network, a cgroup of its own.
    ///
    /// # Errors
    /// The cgroup cannot be made.
    pub fn beside_in_pod(&self, first: &Place, cgroup: &str) -> Result<Place> {
        self.place(first.network.clone(), &self.cgroups.join(cgroup))
    }

    /// A place in the node's own network: for a node process (`system.slice/…`) or a host-network pod (`kubepods/…`).
    ///
    /// # Errors
    /// The cgroup cannot be made.
    pub fn on_node(&self, cgroup: &str) -> Result<Place> {
        self.place(Some(self.node()), &self.cgroups.join(cgroup))
    }

    /// A place outside the cluster, which the agent does not watch.
    pub fn on_outside(&self) -> Place {
        Place { network: Some(self.outside()), cgroup: self.outside_cgroup.clone() }
    }

    /// A place in the machine's own network, unwatched, whose processes end with the world: for the agent itself.
    pub fn beside(&self) -> Place {
        Place { network: None, cgroup: self.outside_cgroup.clone() }
    }

    fn place(&self, network: Option<String>, cgroup: &Path) -> Result<Place> {
        fs::create_dir_all(cgroup).with_context(|| format!("making the cgroup {}", cgroup.display()))?;
        Ok(Place { network, cgroup: cgroup.to_owned() })
    }

    /// Makes Service addresses lead to their backends, in the node's namespace.
    ///
    /// # Errors
    /// nftables refuses the rules.
    pub fn translate(&self, translations: &[Translation]) -> Result<()> {
        nat::apply(&self.node(), translations)
    }

    /// Routes `address` from the outside to the node, as an external load balancer does.
    ///
    /// # Errors
    /// The route is refused.
    pub fn route_from_outside(&self, address: IpAddr, source: IpAddr) -> Result<()> {
        net::route_to_node(&self.node(), &self.outside(), address, source)
    }

    /// Starts a process. What it prints goes to `<directory>/<label>.log`, with `/` in the label as `_`.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(&mut self, place: &Place, label: &str, command: &[String]) -> Result<&mut Process> {
        let log = self.log(label);
        let process = Process::spawn(place, label, command, &log)?;
        self.processes.push(process);
        self.processes.last_mut().context("no process was started")
    }

    /// The log of the process with that label.
    pub fn log(&self, label: &str) -> PathBuf {
        self.directory.join(format!("{}.log", label.replace('/', "_")))
    }

    /// The processes started so far.
    pub fn processes(&mut self) -> &mut [Process] {
        &mut self.processes
    }

    fn node(&self) -> String {
        format!("{}node", self.prefix)
    }

    fn outside(&self) -> String {
        format!("{}outside", self.prefix)
    }

    /// Removes everything now, and says whether that worked; [`Drop`] does the same without telling.
    ///
    /// # Errors
    /// Something could not be removed.
    pub fn remove(mut self) -> Result<()> {
        self.guard.finish()
    }
}
