//! What is asked: the two ends as written become parties, one for each kind of pod that the policies tell apart, and a
//! Service becomes what is behind it.

use crate::state::convert::protocol;
use crate::state::reference::Subject;
use crate::state::{State, StateNode, StatePod};
use netwright_policy::{
    Backends, Candidate, Classes, Destination, Endpoint, EndpointPort, Party, Pod, PolicySet, Protocol, Route, Service,
    ServicePort, TargetPort,
};
use netwright_record::inventory::{Service as Listed, WorkloadRef};
use netwright_resolve::inventory;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Stand for any address outside, one of each family, from the ranges that are reserved for documentation (RFC 5737,
/// RFC 3849) and so are nobody's.
const OUTSIDE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];
/// Stands for a cluster IP that the API server has not assigned yet.
const UNASSIGNED: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// One kind of party at an end: pods that no policy tells apart, or a single address or node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// What the policies see.
    pub whom: Whom,
    /// The names of the pods; empty where it is none.
    pub pods: Vec<String>,
    /// What a message calls it.
    pub name: String,
    /// The workload, where it is one's pods.
    pub workload: Option<WorkloadRef>,
    /// The pod a host-network pod would be if it had a network of its own.
    pub on_host: Option<Pod>,
}

/// What a policy sees, owned: for a pod that talks to another of its kind, one of them is renamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// A pod.
    Pod(Box<Pod>),
    /// A node or a host-network pod.
    Node(Vec<IpAddr>),
    /// An address.
    Address(IpAddr),
    /// An address that stands for any outside.
    Outside(IpAddr),
}

impl Whom {
    /// As the evaluator takes it.
    pub fn party(&self) -> Party<'_> {
        match self {
            Whom::Pod(pod) => Party::Pod(pod),
            Whom::Node(addresses) => Party::Node { addresses },
            Whom::Address(address) | Whom::Outside(address) => Party::Address(*address),
        }
    }
}

/// What is connected to: who, and the port there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Who.
    pub kind: Kind,
    /// The port the pod listens on, after translation.
    pub port: u16,
}

/// The destinations of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// Each kind with its port.
    pub list: Vec<Target>,
    /// How a Service gets there; `None` where none was asked for.
    pub route: Option<Route>,
}

/// Finds the kinds of parties behind names.
pub struct Kinds<'a> {
    state: &'a State,
    classes: Classes,
    /// Whether pods on different nodes are of different kinds.
    by_node: bool,
}

impl<'a> Kinds<'a> {
    /// For one set of policies over one state, and a question between these. Linear in the pods.
    pub fn new(state: &'a State, set: &PolicySet, asked: [Subject; 2]) -> Self {
        let classes = Classes::new(&[set], &state.cluster, state.pods.iter().map(|pod| &pod.pod));
        // A node reaches its own pods whatever the policies say.
        let by_node = asked.into_iter().any(|subject| is_on_node(state, subject));
        Self { state, classes, by_node }
    }

    /// The clients.
    pub fn clients(&self, subject: Subject) -> Vec<Kind> {
        match subject {
            Subject::Service(service) => self.pods(&self.members(service)),
            other => self.plain(other),
        }
    }

    /// The destinations of connections to `port`.
    pub fn targets(&self, subject: Subject, protocol: Protocol, port: u16) -> Targets {
        match subject {
            Subject::Service(service) => self.behind(&self.service(service), protocol, port),
            other => {
                let list = self.plain(other).into_iter().map(|kind| Target { kind, port }).collect();
                Targets { list, route: None }
            }
        }
    }

    /// The pods behind a Service, by their places in the state.
    fn members(&self, service: &Listed) -> Vec<usize> {
        let service = self.service(service);
        let pods = self.state.pods.iter().enumerate();
        pods.filter(|(_, pod)| is_member(&service, &pod.pod)).map(|(index, _)| index).collect()
    }

    /// Whether any of the pods is behind a Service.
    pub fn leads_to(&self, service: &Listed, pods: &[&StatePod]) -> bool {
        let service = self.service(service);
        pods.iter().any(|pod| is_member(&service, &pod.pod))
    }

    /// What is no Service.
    fn plain(&self, subject: Subject) -> Vec<Kind> {
        match subject {
            Subject::Workload(workload) => {
                self.pods(self.state.workloads.get(workload).map(Vec::as_slice).unwrap_or_default())
            }
            Subject::Pod(pod) => {
                let index = self.state.pods.iter().position(|known| std::ptr::eq(known, pod));
                let kinds = self.pods(index.as_slice());
                let name = format!("{}/{}", pod.pod.namespace, pod.pod.name);
                kinds.into_iter().map(|kind| Kind { name: name.clone(), ..kind }).collect()
            }
            Subject::Node(node) => vec![Kind::new(Whom::Node(node.addresses.clone()), format!("node {}", node.name))],
            Subject::NodeAddress(node, address) => vec![Kind::of_node(node, address)],
            Subject::Address(address) => vec![Kind::of_address(address)],
            Subject::Internet => self.internet(),
            Subject::Service(_) => Vec::new(),
        }
    }

