//! Properties of `--cidr-budget`: blocks hold what was seen, are no more than was asked for unless that is said, keep off
//! what is nobody's to give, and what they allow besides is counted. For whoever trades exact rules for short ones.
//!
//! What is expected is worked out from the edges and from the policies as they are read back, by ranges of plain numbers.

use super::{policies, template_pod};
use crate::infer::rules::Plan;
use crate::infer::{Options, infer};
use crate::replay::replay;
use crate::review::Decided;
use crate::testing::{World, address, api_server};
use ipnet::IpNet;
use netwright_policy::{Cluster, Party, Peer, Ports, Rule};
use netwright_record::Protocol::Tcp;
use netwright_record::inventory::{Service, WorkloadRef};
use netwright_record::{Endpoint, Observation};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

/// Where outside addresses are taken from, sixteen each: some with nothing special among them, most at the edge of a range
/// that no block may touch.
const POOLS: [&str; 13] = [
    "8.8.8.0",
    "8.8.8.8",
    "::ffff:8.8.8.4",
    "8.8.4.0",
    "44.0.0.248",
    "9.9.9.0",
    "192.167.255.248",
    "198.17.255.248",
    "100.63.255.248",
    "169.254.169.248",
    "2600:1::",
    "2600:1::fff8",
    "fd00:5::",
];
/// What no block of several addresses may touch, the cluster's own last.
const FORBIDDEN: [&str; 18] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/3",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
    NODE,
    PODS,
    POD,
    CLUSTER_IP,
    EXTERNAL_IP,
    API_SERVER,
    "168.63.129.16/32",
];
const NODE: &str = "8.8.4.9/32";
const PODS: &str = "44.0.1.0/24";
const POD: &str = "2600:1::9/128";
const CLUSTER_IP: &str = "8.8.8.21/32";
const EXTERNAL_IP: &str = "9.9.9.5/32";
const API_SERVER: &str = "2600:1::1:1/128";
const PORTS: [u16; 2] = [443, 8443];

/// Who is reached, or comes in, and at which addresses.
#[derive(Debug, Clone)]
struct Contact {
    workload: usize,
    /// Names by which it is reached; without any it is one end an address. Clients have no names.
    names: BTreeSet<u8>,
    comes_in: bool,
    addresses: BTreeSet<(usize, u8)>,
    port: usize,
}

fn contact() -> impl Strategy<Value = Contact> {
    let names = proptest::collection::btree_set(0..4u8, 0..3);
    let addresses = proptest::collection::btree_set((0..POOLS.len(), 0..16u8), 1..9);
    (0..2usize, names, proptest::bool::weighted(0.2), addresses, 0..PORTS.len())
        .prop_map(|(workload, names, comes_in, addresses, port)| Contact { workload, names, comes_in, addresses, port })
}

fn outside((pool, offset): (usize, u8)) -> IpAddr {
    match address(POOLS[pool]) {
        IpAddr::V4(base) => std::net::Ipv4Addr::from_bits(base.to_bits() + u32::from(offset)).into(),
        IpAddr::V6(base) => Ipv6Addr::from_bits(base.to_bits() + u128::from(offset)).into(),
    }
}

fn build(contacts: &[Contact]) -> Observation {
    let first = |block: &str| block.parse::<IpNet>().unwrap().addr();
    let mut world = World::new();
    world.node("n1", &["8.8.4.9"]).pod_range("n1", PODS).covered("n1");
    let workloads = ["a", "b"].map(|name| world.running("n", name));
    world.observation.inventory.pods[0].addresses[0].ip = first(POD);
    let service = api_server(&["2600:1::1:1"]);
    let other = Service { namespace: "n".into(), name: "other".into(), backends: Vec::new(), ..service.clone() };
    let cluster_ips = vec![first(CLUSTER_IP)];
    world.service(service).service(Service { cluster_ips, external_ips: vec![first(EXTERNAL_IP)], ..other });
    for contact in contacts {
        let workload = Endpoint::Workload(workloads[contact.workload].clone());
        let addresses = contact.addresses.iter().map(|address| outside(*address));
        if contact.comes_in || contact.names.is_empty() {
            for address in addresses {
                let far = Endpoint::External { address };
                let (client, server) = if contact.comes_in { (far, workload.clone()) } else { (workload.clone(), far) };
                connect(&mut world, client, server, contact.port, []);
            }
        } else {
            let names = contact.names.iter().map(|name| format!("name{name}.example").into()).collect();
            connect(&mut world, workload, Endpoint::ExternalName { names }, contact.port, addresses);
        }
    }
    world.build()
}

fn connect(
    world: &mut World,
    client: Endpoint,
    server: Endpoint,
    port: usize,
    addresses: impl IntoIterator<Item = IpAddr>,
) {
    let edges = &mut world.observation.edges;
    let known =
        edges.iter().position(|edge| (&edge.client, &edge.server, edge.port) == (&client, &server, PORTS[port]));
    let edge = match known {
        Some(known) => &mut edges[known],
        None => world.edge(client, server, Tcp, PORTS[port]),
    };
    edge.server_addresses.extend(addresses);
}

