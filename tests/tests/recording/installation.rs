//! A cluster with the chart installed in it, and how to ask it.

use netwright_record::Observation;
use netwright_tests::cluster::manifests::{list, namespace};
use netwright_tests::cluster::{Cluster, Kubectl, Options, missing};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where the chart is installed.
pub(crate) const NAMESPACE: &str = "netwright";
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the collector keeps what it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Postgresql,
}

pub(crate) struct Installation {
    pub(crate) cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Installation {
    /// A cluster of two nodes whose pods share few addresses, with the shipped chart. Says why and returns nothing where this machine
    /// cannot.
    pub(crate) fn start(store: Store) -> Option<Self> {
        let mut lacking = missing();
        let images = ["agent", "collector", "actor"].map(image);
        lacking.extend(images.iter().filter(|image| !image.exists()).map(|image| {
            format!(
                "{} is not there: `scripts/images.sh {}` makes it",
                image.display(),
                image.parent().unwrap().display()
            )
        }));
        if !lacking.is_empty() {
            netwright_tests::skipped(&lacking.join("\n"));
            return None;
        }
        let cluster = Cluster::start(&Options { pod_addresses: 16, ..Options::default() }).unwrap();
        for image in &images {
            cluster.load(image).unwrap();
        }
        let installation = Self { cluster, folder: tempfile::tempdir().unwrap() };
        installation.install(store);
        Some(installation)
    }

    pub(crate) fn kubectl(&self) -> &Kubectl {
        self.cluster.kubectl()
    }

    /// Pulls an observation with the command that people use.
    pub(crate) fn pull(&self) -> Observation {
        let out = self.folder.path().join("pulled.zst");
        let _ = std::fs::remove_file(&out);
        let mut command = Command::new(program("netwright"));
        command.arg("pull").arg("--kubeconfig").arg(self.kubectl().kubeconfig());
        run(command.args(["--namespace", NAMESPACE, "--out"]).arg(&out), "");
        netwright_record::file::read_path(&out).unwrap().0
    }

    fn install(&self, store: Store) {
        let volume = self.folder.path().join("store");
        std::fs::create_dir(&volume).unwrap();
        // A host path knows nothing of fsGroup.
        run(Command::new("chmod").arg("0777").arg(&volume), "");
        self.kubectl().apply(&list([privileged_namespace(), self.volume(&volume)])).unwrap();
        let mut values = json!({
            "cluster": "test",
            "image": {"registry": "localhost", "tag": "test", "pullPolicy": "Never"},
            "agent": {
                "interval": "2s",
                "hostPaths": {"cgroup": "/sys/fs/cgroup/unified"},
                "cgroup": "$(NODE_NAME)",
            },
            "collector": {"persistence": {"storageClass": ""}},
        });
        if store == Store::Postgresql {
            self.database();
            values["collector"]["postgresql"] = json!({"existingSecret": "database"});
            values["collector"]["replicas"] = json!(2);
        }
        let helm = std::env::var_os("NETWRIGHT_HELM").unwrap();
        let mut command = Command::new(helm);
        command.args(["install", "netwright", "deploy/chart/netwright", "--namespace", NAMESPACE, "--values", "-"]);
        command.args(["--wait", "--timeout", "180s"]).arg("--kubeconfig").arg(self.kubectl().kubeconfig());
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap());
        if let Err(error) = try_run(&mut command, &values.to_string()) {
            panic!("{error}\n{}\n{}", self.kubectl().state(NAMESPACE), self.logs());
        }
        self.kubectl()
            .wait(NAMESPACE, &["daemonset/netwright-agent"], "jsonpath={.status.numberReady}=2", PATIENCE)
            .unwrap();
    }

    /// What the parts said lately.
    pub(crate) fn logs(&self) -> String {
        let logs = |what: &str| {
            let selector = format!("--selector=app.kubernetes.io/component={what}");
            let arguments = ["logs", "--namespace", NAMESPACE, &selector, "--tail=40", "--prefix"];
            self.kubectl().run(&arguments).unwrap_or_else(|error| format!("{error:#}"))
        };
        ["agent", "collector"].map(logs).join("\n")
    }

    fn volume(&self, path: &Path) -> Value {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "store"},
            "spec": {
                "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                "hostPath": {"path": path.display().to_string()},
            },
        })
    }

    /// PostgreSQL as itself, in a pod.
    fn database(&self) {
        self.cluster.load_stock("postgresql").unwrap();
        let url = format!("postgres://postgres@database.{NAMESPACE}.svc:5432/postgres?sslmode=disable");
        let labels = json!({"app": "database"});
        let container = json!({
            "name": "postgresql", "image": "localhost/netwright-postgresql:test", "imagePullPolicy": "Never",
            "readinessProbe": {"exec": {"command": ["pg_isready", "-h", "127.0.0.1"]}, "periodSeconds": 1, "timeoutSeconds": 3},
        });
        let spec = json!({
            "selector": {"matchLabels": labels}, "serviceName": "database",
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        });
        let metadata = |name: &str| json!({"name": name, "namespace": NAMESPACE});
        let objects = [
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata("database"), "stringData": {"url": url}}),
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata("database"), "spec": spec}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata("database"),
                "spec": {"selector": labels, "ports": [{"port": 5432}]}}),
        ];
        self.kubectl().apply(&list(objects)).unwrap();
        self.kubectl().wait(NAMESPACE, &["pod/database-0"], "condition=Ready", PATIENCE).unwrap();
    }
}

/// Host paths are for privileged namespaces alone.
fn privileged_namespace() -> Value {
    let mut namespace = namespace(NAMESPACE);
    namespace["metadata"]["labels"] = json!({"pod-security.kubernetes.io/enforce": "privileged"});
    namespace
}

fn image(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let directory = std::env::var_os("NETWRIGHT_IMAGES").map_or_else(|| root.join("out/images"), PathBuf::from);
    directory.join(format!("{name}.tar"))
}

fn program(name: &str) -> PathBuf {
    netwright_tests::world::prerequisites::program(name).unwrap()
}

fn run(command: &mut Command, input: &str) -> String {
    try_run(command, input).unwrap()
}

fn try_run(command: &mut Command, input: &str) -> Result<String, String> {
    netwright_tests::cluster::output(command, input).map_err(|error| format!("{error:#}"))
}
