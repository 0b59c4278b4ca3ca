//! Covers the addresses of one outside name, or those without a name, by at most so many blocks; without a number by the
//! fewest that hold nothing else.

use crate::index::Index;
use crate::infer::cover::cidr::cover;
use crate::infer::cover::special::Forbidden;
use crate::infer::rules::{Peer, Port, PortMatch, Rule, Target, Whom, WorkloadPolicy};
use crate::review::Decided;
use ipnet::IpNet;
use netwright_record::Observation;
use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroUsize;

/// Covers the addresses in every rule, exactly where there is no `budget`; returns how many groups need more blocks than it.
pub(super) fn widen(
    policies: &mut [WorkloadPolicy],
    observation: &Observation,
    index: &Index,
    decided: &Decided,
    budget: Option<NonZeroUsize>,
) -> usize {
    // Few rules name several addresses outside.
    let forbidden = LazyCell::new(|| {
        let closed = decided.closed_blocks(&observation.edges);
        Forbidden::special_purpose().and(of_the_cluster(observation, index)).and(closed)
    });
    let directions = policies.iter_mut().flat_map(|policy| [&mut policy.ingress, &mut policy.egress]);
    directions.map(|rules| widen_rules(rules, budget, &forbidden)).sum()
}

/// The rules of one workload in one direction.
fn widen_rules(rules: &mut [Rule], budget: Option<NonZeroUsize>, forbidden: &Forbidden) -> usize {
    let several = |rule: &Rule| rule.peers.iter().filter(|peer| is_outside(peer)).nth(1).is_some();
    if !rules.iter().any(several) {
        return 0;
    }
    let seen: Vec<Seen> = rules.iter().map(Seen::of).collect();
    let rules = rules.iter_mut().filter(|rule| several(rule));
    rules.map(|rule| widen_rule(rule, budget, forbidden, &seen)).sum()
}

/// The addresses outside that one rule names before it is widened, and the ports on which they were seen.
struct Seen {
    ports: Vec<Port>,
    addresses: BTreeSet<IpAddr>,
}

impl Seen {
    fn of(rule: &Rule) -> Self {
        let outside = rule.peers.iter().filter(|peer| is_outside(peer));
        Self { ports: rule.ports.clone(), addresses: outside.filter_map(address).collect() }
    }

    /// Whether its addresses were seen on all these ports.
    fn is_on(&self, ports: &[Port]) -> bool {
        ports.iter().all(|port| self.ports.iter().any(|of_seen| holds(of_seen, port)))
    }
}

/// Whether every port that `narrow` stands for is among those of `wide`.
fn holds(wide: &Port, narrow: &Port) -> bool {
    wide.protocol == narrow.protocol
        && match (&wide.at, &narrow.at) {
            (PortMatch::Range { first, last }, PortMatch::Range { first: from, last: to }) => {
                first <= from && to <= last
            }
            (wide, narrow) => wide == narrow,
        }
}

/// The ranges and addresses that are the cluster's own, so that no block about what is outside may hold them.
fn of_the_cluster(observation: &Observation, index: &Index) -> Vec<IpNet> {
    let inventory = &observation.inventory;
    let nodes = inventory.nodes.iter().flat_map(|node| &node.addresses);
    let services =
        inventory.services.iter().flat_map(|service| service.cluster_ips.iter().chain(&service.external_ips));
    let pods = inventory.pods.iter().flat_map(|pod| pod.addresses.iter().map(|held| &held.ip));
    let addresses = nodes.chain(services).chain(pods).chain(index.api_server_addresses());
    addresses.map(|address| IpNet::from(*address)).chain(index.pod_ranges().iter().copied()).collect()
}

fn widen_rule(rule: &mut Rule, budget: Option<NonZeroUsize>, forbidden: &Forbidden, seen: &[Seen]) -> usize {
    let (outside, mut peers): (Vec<Peer>, Vec<Peer>) =
        std::mem::take(&mut rule.peers).into_iter().partition(is_outside);
    let mut over_budget = 0;
    // Two groups may have a block in common.
    let mut blocks: BTreeMap<IpNet, BTreeSet<Whom>> = BTreeMap::new();
    for group in groups(outside) {
        let addresses: BTreeSet<IpAddr> = group.iter().filter_map(address).collect();
        let cover = cover(&addresses, budget, forbidden);
        over_budget += usize::from(cover.over_budget);
        for block in cover.blocks {
            blocks.entry(block).or_default().extend(whom(&group, block));
        }
    }
    let all: Vec<IpNet> = blocks.keys().copied().collect();
    rule.widened.addresses = unseen(&all, &rule.ports, seen);
    let peer = |(block, whom): (IpNet, BTreeSet<Whom>)| Peer {
        target: Target::block(block),
        whom: whom.into_iter().collect(),
    };
    peers.extend(blocks.into_iter().map(peer));
    peers.sort_by(|a, b| a.target.cmp(&b.target));
    rule.peers = peers;
    over_budget
}

