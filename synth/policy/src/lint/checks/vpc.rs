//! What is different under the Amazon VPC CNI. Sources: [`Profile::differences`].

use crate::lint::check::{Check, Level};
use crate::lint::facts::{At, Facts, Groups, Named};
use crate::lint::field::{Field, Part};
use crate::lint::finding::Findings;
use crate::lint::input::{Service, ServicePort};
use crate::lint::profile::Profile;
use crate::{Direction, PortRange};
use std::collections::BTreeMap;

pub(super) const SERVICE_PORT: Check = Check {
    code: "vpc-service-port",
    level: Level::Warning,
    profile: Some(Profile::Vpc),
    why: "The VPC CNI asks that a Service's port equal the container's, and where it does not, policies may deny the connection.",
    advice: "Give the Service the port of its pods.",
    run: service_port,
};

pub(super) const BARE_POD: Check = Check {
    code: "vpc-bare-pod",
    level: Level::Warning,
    profile: Some(Profile::Vpc),
    why: "The VPC CNI applies policies only to pods that have an owner, so a bare pod stays open.",
    advice: "Run it by a Deployment or another controller.",
    run: bare_pod,
};

pub(super) const PORT_LIMIT: Check = Check {
    code: "vpc-port-limit",
    level: Level::Warning,
    profile: Some(Profile::Vpc),
    why: "The VPC CNI takes at most 24 combinations of port and protocol for a peer, and does not enforce the rest as written.",
    advice: "Join ports into ranges with endPort, or split the workload.",
    run: port_limit,
};

pub(super) const IP_FAMILY: Check = Check {
    code: "vpc-ip-family",
    level: Level::Note,
    profile: Some(Profile::Vpc),
    why: "A cluster of the VPC CNI is IPv4 or IPv6, and it ignores rules for addresses of the other family.",
    advice: "Leave out the blocks of the other family.",
    run: ip_family,
};

const COMBINATIONS: usize = 24;

fn service_port(facts: &Facts<'_>, found: &mut Findings<'_>) {
    let mut differing = BTreeMap::<&str, Vec<String>>::new();
    for service in facts.input.services {
        let isolated = |group: usize| !facts.isolating(Direction::Ingress, group).is_empty();
        if facts.backends(service).iter().any(isolated) {
            let ports = service.ports.iter().filter(|port| port.targets.iter().any(|target| *target != port.port));
            differing.entry(&service.namespace).or_default().extend(ports.map(|port| describe(service, port)));
        }
    }
    for (namespace, mut names) in differing.into_iter().filter(|(_, names)| !names.is_empty()) {
        names.sort();
        let message = "Services with isolated pods whose port is not the pods'";
        found.namespace(namespace, message, names.into_iter().collect());
    }
}

fn describe(service: &Service, port: &ServicePort) -> String {
    let targets: Vec<String> = port.targets.iter().map(ToString::to_string).collect();
    format!("{} {} to {}", service.name, port.port, targets.join(" or "))
}

fn bare_pod(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (index, _) in facts.policies() {
        let selected = facts.selected(index);
        let bare = |group: &usize| facts.pods.groups.get(*group).is_some_and(|group| group.kind == "Pod");
        let bare: Groups = selected.iter().filter(bare).filter_map(|group| u32::try_from(group).ok()).collect();
        if !bare.is_empty() {
            found.policy(index, Field::PodSelector, "selects pods without an owner", facts.workloads(&bare));
        }
    }
}

fn port_limit(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules() {
        let count = combinations(&at);
        if count > COMBINATIONS {
            let message = format!("has {count} combinations of port and protocol, and {COMBINATIONS} is the limit");
            found.policy(at.index, at.part(Part::Ports), message, Named::none());
        }
    }
}

/// The different entries: a range counts as one.
fn combinations(at: &At<'_>) -> usize {
    let mut different: Vec<&PortRange> = Vec::new();
    for range in at.rule.ports.iter().flatten() {
        if !different.contains(&range) {
            different.push(range);
        }
    }
    different.len()
}

fn ip_family(facts: &Facts<'_>, found: &mut Findings<'_>) {
    let addresses = || facts.input.pods.iter().flat_map(|subject| &subject.pod.addresses);
    let has = |ipv4: bool| addresses().any(|address| address.to_canonical().is_ipv4() == ipv4);
    let (ipv4, ipv6) = (has(true), has(false));
    if ipv4 == ipv6 {
        return;
    }
    for at in facts.rules() {
        for (place, block) in at.blocks().filter(|(_, block)| block.cidr.network().is_ipv4() != ipv4) {
            let message = format!("{} is ignored: the pods have addresses of the other family", block.cidr);
            found.policy(at.index, at.part(Part::IpBlock(place)), message, Named::none());
        }
    }
}
