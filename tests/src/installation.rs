//! A real cluster with the chart installed in it as it is shipped, for tests and for the demonstration; and how to ask it.

use crate::cluster::manifests::list;
use crate::cluster::{Cluster, Kubectl, Options, missing, output};
use crate::world::{cgroup, prerequisites::program};
use anyhow::{Context, Result};
use netwright_record::Observation;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where the chart is installed.
pub const NAMESPACE: &str = "netwright";
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the collector keeps what it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// A file on a volume.
    Sqlite,
    /// A real server in a pod, with two replicas of the collector.
    Postgresql,
}

/// A cluster, and the release in it. Dropping it removes all of it.
#[derive(Debug)]
pub struct Installation {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Installation {
    /// What is lacking here for [`Installation::start`].
    pub fn lacking() -> Vec<String> {
        let mut lacking = missing();
        let absent = ["agent", "collector", "actor"].map(image).into_iter().filter(|image| !image.exists());
        lacking.extend(absent.map(|image| format!("{} (scripts/images.sh makes it)", image.display())));
        lacking
    }

    /// Starts a cluster and installs the chart; returns when all its pods are ready.
    ///
    /// # Errors
    /// A part that does not come up; the message has the state of the pods and what they said lately.
    pub fn start(store: Store, options: &Options) -> Result<Self> {
        let cluster = Cluster::start(options)?;
        for name in ["agent", "collector", "actor"] {
            cluster.load(&image(name))?;
        }
        let installation = Self { cluster, folder: tempfile::tempdir()? };
        installation.prepare(store)?;
        let installed = installation.helm(store);
        installed.with_context(|| format!("{}\n{}", installation.kubectl().state(NAMESPACE), installation.logs()))?;
        Ok(installation)
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The cluster's kubectl.
    pub fn kubectl(&self) -> &Kubectl {
        self.cluster.kubectl()
    }

    /// The command `netwright VERB`, told which cluster it is about.
    ///
    /// # Errors
    /// It is not built.
    pub fn netwright(&self, verb: &str) -> Result<Command> {
        let mut command = Command::new(program("netwright")?);
        command.arg(verb).arg("--kubeconfig").arg(self.kubectl().kubeconfig()).args(["--namespace", NAMESPACE]);
        Ok(command)
    }

    /// Pulls an observation with the command that people use.
    ///
    /// # Errors
    /// What the command says.
    pub fn pull(&self) -> Result<Observation> {
        let out = self.folder.path().join("pulled.zst");
        output(self.netwright("pull")?.arg("--out").arg(&out), "")?;
        Ok(netwright_record::file::read_path(&out)?.0)
    }

    /// Removes all of it, and says what could not be removed.
    ///
    /// # Errors
    /// Something could not be removed.
    pub fn stop(self) -> Result<()> {
        self.cluster.stop()
    }

    /// What the parts said lately.
    pub fn logs(&self) -> String {
        let logs = |what: &str| {
            let selector = format!("--selector=app.kubernetes.io/component={what}");
            let arguments = ["logs", "--namespace", NAMESPACE, &selector, "--tail=40", "--prefix"];
            self.kubectl().run(&arguments).unwrap_or_else(|error| format!("{error:#}"))
        };
        ["agent", "collector"].map(logs).join("\n")
    }

    fn prepare(&self, store: Store) -> Result<()> {
        let volume = self.folder.path().join("store");
        std::fs::create_dir(&volume)?;
        // A host path knows nothing of fsGroup.
        output(Command::new("chmod").arg("0777").arg(&volume), "")?;
        self.kubectl().apply(&list([privileged_namespace(), persistent_volume(&volume)]))?;
        if store == Store::Postgresql {
            self.database()?;
        }
        Ok(())
    }

    fn helm(&self, store: Store) -> Result<()> {
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/chart/netwright");
        let values = self.folder.path().join("values.json");
        std::fs::write(&values, self.values(store)?.to_string())?;
        let (chart, values) = (chart.display().to_string(), values.display().to_string());
        let arguments = ["install", "netwright", &chart, "--namespace", NAMESPACE, "--values", &values];
        self.cluster.helm(&[&arguments[..], &["--wait", "--timeout", "180s"]].concat())?;
        let all = format!("jsonpath={{.status.numberReady}}={}", self.cluster.nodes().len());
        self.kubectl().wait(NAMESPACE, &["daemonset/netwright-agent"], &all, PATIENCE)
    }

    /// What is different from the chart's defaults, because this cluster's nodes share a machine, and its pods come and go in seconds.
    fn values(&self, store: Store) -> Result<Value> {
        let postgresql = store == Store::Postgresql;
        Ok(json!({
            "cluster": "test",
            "image": {"registry": "localhost", "tag": "test", "pullPolicy": "Never"},
            "agent": {
                "interval": "2s",
                "hostPaths": {"cgroup": cgroup::mount()?},
                "cgroup": "$(NODE_NAME)",
            },
            "collector": {
                "persistence": {"storageClass": ""},
                "replicas": if postgresql { 2 } else { 1 },
                "postgresql": {"existingSecret": if postgresql { "database" } else { "" }},
            },
        }))
    }

    /// PostgreSQL as itself, in a pod.
    fn database(&self) -> Result<()> {
        self.cluster.load_stock("postgresql")?;
        let url = format!("postgres://postgres@database.{NAMESPACE}.svc:5432/postgres?sslmode=disable");
        let labels = json!({"app": "database"});
        let spec = json!({
            "selector": {"matchLabels": labels}, "serviceName": "database",
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [postgresql()]}},
        });
        let metadata = json!({"name": "database", "namespace": NAMESPACE});
        let objects = [
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"url": url}}),
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
                "spec": {"selector": labels, "ports": [{"port": 5432}]}}),
        ];
        self.kubectl().apply(&list(objects))?;
        self.kubectl().wait(NAMESPACE, &["pod/database-0"], "condition=Ready", PATIENCE)
    }
}

/// A container of a real PostgreSQL server, whose user `postgres` needs no password.
pub fn postgresql() -> Value {
    json!({
        "name": "postgresql", "image": "localhost/netwright-postgresql:test", "imagePullPolicy": "Never",
        "readinessProbe": {"exec": {"command": ["pg_isready", "-h", "127.0.0.1"]}, "periodSeconds": 1, "timeoutSeconds": 3},
    })
}

fn persistent_volume(path: &Path) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "store"},
        "spec": {
            "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
            "hostPath": {"path": path.display().to_string()},
        },
    })
}

/// Host paths are for privileged namespaces alone.
fn privileged_namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "privileged"}
    }})
}

fn image(name: &str) -> PathBuf {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../out/images");
    let directory = std::env::var_os("NETWRIGHT_IMAGES").map_or(made, PathBuf::from);
    directory.join(format!("{name}.tar"))
}
