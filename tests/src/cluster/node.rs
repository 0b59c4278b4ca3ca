//! A node: a network and a mount namespace with containerd, the kubelet and kube-proxy in them.
//!
//! In its mount namespace a node has a /run and a /var of its own: containerd, the kubelet, CNI plugins and pods'
//! host paths all use their customary places there, and nothing of it remains when the last process has ended.

use super::cgroups;
use super::command::{Step, output, until_ok, wait};
use super::component::{Component, Place};
use super::names::Names;
use super::network;
use super::options::Options;
use super::pki::Authority;
use super::tools::Tools;
use anyhow::{Context, Result};
use serde_json::{Value, json};
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
/// What every pod is held by.
const PAUSE: &str = "localhost/netwright-busybox:test";

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
        configure(plan, number, &directory)?;
        let cgroup = cgroups::make(&name)?;
        let (keeper, place) = keep(&name, &directory, cgroup)?;
        let node = Self {
            containerd: part(
                &name,
                "containerd",
                &place,
                &directory,
                vec!["containerd".into()],
                &["--config=/run/containerd/config.toml"],
            ),
            kubelet: part(
                &name,
                "kubelet",
                &place,
                &directory,
                hyperkube(plan),
                &[
                    "kubelet",
                    "--config=/var/lib/kubelet/config.json",
                    "--kubeconfig=/var/lib/kubelet/kubeconfig",
                    &format!("--hostname-override={name}"),
                    &format!("--node-ip={}", node_ips(plan.names, number)),
                    "--cert-dir=/var/lib/kubelet/pki",
                ],
            ),
            kube_proxy: part(
                &name,
                "kube-proxy",
                &place,
                &directory,
                hyperkube(plan),
                &["kube-proxy", "--config=/var/lib/kubelet/proxy.json"],
            ),
            directory,
            keeper,
            name,
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

fn part(
    node: &str,
    name: &str,
    place: &Place,
    directory: &Path,
    mut program: Vec<String>,
    arguments: &[&str],
) -> Component {
    program.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    Component::new(&format!("{name} of {node}"), place, program, directory.join(format!("{name}.log")))
}

fn hyperkube(plan: Plan) -> Vec<String> {
    vec![plan.tools.hyperkube.display().to_string()]
}

/// Starts what keeps the node's mount namespace, and returns it with the place that the node's programs run in.
fn keep(name: &str, directory: &Path, cgroup: PathBuf) -> Result<(Component, Place)> {
    let network = network::enter(name);
    let outer = Place { cgroup: cgroup.clone(), namespaces: vec![network.clone()] };
    let program = ["unshare", "--mount", "sh", "-c", KEEP].map(String::from).to_vec();
    let log = directory.join("keeper.log");
    let keeper = part(name, "keeper", &outer, directory, program, &[&directory.display().to_string()]);
    keeper.start()?;
    wait(&format!("the mounts of {name}"), Duration::from_secs(10), || {
        keeper.pid()?;
        let said = fs::read_to_string(&log).unwrap_or_default();
        Ok(if said.contains("ready") { Step::Done(()) } else { Step::NotYet(said) })
    })?;
    let namespaces = vec![format!("--mount=/proc/{}/ns/mnt", keeper.pid()?), network];
    Ok((keeper, Place { cgroup, namespaces }))
}

fn node_ips(names: Names, number: u8) -> String {
    let (v4, v6) = names.node_addresses(number);
    format!("{v4},{v6}")
}

/// Writes the configuration of the node's programs where they find it.
fn configure(plan: Plan, number: u8, directory: &Path) -> Result<()> {
    let Plan { names, authority, .. } = plan;
    let name = names.node(number);
    let server = format!("https://{}", names.api_server());
    let kubelet = authority.kubeconfig(&server, &format!("system:node:{name}"), Some("system:nodes"))?;
    let proxy = authority.kubeconfig(&server, "system:kube-proxy", None)?;
    let cni = directory.join("run/containerd/cni");
    fs::create_dir_all(&cni)?;
    for (path, text) in [
        ("run/containerd/config.toml", containerd(&plan.tools.plugins)),
        ("run/containerd/cni/10-pods.conflist", pod_network(names, number, plan.options.pod_addresses).to_string()),
        ("var/lib/kubelet/ca.crt", fs::read_to_string(authority.file("ca.crt"))?),
        ("var/lib/kubelet/kubeconfig", kubelet),
        ("var/lib/kubelet/config.json", kubelet_configuration(names, number).to_string()),
        ("var/lib/kubelet/proxy.kubeconfig", proxy),
        ("var/lib/kubelet/proxy.json", proxy_configuration(names, number).to_string()),
    ] {
        let path = directory.join(path);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn containerd(plugins: &Path) -> String {
    // Without the right to lower an OOM score, which a container may lack, runc would fail at each start.
    format!(
        r#"version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{}"
    conf_dir = "/run/containerd/cni"
"#,
        plugins.display()
    )
}

/// Pods are routed, each by a veth of its own: a bridge would need netfilter's help for Services between its pods.
fn pod_network(names: Names, number: u8, addresses: u8) -> Value {
    let (v4, v6) = (names.pods_v4(number), names.pods_v6(number));
    let last = 10 + u16::from(addresses.clamp(1, 200)) - 1;
    json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {"type": "ptp", "ipMasq": false, "ipam": {
                "type": "host-local",
                "ranges": [
                    [{"subnet": format!("{v4}.0/24"), "rangeStart": format!("{v4}.10"), "rangeEnd": format!("{v4}.{last}")}],
                    [{"subnet": format!("{v6}::/64"), "rangeStart": format!("{v6}::a"), "rangeEnd": format!("{v6}::{last:x}")}],
                ],
                "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
            }},
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
}

fn kubelet_configuration(names: Names, number: u8) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": names.node_addresses(number).0,
        "authentication": {"anonymous": {"enabled": false}, "webhook": {"enabled": false},
            "x509": {"clientCAFile": "/var/lib/kubelet/ca.crt"}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", names.node(number)),
        "clusterDNS": [names.dns_service()],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "resolvConf": "",
        // What the machine may lack and a test does not need: limits for pods as a whole, swap off, room on disk.
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "oomScoreAdj": 0,
        "maxPods": 200,
        // A process that forks without end must not use up the machine's pids.
        "podPidsLimit": 256,
        // Tests wait for what the kubelet does.
        "syncFrequency": "10s",
        "nodeStatusUpdateFrequency": "4s",
        "shutdownGracePeriod": "0s",
    })
}

fn proxy_configuration(names: Names, number: u8) -> Value {
    let (address, _) = names.node_addresses(number);
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "hostnameOverride": names.node(number),
        "clientConnection": {"kubeconfig": "/var/lib/kubelet/proxy.kubeconfig"},
        "clusterCIDR": "10.244.0.0/16,fd00:244::/32",
        "conntrack": {"maxPerCore": 0, "min": 0},
        "oomScoreAdj": 0,
        "healthzBindAddress": format!("{address}:10256"),
        "metricsBindAddress": "127.0.0.1:10249",
        "iptables": {"minSyncPeriod": "100ms"},
    })
}
