//! The inventory of a made-up cluster: namespaces, nodes, workloads with their labels, pods alive and gone, Services.

use super::members::{Kind, Member};
use super::{DAYS, Random, SECONDS_PER_DAY, Shape, at, pods};
use netwright_record::Protocol;
use netwright_record::inventory::{
    Backend, ContainerPort, CronJob, HeldAddress, Inventory, Labels, Namespace, Node, Service, ServicePort, Workload,
    WorkloadRef,
};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The label by which a namespace can be selected by its name.
const METADATA_NAME: &str = "kubernetes.io/metadata.name";

const PRODUCTS: [&str; 12] = [
    "accounts",
    "billing",
    "catalogue",
    "checkout",
    "delivery",
    "identity",
    "ledger",
    "media",
    "orders",
    "pricing",
    "search",
    "support",
];
const ROLES: [&str; 10] =
    ["api", "worker", "gateway", "cache", "store", "indexer", "notifier", "scheduler", "adapter", "web"];
const TIERS: [&str; 3] = ["frontend", "backend", "data"];
const PORTS: [u16; 10] = [8080, 8080, 8080, 80, 443, 5432, 6379, 9092, 50051, 3306];

/// The namespaces of the cluster's own workloads, which come first.
const OWN_NAMESPACES: [&str; 4] = ["default", "ingress", "kube-system", "monitoring"];
/// The cluster's own workloads: namespace, kind, name, port, protocol, on the host's network.
const OWN: [(usize, Kind, &str, u16, Protocol, bool); 6] = [
    (2, Kind::Deployment, "coredns", 53, Protocol::Udp, false),
    (3, Kind::StatefulSet, "prometheus", 9090, Protocol::Tcp, false),
    (1, Kind::Deployment, "gateway", 8080, Protocol::Tcp, false),
    (3, Kind::DaemonSet, "log-shipper", 2020, Protocol::Tcp, false),
    (3, Kind::DaemonSet, "node-exporter", 9100, Protocol::Tcp, true),
    (2, Kind::DaemonSet, "kube-proxy", 10_249, Protocol::Tcp, true),
];
/// Where [`OWN`] stand among the members.
pub(super) const COREDNS: usize = 0;
pub(super) const PROMETHEUS: usize = 1;
pub(super) const NODE_EXPORTER: usize = 4;
/// How many members are the cluster's own; all others are made up one like the other.
pub(super) const ORDINARY: usize = OWN.len();

/// A cluster: its inventory, and its workloads as traffic needs them.
pub(super) struct Population {
    pub(super) inventory: Inventory,
    pub(super) members: Vec<Member>,
    /// The members of each namespace.
    pub(super) by_namespace: Vec<Vec<usize>>,
}

impl Population {
    pub(super) fn new(shape: Shape, random: &mut Random) -> Self {
        let names = namespaces(shape.namespaces);
        let mut members = members(shape, &names, random);
        let mut inventory = Inventory {
            namespaces: names.iter().enumerate().map(|(number, name)| namespace(number, name)).collect(),
            nodes: (0..shape.nodes).map(node).collect(),
            workloads: members.iter().enumerate().map(|(number, member)| workload(number, member)).collect(),
            ..Inventory::default()
        };
        let templates: Vec<Labels> = inventory.workloads.iter().map(|workload| workload.labels.clone()).collect();
        inventory.pods = pods::pods(shape, &mut members, &templates, random);
        inventory.services = services(&members, &templates, &inventory.pods);
        inventory.cron_jobs = members.iter().filter(|member| member.kind == Kind::CronJob).map(cron_job).collect();
        let mut by_namespace = vec![Vec::new(); names.len()];
        for (number, member) in members.iter().enumerate() {
            by_namespace[member.namespace].push(number);
        }
        Self { inventory, members, by_namespace }
    }
}

fn namespaces(count: usize) -> Vec<String> {
    let own = OWN_NAMESPACES.iter().map(|name| (*name).to_owned());
    let others =
        (OWN_NAMESPACES.len()..count).map(|number| format!("{}-{number:04}", PRODUCTS[number % PRODUCTS.len()]));
    own.chain(others).collect()
}

fn namespace(number: usize, name: &str) -> Namespace {
    let labels = [(METADATA_NAME, name.to_owned()), ("team", format!("team-{}", number % 97))];
    Namespace { name: name.into(), labels: owned(labels) }
}

/// The cluster's own, one in each other namespace, and the rest where more of them are already.
fn members(shape: Shape, names: &[String], random: &mut Random) -> Vec<Member> {
    let member = |namespace: usize, kind: Kind, name: String, port, protocol, host_network| Member {
        workload: WorkloadRef { namespace: (&names[namespace]).into(), kind: kind.as_str().into(), name: name.into() },
        kind,
        namespace,
        host_network,
        protocol,
        port,
        nodes: BTreeSet::new(),
    };
    let own = OWN.into_iter().map(|(namespace, kind, name, port, protocol, host_network)| {
        member(namespace, kind, name.to_owned(), port, protocol, host_network)
    });
    let mut members: Vec<Member> = own.collect();
    let others = names.len() - OWN_NAMESPACES.len();
    for number in members.len()..shape.workloads {
        let place = number - OWN.len();
        let namespace = if place < others { place } else { random.below(others).min(random.below(others)) };
        let kind = match random.below(25) {
            0..17 => Kind::Deployment,
            17..20 => Kind::StatefulSet,
            20..23 => Kind::CronJob,
            23 => Kind::Job,
            _ => Kind::DaemonSet,
        };
        let name = format!("{}-{number}", ROLES[random.below(ROLES.len())]);
        let port = PORTS[random.below(PORTS.len())];
        members.push(member(OWN_NAMESPACES.len() + namespace, kind, name, port, Protocol::Tcp, false));
    }
    members
}

