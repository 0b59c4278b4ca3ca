//! The intermediate form: what the passes of inference agree on and every renderer starts from. Sorted, free of any dialect.

use crate::review::Decided;
use ipnet::IpNet;
use netwright_record::inventory::{Labels, WorkloadRef};
use netwright_record::{Endpoint, Name, Protocol, ServiceRef};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Everything inferred from one observation. Numbers called `edge` are positions in its `edges`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// One policy a workload, by namespace and name.
    pub policies: Vec<WorkloadPolicy>,
    /// Namespaces in which everything that is not allowed can be denied.
    pub default_deny: Vec<String>,
    /// What a reviewer must know.
    pub findings: Findings,
    /// What people decided, which the rules follow.
    pub decided: Decided,
}

impl Plan {
    /// What all rules together allow beyond what was seen.
    pub fn widened(&self) -> Widened {
        self.policies.iter().flat_map(WorkloadPolicy::rules).map(|(_, rule)| rule.widened).sum()
    }
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

impl WorkloadPolicy {
    /// The rules of both directions, those of ingress first.
    pub fn rules(&self) -> impl Iterator<Item = (RuleDirection, &Rule)> {
        let ingress = self.ingress.iter().map(|rule| (RuleDirection::Ingress, rule));
        ingress.chain(self.egress.iter().map(|rule| (RuleDirection::Egress, rule)))
    }
}

/// Which way the connections of a rule are opened, as its policy's workload sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleDirection {
    /// The peers connect to the workload.
    Ingress,
    /// The workload connects to the peers.
    Egress,
}

impl RuleDirection {
    /// As a field of a policy is called: `ingress`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// How the pods of a workload are selected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The namespace and the labels.
    pub pods: Arc<Pods>,
    /// Keys that stand in addition to the owner's own selector, to tell it apart from others.
    pub added: BTreeSet<Name>,
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
    /// The ports, sorted; never empty.
    pub ports: Vec<Port>,
    /// Where the rule comes from, sorted.
    pub grounds: Vec<Ground>,
    /// What the rule allows beyond what was seen, since an option asked for it.
    pub widened: Widened,
}

/// How much is allowed that was not seen. Zero unless an option widens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Widened {
    /// Pairs of a workload and a peer workload.
    pub pairs: u64,
    /// Addresses outside the cluster. Saturates at the largest number, which only IPv6 can reach.
    pub addresses: u128,
    /// Port numbers, once for each peer.
    pub ports: u64,
}

impl Widened {
    /// Whether nothing is.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl std::iter::Sum for Widened {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::default(), |sum, item| Self {
            pairs: sum.pairs.saturating_add(item.pairs),
            addresses: sum.addresses.saturating_add(item.addresses),
            ports: sum.ports.saturating_add(item.ports),
        })
    }
}

/// One peer of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// How it is named.
    pub target: Target,
    /// Who is meant by that, sorted. Several where one block or one selector stands for several.
    pub whom: Vec<Whom>,
}

/// What a rule can name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Pods.
    Pods(Arc<Pods>),
    /// Addresses.
    Block {
        /// The block.
        cidr: IpNet,
        /// Blocks inside it that are not meant, sorted.
        except: Arc<[IpNet]>,
    },
}

impl Target {
    /// One address.
    pub fn address(address: IpAddr) -> Self {
        Self::block(address.to_canonical().into())
    }

    /// A block without exceptions.
    pub fn block(cidr: IpNet) -> Self {
        Self::Block { cidr, except: Arc::new([]) }
    }
}

/// Pods by namespace and labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pods {
    /// The namespace.
    pub namespace: Name,
    /// The labels, all of which a pod must carry. Empty only where every pod of the namespace is meant, which needs an option.
    pub labels: Labels,
}

/// Who is behind a peer. What a renderer may know better than by labels and addresses, and what a comment says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whom {
    /// A workload whose pods have addresses of their own.
    Workload(Arc<WorkloadRef>),
    /// Pods of a workload that share the network of their nodes: the nodes on which they ran.
    HostNetwork(Arc<WorkloadRef>),
    /// The processes of one node.
    Node(Arc<str>),
    /// The processes of a node: whichever node a pod's is, and so every node.
    EveryNode,
    /// Clients of an exposed Service that come with the address of the node they were sent through.
    ThroughNodes(Arc<ServiceRef>),
    /// The API server, or the control plane's nodes from which it calls.
    ApiServer,
    /// A DNS cache on each node, at a link-local address.
    NodeLocalDns,
    /// The address of the cluster's DNS Service, where a cache on the node answers in its place.
    ClusterDns(Arc<ServiceRef>),
    /// The address from which kubelets' probes reach pods of Istio's ambient mesh.
    AmbientProbes,
    /// An address outside, reached by this name. Text from outside.
    Name(Arc<str>),
    /// An address outside of which no name is known.
    Address,
    /// Clients outside the cluster, whoever they are.
    Internet,
}

impl Whom {
    /// What a person would call it, where the target does not say so itself. Text from outside, not escaped.
    pub fn note(&self) -> Option<String> {
        match self {
            Whom::Workload(_) | Whom::Address | Whom::Internet => None,
            Whom::HostNetwork(workload) => Some(workload.to_string()),
            Whom::Node(name) => Some(format!("node {name}")),
            Whom::EveryNode => Some("any node".into()),
            Whom::ThroughNodes(service) => {
                Some(format!("clients of Service {}/{} through a node", service.namespace, service.name))
            }
            Whom::ApiServer => Some("API server".into()),
            Whom::NodeLocalDns => Some("node-local DNS".into()),
            Whom::ClusterDns(service) => Some(format!("DNS Service {}/{}", service.namespace, service.name)),
            Whom::AmbientProbes => Some("probes of kubelets in an ambient mesh".into()),
            Whom::Name(name) => Some(name.to_string()),
        }
    }
}