    /// One address of each family that the cluster's pods have; of IPv4 where none is known.
    fn internet(&self) -> Vec<Kind> {
        let addresses = || self.state.pods.iter().flat_map(|pod| &pod.pod.addresses);
        let (v4, v6) = (addresses().any(IpAddr::is_ipv4), addresses().any(IpAddr::is_ipv6));
        let used = OUTSIDE.into_iter().filter(|address| if address.is_ipv4() { v4 || !v6 } else { v6 });
        let name = |address: &IpAddr| match (address, v4 && v6) {
            (_, false) => "the internet".to_owned(),
            (IpAddr::V4(_), true) => "the internet (IPv4)".to_owned(),
            (IpAddr::V6(_), true) => "the internet (IPv6)".to_owned(),
        };
        used.map(|address| Kind::new(Whom::Outside(address), name(&address))).collect()
    }

    /// Pods by kind: those that no policy tells apart.
    fn pods(&self, pods: &[usize]) -> Vec<Kind> {
        let mut groups: BTreeMap<Group, Vec<&StatePod>> = BTreeMap::new();
        for &index in pods {
            if let Some(pod) = self.state.pods.get(index) {
                groups.entry(self.group(index, pod)).or_default().push(pod);
            }
        }
        groups.values().filter_map(|members| Kind::of_pods(members)).collect()
    }

    fn group(&self, index: usize, pod: &'a StatePod) -> Group<'a> {
        Group {
            workload: &pod.workload,
            class: self.classes.of_pod(index),
            host: pod.host_network.then_some(pod.pod.addresses.as_slice()),
            node: self.by_node.then_some(pod.pod.node_addresses.as_slice()),
        }
    }

    fn behind(&self, service: &Service, protocol: Protocol, port: u16) -> Targets {
        let pods = self.state.pods.iter();
        let candidates: Vec<Candidate> =
            pods.map(|pod| Candidate { pod: &pod.pod, host_network: pod.host_network }).collect();
        let resolution = service.resolve(protocol, port, &candidates);
        let mut targets = Targets { list: Vec::new(), route: Some(resolution.route) };
        if resolution.is_served() {
            let by_port: BTreeSet<u16> = resolution.destinations.iter().map(|target| target.port).collect();
            for port in by_port {
                let destinations = resolution.destinations.iter().filter(|target| target.port == port);
                let kinds = self.destinations(&destinations.collect::<Vec<_>>());
                targets.list.extend(kinds.into_iter().map(|kind| Target { kind, port }));
            }
        }
        targets
    }

    /// The kinds among some destinations: pods together, whatever else there is one by one.
    fn destinations(&self, destinations: &[&Destination]) -> Vec<Kind> {
        let (mut named, mut hosts) = (BTreeSet::new(), BTreeSet::new());
        for target in destinations {
            match target.party {
                Party::Pod(pod) => _ = named.insert((&pod.namespace, &pod.name)),
                Party::Node { addresses } => _ = hosts.insert(addresses),
                Party::Address(_) => {}
            }
        }
        let is_met = |pod: &StatePod| match pod.party() {
            Party::Node { addresses } => hosts.contains(addresses),
            _ => named.contains(&(&pod.pod.namespace, &pod.pod.name)),
        };
        let pods = self.state.pods.iter().enumerate().filter(|(_, pod)| is_met(pod));
        let mut kinds = self.pods(&pods.map(|(index, _)| index).collect::<Vec<_>>());
        kinds.extend(destinations.iter().filter_map(|target| match target.party {
            Party::Address(address) => match self.state.at(address) {
                Subject::NodeAddress(node, address) => Some(Kind::of_node(node, address)),
                _ => Some(Kind::of_address(address)),
            },
            Party::Pod(_) | Party::Node { .. } => None,
        }));
        kinds
    }

    /// A Service as the evaluator takes it.
    fn service(&self, listed: &Listed) -> Service {
        let key = (String::from(&listed.namespace), String::from(&listed.name));
        let targets = self.state.targets.get(&key);
        let target = |index: usize, port: u16| match targets.and_then(|targets| targets.get(index)) {
            Some(inventory::TargetPort::Name(name)) => TargetPort::Name(name.clone()),
            Some(inventory::TargetPort::Number(number)) => TargetPort::Number(*number),
            None => TargetPort::Number(port),
        };
        let ports = listed.ports.iter().enumerate().map(|(index, own)| ServicePort {
            name: own.name.as_ref().map(String::from),
            protocol: protocol(own.protocol),
            port: own.port,
            target: target(index, own.port),
        });
        Service {
            namespace: (&listed.namespace).into(),
            name: (&listed.name).into(),
            cluster_ips: cluster_ips(listed, targets.is_some()),
            ports: ports.collect(),
            backends: backends(listed),
        }
    }
}

fn is_member(service: &Service, pod: &Pod) -> bool {
    match &service.backends {
        Backends::Selected(labels) => {
            let carries = |(key, value): (&String, &String)| pod.label(key) == Some(value);
            !labels.is_empty() && pod.namespace == service.namespace && labels.iter().all(carries)
        }
        Backends::Listed(list) => list.iter().any(|endpoint| pod.addresses.contains(&endpoint.address)),
    }
}

/// What makes pods one kind.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group<'a> {
    workload: &'a WorkloadRef,
    class: usize,
    host: Option<&'a [IpAddr]>,
    node: Option<&'a [IpAddr]>,
}