fn node(number: usize) -> Node {
    let [high, low] = [(number >> 8) as u8, number as u8];
    Node {
        name: format!("node-{number:04}").into(),
        labels: owned([("topology.kubernetes.io/zone", format!("zone-{}", number % 3))]),
        addresses: vec![IpAddr::from([172, 16 + high, low, 10])],
        pod_cidrs: vec![format!("10.{}.{low}.0/24", 64 + high)],
    }
}

/// Named as charts and people name: a selector of two labels, more in the template.
fn workload(number: usize, member: &Member) -> Workload {
    let WorkloadRef { namespace, name, .. } = &member.workload;
    let product = namespace.rsplit_once('-').map_or(namespace.as_str(), |(product, _)| product);
    let selector =
        owned([("app.kubernetes.io/name", name.into()), ("app.kubernetes.io/instance", format!("{product}-release"))]);
    let mut labels = selector.clone();
    labels.extend(owned([("app.kubernetes.io/part-of", product.to_owned()), ("tier", TIERS[number % 3].to_owned())]));
    Workload {
        workload: member.workload.clone(),
        selector: if member.kind.ends() { Labels::new() } else { selector },
        labels,
        ports: ports(member),
        host_network: member.host_network,
        replicas: (!member.kind.ends() && member.kind != Kind::DaemonSet).then_some(2),
        service_account: Some(name.clone()),
        created: Some(at(-SECONDS_PER_DAY * 90)),
    }
}

pub(super) fn ports(member: &Member) -> Vec<ContainerPort> {
    let (protocol, port) = (member.protocol, member.port);
    if member.kind.ends() { Vec::new() } else { vec![ContainerPort { name: Some("main".into()), protocol, port }] }
}

pub(super) fn owned<const N: usize>(pairs: [(&str, String); N]) -> Labels {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn cron_job(member: &Member) -> CronJob {
    let WorkloadRef { namespace, name, .. } = member.workload.clone();
    let last_scheduled = Some(at((DAYS - 1) * SECONDS_PER_DAY + 7200));
    CronJob { namespace, name, schedule: "0 2 * * *".into(), time_zone: None, suspended: false, last_scheduled }
}

/// One in front of each workload that can be called, and that of the API server.
fn services(members: &[Member], templates: &[Labels], pods: &[netwright_record::inventory::Pod]) -> Vec<Service> {
    let mut backends = std::collections::BTreeMap::<&WorkloadRef, Vec<Backend>>::new();
    for pod in pods.iter().filter(|pod| !pod.host_network) {
        let alive = pod.addresses.iter().filter(|held| held.until.is_none());
        backends.entry(&pod.workload).or_default().extend(alive.map(|held| Backend {
            address: held.clone(),
            pod_uid: Some(pod.uid.clone()),
            ports: pod.ports.clone(),
        }));
    }
    let called = members
        .iter()
        .zip(templates)
        .enumerate()
        .filter(|(_, (member, _))| !member.kind.ends() && !member.host_network);
    let of_members = called.map(|(number, (member, labels))| Service {
        namespace: member.workload.namespace.clone(),
        name: member.workload.name.clone(),
        service_type: "ClusterIP".into(),
        cluster_ips: vec![IpAddr::from([10, (number >> 16) as u8, (number >> 8) as u8, number as u8])],
        external_ips: Vec::new(),
        external_traffic_policy: None,
        selector: labels.clone(),
        ports: vec![ServicePort {
            name: Some("main".into()),
            protocol: member.protocol,
            port: member.service().port,
            node_port: None,
        }],
        backends: backends.remove(&member.workload).unwrap_or_default(),
    });
    of_members.chain([api_server()]).collect()
}

/// The addresses of the API server.
pub(super) const API_SERVER: [IpAddr; 3] = [
    IpAddr::V4(std::net::Ipv4Addr::new(172, 31, 0, 1)),
    IpAddr::V4(std::net::Ipv4Addr::new(172, 31, 0, 2)),
    IpAddr::V4(std::net::Ipv4Addr::new(172, 31, 0, 3)),
];

fn api_server() -> Service {
    let port = ContainerPort { name: Some("https".into()), protocol: Protocol::Tcp, port: 6443 };
    let backend =
        |ip| Backend { address: HeldAddress { ip, from: None, until: None }, pod_uid: None, ports: vec![port.clone()] };
    Service {
        namespace: "default".into(),
        name: "kubernetes".into(),
        service_type: "ClusterIP".into(),
        cluster_ips: vec![IpAddr::from([10, 63, 0, 1])],
        external_ips: Vec::new(),
        external_traffic_policy: None,
        selector: Labels::new(),
        ports: vec![ServicePort { name: Some("https".into()), protocol: Protocol::Tcp, port: 443, node_port: None }],
        backends: API_SERVER.map(backend).into(),
    }
}
