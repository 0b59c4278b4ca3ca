//! The parties that stand for an endpoint in a replay: every kind of pod a workload had, every address that was seen.

use crate::index::{Facts, Index};
use crate::state::convert::named_ports;
use netwright_policy::{Labels, METADATA_NAME, NamedPort, Party, Pod, PolicySet};
use netwright_record::inventory::{self, WorkloadRef};
use netwright_record::{Edge, Endpoint, FlatSet, Name};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

/// Stand for clients outside the cluster of which no address was kept: one of each family, from the ranges that are
/// reserved for documentation and so are nobody's.
const SOMEWHERE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// Pods that no policy can tell apart except by their addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alike<'a> {
    /// Such a pod without addresses: what selectors alone decide about it.
    pub bare: Pod,
    /// The pods as the inventory has them; none where it holds none.
    known: Vec<&'a inventory::Pod>,
    /// What is added to their names.
    suffix: &'static str,
}

impl<'a> Alike<'a> {
    /// The pods, each with its addresses. Made one by one, since seldom more than [`Alike::bare`] is asked about.
    pub fn pods(&self) -> impl Iterator<Item = Pod> {
        self.known.iter().map(|pod| Pod {
            name: format!("{}{}", pod.name, self.suffix),
            addresses: pod.addresses.iter().map(|held| held.ip).collect(),
            ..self.bare.clone()
        })
    }

    /// Those of the pods that ran on the node called `name`, which has these addresses.
    fn of_node(&self, name: &str, node_addresses: &[IpAddr]) -> Self {
        Self {
            bare: Pod { node_addresses: node_addresses.to_vec(), ..self.bare.clone() },
            known: self.known.iter().copied().filter(|pod| pod.node.as_deref() == Some(name)).collect(),
            suffix: self.suffix,
        }
    }

    /// The same pods under other names: two pods of one workload are two pods, not one that talks to itself.
    fn into_client(mut self) -> Self {
        // No pod has a blank in its name, so nobody else's is hit.
        self.suffix = " (client)";
        self.bare.name.push_str(self.suffix);
        self
    }
}

/// One party that stands for an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End<'a> {
    /// Pods.
    Pods(Rc<Alike<'a>>),
    /// A node, by the addresses it may use.
    Node(Vec<IpAddr>),
    /// An address.
    Address(IpAddr),
}

impl End<'_> {
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

/// What stands for a workload.
type Group<'a> = Rc<[Rc<Alike<'a>>]>;

/// Finds the parties of endpoints: the pods of a workload, grouped by what the policies look at.
///
/// Edges come in the order of their clients, so of these one is kept at a time. Servers are kept: they are few beside
/// those who call them.
pub struct Parties<'a> {
    index: &'a Index<'a>,
    keys: &'a BTreeSet<&'a str>,
    client: RefCell<Option<(&'a WorkloadRef, Group<'a>)>>,
    servers: RefCell<HashMap<&'a WorkloadRef, Group<'a>>>,
}

impl<'a> Parties<'a> {
    /// Parties by the labels that have one of `keys`: see [`mentioned_keys`].
    pub fn new(index: &'a Index<'a>, keys: &'a BTreeSet<&'a str>) -> Self {
        Self { index, keys, client: RefCell::default(), servers: RefCell::default() }
    }

