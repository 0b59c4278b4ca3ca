//! Whom connectivity is between: workloads, or their pods one by one.

use crate::state::{State, StatePod};
use clap::ValueEnum;
use netwright_policy::{Classes, Labels, Pod, PolicySet};
use netwright_record::inventory::WorkloadRef;
use std::collections::BTreeMap;

/// What is taken together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Each pod for itself.
    Pod,
    /// The pods of a workload.
    #[default]
    Workload,
}

/// A workload, or a pod of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its name. A pod has the kind `Pod`; one that stands for a template has the name of its workload.
    pub name: WorkloadRef,
    /// Its pods, where policies tell them apart. Never none.
    pub(super) members: Vec<Member>,
}

/// Pods of a unit that policies do not tell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Member {
    /// Pods with addresses of their own.
    Pods {
        /// Their class.
        class: usize,
        /// Whether there are, or may be, two of them: then one may connect to another.
        repeats: bool,
    },
    /// A host-network pod.
    Node {
        /// The ranges in which the addresses of its node lie; none where those are not known.
        ranges: Vec<usize>,
        /// As above.
        repeats: bool,
    },
}

impl Member {
    pub(super) fn repeats(&self) -> bool {
        match self {
            Member::Pods { repeats, .. } | Member::Node { repeats, .. } => *repeats,
        }
    }
}

impl Unit {
    /// Whether all its pods share the network of their nodes, so that no policy selects them.
    pub fn host_network(&self) -> bool {
        self.members.iter().all(|member| matches!(member, Member::Node { .. }))
    }

    /// Whether one of its pods shares the network of its node.
    pub(super) fn has_nodes(&self) -> bool {
        self.members.iter().any(|member| matches!(member, Member::Node { .. }))
    }

    /// The classes of its pods, each once.
    pub(super) fn classes(&self) -> impl Iterator<Item = usize> {
        self.members.iter().filter_map(|member| match member {
            Member::Pods { class, .. } => Some(*class),
            Member::Node { .. } => None,
        })
    }
}

/// All units of a cluster, by name, over classes of pods that some policy sets do not tell apart.
#[derive(Debug)]
pub struct Units {
    units: Vec<Unit>,
    classes: Classes,
    stranger: usize,
}

impl Units {
    /// The units of `state`, for policy sets that will be asked about.
    pub fn new(state: &State, by: By, sets: &[&PolicySet]) -> Self {
        let own = || state.pods.iter().filter(|pod| !pod.host_network);
        let stranger = stranger();
        let classes = Classes::new(sets, &state.cluster, own().map(|pod| &pod.pod).chain([&stranger]));
        let mut units: BTreeMap<WorkloadRef, Members> = BTreeMap::new();
        let mut number = 0;
        for pod in &state.pods {
            let members = units.entry(name(pod, by)).or_default();
            members.grows |= pod.from_template || (by == By::Workload && pod.workload.kind != "Pod");
            if pod.host_network {
                let ranges = pod.pod.addresses.iter().map(|address| classes.range_of(*address)).collect();
                *members.nodes.entry(ranges).or_default() += 1;
            } else {
                *members.pods.entry(classes.of_pod(number)).or_default() += 1;
                number += 1;
            }
        }
        let units = units.into_iter().map(|(name, members)| Unit { name, members: members.list() }).collect();
        Self { units, stranger: classes.of_pod(number), classes }
    }

    /// The units, by name.
    pub fn all(&self) -> &[Unit] {
        &self.units
    }

    /// The classes of their pods.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// The class of a pod of which nothing is known, in a namespace of which nothing is known.
    pub(super) fn stranger(&self) -> usize {
        self.stranger
    }
}

fn name(pod: &StatePod, by: By) -> WorkloadRef {
    if by == By::Workload || pod.from_template {
        return pod.workload.clone();
    }
    WorkloadRef { namespace: (&pod.pod.namespace).into(), kind: "Pod".into(), name: (&pod.pod.name).into() }
}

/// No namespace has blanks in its name, so no policy names this one.
fn stranger() -> Pod {
    Pod {
        namespace: "a namespace that is not there yet".to_owned(),
        name: "stranger".to_owned(),
        labels: Labels::new(),
        addresses: Vec::new(),
        node_addresses: Vec::new(),
        ports: Vec::new(),
    }
}

/// The members of a unit as they are found.
#[derive(Default)]
struct Members {
    /// Each class with the number of its pods.
    pods: BTreeMap<usize, usize>,
    /// The ranges of each node with the number of its pods.
    nodes: BTreeMap<Vec<usize>, usize>,
    /// Whether there may be more pods than are known, each like one of these: something makes them.
    grows: bool,
}

impl Members {
    /// A workload of one pod gets a second one with the next rollout; of pods that differ each may be the only one.
    fn list(self) -> Vec<Member> {
        let grows = self.grows;
        let repeats = |count: usize, all: usize| count > 1 || (grows && all == 1);
        let (pods, nodes) = (self.pods.values().sum(), self.nodes.values().sum());
        let of_pods = self.pods.into_iter().map(|(class, count)| Member::Pods { class, repeats: repeats(count, pods) });
        let of_nodes =
            self.nodes.into_iter().map(|(ranges, count)| Member::Node { ranges, repeats: repeats(count, nodes) });
        of_pods.chain(of_nodes).collect()
    }
}
