//! The agents' side: a node's token, the disk of a spool, and the process that is killed.

use crate::disk::SmallDisk;
use crate::worker::WORKER;
use netwright_agent::spool::SegmentId;
use netwright_tests::cluster::Cluster;
use netwright_tests::cluster::manifests::{BUSYBOX, list, namespace};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The namespace of collector and agents, and what both are called in it.
const NAMESPACE: &str = "netwright";
const ACCOUNT: &str = "netwright-agent";

/// An agent of one node.
pub(crate) struct Agent {
    pub(crate) node: String,
    pub(crate) folder: PathBuf,
    pub(crate) disk: SmallDisk,
    url: String,
    process: Child,
    /// Segments that lay in the spool when it was killed: not all of them could be noted.
    pub(crate) left: BTreeSet<(String, u64)>,
}

/// Makes namespace and ServiceAccount, and nodes beside the one that is there: names that tokens can be bound to.
pub(crate) fn prepare(cluster: &Cluster, others: &[String]) -> anyhow::Result<()> {
    let nodes = others.iter().map(|name| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}));
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": NAMESPACE},
    });
    cluster.kubectl().apply(&list([namespace(NAMESPACE), account]))?;
    cluster.kubectl().apply(&list(nodes)).map(drop)
}

/// A token as the kubelet gives it to the agent's pod on a node: of its ServiceAccount, for its audience, bound to the pod.
fn token(cluster: &Cluster, node: &str) -> anyhow::Result<String> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("agent-{node}"), "namespace": NAMESPACE},
        "spec": {
            "serviceAccountName": ACCOUNT, "nodeName": node, "tolerations": [{"operator": "Exists"}],
            "containers": [{
                "name": "agent", "image": BUSYBOX, "imagePullPolicy": "Never", "command": ["sleep", "86400"],
            }],
        },
    });
    let kubectl = cluster.kubectl();
    let name = format!("agent-{node}");
    if kubectl.get(&["pod", &name, "--namespace", NAMESPACE]).is_err() {
        kubectl.apply(&list([pod]))?;
    }
    let made = kubectl.get(&["pod", &name, "--namespace", NAMESPACE])?;
    let uid = made.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
    let bound =
        ["--bound-object-kind=Pod", &format!("--bound-object-name={name}"), &format!("--bound-object-uid={uid}")];
    let what =
        ["create", "token", ACCOUNT, "--namespace", NAMESPACE, "--duration=24h", "--audience=netwright-collector"];
    kubectl.run(&[&what[..], &bound[..]].concat())
}

impl Agent {
    /// Starts the agent of `node`, in `folder`, that ships to `url`.
    pub(crate) fn start(cluster: &Cluster, node: &str, folder: PathBuf, url: &str) -> Self {
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("token"), token(cluster, node).unwrap()).unwrap();
        let disk = SmallDisk::mount(folder.join("disk"), "2m");
        let process = spawn(&folder, url, node);
        Self { node: node.to_owned(), folder, disk, url: url.to_owned(), process, left: BTreeSet::new() }
    }

    /// Ends it without a word, and starts the next.
    pub(crate) fn kill(&mut self) {
        assert!(self.process.try_wait().unwrap().is_none(), "{} ended by itself: {}", self.node, self.log());
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.look();
        self.process = spawn(&self.folder, &self.url, &self.node);
    }

    /// Tells it to ship all there is and end; `false` while it has not.
    pub(crate) fn has_finished(&mut self) -> bool {
        fs::write(self.folder.join("finish"), "").unwrap();
        let ended = self.process.try_wait().unwrap();
        assert!(ended.is_none_or(|status| status.success()), "{}: {}", self.node, self.log());
        ended.is_some()
    }

    /// What it has said of itself, and of what it could not ship.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn look(&mut self) {
        let entries = fs::read_dir(self.folder.join("disk/spool")).into_iter().flatten();
        let ids = entries.filter_map(|entry| SegmentId::of_file_name(&entry.ok()?.file_name().to_string_lossy()));
        self.left.extend(ids.map(|id| (id.run, id.sequence)));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(folder: &Path, url: &str, node: &str) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .arg(std::env::current_exe().unwrap())
        .args([url, node])
        .env(WORKER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}