    /// The parties that stand for the client of `edge`.
    pub fn clients(&self, edge: &'a Edge) -> Vec<End<'a>> {
        match self.index.own_node(edge) {
            Some((node, _)) => vec![End::Node(self.own_node(node, edge))],
            None => self.ends(&edge.client, &edge.client_addresses, |workload| self.client(workload)),
        }
    }

    /// The parties that stand for the server of `edge`.
    pub fn servers(&self, edge: &'a Edge) -> Vec<End<'a>> {
        match self.index.own_node(edge) {
            Some((node, server)) => self.on_node(server, node, edge),
            None => self.ends(&edge.server, &edge.server_addresses, |workload| self.server(workload)),
        }
    }

    fn client(&self, workload: &'a WorkloadRef) -> Group<'a> {
        let mut last = self.client.borrow_mut();
        match &*last {
            Some((known, group)) if *known == workload => Rc::clone(group),
            _ => {
                let group = group(alike(self.index, workload, self.keys).map(Alike::into_client));
                *last = Some((workload, Rc::clone(&group)));
                group
            }
        }
    }

    fn server(&self, workload: &'a WorkloadRef) -> Group<'a> {
        let mut servers = self.servers.borrow_mut();
        let group = servers.entry(workload).or_insert_with(|| group(alike(self.index, workload, self.keys)));
        Rc::clone(group)
    }

    fn ends(
        &self,
        endpoint: &'a Endpoint,
        seen: &FlatSet<IpAddr>,
        pods: impl Fn(&'a WorkloadRef) -> Group<'a>,
    ) -> Vec<End<'a>> {
        match endpoint {
            Endpoint::Workload(workload) if self.is_on_host_network(workload) => {
                vec![node(seen, || self.index.addresses_of_nodes_of(workload).clone())]
            }
            Endpoint::Workload(workload) => pods(workload).iter().cloned().map(End::Pods).collect(),
            Endpoint::Node { name, .. } => vec![node(seen, || self.index.node_addresses(name))],
            Endpoint::ApiServer if seen.is_empty() => addresses(self.index.api_server_addresses()),
            Endpoint::ApiServer | Endpoint::ExternalName { .. } => addresses(seen),
            Endpoint::LinkLocal { address } | Endpoint::External { address } => {
                addresses(&(seen | &BTreeSet::from([*address])))
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
        let known = &edge.client_addresses | &self.index.node_addresses(name);
        if known.is_empty() { SOMEWHERE.into() } else { known.into_iter().collect() }
    }

    /// The pods of `server` on the node from which `edge` came: the node is their own.
    fn on_node(&self, server: &'a WorkloadRef, name: &str, edge: &Edge) -> Vec<End<'a>> {
        let node_addresses = self.own_node(name, edge);
        self.server(server)
            .iter()
            .map(|alike| alike.of_node(name, &node_addresses))
            .filter(|alike| !alike.known.is_empty())
            .map(|alike| End::Pods(Rc::new(alike)))
            .collect()
    }
}

fn group<'a>(alike: impl Iterator<Item = Alike<'a>>) -> Group<'a> {
    alike.map(Rc::new).collect()
}

fn node<'a>(seen: &FlatSet<IpAddr>, of_inventory: impl FnOnce() -> BTreeSet<IpAddr>) -> End<'a> {
    End::Node(if seen.is_empty() { of_inventory().into_iter().collect() } else { seen.iter().copied().collect() })
}

/// One end an address; where there is none, one that is known to be at no address.
fn addresses<'a, 's>(seen: impl IntoIterator<Item = &'s IpAddr>) -> Vec<End<'a>> {
    let ends: Vec<End> = seen.into_iter().copied().map(End::Address).collect();
    if ends.is_empty() { vec![End::Node(Vec::new())] } else { ends }
}

/// The label keys that decide anything: pods that agree on these are alike to every selector.
pub fn mentioned_keys(policies: &PolicySet) -> BTreeSet<&str> {
    let mut keys = BTreeSet::from([METADATA_NAME]);
    for policy in policies.policies() {
        let rules = policy.ingress.iter().chain(&policy.egress);
        let peers = rules.flat_map(|rule| rule.peers.iter().flatten()).filter_map(|peer| match peer {
            netwright_policy::Peer::Pods { pods, .. } => pods.as_ref(),
            netwright_policy::Peer::IpBlock(_) => None,
        });
        for selector in peers.chain([&policy.pod_selector]) {
            keys.extend(selector.requirements.iter().map(|requirement| &*requirement.key));
        }
    }
    keys
}

/// The pods of `workload`, those together that have the same labels, as far as `keys` go, and the same named ports.
fn alike<'a>(
    index: &Index<'a>,
    workload: &WorkloadRef,
    keys: &BTreeSet<&str>,
) -> impl Iterator<Item = Alike<'a>> + use<'a> {
    let mut groups: BTreeMap<(Labels, Vec<NamedPort>), Vec<&'a inventory::Pod>> = BTreeMap::new();
    let facts = index.facts(workload);
    for pod in facts.iter().flat_map(|facts| &facts.pods).filter(|pod| !pod.host_network) {
        groups.entry((project(&pod.labels, keys), named_ports(&pod.ports))).or_default().push(pod);
    }
    if let Some(facts) = facts.filter(|_| groups.is_empty()) {
        groups.insert(of_template(facts, keys), Vec::new());
    }
    let (namespace, name) = (String::from(&workload.namespace), String::from(&workload.name));
    groups.into_iter().map(move |((labels, ports), known)| {
        let (namespace, name) = (namespace.clone(), name.clone());
        let bare = Pod { namespace, name, labels, addresses: Vec::new(), node_addresses: Vec::new(), ports };
        Alike { bare, known, suffix: "" }
    })
}

/// What a pod of a workload without pods would have.
fn of_template(facts: &Facts, keys: &BTreeSet<&str>) -> (Labels, Vec<NamedPort>) {
    let Some(declared) = facts.declared else { return Default::default() };
    (project(declared.labels.iter().chain(&declared.selector), keys), named_ports(&declared.ports))
}

fn project<'a>(labels: impl IntoIterator<Item = (&'a Name, &'a Name)>, keys: &BTreeSet<&str>) -> Labels {
    let mentioned = labels.into_iter().filter(|(key, _)| keys.contains(key.as_str()));
    mentioned.map(|(key, value)| (key.into(), value.into())).collect()
}
