//! The intermediate form: what the passes of inference agree on and every renderer starts from. Sorted, free of any dialect.

use ipnet::IpNet;
use netwright_record::Protocol;
use netwright_record::inventory::{Labels, WorkloadRef};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Everything inferred from one observation. Numbers called `edge` are positions in its `edges`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// One policy a workload, by namespace and name.
    pub policies: Vec<WorkloadPolicy>,
    /// Namespaces in which everything that is not allowed can be denied.
    pub default_deny: Vec<String>,
    /// What a reviewer must know.
    pub findings: Findings,
}

/// The policy of one workload, both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadPolicy {
    /// Whose it is.
    pub workload: WorkloadRef,
    /// The policy's name, and its file's without the ending: unique in the namespace.
    pub name: String,
    /// How its pods are selected.
    pub selection: Selection,
    /// Who may connect to it.
    pub ingress: Vec<Rule>,
    /// What it may connect to.
    pub egress: Vec<Rule>,
}

/// How the pods of a workload are selected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The labels.
    pub labels: Labels,
    /// Keys that stand in addition to the owner's own selector, to tell it apart from others.
    pub added: BTreeSet<String>,
    /// Whether the owner's selector did not match every pod that was seen (the owner was made anew with other labels),
    /// so that labels which all of them carried stand in its place.
    pub common: bool,
    /// Other workloads of the namespace that the labels select as well.
    pub widened: BTreeSet<WorkloadRef>,
}

/// Every peer may be reached on (or may reach) every port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The peers, sorted; never empty.
    pub peers: Vec<Peer>,
    /// The ports; never empty.
    pub ports: BTreeSet<Port>,
    /// Which edges the rule comes from.
    pub grounds: BTreeSet<Ground>,
}

/// One peer of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Who it is.
    pub target: Target,
    /// What a person would call it, where the target does not say so: a DNS name, a node. Text from outside.
    pub notes: BTreeSet<String>,
}

/// What a rule can name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Pods by namespace and labels.
    Pods {
        /// The namespace.
        namespace: String,
        /// The labels; never empty.
        labels: Labels,
    },
    /// Addresses.
    Block {
        /// The block.
        cidr: IpNet,
        /// Blocks inside it that are not meant.
        except: BTreeSet<IpNet>,
    },
}

/// A port of a protocol, as the server pod sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// The protocol.
    pub protocol: Protocol,
    /// The number.
    pub number: u16,
}

/// Why a rule exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ground {
    /// The edge.
    pub edge: usize,
    /// How the rule follows from it.
    pub why: Why,
}

/// How a rule follows from an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The edge was seen.
    Seen,
    /// DNS was seen over UDP: an answer that does not fit is asked for again over TCP.
    TruncatedAnswers,
}

/// What a reviewer must know about a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Workloads without a policy.
    pub unprotected: BTreeMap<WorkloadRef, Unprotected>,
    /// Namespaces without a default-deny, and the workloads that would be cut off by one.
    pub open_namespaces: BTreeMap<String, BTreeSet<WorkloadRef>>,
    /// Workloads whose labels select others too: access given to one is given to all.
    pub widened: BTreeMap<WorkloadRef, BTreeSet<WorkloadRef>>,
    /// Edges of which no attempt got through: no rule.
    pub never_established: Vec<usize>,
    /// Addresses that were reached and are not allowed until someone decides so.
    pub left_out: BTreeSet<LeftOut>,
    /// Edges that open a workload to every address outside the cluster.
    pub exposed: Vec<usize>,
    /// Edges of which the observation does not hold every address that was seen: the others are not allowed.
    pub partly_known: Vec<usize>,
    /// Edges whose other end can be named by its pods' addresses only, since no label selects it.
    pub by_address: Vec<usize>,
}

/// An address that was reached (or came in) and gets no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// The edge.
    pub edge: usize,
    /// The address.
    pub address: IpAddr,
}

/// Why a workload has no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unprotected {
    /// Policies do not apply to it.
    #[error("its pods share the node's network: no policy applies to them")]
    HostNetwork,
    /// Nothing is known about what it needs.
    #[error("no established traffic was seen: whatever it needs would be cut off")]
    Silent,
    /// It cannot be selected.
    #[error("its pods have no stable labels in common by which a policy could select them")]
    NoLabels,
    /// Kubernetes would not take a policy with these names.
    #[error("{0} is not valid in Kubernetes: the inventory is damaged or was edited")]
    Invalid(String),
    /// A peer cannot be expressed.
    #[error("its peer {0} can be named neither by labels nor by addresses")]
    UnnameablePeer(String),
    /// Its policy would cut off another workload.
    #[error("its labels also select {}, which cannot have a policy of its own and would be cut off", .0)]
    WouldCutOff(WorkloadRef),
}