/// How many addresses `blocks` hold that were not seen on `ports`. Blocks of two groups may lie in one another, and an address
/// of one group may have been seen by way of another, or in a rule for more ports.
fn unseen(blocks: &[IpNet], ports: &[Port], seen: &[Seen]) -> u128 {
    let blocks = IpNet::aggregate(&blocks.to_vec());
    let size = |block: &IpNet| 1u128.checked_shl(u32::from(block.max_prefix_len() - block.prefix_len()));
    let allowed = blocks.iter().fold(0u128, |sum, block| sum.saturating_add(size(block).unwrap_or(u128::MAX)));
    let known: BTreeSet<IpAddr> =
        seen.iter().filter(|seen| seen.is_on(ports)).flat_map(|seen| seen.addresses.iter().copied()).collect();
    let inside = known.into_iter().filter(|address| blocks.iter().any(|block| block.contains(address))).count();
    allowed.saturating_sub(u128::try_from(inside).unwrap_or(u128::MAX))
}

/// Whether a peer is one address outside the cluster.
fn is_outside(peer: &Peer) -> bool {
    address(peer).is_some() && peer.whom.iter().all(|whom| matches!(whom, Whom::Name(_) | Whom::Address))
}

fn address(peer: &Peer) -> Option<IpAddr> {
    match &peer.target {
        Target::Block { cidr, except } if except.is_empty() && cidr.prefix_len() == cidr.max_prefix_len() => {
            Some(cidr.addr())
        }
        _ => None,
    }
}

