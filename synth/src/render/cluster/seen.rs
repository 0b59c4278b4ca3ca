//! What an observation shows of the services that every namespace uses: DNS, monitoring, and who uses the metadata services.

use super::manifest::ProtocolPort;
use crate::infer::dns::{DNS, needs_tcp, tcp_ports};
use crate::infer::link_local::{METADATA, is_node_local_dns};
use crate::infer::rules::{Plan, Pods, Target, Whom};
use crate::infer::services::Services;
use crate::render::context::Context;
use ipnet::IpNet;
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Edge, Endpoint, Name, Protocol};
use std::collections::{BTreeMap, BTreeSet};

/// As many other namespaces must a client reach before it counts as one that reaches all.
const FEWEST_NAMESPACES: usize = 2;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The pods that serve DNS to most namespaces, and on which ports.
    pub(super) dns: Vec<(Pods, BTreeSet<ProtocolPort>)>,
    /// Caches of DNS on the nodes.
    pub(super) caches: BTreeSet<IpNet>,
    /// The pods that reach most workloads of every namespace, and on which ports.
    pub(super) scrapers: Vec<Scraper>,
    /// Namespaces in which something uses a metadata service that no NetworkPolicy denies it.
    pub(super) metadata: BTreeSet<Name>,
}

/// A client of every namespace.
#[derive(Debug)]
pub(super) struct Scraper {
    pub(super) workload: WorkloadRef,
    pub(super) pods: Pods,
    pub(super) ports: BTreeSet<ProtocolPort>,
    /// How many workloads it did not reach.
    pub(super) others: usize,
}

impl Seen {
    pub(super) fn of(context: &Context, plan: &Plan) -> Self {
        let selected = selected(plan);
        let edges = || context.observation.edges.iter().filter(|edge| edge.activity.established());
        Self {
            dns: dns(edges(), &selected, &Services::new(&context.observation.inventory)),
            caches: edges().filter_map(cache).collect(),
            scrapers: scrapers(context, edges(), &selected),
            metadata: metadata(context, plan),
        }
    }
}

/// How the plan selects workloads, those without a policy as well.
fn selected(plan: &Plan) -> BTreeMap<&WorkloadRef, &Pods> {
    let own = plan.policies.iter().map(|policy| (&policy.workload, &*policy.selection.pods));
    let peers = plan.policies.iter().flat_map(|policy| policy.rules()).flat_map(|(_, rule)| &rule.peers);
    let named = peers.filter_map(|peer| match (&peer.target, peer.whom.as_slice()) {
        (Target::Pods(pods), [Whom::Workload(workload)]) => Some((&**workload, &**pods)),
        _ => None,
    });
    named.chain(own).collect()
}

/// The servers of DNS that more than half of the namespaces which use any were seen to ask. A server of one tenant's own
/// must not be opened to all.
fn dns<'a>(
    edges: impl Iterator<Item = &'a Edge>,
    selected: &BTreeMap<&WorkloadRef, &Pods>,
    services: &Services,
) -> Vec<(Pods, BTreeSet<ProtocolPort>)> {
    let mut asking: BTreeSet<&str> = BTreeSet::new();
    let mut servers: BTreeMap<&WorkloadRef, (BTreeSet<&str>, BTreeSet<ProtocolPort>)> = BTreeMap::new();
    for edge in edges.filter(|edge| needs_tcp(edge)) {
        let (Some(client), Some(server)) = (edge.client.workload(), edge.server.workload()) else { continue };
        asking.insert(&client.namespace);
        let (namespaces, ports) = servers.entry(server).or_default();
        namespaces.insert(&client.namespace);
        ports.insert((Protocol::Udp, edge.port));
        ports.extend(tcp_ports(edge, services).into_iter().map(|port| (Protocol::Tcp, port)));
    }
    let of_most = servers.into_iter().filter(|(_, (namespaces, _))| namespaces.len() * 2 > asking.len());
    of_most.filter_map(|(server, (_, ports))| Some(((*selected.get(server)?).clone(), ports))).collect()
}

fn cache(edge: &Edge) -> Option<IpNet> {
    match edge.server {
        Endpoint::LinkLocal { address } if is_node_local_dns(address, edge.port) => Some(address.to_canonical().into()),
        _ => None,
    }
}

/// Whoever reached, over TCP, more than half of the workloads of each other namespace.
fn scrapers<'a>(
    context: &Context,
    edges: impl Iterator<Item = &'a Edge>,
    selected: &BTreeMap<&WorkloadRef, &Pods>,
) -> Vec<Scraper> {
    let knowledge = context.knowledge();
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for workload in knowledge.all() {
        *sizes.entry(&workload.namespace).or_default() += 1;
    }
    let mut clients: BTreeMap<&WorkloadRef, (BTreeSet<&WorkloadRef>, BTreeSet<ProtocolPort>)> = BTreeMap::new();
    for edge in edges.filter(|edge| edge.protocol == Protocol::Tcp && edge.port != DNS) {
        let (Some(client), Some(server)) = (edge.client.workload(), edge.server.workload()) else { continue };
        if client.namespace != server.namespace {
            let (servers, ports) = clients.entry(client).or_default();
            servers.insert(server);
            ports.insert((edge.protocol, edge.port));
        }
    }
    let found = clients.into_iter().filter_map(|(client, (servers, ports))| {
        let mut reached: BTreeMap<&str, usize> = BTreeMap::new();
        servers.iter().for_each(|server| *reached.entry(&server.namespace).or_default() += 1);
        let mut others = sizes.iter().filter(|(namespace, _)| **namespace != client.namespace);
        let most = others.all(|(namespace, size)| reached.get(namespace).is_some_and(|count| count * 2 > *size));
        let everywhere = most && reached.len() >= FEWEST_NAMESPACES;
        let pods = (*selected.get(client)?).clone();
        let others = knowledge.all().filter(|workload| *workload != client && !servers.contains(workload)).count();
        everywhere.then(|| Scraper { workload: client.clone(), pods, ports, others })
    });
    found.collect()
}

/// The namespaces in which a workload without a policy was seen to use a metadata service, or one's policy allows it.
fn metadata(context: &Context, plan: &Plan) -> BTreeSet<Name> {
    let with_policy: BTreeSet<&WorkloadRef> = plan.policies.iter().map(|policy| &policy.workload).collect();
    let left_out = plan.findings.left_out.iter().filter(|left_out| METADATA.contains(&left_out.address.to_canonical()));
    let users = left_out.filter_map(|left_out| context.observation.edges.get(left_out.edge)?.client.workload());
    let open = users.filter(|workload| !with_policy.contains(workload)).map(|workload| workload.namespace.clone());
    let allows = |target: &Target| match target {
        Target::Block { cidr, .. } => METADATA.iter().any(|address| cidr.contains(address)),
        Target::Pods(_) => false,
    };
    let allowed = plan.policies.iter().filter(|policy| {
        let mut peers = policy.egress.iter().flat_map(|rule| &rule.peers);
        peers.any(|peer| allows(&peer.target))
    });
    open.chain(allowed.map(|policy| policy.workload.namespace.clone())).collect()
}