impl Kind {
    fn new(whom: Whom, name: String) -> Self {
        Self { whom, name, pods: Vec::new(), workload: None, on_host: None }
    }

    fn of_address(address: IpAddr) -> Self {
        Self::new(Whom::Address(address), address.to_string())
    }

    fn of_node(node: &StateNode, address: IpAddr) -> Self {
        Self::new(Whom::Address(address), format!("node {} ({address})", node.name))
    }

    /// The kind for which the first of `members` stands.
    fn of_pods(members: &[&StatePod]) -> Option<Self> {
        let first = members.first()?;
        let WorkloadRef { namespace, name, .. } = &first.workload;
        // No pod has an asterisk in its name, so nobody else's is hit.
        let shown = if first.from_template { format!("{name}-*") } else { first.pod.name.clone() };
        let pod = || Pod { name: shown.clone(), ..first.pod.clone() };
        let whom = match first.host_network {
            true => Whom::Node(first.pod.addresses.clone()),
            false => Whom::Pod(Box::new(pod())),
        };
        Some(Self {
            whom,
            name: format!("{namespace}/{name}"),
            pods: members.iter().filter(|pod| !pod.from_template).map(|pod| pod.pod.name.clone()).collect(),
            workload: Some(first.workload.clone()),
            on_host: first.host_network.then(pod),
        })
    }

    /// `to` as the other end of a connection from `self`: where the two would be taken for one pod, but there are or may
    /// be others, another one.
    pub fn other_end(&self, to: &Kind) -> Kind {
        match (&self.whom, &to.whom) {
            (Whom::Pod(from), Whom::Pod(pod))
                if (&from.namespace, &from.name) == (&pod.namespace, &pod.name) && to.pods.len() != 1 =>
            {
                let other = Pod { name: format!("{} (another)", pod.name), ..(**pod).clone() };
                Kind { whom: Whom::Pod(Box::new(other)), ..to.clone() }
            }
            _ => to.clone(),
        }
    }
}

fn is_on_node(state: &State, subject: Subject) -> bool {
    match subject {
        Subject::Node(_) | Subject::NodeAddress(..) => true,
        Subject::Pod(pod) => pod.host_network,
        Subject::Workload(workload) => {
            let mut pods = state.workloads.get(workload).into_iter().flatten();
            pods.any(|&index| state.pods.get(index).is_some_and(|pod| pod.host_network))
        }
        Subject::Service(_) => true,
        Subject::Address(_) | Subject::Internet => false,
    }
}

/// The cluster IPs. A manifest that is not applied yet has none, no more than a headless Service has: what is no
/// Service of a running cluster (which lists its endpoints) counts as one that will get an address.
fn cluster_ips(listed: &Listed, from_manifest: bool) -> Vec<IpAddr> {
    let applied = !listed.cluster_ips.is_empty() || !listed.backends.is_empty();
    if from_manifest && !applied { vec![UNASSIGNED] } else { listed.cluster_ips.clone() }
}

/// What the EndpointSlices list; where there is none, what the selector selects.
fn backends(listed: &Listed) -> Backends {
    if listed.backends.is_empty() {
        return Backends::Selected((&listed.selector).into());
    }
    let port = |port: &netwright_record::inventory::ContainerPort| EndpointPort {
        name: port.name.as_ref().map(String::from),
        protocol: protocol(port.protocol),
        port: port.port,
    };
    let endpoints = listed.backends.iter();
    let endpoint = |backend: &netwright_record::inventory::Backend| Endpoint {
        address: backend.address.ip,
        ports: backend.ports.iter().map(port).collect(),
    };
    Backends::Listed(endpoints.map(endpoint).collect())
}
