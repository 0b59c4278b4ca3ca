//! What a cluster holds, or would hold: namespaces, pods, nodes, Services and the policies in force. For every verb that
//! asks what policies mean there.
//!
//! It is read from whatever there is: plain manifests in a repository, what `kubectl get` prints, or the inventory of
//! an observation. Of a workload without pods its template speaks.

pub mod convert;
mod inventory;
mod read;

pub(crate) use read::is_observation;
pub mod reference;

use netwright_policy::{Cluster, ParseWarning, Party, Pod, PolicySet, ReadOptions};
use netwright_record::inventory::{Service, WorkloadRef};
use netwright_resolve::inventory::TargetPort;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

/// What a cluster holds. Everything is sorted by name.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The namespaces. Those that are only named elsewhere count as listed without labels of their own.
    pub cluster: Cluster,
    /// The pods that hold or will hold an address, host-network pods too.
    pub pods: Vec<StatePod>,
    /// The nodes.
    pub nodes: Vec<StateNode>,
    /// The Services.
    pub services: Vec<Service>,
    /// The target port of each port of a Service, in the order of its `ports`, by namespace and name. An observation
    /// does not hold them: there the backends say it.
    pub targets: BTreeMap<(String, String), Vec<TargetPort>>,
    /// Each workload with its pods: places in `pods`, never none.
    pub workloads: BTreeMap<WorkloadRef, Vec<usize>>,
    /// The NetworkPolicies found in the same place, if they were asked for.
    pub policies: PolicySet,
    /// What is odd about those policies.
    pub policy_warnings: Vec<ParseWarning>,
    /// How many pods have come to an end and were left out.
    pub finished: usize,
    /// What was passed over or is probably a mistake, each a line that a terminal can show.
    pub remarks: Vec<String>,
}

/// A pod of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatePod {
    /// The pod as policies see it. Of a host-network pod, `addresses` and `node_addresses` are those of its node.
    pub pod: Pod,
    /// The workload it belongs to.
    pub workload: WorkloadRef,
    /// `spec.hostNetwork`: to a policy it is its node.
    pub host_network: bool,
    /// `spec.nodeName`.
    pub node: Option<String>,
    /// Whether it stands for the template of its workload, of which no pod is known. Its name is then `Kind/name`.
    pub from_template: bool,
}

impl StatePod {
    /// What a policy sees of it.
    pub fn party(&self) -> Party<'_> {
        if self.host_network { Party::Node { addresses: &self.pod.addresses } } else { Party::Pod(&self.pod) }
    }
}

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateNode {
    /// `metadata.name`.
    pub name: String,
    /// Every address it may speak from.
    pub addresses: Vec<IpAddr>,
}

impl State {
    /// Reads a file, a folder (searched for `*.yaml`, `*.yml` and `*.json`), or stdin where `path` is `-`: manifests,
    /// the output of `kubectl get -A -o yaml` or `-o json`, or an observation.
    ///
    /// # Errors
    ///
    /// If something cannot be read, is neither YAML nor JSON, or an object without which answers would be wrong, or a
    /// NetworkPolicy, is broken.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        Self::load_with(path, ReadOptions::default())
    }

    /// As [`State::load`], with the policies read as `options` say.
    ///
    /// # Errors
    ///
    /// Those of [`State::load`], and unknown fields of policies if `options` are strict.
    pub fn load_with(path: &Path, options: ReadOptions) -> anyhow::Result<Self> {
        read::load(path, Some(options))
    }

    /// As [`State::load`], for those who take the policies from elsewhere: those found here are passed over unread.
    ///
    /// # Errors
    ///
    /// Those of [`State::load`], but for policies.
    pub fn load_without_policies(path: &Path) -> anyhow::Result<Self> {
        read::load(path, None)
    }

    /// The node called `name`.
    pub fn node(&self, name: &str) -> Option<&StateNode> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

#[cfg(test)]
mod tests;