/// Ports of a protocol, as the server pod sees them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// The protocol.
    pub protocol: Protocol,
    /// Which of its ports.
    pub at: PortMatch,
}

/// Which ports of a protocol are meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortMatch {
    /// Numbers, both ends included; the same twice for one port.
    Range {
        /// The lowest.
        first: u16,
        /// The highest, not below `first`.
        last: u16,
    },
    /// Whatever number the server pod's container gives this name.
    Named(Arc<str>),
}

impl Port {
    /// One port.
    pub fn number(protocol: Protocol, number: u16) -> Self {
        Self { protocol, at: PortMatch::Range { first: number, last: number } }
    }
}

/// As people write it: `8080/TCP`, `30000-30010/TCP`, `http/TCP`.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            PortMatch::Range { first, last } if first == last => write!(f, "{first}")?,
            PortMatch::Range { first, last } => write!(f, "{first}-{last}")?,
            PortMatch::Named(name) => write!(f, "{}", name.escape_debug())?,
        }
        write!(f, "/{}", self.protocol.as_str())
    }
}

/// Why a rule exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ground {
    /// This edge was seen.
    Seen(usize),
    /// This edge is DNS over UDP: an answer that does not fit is asked for again over TCP, on the target port for that.
    TruncatedAnswers(usize),
    /// This edge is DNS in a cluster with node-local caches: the cache's address and the DNS Service's own are used in turn.
    NodeLocalDns(usize),
    /// Both ends of this edge are in Istio's ambient mesh, which carries it on its own port, or from its own address.
    Ambient(usize),
    /// This object of the inventory's `api_extensions` makes the API server call the workload, whether seen or not.
    ApiExtension(usize),
    /// This decision of the review allows it.
    Decision(usize),
}

impl Ground {
    /// The edge it rests on, if it rests on one.
    pub fn edge(self) -> Option<usize> {
        match self {
            Self::Seen(edge) | Self::TruncatedAnswers(edge) | Self::NodeLocalDns(edge) | Self::Ambient(edge) => {
                Some(edge)
            }
            Self::ApiExtension(_) | Self::Decision(_) => None,
        }
    }
}

/// What a reviewer must know about a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Workloads without a policy.
    pub unprotected: BTreeMap<WorkloadRef, Unprotected>,
    /// Namespaces without a default-deny, and the workloads that would be cut off by one.
    pub open_namespaces: BTreeMap<Name, BTreeSet<WorkloadRef>>,
    /// Workloads whose labels select others too: access given to one is given to all.
    pub widened: BTreeMap<WorkloadRef, BTreeSet<WorkloadRef>>,
    /// Edges of which no attempt got through: no rule.
    pub never_established: Vec<usize>,
    /// Edges for which people decided that there is to be no rule.
    pub denied_by_decision: Vec<usize>,
    /// Edges that people decided to take as never observed.
    pub ignored_by_decision: Vec<usize>,
    /// Addresses that were reached and are not allowed until someone decides so.
    pub left_out: BTreeSet<LeftOut>,
    /// Edges that open a workload to every address outside the cluster.
    pub exposed: Vec<usize>,
    /// Workloads that a Service exposes through the nodes, which hide who the clients are: each with the edges that came so.
    pub exposed_through_nodes: BTreeMap<WorkloadRef, ThroughNodes>,
    /// Edges by which the API server reached a workload that no webhook and no APIService explains: somebody used its
    /// proxy, which is seldom and so easily missed.
    pub service_proxy: Vec<usize>,
    /// What the API server calls (a position in `api_extensions`) and no policy could be told to admit.
    pub uncalled: Vec<usize>,
    /// How many groups of outside addresses need more blocks than the budget, since fewer would hold addresses that no block may.
    pub over_cidr_budget: usize,
    /// Workloads that are reached by one client on very many high ports: a range may be meant.
    pub many_ports: Vec<ManyPorts>,
    /// Edges of which the observation does not hold every address that was seen: the others are not allowed.
    pub partly_known: Vec<usize>,
    /// Edges whose other end can be named by its pods' addresses only, since no label selects it.
    pub by_address: Vec<usize>,
}

/// The Services that expose a workload through the nodes, and what was seen of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThroughNodes {
    /// The Services.
    pub services: BTreeSet<ServiceRef>,
    /// The edges whose client is a node.
    pub edges: Vec<usize>,
}

/// One client that reached one server on very many high ports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManyPorts {
    /// The client.
    pub client: Endpoint,
    /// The server.
    pub server: Endpoint,
    /// The protocol.
    pub protocol: Protocol,
    /// How many ports.
    pub ports: usize,
    /// The lowest and the highest.
    pub between: (u16, u16),
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
    /// The dialect in which policies are written has no labels for it.
    #[error("its labels are ignored in the dialect that was asked for: a policy would cut off other workloads")]
    DialectIgnoresLabels,
    /// Its policy would cut off another workload.
    #[error("its labels also select {}, which cannot have a policy of its own and would be cut off", .0)]
    WouldCutOff(WorkloadRef),
}
