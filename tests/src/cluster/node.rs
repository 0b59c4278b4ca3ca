//! A node: a network and a mount namespace with containerd, the kubelet and kube-proxy in them.
//!
//! In its mount namespace a node has a /run and a /var of its own: containerd, the kubelet, CNI plugins and pods'
//! host paths all use their customary places there, and nothing of it remains when the last process has ended.

use super::cgroups;
use super::command::{Step, output, until_ok, wait};
use super::component::{Component, Place};
use super::names::Names;
use super::network;
use super::node_files;
use super::options::Options;
use super::pki::Authority;
use super::tools::Tools;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Makes a mount namespace with the folder `$0` as /run and /var, then only keeps it. The mounts of the machine do not
/// hear of it; within the node mounts are shared, as on a machine of its own.
const KEEP: &str = r#"set -e
mount --bind "$0/var" /var
mount --bind "$0/run" /run
mount --make-rshared /
echo ready
exec sleep 2147483647"#;

/// A node. Any of its programs can be made to fail.
#[derive(Debug)]
pub struct Node {
    /// Of the Node object, the network namespace and the root of the node's cgroups.
    pub name: String,
    /// Runs containers.
    pub containerd: Component,
    /// Runs pods.
    pub kubelet: Component,
    /// Makes Services reachable.
    pub kube_proxy: Component,
    directory: PathBuf,
    /// Keeps the mount namespace. It ends with the node's cgroup.
    keeper: Component,
}

/// What all nodes of a cluster are made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan<'a> {
    pub(super) names: Names,
    pub(super) directory: &'a Path,
    pub(super) tools: &'a Tools,
    pub(super) authority: &'a Authority,
    pub(super) options: &'a Options,
}

impl Node {
    /// Makes node `number`; its network must be there. containerd runs afterwards and has the images of every cluster.
    pub(super) fn make(plan: Plan, number: u8) -> Result<Self> {
        let name = plan.names.node(number);
        let directory = plan.directory.join(&name);
        for folder in
            ["run/netns", "run/containerd", "run/lock", "var/lib/kubelet", "var/lib/cni", "var/log", "var/tmp"]
        {
            fs::create_dir_all(directory.join(folder))?;
        }
        std::os::unix::fs::symlink("/run", directory.join("var/run"))?;
        node_files::write(plan, number, &directory)?;
        let (keeper, place) = keep(&name, &directory)?;
        let part = |program: &str, arguments| part(&name, program, &place, &directory, arguments);
        let node = Self {
            containerd: part(
                "containerd",
                ["containerd", "--config=/run/containerd/config.toml"].map(String::from).to_vec(),
            ),
            kubelet: part("kubelet", kubelet(plan, number)),
            kube_proxy: part("kube-proxy", hyperkube(plan, &["kube-proxy", "--config=/var/lib/kubelet/proxy.json"])),
            directory: directory.clone(),
            keeper,
            name: name.clone(),
        };
        node.start_containerd(plan)?;
        Ok(node)
    }

    fn start_containerd(&self, plan: Plan) -> Result<()> {
        self.containerd.start()?;
        wait(&format!("containerd of {}", self.name), Duration::from_secs(30), || {
            self.containerd.pid()?;
            until_ok(self.ctr(&["version"]))
        })?;
        for image in ["busybox", "coredns"] {
            self.load(&plan.tools.images.join(format!("{image}.tar")))?;
        }
        Ok(())
    }

    /// Starts the kubelet and kube-proxy, which need the API server.
    pub(super) fn start(&self) -> Result<()> {
        self.kubelet.start()?;
        self.kube_proxy.start()
    }

    /// Brings an image in from a docker-archive file. Pods that use it need `imagePullPolicy: Never` or `IfNotPresent`.
    ///
    /// # Errors
    /// The file is none, or containerd does not run.
    pub fn load(&self, archive: &Path) -> Result<()> {
        let path = archive.to_str().context("the path of an image is not text")?;
        self.ctr(&["images", "import", path]).with_context(|| format!("loading {path} into {}", self.name)).map(drop)
    }

    /// Runs containerd's own client on this node's containers.
    ///
    /// # Errors
    /// What it says.
    pub fn ctr(&self, arguments: &[&str]) -> Result<String> {
        let socket = self.directory.join("run/containerd/containerd.sock");
        output(Command::new("ctr").arg("--address").arg(socket).args(["--namespace", "k8s.io"]).args(arguments), "")
    }

    /// Where the node's path `path`, below /run or /var, is on this machine. What a pod keeps in a hostPath volume is there.
    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.join(path.trim_start_matches('/'))
    }

    /// Fails with the end of its log if one of the node's programs has ended.
    pub(super) fn check(&self) -> Result<()> {
        [&self.keeper, &self.containerd, &self.kubelet, &self.kube_proxy]
            .iter()
            .try_for_each(|part| part.pid().map(drop))
    }
}

fn part(node: &str, name: &str, place: &Place, directory: &Path, program: Vec<String>) -> Component {
    Component::new(&format!("{name} of {node}"), place, program, directory.join(format!("{name}.log")))
}

fn kubelet(plan: Plan, number: u8) -> Vec<String> {
    let (v4, v6) = plan.names.node_addresses(number);
    hyperkube(
        plan,
        &[
            "kubelet",
            "--config=/var/lib/kubelet/config.json",
            "--kubeconfig=/var/lib/kubelet/kubeconfig",
            "--cert-dir=/var/lib/kubelet/pki",
            &format!("--hostname-override={}", plan.names.node(number)),
            &format!("--node-ip={v4},{v6}"),
        ],
    )
}

fn hyperkube(plan: Plan, arguments: &[&str]) -> Vec<String> {
    let program = plan.tools.hyperkube.display().to_string();
    std::iter::once(program).chain(arguments.iter().map(|argument| (*argument).to_owned())).collect()
}

/// Starts what keeps the node's mount namespace, and returns it with the place that the node's programs run in.
fn keep(name: &str, directory: &Path) -> Result<(Component, Place)> {
    let (cgroup, network) = (cgroups::make(name)?, network::enter(name));
    let outer = Place { cgroup: cgroup.clone(), namespaces: vec![network.clone()] };
    let folder = directory.display().to_string();
    let program = ["unshare", "--mount", "sh", "-c", KEEP, &folder].map(String::from).to_vec();
    let keeper = part(name, "keeper", &outer, directory, program);
    keeper.start()?;
    let log = directory.join("keeper.log");
    wait(&format!("the mounts of {name}"), Duration::from_secs(10), || {
        keeper.pid()?;
        let said = fs::read_to_string(&log).unwrap_or_default();
        Ok(if said.contains("ready") { Step::Done(()) } else { Step::NotYet(said) })
    })?;
    let namespaces = vec![format!("--mount=/proc/{}/ns/mnt", keeper.pid()?), network];
    Ok((keeper, Place { cgroup, namespaces }))
}