/// The ranges of a family as plain numbers: whether it is IPv6, the first and the last address.
type Range = (bool, u128, u128);

fn number(address: IpAddr) -> (bool, u128) {
    match address.to_canonical() {
        IpAddr::V4(address) => (false, address.to_bits().into()),
        IpAddr::V6(address) => (true, address.to_bits()),
    }
}

fn range(block: IpNet) -> Range {
    let ((ipv6, first), (_, last)) = (number(block.network()), number(block.broadcast()));
    (ipv6, first, last)
}

fn holds((ipv6, first, last): Range, address: IpAddr) -> bool {
    let (family, number) = number(address);
    family == ipv6 && (first..=last).contains(&number)
}

/// How many addresses lie in one of `ranges`, each counted once.
fn size(ranges: &BTreeSet<Range>) -> u128 {
    let (mut sum, mut end) = (0, None);
    for (ipv6, first, last) in ranges {
        let from = match end {
            Some((family, end)) if family == *ipv6 && *first <= end => end + 1,
            _ => *first,
        };
        if from <= *last {
            sum += last - from + 1;
            end = Some((*ipv6, *last));
        }
    }
    sum
}

/// What one workload was seen to meet in one direction: for each address the ports, and the names it was known by.
type Met = BTreeMap<IpAddr, (BTreeSet<u16>, BTreeSet<String>)>;

fn met(observation: &Observation, workload: &WorkloadRef, comes_in: bool) -> Met {
    let mut met = Met::new();
    for edge in &observation.edges {
        let (own, far) = if comes_in { (&edge.server, &edge.client) } else { (&edge.client, &edge.server) };
        if own.workload() != Some(workload) {
            continue;
        }
        let (addresses, names) = match far {
            // Addresses without a name share a budget as those of one name do.
            Endpoint::External { address } => ([*address].into(), BTreeSet::from([String::new()])),
            Endpoint::ExternalName { names } => {
                (edge.server_addresses.clone(), names.iter().map(ToString::to_string).collect())
            }
            _ => continue,
        };
        // Link-local addresses, metadata among them, are for people to decide.
        for address in addresses.into_iter().filter(|address| !address.to_string().starts_with("169.254.")) {
            let (ports, known_as) = met.entry(address.to_canonical()).or_default();
            ports.insert(edge.port);
            known_as.extend(names.iter().cloned());
        }
    }
    met
}

