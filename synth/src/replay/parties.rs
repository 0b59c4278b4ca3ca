//! The parties that stand for an endpoint in a replay: every kind of pod a workload had, every address that was seen.

use crate::index::Index;
use crate::state::convert::named_ports;
use netwright_policy::{Labels, METADATA_NAME, NamedPort, Party, Pod, PolicySet};
use netwright_record::inventory::{self, WorkloadRef};
use netwright_record::{Edge, Endpoint};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

/// Stand for clients outside the cluster of which no address was kept: one of each family, from the ranges that are
/// reserved for documentation and so are nobody's.
const SOMEWHERE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// Pods that no policy can tell apart except by their addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alike {
    /// Such a pod without addresses: what selectors alone decide about it.
    pub bare: Pod,
    /// The pods, each with its addresses; empty where the inventory holds none.
    pub pods: Vec<Pod>,
}

/// One party that stands for an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Pods.
    Pods(Rc<Alike>),
    /// A node, by the addresses it may use.
    Node(Vec<IpAddr>),
    /// An address.
    Address(IpAddr),
}

impl End {
    /// The party by which the end is first asked about: for pods, one without addresses.
    pub fn party(&self) -> Party<'_> {
        match self {
            End::Pods(alike) => Party::Pod(&alike.bare),
            End::Node(addresses) => Party::Node { addresses },
            End::Address(address) => Party::Address(*address),
        }
    }

    /// What a message calls it.
    pub fn describe(&self) -> String {
        match self {
            End::Pods(alike) => {
                let labels = alike.bare.labels.iter().map(|(key, value)| format!("{key}={value}"));
                format!("pod with labels {}", labels.collect::<Vec<_>>().join(","))
            }
            End::Node(addresses) => {
                let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                format!("node address {}", addresses.join(","))
            }
            End::Address(address) => format!("address {address}"),
        }
    }
}

/// The pods of one workload, once for each end of an edge.
#[derive(Default)]
struct Sides {
    clients: Vec<Rc<Alike>>,
    servers: Vec<Rc<Alike>>,
}

/// Finds the parties of endpoints. Holds the pods of each workload, grouped once by what the policies look at.
pub struct Parties<'a> {
    index: &'a Index<'a>,
    pods: BTreeMap<&'a WorkloadRef, Sides>,
}

impl<'a> Parties<'a> {
    /// Groups the pods of `index` by the labels that any selector of `policies` mentions.
    pub fn new(index: &'a Index<'a>, policies: &PolicySet) -> Self {
        let keys = mentioned_keys(policies);
        let sides = |workload| {
            let servers = alike(index, workload, &keys);
            let clients = servers.iter().map(as_client).map(Rc::new).collect();
            Sides { clients, servers: servers.into_iter().map(Rc::new).collect() }
        };
        Self { index, pods: index.workloads().map(|(workload, _)| (workload, sides(workload))).collect() }
    }

    /// The parties that stand for the client of `edge`.
    pub fn clients(&self, edge: &Edge) -> Vec<End> {
        match self.index.own_node(edge) {
            Some((node, _)) => vec![End::Node(self.own_node(node, edge))],
            None => self.ends(&edge.client, &edge.client_addresses, |sides| &sides.clients),
        }
    }

    /// The parties that stand for the server of `edge`.
    pub fn servers(&self, edge: &Edge) -> Vec<End> {
        match self.index.own_node(edge) {
            Some((node, server)) => self.on_node(server, node, edge),
            None => self.ends(&edge.server, &edge.server_addresses, |sides| &sides.servers),
        }
    }

    fn ends(&self, endpoint: &Endpoint, seen: &BTreeSet<IpAddr>, side: impl Fn(&Sides) -> &Vec<Rc<Alike>>) -> Vec<End> {
        match endpoint {
            Endpoint::Workload(workload) if self.is_on_host_network(workload) => {
                vec![node(seen, || self.index.addresses_of_nodes_of(workload))]
            }
            Endpoint::Workload(workload) => self
                .pods
                .get(workload)
                .into_iter()
                .flat_map(|sides| side(sides).iter().cloned().map(End::Pods))
                .collect(),
            Endpoint::Node { name, .. } => vec![node(seen, || self.index.node_addresses(name))],
            Endpoint::ApiServer if seen.is_empty() => addresses(self.index.api_server_addresses()),
            Endpoint::ApiServer | Endpoint::ExternalName { .. } => addresses(seen),
            Endpoint::LinkLocal { address } | Endpoint::External { address } => {
                addresses(&seen.iter().copied().chain([*address]).collect())
            }
            Endpoint::Internet if seen.is_empty() => SOMEWHERE.map(End::Address).into(),
            Endpoint::Internet => addresses(seen),
        }
    }

    fn is_on_host_network(&self, workload: &WorkloadRef) -> bool {
        self.index.facts(workload).is_some_and(|facts| facts.host_network())
    }

    /// The addresses of the node from which `edge` came; where none is known, one that stands for it.
    fn own_node(&self, name: &str, edge: &Edge) -> Vec<IpAddr> {
        let known = &self.index.node_addresses(name) | &edge.client_addresses;
        if known.is_empty() { SOMEWHERE.into() } else { known.into_iter().collect() }
    }

