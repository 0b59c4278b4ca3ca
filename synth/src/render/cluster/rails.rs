//! The guard rails themselves.

use super::manifest::{Object, Rail, RailRule, Whose};
use super::seen::Seen;
use crate::infer::dns::DNS;
use crate::infer::link_local::METADATA;
use crate::infer::rules::{Plan, RuleDirection};
use crate::render::unsayable::{Effect, Unsayable};
use ipnet::IpNet;
use netwright_record::Protocol;
use std::collections::BTreeSet;

const ADMIN: &str = "Admin";
const BASELINE: &str = "Baseline";
const ACCEPT: &str = "Accept";
const DENY: &str = "Deny";
/// What is accepted is decided before what is denied; hundreds are left free on either side, for rules of the cluster's own.
const PRIORITY_OF_ACCEPT: u16 = 300;
const PRIORITY_OF_DENY: u16 = 400;
const PRIORITY_OF_BASELINE: u16 = 500;

/// Everybody reaches the cluster's DNS, over UDP and TCP.
pub(super) fn dns(seen: &Seen) -> Vec<Object> {
    let mut egress: Vec<RailRule> = Vec::new();
    let mut objects = Vec::new();
    for (number, (pods, ports)) in seen.dns.iter().enumerate() {
        let rule = |peers| RailRule { name: "dns", action: ACCEPT, peers, ports: ports.clone() };
        egress.push(rule(vec![Whose::Pods(pods.clone())]));
        let rail = Rail {
            name: "netwright-dns-servers",
            tier: ADMIN,
            priority: PRIORITY_OF_ACCEPT,
            subject: Whose::Pods(pods.clone()),
            ingress: vec![rule(vec![Whose::Everyone])],
            egress: Vec::new(),
        };
        objects.extend(rail.numbered(number));
    }
    if !seen.caches.is_empty() {
        let caches = Whose::Networks(seen.caches.iter().copied().collect());
        let ports = [(Protocol::Tcp, DNS), (Protocol::Udp, DNS)].into();
        egress.push(RailRule { name: "dns-on-the-node", action: ACCEPT, peers: vec![caches], ports });
    }
    let clients = Rail {
        name: "netwright-dns",
        tier: ADMIN,
        priority: PRIORITY_OF_ACCEPT,
        subject: Whose::Everyone,
        ingress: Vec::new(),
        egress,
    };
    clients.objects().into_iter().chain(objects).collect()
}

/// Whoever scrapes all namespaces reaches every pod on the ports it was seen to use.
pub(super) fn monitoring(seen: &Seen, unsayable: &mut Vec<Unsayable>) -> Vec<Object> {
    let mut ingress = Vec::new();
    let mut objects = Vec::new();
    for (number, scraper) in seen.scrapers.iter().enumerate() {
        let rule = |peers| RailRule { name: "monitoring", action: ACCEPT, peers, ports: scraper.ports.clone() };
        ingress.push(rule(vec![Whose::Pods(scraper.pods.clone())]));
        let rail = Rail {
            name: "netwright-monitoring-clients",
            tier: ADMIN,
            priority: PRIORITY_OF_ACCEPT,
            subject: Whose::Pods(scraper.pods.clone()),
            ingress: Vec::new(),
            egress: vec![rule(vec![Whose::Everyone])],
        };
        objects.extend(rail.numbered(number));
        let ports = scraper.ports.iter().map(|(protocol, port)| format!("{port}/{protocol}")).collect::<Vec<_>>();
        unsayable.push(Unsayable {
            policy: None,
            direction: Some(RuleDirection::Ingress),
            what: format!("{} on {} of every pod", scraper.workload, ports.join(", ")),
            why: SCRAPER,
            effect: Effect::Wider { pairs: scraper.others },
        });
    }
    let servers = Rail {
        name: "netwright-monitoring",
        tier: ADMIN,
        priority: PRIORITY_OF_ACCEPT,
        subject: Whose::Everyone,
        ingress,
        egress: Vec::new(),
    };
    servers.objects().into_iter().chain(objects).collect()
}

/// Nobody reaches a metadata service, but in namespaces where someone does that no policy stops.
pub(super) fn metadata(seen: &Seen, unsayable: &mut Vec<Unsayable>) -> Vec<Object> {
    for namespace in &seen.metadata {
        unsayable.push(Unsayable {
            policy: None,
            direction: Some(RuleDirection::Egress),
            what: format!("the metadata services, for pods of {namespace}"),
            why: METADATA_USERS,
            effect: Effect::Open,
        });
    }
    let networks = METADATA.iter().map(|address| IpNet::from(*address)).collect();
    let rule =
        RailRule { name: "metadata", action: DENY, peers: vec![Whose::Networks(networks)], ports: BTreeSet::new() };
    let rail = Rail {
        name: "netwright-metadata",
        tier: ADMIN,
        priority: PRIORITY_OF_DENY,
        subject: Whose::NamespacesBut(seen.metadata.iter().map(String::from).collect()),
        ingress: Vec::new(),
        egress: vec![rule],
    };
    rail.objects()
}

/// In closed namespaces, what no NetworkPolicy selects is closed as well.
pub(super) fn default_deny(plan: &Plan, unsayable: &mut Vec<Unsayable>) -> Vec<Object> {
    if plan.default_deny.is_empty() {
        return Vec::new();
    }
    unsayable.push(Unsayable {
        policy: None,
        direction: Some(RuleDirection::Ingress),
        what: "clients outside the cluster and on nodes, of pods that no NetworkPolicy selects".into(),
        why: PODS_ONLY,
        effect: Effect::Open,
    });
    let rule = |peers| RailRule { name: "default-deny", action: DENY, peers, ports: BTreeSet::new() };
    let everywhere = [IpNet::V4(ipnet::Ipv4Net::default()), IpNet::V6(ipnet::Ipv6Net::default())];
    let rail = Rail {
        name: "netwright-default-deny",
        tier: BASELINE,
        priority: PRIORITY_OF_BASELINE,
        subject: Whose::Namespaces(plan.default_deny.clone()),
        ingress: vec![rule(vec![Whose::Everyone])],
        egress: vec![rule(vec![Whose::Everyone, Whose::Networks(everywhere.to_vec())])],
    };
    rail.objects()
}

const SCRAPER: &str = "it was seen in every namespace, and a guard rail names no pods one by one";
const METADATA_USERS: &str = "a workload there uses one and has no policy that stops it, or one that allows it";
const PODS_ONLY: &str = "clients are pods there, nothing else: the namespace's own default-deny stops the others";