/// The addresses that must share a budget: those that have a name in common, directly or by way of others, and those
/// without a name.
fn groups(met: &BTreeMap<IpAddr, BTreeSet<String>>) -> Vec<(BTreeSet<String>, BTreeSet<IpAddr>)> {
    let mut groups: Vec<(BTreeSet<String>, BTreeSet<IpAddr>)> = Vec::new();
    for (address, names) in met {
        let joins = |group: &(BTreeSet<String>, _)| !group.0.is_disjoint(names);
        let (joined, apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(joins);
        let mut group = (names.clone(), BTreeSet::from([*address]));
        for (names, addresses) in joined {
            group.0.extend(names);
            group.1.extend(addresses);
        }
        groups = apart;
        groups.push(group);
    }
    groups
}

fn ports(rule: &Rule) -> BTreeSet<u16> {
    let among =
        |ports: &Ports, port| matches!(ports, Ports::Numbers { first, last } if (*first..=*last).contains(&port));
    let all = rule.ports.iter().flatten();
    PORTS.into_iter().filter(|port| all.clone().any(|range| among(&range.ports, *port))).collect()
}

fn blocks(rule: &Rule) -> Vec<IpNet> {
    let peers = rule.peers.iter().flatten();
    peers
        .map(|peer| match peer {
            Peer::IpBlock(block) => {
                assert!(block.except.is_empty());
                block.cidr
            }
            Peer::Pods { .. } => panic!("nobody met a pod"),
        })
        .collect()
}

/// Whether a block is one address, or touches nothing that is forbidden.
fn is_permitted(block: IpNet) -> bool {
    let (ipv6, first, last) = range(block);
    let touches = |other: Range| other.0 == ipv6 && other.1 <= last && first <= other.2;
    first == last || !FORBIDDEN.iter().any(|other| touches(range(other.parse().unwrap())))
}

/// The widest block around `address` that may be: fewer blocks than there are of these hold no set of addresses. In IPv6
/// what a registry gives to one provider is the widest.
fn widest_permitted(address: IpAddr) -> IpNet {
    let widest = if address.is_ipv6() { 32 } else { 0 };
    let mut around = (widest..).map(|length| IpNet::new(address, length).unwrap().trunc());
    around.find(|block| is_permitted(*block)).unwrap()
}

/// What is checked of one rule; returns how many groups cannot do with `budget` blocks, and how many addresses are allowed
/// that were not seen.
fn check(rule: &Rule, met: &Met, budget: usize) -> Result<(usize, u128), TestCaseError> {
    let (ports, blocks) = (ports(rule), blocks(rule));
    let ranges: BTreeSet<Range> = blocks.iter().map(|block| range(*block)).collect();
    prop_assert_eq!(ranges.len(), blocks.len(), "a block stands twice in {:?}", blocks);
    for block in &blocks {
        prop_assert!(is_permitted(*block), "{} touches what is forbidden", block);
    }
    // Each address stands in the one rule that has all its ports.
    let here: BTreeMap<IpAddr, BTreeSet<String>> =
        met.iter().filter(|(_, (of, _))| *of == ports).map(|(address, (_, names))| (*address, names.clone())).collect();
    let of = |address: &IpAddr| ranges.iter().copied().filter(|range| holds(*range, *address)).collect::<Vec<_>>();
    for address in here.keys() {
        prop_assert!(!of(address).is_empty(), "{} is in none of {:?}", address, blocks);
    }
    for range in &ranges {
        prop_assert!(here.keys().any(|address| holds(*range, *address)), "nobody is in {:?} of {:?}", range, blocks);
    }
    // A block of one group may lie in one of another: of those around an address the widest is needed.
    let widest = |address: &IpAddr| of(address).into_iter().max_by_key(|(_, first, last)| last - first);
    let used = |addresses: &BTreeSet<IpAddr>| addresses.iter().filter_map(widest).collect::<BTreeSet<_>>().len();
    let groups = groups(&here);
    let mut over = 0;
    for (_, addresses) in &groups {
        let least = addresses.iter().map(|address| widest_permitted(*address)).collect::<BTreeSet<_>>().len();
        over += usize::from(least > budget);
        prop_assert!(used(addresses) <= budget.max(least), "{:?} need {}, and have {:?}", addresses, least, blocks);
    }
    prop_assert!(over > 0 || ranges.len() <= budget * groups.len(), "{} groups in {:?}", groups.len(), blocks);
    let seen =
        met.iter().filter(|(address, (of_address, _))| of_address.is_superset(&ports) && !of(address).is_empty());
    Ok((over, size(&ranges) - u128::try_from(seen.count()).unwrap()))
}

fn plan(observation: &Observation, budget: usize) -> Plan {
    infer(observation, &Options { cidr_budget: Some(budget), ..Options::default() }, &Decided::default())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Every seen address is allowed, no more blocks than permitted or it is said, none where none may be, and the number
    /// of addresses added is the number printed.
    #[test]
    fn a_budget_is_kept_or_its_excess_reported_and_what_it_adds_is_counted(
        contacts in proptest::collection::vec(contact(), 1..8),
        budget in 1..7usize,
    ) {
        let observation = build(&contacts);
        let plan = plan(&observation, budget);
        let read = policies(&observation, &plan);
        prop_assert_eq!(replay(&observation, &read, &Decided::default(), || Ok(())).unwrap().denied, vec![]);
        let (mut over, mut added) = (0, 0);
        for policy in &plan.policies {
            let of_policy = read.policies().iter().find(|read| read.name == policy.name).unwrap();
            for (comes_in, rules) in [(true, &of_policy.ingress), (false, &of_policy.egress)] {
                let met = met(&observation, &policy.workload, comes_in);
                for rule in rules {
                    let (of_rule, unseen) = check(rule, &met, budget)?;
                    over += of_rule;
                    added += unseen;
                }
                let pod = template_pod(&observation, &policy.workload, "own");
                for (address, port) in met.iter().flat_map(|(address, (ports, _))| ports.iter().map(|port| (*address, *port))) {
                    let (own, far) = (Party::Pod(&pod), Party::Address(address));
                    let (from, to) = if comes_in { (far, own) } else { (own, far) };
                    prop_assert!(read.verdict(&Cluster::default(), &from, &to, netwright_policy::Protocol::Tcp, port).allowed());
                }
            }
        }
        prop_assert_eq!(over, plan.findings.over_cidr_budget);
        prop_assert_eq!(added, plan.widened().addresses);
    }
}

/// The random contacts make blocks wider, and some budgets cannot be kept.
#[test]
fn random_contacts_exercise_budgets() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut wider, mut exact, mut over) = (0, 0, 0);
    for _ in 0..64 {
        let contacts = proptest::collection::vec(contact(), 1..8).new_tree(&mut runner).unwrap().current();
        let plan = plan(&build(&contacts), 2);
        wider += usize::from(plan.widened().addresses > 0);
        exact += usize::from(plan.widened().addresses == 0);
        over += plan.findings.over_cidr_budget;
    }
    assert!(wider > 5 && exact > 5 && over > 5, "{wider} {exact} {over}");
}