    /// The pods of `server` on the node from which `edge` came: the node is their own.
    fn on_node(&self, server: &WorkloadRef, name: &str, edge: &Edge) -> Vec<End> {
        let node_addresses = self.own_node(name, edge);
        let there = self.index.facts(server).map(|facts| facts.pods.as_slice()).unwrap_or_default();
        let there: BTreeSet<&str> =
            there.iter().filter(|pod| pod.node.as_deref() == Some(name)).map(|pod| pod.name.as_str()).collect();
        let groups = self.pods.get(server).into_iter().flat_map(|sides| &sides.servers);
        groups
            .map(|alike| alike.of_node(&there, &node_addresses))
            .filter(|alike| !alike.pods.is_empty())
            .map(|alike| End::Pods(Rc::new(alike)))
            .collect()
    }
}

impl Alike {
    /// Those of the pods that are among `names`, with the addresses of their node.
    fn of_node(&self, names: &BTreeSet<&str>, node_addresses: &[IpAddr]) -> Self {
        let there = |pod: &Pod| Pod { node_addresses: node_addresses.to_vec(), ..pod.clone() };
        let pods = self.pods.iter().filter(|pod| names.contains(pod.name.as_str())).map(there).collect();
        Self { bare: there(&self.bare), pods }
    }
}

/// The same pods under other names: two pods of one workload are two pods, not one that talks to itself.
fn as_client(alike: &Alike) -> Alike {
    // No pod has a blank in its name, so nobody else's is hit.
    let renamed = |pod: &Pod| Pod { name: format!("{} (client)", pod.name), ..pod.clone() };
    Alike { bare: renamed(&alike.bare), pods: alike.pods.iter().map(renamed).collect() }
}

fn node(seen: &BTreeSet<IpAddr>, of_inventory: impl FnOnce() -> BTreeSet<IpAddr>) -> End {
    let addresses = if seen.is_empty() { of_inventory() } else { seen.clone() };
    End::Node(addresses.into_iter().collect())
}

/// One end an address; where there is none, one that is known to be at no address.
fn addresses(seen: &BTreeSet<IpAddr>) -> Vec<End> {
    if seen.is_empty() { vec![End::Node(Vec::new())] } else { seen.iter().copied().map(End::Address).collect() }
}

/// The label keys that decide anything: pods that agree on these are alike to every selector.
fn mentioned_keys(policies: &PolicySet) -> BTreeSet<&str> {
    let mut keys = BTreeSet::from([METADATA_NAME]);
    for policy in policies.policies() {
        let rules = policy.ingress.iter().chain(&policy.egress);
        let peers = rules.flat_map(|rule| rule.peers.iter().flatten()).filter_map(|peer| match peer {
            netwright_policy::Peer::Pods { pods, .. } => pods.as_ref(),
            netwright_policy::Peer::IpBlock(_) => None,
        });
        for selector in peers.chain([&policy.pod_selector]) {
            keys.extend(selector.requirements.iter().map(|requirement| requirement.key.as_str()));
        }
    }
    keys
}

fn alike(index: &Index, workload: &WorkloadRef, keys: &BTreeSet<&str>) -> Vec<Alike> {
    let Some(facts) = index.facts(workload) else { return Vec::new() };
    let mut groups: BTreeMap<(Labels, Vec<NamedPort>), Vec<Pod>> = BTreeMap::new();
    for pod in facts.pods.iter().filter(|pod| !pod.host_network) {
        let labels = project(&pod.labels, keys);
        let ports = named_ports(&pod.ports);
        groups.entry((labels.clone(), ports.clone())).or_default().push(exact(pod, labels, ports));
    }
    if groups.is_empty() {
        let labels = facts.declared.map(|declared| {
            declared.labels.iter().chain(&declared.selector).map(|(key, value)| (key.clone(), value.clone())).collect()
        });
        let ports = facts.declared.map(|declared| named_ports(&declared.ports)).unwrap_or_default();
        groups.insert((project(&labels.unwrap_or_default(), keys), ports), Vec::new());
    }
    groups.into_iter().map(|((labels, ports), pods)| Alike { bare: bare(workload, labels, ports), pods }).collect()
}

fn project(labels: &Labels, keys: &BTreeSet<&str>) -> Labels {
    let mentioned = labels.iter().filter(|(key, _)| keys.contains(key.as_str()));
    mentioned.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn bare(workload: &WorkloadRef, labels: Labels, ports: Vec<NamedPort>) -> Pod {
    let (namespace, name) = (workload.namespace.clone(), workload.name.clone());
    Pod { namespace, name, labels, addresses: Vec::new(), node_addresses: Vec::new(), ports }
}

fn exact(pod: &inventory::Pod, labels: Labels, ports: Vec<NamedPort>) -> Pod {
    Pod {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        labels,
        addresses: pod.addresses.iter().map(|held| held.ip).collect(),
        node_addresses: Vec::new(),
        ports,
    }
}