/// The peers by name, those with a name in common together; those without a name in a group of their own. O(n log n).
fn groups(peers: Vec<Peer>) -> Vec<Vec<Peer>> {
    let mut groups: Vec<Vec<Peer>> = Vec::new();
    let mut by_name: BTreeMap<Whom, usize> = BTreeMap::new();
    for peer in peers {
        let known: BTreeSet<usize> = peer.whom.iter().filter_map(|whom| by_name.get(whom).copied()).collect();
        let mut known = known.into_iter();
        let group = known.next().unwrap_or(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        for other in known {
            let moved = groups.get_mut(other).map(std::mem::take).unwrap_or_default();
            by_name.values_mut().filter(|of| **of == other).for_each(|of| *of = group);
            groups.get_mut(group).into_iter().for_each(|into| into.extend(moved.iter().cloned()));
        }
        by_name.extend(peer.whom.iter().map(|whom| (whom.clone(), group)));
        groups.get_mut(group).into_iter().for_each(|into| into.push(peer.clone()));
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// Who of `group` is inside `block`.
fn whom(group: &[Peer], block: IpNet) -> impl Iterator<Item = Whom> {
    let inside = group.iter().filter(move |peer| address(peer).is_some_and(|address| block.contains(&address)));
    inside.flat_map(|peer| peer.whom.iter().cloned())
}

#[cfg(test)]
mod tests {
    use crate::infer::rules::{Plan, Target};
    use crate::infer::{Options, infer};
    use crate::review::{Decided, Review, day};
    use crate::testing::{World, address};
    use netwright_record::Endpoint;
    use netwright_record::Protocol::Tcp;
    use std::path::Path;

    /// What a client of `names`, each with its addresses, is allowed with so many blocks.
    fn plan(names: &[(&[&str], &[&str])], budget: impl Into<Option<usize>>) -> Plan {
        let mut world = World::new();
        world.node("n1", &["8.8.4.9"]);
        let api = Endpoint::Workload(world.running("n", "api"));
        for (names, addresses) in names {
            let names = names.iter().map(|name| (*name).into()).collect();
            let edge = world.edge(api.clone(), Endpoint::ExternalName { names }, Tcp, 443);
            edge.server_addresses = addresses.iter().map(|text| address(text)).collect();
        }
        infer(&world.build(), &Options { cidr_budget: budget.into(), ..Options::default() }, &Decided::default())
    }

    fn blocks(plan: &Plan) -> Vec<String> {
        let peers = plan.policies[0].egress.iter().flat_map(|rule| &rule.peers);
        peers
            .map(|peer| match &peer.target {
                Target::Block { cidr, .. } => cidr.to_string(),
                Target::Pods(pods) => format!("{pods:?}"),
            })
            .collect()
    }

    #[test]
    fn a_name_has_as_many_blocks_as_the_budget_and_the_rest_is_a_number() {
        let names: &[(&[&str], &[&str])] = &[(&["a.example"], &["8.8.8.0", "8.8.8.1", "8.8.8.3", "9.9.9.9"])];
        let plan = plan(names, 2);
        assert_eq!(blocks(&plan), ["8.8.8.0/30", "9.9.9.9/32"]);
        assert_eq!((plan.widened().addresses, plan.findings.over_cidr_budget), (1, 0));
    }

    #[test]
    fn without_a_budget_addresses_that_fill_a_block_are_it_and_nothing_is_added() {
        let names: &[(&[&str], &[&str])] =
            &[(&["a.example"], &["8.8.8.0", "8.8.8.1", "8.8.8.2", "9.9.9.9"]), (&["b.example"], &["8.8.8.3"])];
        let plan = plan(names, None);
        assert_eq!(blocks(&plan), ["8.8.8.0/31", "8.8.8.2/32", "8.8.8.3/32", "9.9.9.9/32"]);
        assert!(plan.widened().is_none());
    }

    #[test]
    fn two_names_are_not_covered_together_unless_an_address_has_both() {
        let apart: &[(&[&str], &[&str])] = &[(&["a.example"], &["8.8.8.0"]), (&["b.example"], &["8.8.8.1"])];
        assert_eq!(blocks(&plan(apart, 1)), ["8.8.8.0/32", "8.8.8.1/32"]);
        let joined: &[(&[&str], &[&str])] =
            &[(&["a.example"], &["8.8.8.0", "8.8.8.2"]), (&["a.example", "b.example"], &["8.8.8.1", "8.8.8.3"])];
        assert_eq!(blocks(&plan(joined, 1)), ["8.8.8.0/30"]);
    }

    #[test]
    fn a_block_of_two_names_stands_once_and_what_either_was_seen_at_is_not_added() {
        let names: &[(&[&str], &[&str])] =
            &[(&["a.example"], &["8.8.8.0", "8.8.8.2"]), (&["b.example"], &["8.8.8.1", "8.8.8.3"])];
        let same = plan(names, 1);
        assert_eq!((blocks(&same), same.widened().addresses), (vec!["8.8.8.0/30".to_owned()], 0));
        let inside: &[(&[&str], &[&str])] =
            &[(&["a.example"], &["8.8.8.0", "8.8.8.7"]), (&["b.example"], &["8.8.8.1", "8.8.8.2"])];
        let inside = plan(inside, 1);
        assert_eq!(blocks(&inside), ["8.8.8.0/29", "8.8.8.0/30"]);
        assert_eq!(inside.widened().addresses, 4);
    }

    #[test]
    fn an_address_that_was_seen_on_more_ports_is_not_added_on_fewer() {
        let mut world = World::new();
        let api = Endpoint::Workload(world.running("n", "api"));
        for (text, port) in [("8.8.8.0", 443), ("8.8.8.3", 443), ("8.8.8.1", 443), ("8.8.8.1", 80)] {
            world.edge(api.clone(), Endpoint::External { address: address(text) }, Tcp, port);
        }
        let options = Options { cidr_budget: Some(1), ..Options::default() };
        let plan = infer(&world.build(), &options, &Decided::default());
        assert_eq!(blocks(&plan), ["8.8.8.1/32", "8.8.8.0/30"]);
        assert_eq!(plan.widened().addresses, 1);
    }

    #[test]
    fn a_block_never_holds_a_node_and_says_that_it_cannot_be_met() {
        let names: &[(&[&str], &[&str])] = &[(&["a.example"], &["8.8.4.8", "8.8.4.10"])];
        let plan = plan(names, 1);
        assert_eq!(blocks(&plan), ["8.8.4.8/32", "8.8.4.10/32"]);
        assert_eq!(plan.findings.over_cidr_budget, 1);
    }

    #[test]
    fn no_block_holds_an_address_that_people_closed() {
        let mut world = World::new();
        let api = Endpoint::Workload(world.running("n", "api"));
        let names = ["a.example".into()].into();
        world.edge(api, Endpoint::ExternalName { names }, Tcp, 443).server_addresses =
            ["8.8.8.0", "8.8.8.1", "8.8.8.2"].map(address).into();
        let observation = world.build();
        let review = "apiVersion: netwright.io/v1\nkind: Review\ndecisions:\n\
                      - {decision: deny, client: n/api, server: 8.8.8.1, reason: it was taken over}\n";
        let review = Review::parse(Path::new("review.yaml"), review).unwrap();
        let decided = review.apply(&observation, day(observation.header.window.until));
        let plan = infer(&observation, &Options { cidr_budget: Some(1), ..Options::default() }, &decided);
        assert_eq!(blocks(&plan), ["8.8.8.0/32", "8.8.8.2/32"]);
        assert_eq!(plan.findings.over_cidr_budget, 1);
    }
}
