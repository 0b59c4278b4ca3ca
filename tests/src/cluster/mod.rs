//! A whole real Kubernetes on one machine, for tests and for the demonstration: etcd, API server, controllers, scheduler,
//! and nodes with containerd, kubelet, kube-proxy; CoreDNS runs in a pod. Nothing in it is a stand-in.
//!
//! A node is a network namespace, a mount namespace with a /run and a /var of its own, and a cgroup tree. Nodes, control plane and
//! what is outside are connected inside namespaces; this machine keeps its routes. It reaches the API server by a port
//! of its loopback, which `kubeconfig` names. [`Cluster::start`] takes the first free index of nine, so that several stand side
//! by side. When the [`Cluster`] is dropped, and also when its process is killed, everything is removed.
//!
//! **Where an agent attaches.** All nodes share this machine's cgroup tree, and each has its own root in it, named exactly
//! as the node: `Cluster::cgroup_root` says where. One DaemonSet serves all nodes by having
//! Kubernetes put the name of the node in: with the environment variable NODE_NAME from `spec.nodeName`, and the cgroup mount
//! of the machine as a host path at the same place, an argument `--cgroup=/sys/fs/cgroup/unified/$(NODE_NAME)` is what an
//! agent on a machine of its own says with `--cgroup=/sys/fs/cgroup`. Below it are `kubepods`, as the kubelet makes it, and
//! `system`, with the node's own programs. [`Cluster::agent_values`] says the same in values of the chart.
//!
//! What differs from a cluster of machines: nodes share a kernel, a clock, a boot id and process ids; policies
//! are accepted and not enforced (no network plugin here does); images come by [`Cluster::load`] and are never pulled.

mod cgroups;
mod claim;
pub mod cli;
mod command;
mod component;
mod control;
mod dns;
mod door;
mod failure;
mod guard;
mod helm;
mod kubectl;
pub mod manifests;
mod names;
mod network;
mod node;
mod node_files;
mod options;
mod pki;
mod tools;

pub use command::{Step, output, until_ok, wait};
pub use component::Component;
pub use control::Control;
pub use guard::down;
pub use kubectl::Kubectl;
pub use names::Names;
pub use node::Node;
pub use options::Options;
pub use tools::missing;

use anyhow::{Context, Result};
use claim::{Claim, claim};
use guard::Guard;
use node::Plan;
use pki::Authority;
use serde_json::Value;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::scope;
use std::time::Duration;
use tools::Tools;

/// How long kube-proxy may take until it leads to a Service.
const SERVICE_PATIENCE: Duration = Duration::from_secs(30);

/// A running cluster. Dropping it removes it.
#[derive(Debug)]
pub struct Cluster {
    names: Names,
    directory: PathBuf,
    tools: Tools,
    authority: Authority,
    url: String,
    kubectl: Kubectl,
    control: Control,
    nodes: Vec<Node>,
    guard: Option<Guard>,
}

impl Cluster {
    /// Starts a cluster, and returns when its nodes are ready and its DNS server answers: after some ten seconds.
    ///
    /// # Errors
    /// This machine lacks something ([`missing`] says what), no index is free, or a part does not come up; then the message
    /// has the end of its log, and nothing is left of the cluster.
    pub fn start(options: &Options) -> Result<Self> {
        let tools = Tools::find()?;
        let Claim { names, directory } = claim(options.index, options.directory.as_deref(), options.detached)?;
        let guard = Guard::start(&directory)?;
        // From here on the guard removes what there is, whatever goes wrong.
        let mut cluster = Self::make(names, directory, tools, options, guard)?;
        cluster.bring_up(options)?;
        if options.detached {
            cluster.guard.take().map_or(Ok(()), Guard::dismiss)?;
        }
        Ok(cluster)
    }

    fn make(names: Names, directory: PathBuf, tools: Tools, options: &Options, guard: Guard) -> Result<Self> {
        let authority = Authority::new(&directory.join("pki"), names)?;
        let (control, url) = Control::start(names, &directory, &tools, &authority, options)?;
        let kubeconfig = directory.join("kubeconfig");
        fs::write(&kubeconfig, authority.kubeconfig(&url, "admin", Some("system:masters"))?)?;
        let kubectl = Kubectl::new(&tools.hyperkube, &kubeconfig);
        Ok(Self { names, directory, tools, authority, url, kubectl, control, nodes: Vec::new(), guard: Some(guard) })
    }

    /// Makes the nodes while the API server starts, then starts what needs it.
    fn bring_up(&mut self, options: &Options) -> Result<()> {
        let count = options.nodes;
        anyhow::ensure!((1..=9).contains(&count), "a cluster has 1 to 9 nodes, not {count}");
        let plan = Plan {
            names: self.names,
            directory: &self.directory,
            tools: &self.tools,
            authority: &self.authority,
            options,
        };
        let (control, kubectl) = (&self.control, &self.kubectl);
        self.nodes = scope(|scope| {
            let finished = scope.spawn(|| control.finish(kubectl));
            (1..=count).try_for_each(|number| network::make_node(plan.names, number, count))?;
            let nodes: Vec<_> = (1..=count).map(|number| scope.spawn(move || Node::make(plan, number))).collect();
            let nodes = nodes.into_iter().map(|node| joined(node.join())).collect::<Result<Vec<_>>>();
            joined(finished.join())?;
            nodes
        })?;
        let objects = (1..=count).map(|number| node_files::object(self.names, number));
        self.kubectl.apply(&manifests::list(objects))?;
        dns::start(&self.kubectl, self.names, &options.corefile)?;
        self.nodes.iter().try_for_each(Node::start)?;
        self.wait_until_ready()
    }

