//! What a renderer may ask besides the plan: the observation behind it, and what dialects name that the plan does not:
//! ServiceAccounts, and membership in a mesh.

use super::Provenance;
use super::evidence::words;
use super::form::Form;
use crate::index::{Facts, Index};
use crate::infer::mesh::Mesh;
use crate::infer::names::{valid_name, valid_namespace};
use crate::infer::rules::Rule;
use crate::infer::selectors::selects;
use crate::review::Decided;
use netwright_record::inventory::{Labels, WorkloadRef};
use netwright_record::{Edge, Endpoint, Observation};
use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::sync::OnceLock;

/// What every renderer is given.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// What the plan was made from.
    pub(super) observation: &'a Observation,
    /// What people decided about it.
    pub(super) decided: &'a Decided,
    /// What is written of that into each object.
    pub(super) provenance: &'a Provenance,
    /// In which form to write.
    pub(super) form: &'a Form,
    knowledge: OnceLock<Knowledge<'a>>,
}

impl<'a> Context<'a> {
    /// Of one rendering. Look-ups are made when the first dialect asks for them.
    pub(super) fn new(
        observation: &'a Observation,
        decided: &'a Decided,
        provenance: &'a Provenance,
        form: &'a Form,
    ) -> Self {
        Self { observation, decided, provenance, form, knowledge: OnceLock::new() }
    }

    /// The look-ups over the inventory.
    pub(super) fn knowledge(&self) -> &Knowledge<'a> {
        self.knowledge.get_or_init(|| Knowledge::new(self.observation))
    }

    /// What stands above each of the `written` rules that `rule` has become: how much was seen of it, and how much wider
    /// than that it is.
    pub(super) fn comments(&self, rule: &Rule, written: usize) -> impl Iterator<Item = String> + use<> {
        let first = words::comment(self.observation, self.decided, rule);
        iter::once(first).chain(iter::repeat("the same rule, continued".to_owned())).take(written)
    }
}

/// The look-ups.
#[derive(Debug)]
pub(super) struct Knowledge<'a> {
    /// Over pods, nodes and workloads.
    pub(super) index: Index<'a>,
    mesh: Mesh<'a>,
    /// Whether any workload is in a mesh.
    pub(super) any_mesh: bool,
    /// Who runs as a ServiceAccount, by namespace and name.
    holders: BTreeMap<&'a str, BTreeMap<&'a str, BTreeSet<&'a WorkloadRef>>>,
    accounts: BTreeMap<&'a WorkloadRef, BTreeSet<&'a str>>,
    namespaces: BTreeMap<&'a str, BTreeSet<&'a WorkloadRef>>,
    from_nodes: BTreeMap<&'a WorkloadRef, Vec<&'a Edge>>,
}

impl<'a> Knowledge<'a> {
    pub(super) fn new(observation: &'a Observation) -> Self {
        let mut knowledge = Self {
            index: Index::new(observation),
            mesh: Mesh::new(&observation.inventory),
            any_mesh: false,
            holders: BTreeMap::new(),
            accounts: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            from_nodes: from_nodes(&observation.edges),
        };
        let with_addresses = knowledge.index.workloads().filter(|(_, facts)| !facts.host_network());
        for (workload, facts) in with_addresses {
            let accounts = accounts(facts);
            for account in &accounts {
                knowledge.holders.entry(&workload.namespace).or_default().entry(account).or_default().insert(workload);
            }
            knowledge.accounts.insert(workload, accounts);
            knowledge.namespaces.entry(&workload.namespace).or_default().insert(workload);
            knowledge.any_mesh |= knowledge.mesh.is_member(workload, facts);
        }
        knowledge
    }

    /// The ServiceAccounts that pods of `workload` ran as; empty where that is not known.
    pub(super) fn accounts(&self, workload: &WorkloadRef) -> impl Iterator<Item = &'a str> {
        self.accounts.get(workload).into_iter().flatten().copied()
    }

    /// Whose pods run as a ServiceAccount and have addresses of their own.
    pub(super) fn holders(&self, namespace: &str, account: &str) -> impl Iterator<Item = &'a WorkloadRef> {
        self.holders.get(namespace).and_then(|accounts| accounts.get(account)).into_iter().flatten().copied()
    }

    /// The workloads of `namespace` whose pods have addresses of their own.
    pub(super) fn of_namespace(&self, namespace: &str) -> impl Iterator<Item = &'a WorkloadRef> {
        self.namespaces.get(namespace).into_iter().flatten().copied()
    }

    /// The workloads whose pods have addresses of their own.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a WorkloadRef> {
        self.accounts.keys().copied()
    }

    /// The edges by which nodes reached `workload`.
    pub(super) fn edges_from_nodes(&self, workload: &WorkloadRef) -> impl Iterator<Item = &'a Edge> {
        self.from_nodes.get(workload).into_iter().flatten().copied()
    }

    /// The workloads of `namespace` of which a pod, or the template, carries all of `labels`.
    pub(super) fn matching(&self, namespace: &str, labels: &Labels) -> impl Iterator<Item = &'a WorkloadRef> {
        self.of_namespace(namespace).filter(move |workload| {
            let Some(facts) = self.index.facts(workload) else { return false };
            let of_pods = facts.pods.iter().filter(|pod| !pod.host_network).map(|pod| &pod.labels);
            let mut sets = of_pods.chain(facts.declared.map(|declared| &declared.labels));
            sets.any(|set| selects(labels, set))
        })
    }

    /// Whether pods of `workload` are in a mesh, with a sidecar or without.
    pub(super) fn in_mesh(&self, workload: &WorkloadRef) -> bool {
        self.index.facts(workload).is_some_and(|facts| self.mesh.is_member(workload, facts))
    }

    /// Whether they are in it without a sidecar.
    pub(super) fn is_ambient(&self, workload: &WorkloadRef) -> bool {
        self.index.facts(workload).is_some_and(|facts| self.mesh.is_ambient(workload, facts))
    }
}

fn from_nodes(edges: &[Edge]) -> BTreeMap<&WorkloadRef, Vec<&Edge>> {
    let mut all: BTreeMap<&WorkloadRef, Vec<&Edge>> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| matches!(edge.client, Endpoint::Node { .. })) {
        if let Some(server) = edge.server.workload() {
            all.entry(server).or_default().push(edge);
        }
    }
    all
}

/// The ServiceAccounts in `facts`, without those that Kubernetes would not take as a name: in a policy they might mean more.
fn accounts<'a>(facts: &Facts<'a>) -> BTreeSet<&'a str> {
    let of_pods = facts.pods.iter().filter_map(|pod| pod.service_account.as_deref());
    let declared = facts.declared.and_then(|declared| declared.service_account.as_deref());
    of_pods.chain(declared).filter(|name| valid_name(name)).collect()
}

/// Whether `workload` has a namespace that Kubernetes would take.
pub(super) fn has_valid_namespace(workload: &WorkloadRef) -> bool {
    valid_namespace(&workload.namespace)
}
