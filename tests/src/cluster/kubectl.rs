//! kubectl, as one user of a cluster: what tests ask and tell the API server.

use super::command::{Step, output, wait};
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// One user's kubectl.
#[derive(Debug, Clone)]
pub struct Kubectl {
    hyperkube: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    pub(super) fn new(hyperkube: &Path, kubeconfig: &Path) -> Self {
        Self { hyperkube: hyperkube.to_owned(), kubeconfig: kubeconfig.to_owned() }
    }

    /// The user's kubeconfig, for other clients; the API server in it is a port of this machine's loopback.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A command that runs kubectl, for callers that keep it running (`port-forward`, `logs --follow`).
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.hyperkube);
        command.args(["kubectl", "--kubeconfig"]).arg(&self.kubeconfig);
        // Beside the cluster, not in the home folder.
        command.arg("--cache-dir").arg(self.kubeconfig.with_file_name("kubectl-cache")).args(arguments);
        command
    }

    /// Runs kubectl, and returns what it prints.
    ///
    /// # Errors
    /// kubectl failed; the message has what it said.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        output(&mut self.command(arguments), "")
    }

    /// Applies manifests.
    ///
    /// # Errors
    /// The API server refuses one.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        output(&mut self.command(&["apply", "--filename", "-"]), manifests)
    }

    /// Creates one object and returns what the API server made of it: for reviews, which are questions.
    ///
    /// # Errors
    /// The API server refuses it.
    pub fn create(&self, manifest: &str) -> Result<Value> {
        let text = output(&mut self.command(&["create", "--output=json", "--filename", "-"]), manifest)?;
        serde_json::from_str(&text).context("what kubectl printed is not JSON")
    }

    /// Deletes what manifests name, and waits until it is gone. What is not there is deleted already.
    ///
    /// # Errors
    /// The API server refuses.
    pub fn delete(&self, manifests: &str) -> Result<String> {
        output(&mut self.command(&["delete", "--ignore-not-found", "--filename", "-"]), manifests)
    }

    /// An object, or a list of them, as the API server gives it.
    ///
    /// # Errors
    /// There is none, or it may not be seen.
    pub fn get(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.run(&[&["get", "--output=json"], arguments].concat())?;
        serde_json::from_str(&text).with_context(|| format!("what kubectl printed for {arguments:?} is not JSON"))
    }

    /// Waits until every object of `what` (`deployment/web`, `pod --selector app=web`) in `namespace` has `condition`,
    /// in the words of `kubectl wait --for` (`condition=Available`, `delete`, `jsonpath={.status.phase}=Running`).
    ///
    /// # Errors
    /// Not within `patience`; the message has the objects' state and the events of their namespace.
    pub fn wait(&self, namespace: &str, what: &[&str], condition: &str, patience: Duration) -> Result<()> {
        let (condition, seconds) = (format!("--for={condition}"), format!("--timeout={}s", patience.as_secs()));
        let mut arguments = vec!["wait", "--namespace", namespace, &condition, &seconds];
        arguments.extend(what);
        let begun = std::time::Instant::now();
        // `kubectl wait` gives up at once where there is nothing yet.
        let waited = wait(&format!("{what:?} of {namespace}"), patience, || match self.run(&arguments) {
            Ok(_) => Ok(Step::Done(())),
            Err(error) if begun.elapsed() < patience => Ok(Step::NotYet(format!("{error:#}"))),
            Err(error) => Err(error),
        });
        waited.with_context(|| self.state(namespace))
    }

    /// Runs a program in a container of a pod (`pod` or `deployment/NAME`), and returns what it prints.
    ///
    /// # Errors
    /// It fails; the message has what it said.
    pub fn exec(&self, namespace: &str, pod: &str, program: &[&str]) -> Result<String> {
        self.run(&[&["exec", "--namespace", namespace, pod, "--"], program].concat())
    }

    /// What the containers of a pod have said.
    ///
    /// # Errors
    /// There is no such pod, or its node cannot be asked.
    pub fn logs(&self, namespace: &str, pod: &str) -> Result<String> {
        self.run(&["logs", "--namespace", namespace, "--all-containers", "--tail=-1", pod])
    }

    /// Pods and events of a namespace: what an error needs to be understood.
    pub fn state(&self, namespace: &str) -> String {
        let pods = self.run(&["get", "pods", "--namespace", namespace, "--output=wide"]);
        let events = self.run(&["get", "events", "--namespace", namespace, "--sort-by=.metadata.creationTimestamp"]);
        let events = events.unwrap_or_default();
        let lines: Vec<&str> = events.lines().collect();
        let latest = lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n");
        format!("pods of {namespace}:\n{}\nevents:\n{latest}", pods.unwrap_or_default())
    }
}
