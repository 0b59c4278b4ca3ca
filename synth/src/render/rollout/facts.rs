//! What is known of each workload that gets a policy: who would be harmed, and what makes its policy doubtful.

use crate::graph::analysis::Dependencies;
use crate::graph::vertex::Folded;
use crate::graph::{Link, Vertex};
use crate::infer::rules::{Plan, WorkloadPolicy};
use netwright_record::Endpoint;
use netwright_record::inventory::WorkloadRef;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How many names stand for several.
const NAMED: usize = 4;

/// Whom a mistake in a policy harms, and whom its workload talks with. Links are pairs of ends with one port; a kubelet's
/// probes are not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Peers {
    /// How many workloads depend on it, directly or by way of others.
    pub dependents: usize,
    /// Who calls it.
    #[serde(skip_serializing_if = "Several::is_nothing")]
    pub clients: Several,
    /// Whether clients outside the cluster reach it, by themselves or through the nodes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exposed: bool,
    /// How many links of it were established.
    pub links: usize,
    /// How many of these were seen on one day only.
    #[serde(skip_serializing_if = "is_zero")]
    pub one_day_only: usize,
    /// How many links of it never got through; the policy shuts them.
    #[serde(skip_serializing_if = "is_zero")]
    pub never_established: usize,
    /// Workloads that it talks with and that have no policy of their own.
    #[serde(skip_serializing_if = "Several::is_nothing")]
    pub peers_without_policy: Several,
}

/// A few of several, and how many there are: a server that everything calls does not list everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Several {
    /// How many there are.
    pub count: usize,
    /// The names of the first, escaped.
    pub first: Vec<String>,
}

impl Several {
    /// The first are named; all are counted.
    pub(super) fn of<T: ToString>(mut all: impl Iterator<Item = T>) -> Self {
        let first: Vec<String> = all.by_ref().take(NAMED).map(|one| one.to_string()).collect();
        Self { count: first.len() + all.count(), first }
    }

    fn is_nothing(&self) -> bool {
        self.count == 0
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Counts over the links of one vertex.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    links: usize,
    one_day_only: usize,
    never_established: usize,
}

/// The look-ups behind the steps.
pub(super) struct Facts<'g, 'a> {
    dependencies: Dependencies<'g>,
    plan: &'a Plan,
    radii: Vec<usize>,
    counts: Vec<Counts>,
    policies: BTreeMap<usize, &'a WorkloadPolicy>,
}

impl<'g, 'a> Facts<'g, 'a> {
    pub(super) fn new(dependencies: Dependencies<'g>, plan: &'a Plan) -> Self {
        let number = |policy: &WorkloadPolicy| number_of(&dependencies, &policy.workload);
        let policies = plan.policies.iter().filter_map(|policy| Some((number(policy)?, policy))).collect();
        let counts = counts(&dependencies);
        Self { radii: dependencies.blast_radii(), counts, policies, dependencies, plan }
    }

    /// The policies in waves, in groups that go together; no wave and no group is empty. A workload of which nothing was
    /// seen (somebody decided about it) has no known dependents: it goes first.
    pub(super) fn waves(&self) -> Vec<Vec<Vec<&'a WorkloadPolicy>>> {
        let unseen = self.plan.policies.iter().filter(|policy| self.number(&policy.workload).is_none());
        let unseen: Vec<Vec<&WorkloadPolicy>> = unseen.map(|policy| vec![policy]).collect();
        let waves = self.dependencies.waves(&self.ties(), &self.radii).into_iter();
        let mut waves: Vec<Vec<Vec<&WorkloadPolicy>>> = waves
            .map(|wave| {
                let groups = wave.groups.iter().map(|group| self.policies_of(group));
                groups.filter(|group| !group.is_empty()).collect()
            })
            .collect();
        match waves.first_mut() {
            Some(first) => _ = first.splice(0..0, unseen),
            None => waves.push(unseen),
        }
        waves.retain(|groups| !groups.is_empty());
        waves
    }

    /// What is known of a workload.
    pub(super) fn peers(&self, workload: &WorkloadRef) -> Peers {
        let exposed = self.plan.findings.exposed_through_nodes.contains_key(workload);
        let Some(number) = self.number(workload) else { return Peers { exposed, ..Peers::default() } };
        let clients = self.dependencies.clients(number);
        let Counts { links, one_day_only, never_established } = self.counts.get(number).copied().unwrap_or_default();
        let is_outside = |client: &usize| self.vertex(*client).is_some_and(Vertex::is_outside);
        let servers = self.dependencies.servers(number);
        Peers {
            dependents: self.radii.get(number).copied().unwrap_or(0),
            exposed: exposed || clients.iter().any(is_outside),
            links,
            one_day_only,
            never_established,
            peers_without_policy: Several::of(clients.union(&servers).filter_map(|peer| self.unprotected(*peer))),
            clients: Several::of(clients.iter().filter_map(|client| self.vertex(*client))),
        }
    }

    /// Policies that select pods of others as well.
    fn ties(&self) -> BTreeSet<(usize, usize)> {
        let tie = |(one, policy): (&usize, &&WorkloadPolicy)| {
            let others = policy.selection.widened.iter().filter_map(|other| self.number(other));
            others.map(|other| (*one, other)).collect::<Vec<_>>()
        };
        self.policies.iter().flat_map(tie).collect()
    }

    fn policies_of(&self, group: &[usize]) -> Vec<&'a WorkloadPolicy> {
        group.iter().filter_map(|member| self.policies.get(member).copied()).collect()
    }

    fn unprotected(&self, number: usize) -> Option<&'a WorkloadRef> {
        let workload = match self.vertex(number)? {
            Vertex::Endpoint(Endpoint::Workload(workload)) | Vertex::Folded(Folded::HostNetworkWorkload(workload)) => {
                workload
            }
            _ => return None,
        };
        self.plan.findings.unprotected.get_key_value(workload).map(|(workload, _)| workload)
    }

    fn vertex(&self, number: usize) -> Option<&'g Vertex> {
        self.dependencies.vertex(number)
    }

    fn number(&self, workload: &WorkloadRef) -> Option<usize> {
        number_of(&self.dependencies, workload)
    }
}

fn number_of(dependencies: &Dependencies, workload: &WorkloadRef) -> Option<usize> {
    dependencies.number_of(&Vertex::Endpoint(Endpoint::Workload(workload.clone())))
}

fn counts(dependencies: &Dependencies) -> Vec<Counts> {
    let mut counts = vec![Counts::default(); dependencies.len()];
    let mut count = |end: usize, link: &Link| {
        let Some(counts) = counts.get_mut(end) else { return };
        if link.activity.established() {
            counts.links += 1;
            counts.one_day_only += usize::from(link.activity.hours.days() <= 1);
        } else {
            counts.never_established += 1;
        }
    };
    for (client, server, link) in dependencies.links().filter(|(.., link)| !link.own_node) {
        count(client, link);
        if client != server {
            count(server, link);
        }
    }
    counts
}
