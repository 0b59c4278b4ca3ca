//! Helm on a cluster, and the values by which the project's chart fits one.

use super::{Cluster, output};
use crate::world::cgroup;
use anyhow::{Context, Result};
use std::process::Command;

impl Cluster {
    /// Runs Helm as an administrator, and returns what it prints. It keeps nothing outside of the cluster's folder.
    ///
    /// # Errors
    /// Helm is not there, or failed; the message has what it said.
    pub fn helm(&self, arguments: &[&str]) -> Result<String> {
        let helm =
            std::env::var_os("NETWRIGHT_HELM").context("NETWRIGHT_HELM is not set (scripts/common.sh sets it)")?;
        let mut command = Command::new(helm);
        for kind in ["CACHE", "CONFIG", "DATA"] {
            command.env(format!("HELM_{kind}_HOME"), self.directory.join("helm").join(kind));
        }
        output(command.env("KUBECONFIG", self.kubectl.kubeconfig()).args(arguments), "")
    }

    /// Arguments of Helm for the chart in deploy/chart: images that [`Cluster::load`] brought in, and for each agent the cgroups
    /// of its own node.
    ///
    /// # Errors
    /// cgroup v2 is not mounted.
    pub fn agent_values(&self) -> Result<Vec<String>> {
        let values = [
            "image.registry=localhost".to_owned(),
            "image.tag=test".to_owned(),
            "image.pullPolicy=Never".to_owned(),
            format!("agent.hostPaths.cgroup={}", cgroup::mount()?.display()),
            // Kubernetes, not Helm, puts the name in.
            "agent.cgroup=$(NODE_NAME)".to_owned(),
        ];
        Ok(values.into_iter().flat_map(|value| ["--set".to_owned(), value]).collect())
    }
}
