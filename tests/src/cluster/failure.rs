//! What a test does to a cluster's nodes and pods that nobody in the cluster asked for.
//!
//! Programs fail by their [`Component`](super::Component): `cluster.control().api_server.kill()`.

use super::{Cluster, Node, cgroups, network};
use anyhow::{Context, Result};
use serde_json::Value;

impl Cluster {
    /// Cuts a node off from everything but itself, as if its cable were pulled.
    ///
    /// # Errors
    /// The interface cannot be set.
    pub fn cut_network(&self, node: &Node) -> Result<()> {
        network::plug(self.names, &node.name, false)
    }

    /// Puts the cable back.
    ///
    /// # Errors
    /// The interface cannot be set.
    pub fn restore_network(&self, node: &Node) -> Result<()> {
        network::plug(self.names, &node.name, true)
    }

    /// Stops everything on a node where it is, its containers too.
    ///
    /// # Errors
    /// The cgroup cannot be frozen.
    pub fn freeze(&self, node: &Node) -> Result<()> {
        cgroups::freeze(&node.name, true)
    }

    /// Lets a node go on after [`Cluster::freeze`].
    ///
    /// # Errors
    /// The cgroup cannot be thawed.
    pub fn thaw(&self, node: &Node) -> Result<()> {
        cgroups::freeze(&node.name, false)
    }

    /// The pid, on this machine, of the first process of a container.
    ///
    /// # Errors
    /// There is no such container, or it does not run.
    pub fn container_pid(&self, namespace: &str, pod: &str, container: &str) -> Result<u32> {
        let object = self.kubectl.get(&["pod", pod, "--namespace", namespace])?;
        let node = object.pointer("/spec/nodeName").and_then(Value::as_str).context("the pod has no node")?;
        let node = self.nodes.iter().find(|each| each.name == node).context("the pod's node is not ours")?;
        let id = container_id(&object, container)
            .with_context(|| format!("{namespace}/{pod} has no running container {container}"))?;
        let tasks = node.ctr(&["tasks", "list"])?;
        let row = tasks.lines().find(|row| row.starts_with(id));
        let pid = row.and_then(|row| row.split_whitespace().nth(1)?.parse().ok());
        pid.with_context(|| format!("{} runs no container {id}", node.name))
    }

    /// Kills a container's first process, as `kill -9` does. The kubelet starts the container again.
    ///
    /// # Errors
    /// There is no such container, or it does not run.
    pub fn kill_container(&self, namespace: &str, pod: &str, container: &str) -> Result<()> {
        crate::world::signal(self.container_pid(namespace, pod, container)?, "KILL")
    }
}

/// The runtime's id of a container of a pod.
fn container_id<'a>(pod: &'a Value, container: &str) -> Option<&'a str> {
    let statuses = pod.pointer("/status/containerStatuses")?.as_array()?;
    let status = statuses.iter().find(|status| status.get("name").is_some_and(|name| name == container))?;
    status.get("containerID")?.as_str()?.strip_prefix("containerd://")
}
