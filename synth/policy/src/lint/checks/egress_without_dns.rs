//! Pods that may not ask for names.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{At, Dns, Facts, Group, Named, ports_for};
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::{Direction, IpBlock, PortSet, Protocol};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

pub(super) const CHECK: Check = Check {
    code: "egress-without-dns",
    level: Level::Warning,
    profile: None,
    why: "A pod that may reach something and not cluster DNS finds nobody by name, and large answers need TCP besides UDP.",
    advice: "Allow egress to the DNS pods on UDP and TCP, on their target port (mostly 53).",
    run,
};

/// The address on which NodeLocal DNSCache answers unless it is told otherwise (Kubernetes documentation, "Using
/// NodeLocal DNSCache in Kubernetes Clusters").
const NODE_LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 20, 10));

/// What a policy, or some of them together, allows of DNS.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Reach {
    udp: bool,
    tcp: bool,
}

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    let reach = reach(facts);
    let mut missing = BTreeMap::<(usize, Reach), BTreeSet<usize>>::new();
    // Who answers for the cluster asks other servers, and those are not known here.
    let servers: BTreeSet<usize> = facts.dns().iter().flat_map(|dns| dns.pods.iter()).collect();
    for number in (0..facts.pods.groups.len()).filter(|number| !servers.contains(number)) {
        let isolating = facts.isolating(Direction::Egress, number);
        // Who reaches nobody needs no names.
        if !isolating.iter().any(|index| has_egress(facts, *index)) {
            continue;
        }
        let policies = isolating.iter().filter_map(|index| reach.get(*index));
        let together = policies.fold(Reach::default(), |a, b| Reach { udp: a.udp || b.udp, tcp: a.tcp || b.tcp });
        // Each pod is told of once, at the first policy that isolates it.
        let Some(first) = isolating.first().filter(|_| !(together.udp && together.tcp)) else { continue };
        missing.entry((*first, together)).or_default().insert(number);
    }
    for ((index, reach), pods) in missing {
        let names: Named = pods.iter().filter_map(|number| facts.pods.groups.get(*number)).map(Group::name).collect();
        found.policy(index, Field::Spec, message(reach, facts.dns()), names);
    }
}

fn has_egress(facts: &Facts<'_>, policy: usize) -> bool {
    facts.input.policies.policies().get(policy).is_some_and(|policy| !policy.egress.is_empty())
}

fn message(reach: Reach, dns: Option<&Dns>) -> String {
    let over = match (reach.udp, reach.tcp) {
        (false, true) => "UDP",
        (true, false) => "TCP",
        _ => "UDP and TCP",
    };
    match dns {
        Some(dns) => format!("isolates for egress without DNS ({}) over {over}", dns.service.escape_debug()),
        None => format!("isolates for egress without any rule for port 53 over {over}"),
    }
}

/// What each policy allows of DNS, by its index.
fn reach(facts: &Facts<'_>) -> Vec<Reach> {
    let mut reach = vec![Reach::default(); facts.input.policies.policies().len()];
    let dns = facts.dns();
    let node_local = has_node_local(facts);
    for at in facts.rules().filter(|at| at.direction == Direction::Egress) {
        let Some(reach) = reach.get_mut(at.index) else { continue };
        reach.udp |= admits(facts, &at, dns, Protocol::Udp, node_local);
        reach.tcp |= admits(facts, &at, dns, Protocol::Tcp, node_local);
    }
    reach
}

fn admits<'a>(facts: &Facts<'a>, at: &At<'a>, dns: Option<&Dns>, protocol: Protocol, node_local: bool) -> bool {
    let standard = PortSet::of(protocol, 53, 53);
    let Some(dns) = dns else {
        return !ports_for(at.rule, &[]).intersection(&standard).is_empty() || names_dns(at, protocol);
    };
    let targets = if protocol == Protocol::Udp { &dns.udp } else { &dns.tcp };
    let targets = targets.iter().fold(PortSet::default(), |all, port| all.union(&PortSet::of(protocol, *port, *port)));
    let to_pods =
        facts.pods.members(&dns.pods).any(|pod| !ports_for(at.rule, pod.ports).intersection(&targets).is_empty());
    let to_node = || node_local && !ports_for(at.rule, &[]).intersection(&standard).is_empty();
    let local = |block: &IpBlock| dns.cluster_ips.iter().chain([&NODE_LOCAL]).any(|address| holds(block, *address));
    (to_pods && is_for_dns(facts, at, dns)) || (to_node() && at.blocks().any(|(_, block)| local(block)))
}

fn is_for_dns<'a>(facts: &Facts<'a>, at: &At<'a>, dns: &Dns) -> bool {
    at.rule.peers.is_none()
        || at.selectors().any(|peer| facts.peer(&peer).intersects(&dns.pods))
        || at.blocks().any(|(_, block)| dns.addresses.iter().any(|address| holds(block, *address)))
}

/// Where the DNS pods are not known, a port called `dns` or `dns-tcp`, as CoreDNS's are, is taken for theirs.
fn names_dns(at: &At<'_>, protocol: Protocol) -> bool {
    let is_dns = |ports: &crate::Ports| matches!(ports, crate::Ports::Name(name) if name.starts_with("dns"));
    at.rule.ports.iter().flatten().any(|range| range.protocol == protocol && is_dns(&range.ports))
}

fn has_node_local(facts: &Facts<'_>) -> bool {
    let by_name =
        |group: &Group<'_>| group.workload.contains("node-local-dns") || group.workload.contains("nodelocaldns");
    facts.hosts.groups.iter().any(by_name)
}

fn holds(block: &IpBlock, address: IpAddr) -> bool {
    block.cidr.contains(&address) && !block.except.iter().any(|except| except.contains(&address))
}
