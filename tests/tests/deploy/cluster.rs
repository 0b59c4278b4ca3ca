//! The cluster that these tests share, the chart installed in it with the images that are shipped, and ways to ask both.

use crate::tools::chart;
use netwright_tests::cluster::{Cluster, Kubectl, Options, manifests, missing};
use netwright_tests::world::prerequisites::program;
use serde_json::{Value, json};
use std::fs::{Permissions, create_dir_all, set_permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Two nodes without an installation of ours. The guard removes them when the process has ended.
pub(crate) fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let start = || {
        let missing = missing();
        if !missing.is_empty() {
            netwright_tests::skipped(&missing.join("\n"));
            return None;
        }
        Some(Cluster::start(&Options::default()).unwrap())
    };
    CLUSTER.get_or_init(start).as_ref()
}

/// The same with the images of agent and collector; says so and returns nothing where these were not built.
pub(crate) fn cluster_with_images() -> Option<&'static Cluster> {
    static LOADED: OnceLock<bool> = OnceLock::new();
    let cluster = cluster()?;
    let load = || {
        let images = ["agent", "collector"].map(image);
        if let Some(image) = images.iter().find(|image| !image.exists()) {
            let folder = image.parent().unwrap().display();
            netwright_tests::skipped(&format!(
                "{} is not there (`scripts/images.sh {folder}` makes it)",
                image.display()
            ));
            return false;
        }
        images.iter().for_each(|image| cluster.load(image).unwrap());
        true
    };
    LOADED.get_or_init(load).then_some(cluster)
}

fn image(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = std::env::var_os("NETWRIGHT_IMAGES").map_or_else(|| root.join("out/images"), PathBuf::from);
    folder.join(format!("{name}.tar"))
}

/// A namespace that admits agents, as the documentation has people make it.
pub(crate) fn namespace(cluster: &Cluster, name: &str) {
    cluster.kubectl().run(&["create", "namespace", name]).unwrap();
    cluster.kubectl().run(&["label", "namespace", name, "pod-security.kubernetes.io/enforce=privileged"]).unwrap();
}

/// A release of the chart: its name and its namespace are the same.
pub(crate) struct Release {
    pub(crate) cluster: &'static Cluster,
    pub(crate) name: &'static str,
}

impl Release {
    /// Its namespace and its volume, and what Helm says as it installs it. Returns when all of it is ready.
    pub(crate) fn install(cluster: &'static Cluster, name: &'static str) -> (Self, String) {
        namespace(cluster, name);
        cluster.kubectl().apply(&manifests::list([volume(cluster, name)])).unwrap();
        let release = Self { cluster, name };
        let notes = release.helm("install", &[]);
        release.wait_for_agents();
        (release, notes)
    }

    /// The one that tests share which leave it as it is.
    pub(crate) fn shared() -> Option<&'static Self> {
        static RELEASE: OnceLock<Option<Release>> = OnceLock::new();
        RELEASE.get_or_init(|| Some(Self::install(cluster_with_images()?, "test-shared").0)).as_ref()
    }

    /// `helm install` or `upgrade` with the chart and the values that fit the cluster.
    pub(crate) fn helm(&self, verb: &str, values: &[&str]) -> String {
        let mut arguments: Vec<String> = [verb, self.name, &chart(), "--namespace", self.name].map(Into::into).to_vec();
        arguments.extend(self.cluster.agent_values().unwrap());
        arguments.extend(["--wait", "--timeout=120s"].map(Into::into));
        // Two agents of one node cannot share a folder of segments.
        let spool = format!("agent.hostPaths.spool=/var/lib/{}", self.name);
        let ours = ["collector.persistence.storageClass=", "agent.interval=2s", "agent.extraArgs={--drain=2s}", &spool];
        let values = [&ours, values].concat();
        arguments.extend(values.into_iter().flat_map(|value| ["--set".into(), value.to_owned()]));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.cluster.helm(&arguments).unwrap_or_else(|error| panic!("{error:#}\n{}", self.state()))
    }

    pub(crate) fn wait_for_agents(&self) {
        let daemon_set = format!("daemonset/{}-agent", self.name);
        let ready = "jsonpath={.status.numberReady}=2";
        self.kubectl().wait(self.name, &[&daemon_set], ready, PATIENCE).unwrap_or_else(|error| {
            panic!("{error:#}\n{}", self.state());
        });
    }

    pub(crate) fn kubectl(&self) -> &'static Kubectl {
        self.cluster.kubectl()
    }

    /// The pods of a component.
    pub(crate) fn pods(&self, component: &str) -> Vec<Value> {
        let selector = format!("--selector=app.kubernetes.io/component={component}");
        let list = self.kubectl().get(&["pods", "--namespace", self.name, &selector]).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// What `/metrics` of a pod says.
    pub(crate) fn metrics(&self, pod: &Value) -> String {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let path = format!("/api/v1/namespaces/{}/pods/{name}:8080/proxy/metrics", self.name);
        self.kubectl().run(&["get", "--raw", &path]).unwrap()
    }

    /// A verb of `netwright` that asks the collector.
    pub(crate) fn netwright(&self, verb: &str, more: &[&str]) -> Output {
        let mut command = Command::new(program("netwright").unwrap());
        command.args([verb, "--namespace", self.name, "--kubeconfig"]).arg(self.kubectl().kubeconfig());
        command.args(more).output().unwrap()
    }

    /// For who has to understand a failure.
    fn state(&self) -> String {
        let logs = |component: &str| {
            let selector = format!("--selector=app.kubernetes.io/component={component}");
            let logs = self.kubectl().run(&["logs", "--namespace", self.name, &selector, "--tail=20", "--prefix"]);
            logs.unwrap_or_else(|error| format!("{error:#}"))
        };
        format!("{}\n{}\n{}", self.kubectl().state(self.name), logs("collector"), logs("agent"))
    }
}

/// A volume for the claim of the collector, on this machine, which both nodes see.
fn volume(cluster: &Cluster, name: &str) -> Value {
    let path = cluster.directory().join("volumes").join(name);
    create_dir_all(&path).unwrap();
    // A host path knows nothing of fsGroup.
    set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": format!("test-volume-{name}")},
        "spec": {
            "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
            "claimRef": {"namespace": name, "name": format!("{name}-collector")},
            "hostPath": {"path": path.display().to_string()},
        },
    })
}

/// A port of this machine's loopback that leads to one of a pod; through the API server, as people with the right to it go.
pub(crate) struct Forward {
    pub(crate) port: u16,
    child: Child,
}

impl Forward {
    pub(crate) fn open(kubectl: &Kubectl, namespace: &str, what: &str, port: u16) -> Self {
        let mut command = kubectl.command(&[
            "port-forward",
            "--namespace",
            namespace,
            "--address=127.0.0.1",
            what,
            &format!(":{port}"),
        ]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let port = line.split(" ->").next().and_then(|text| text.rsplit(':').next()?.parse().ok());
        Self { port: port.unwrap_or_else(|| panic!("port-forward of {what}: {line}")), child }
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