    /// Waits until every node is ready, the DNS server answers and pods can be made in the namespace `default`.
    ///
    /// # Errors
    /// Not within two minutes, or a part has ended.
    pub fn wait_until_ready(&self) -> Result<()> {
        for node in &self.nodes {
            wait(&format!("{} to be ready", node.name), Duration::from_secs(60), || {
                node.check()?;
                let condition = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
                Ok(match until_ok(self.kubectl.run(&["get", "node", &node.name, "--output", condition]))? {
                    Step::Done(ready) if ready == "True" => Step::Done(()),
                    _ => Step::NotYet(node.kubelet.log_tail()),
                })
            })?;
        }
        dns::wait(&self.kubectl)?;
        self.kubectl.wait("default", &["serviceaccount/default"], "create", Duration::from_secs(30))
    }

    /// Names and addresses.
    pub fn names(&self) -> Names {
        self.names
    }

    /// Where its state and logs are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The control plane, to ask and to break.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The nodes, first to last.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Node `number`, from 1.
    ///
    /// # Errors
    /// There are fewer.
    pub fn node(&self, number: usize) -> Result<&Node> {
        let node = number.checked_sub(1).and_then(|number| self.nodes.get(number));
        node.with_context(|| format!("there is no node {number} among {}", self.nodes.len()))
    }

    /// kubectl as an administrator.
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// kubectl as somebody: roles are to be bound to `user` or `group`.
    ///
    /// # Errors
    /// The kubeconfig cannot be written.
    pub fn kubectl_as(&self, user: &str, group: Option<&str>) -> Result<Kubectl> {
        let folder = self.directory.join("users").join(user.replace(['/', ':'], "-"));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("kubeconfig"), self.authority.kubeconfig(&self.url, user, group)?)?;
        Ok(Kubectl::new(&self.tools.hyperkube, &folder.join("kubeconfig")))
    }

    /// Brings an image into every node, from a docker-archive file such as `scripts/images.sh` makes.
    ///
    /// # Errors
    /// The file is none.
    pub fn load(&self, archive: &Path) -> Result<()> {
        scope(|scope| {
            let loads: Vec<_> = self.nodes.iter().map(|node| scope.spawn(|| node.load(archive))).collect();
            loads.into_iter().try_for_each(|load| joined(load.join()))
        })
    }

    /// Brings one of the images in that every cluster can have: `postgresql`, `redis`. Its name is
    /// `localhost/netwright-<image>:test`, as for all images of `scripts/images.sh`.
    ///
    /// # Errors
    /// It is not there.
    pub fn load_stock(&self, image: &str) -> Result<()> {
        self.load(&self.tools.images.join(format!("{image}.tar")))
    }

    /// The root of the cgroup v2 tree of a node, on this machine.
    ///
    /// # Errors
    /// cgroup v2 is not mounted.
    pub fn cgroup_root(&self, node: &Node) -> Result<PathBuf> {
        cgroups::root(&node.name)
    }

    /// Waits until every node leads to a Service on all its cluster IPs: kube-proxy does so some time after the endpoints are
    /// ready, for IPv4 and IPv6 apart. Only TCP ports are tried.
    ///
    /// # Errors
    /// There is no such Service, or a node does not lead to it in time.
    pub fn wait_for_service(&self, namespace: &str, name: &str) -> Result<()> {
        let service = self.kubectl.get(&["service", name, "--namespace", namespace])?;
        let texts = |pointer: &str| service.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
        let ports = texts("/spec/ports");
        let tcp = ports.iter().filter(|port| port.get("protocol").is_some_and(|protocol| protocol == "TCP"));
        let ports: Vec<u64> = tcp.filter_map(|port| port.get("port")?.as_u64()).collect();
        for node in &self.nodes {
            for address in texts("/spec/clusterIPs").iter().filter_map(Value::as_str) {
                for port in &ports {
                    wait(&format!("{}'s way to {namespace}/{name}", node.name), SERVICE_PATIENCE, || {
                        until_ok(network::connects(&node.name, address, *port))
                    })?;
                }
            }
        }
        Ok(())
    }

    /// A command that runs `program` outside of the cluster, on address [`Names::outside_address`] of `host` (2 to 250), which
    /// pods reach. It ends with the cluster.
    ///
    /// # Errors
    /// The address cannot be set.
    pub fn outside(&self, host: u8, program: &[String]) -> Result<(Ipv4Addr, Command)> {
        network::hold_outside(self.names, host)?;
        let cgroup = cgroups::make(&self.names.outside())?;
        let place = component::Place { cgroup, namespaces: vec![network::enter(&self.names.outside())] };
        Ok((self.names.outside_address(host), place.command(program)))
    }

    /// Removes it and says what could not be removed; dropping it does the same and stays silent.
    ///
    /// # Errors
    /// Something could not be removed.
    pub fn stop(mut self) -> Result<()> {
        self.guard.take().map_or(Ok(()), |mut guard| guard.finish())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Before the programs are let go of. A destructor has nobody to tell; the guard itself says what it could not remove.
        let _ = self.guard.take().map_or(Ok(()), |mut guard| guard.finish());
    }
}

/// What a thread returned. One that panicked has said why by itself.
fn joined<T>(result: std::thread::Result<Result<T>>) -> Result<T> {
    result.unwrap_or_else(|_| Err(anyhow::anyhow!("a thread of the harness panicked; its message stands above")))
}
