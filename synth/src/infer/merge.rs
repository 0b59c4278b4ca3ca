//! Turns single allowances into few rules: peers with the same ports share a rule. The result allows exactly the same.
//!
//! Every peer stands in one rule only, so that no other way of writing the same allowances has fewer peers.

use super::rules::{Ground, Peer, Port, Rule, Target, Whom, Widened};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Peers that are allowed the same: what stands for one end of an edge. Shared, since every node of the cluster may stand
/// for one of them, and as many edges may lead there.
pub type Peers = Arc<[(Target, Whom)]>;

/// Peers on one port, and where that comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The peers, each with who that is.
    pub peers: Peers,
    /// The port.
    pub port: Port,
    /// Why.
    pub ground: Ground,
}

/// What is allowed to peers that occur together.
#[derive(Default)]
struct Together {
    ports: Vec<Port>,
    grounds: Vec<Ground>,
}

/// What is gathered about one target.
#[derive(Default)]
struct Gathered<'a> {
    whom: Vec<Whom>,
    /// With whom it occurs, by number.
    sets: Vec<(usize, &'a Together)>,
}

/// A rule whose grounds are those of several sets of peers.
struct Unfinished<'a> {
    rule: Rule,
    sets: BTreeMap<usize, &'a Together>,
}

/// The rules that allow exactly `allowances`, sorted by their ports. The order of `allowances` does not matter. `tidy` may
/// write the ports of one peer (sorted, distinct) in another way; it returns how many numbers it added.
pub fn merge(
    allowances: impl IntoIterator<Item = Allowance>,
    tidy: impl Fn(&[Whom], Vec<Port>) -> (Vec<Port>, u64),
) -> Vec<Rule> {
    let together = together(allowances);
    let mut rules: BTreeMap<Vec<Port>, Unfinished> = BTreeMap::new();
    for (target, Gathered { whom, sets }) in gathered(&together) {
        let whom = distinct(whom);
        let ports = distinct(sets.iter().flat_map(|(_, set)| &set.ports).cloned().collect());
        let (ports, added) = tidy(&whom, ports);
        let Unfinished { rule, sets: of_rule } = rules.entry(ports).or_insert_with_key(|ports| Unfinished {
            rule: Rule { peers: Vec::new(), ports: ports.clone(), grounds: Vec::new(), widened: Widened::default() },
            sets: BTreeMap::new(),
        });
        rule.peers.push(Peer { target: target.clone(), whom });
        rule.widened.ports = rule.widened.ports.saturating_add(added);
        of_rule.extend(sets);
    }
    rules.into_values().map(Unfinished::finish).collect()
}

/// What is allowed, by the peers that occur together. There are far fewer such sets than peers times edges.
fn together(allowances: impl IntoIterator<Item = Allowance>) -> BTreeMap<Peers, Together> {
    let mut sets: BTreeMap<Peers, Together> = BTreeMap::new();
    for Allowance { peers, port, ground } in allowances {
        let set = sets.entry(peers).or_default();
        set.ports.push(port);
        set.grounds.push(ground);
    }
    for set in sets.values_mut() {
        set.ports = distinct(std::mem::take(&mut set.ports));
    }
    sets
}

fn gathered(sets: &BTreeMap<Peers, Together>) -> BTreeMap<&Target, Gathered<'_>> {
    let mut targets: BTreeMap<&Target, Gathered> = BTreeMap::new();
    for (number, (peers, set)) in sets.iter().enumerate() {
        for (target, whom) in peers.iter() {
            let gathered = targets.entry(target).or_default();
            gathered.whom.push(whom.clone());
            gathered.sets.push((number, set));
        }
    }
    targets
}

impl Unfinished<'_> {
    fn finish(self) -> Rule {
        let grounds = self.sets.into_values().flat_map(|set| set.grounds.iter().copied()).collect();
        Rule { grounds: distinct(grounds), ..self.rule }
    }
}

/// The items in order, each once.
fn distinct<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort_unstable();
    items.dedup();
    items.shrink_to_fit();
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use netwright_record::Protocol;
    use std::collections::BTreeSet;

    fn allowance(peer: &str, number: u16, edge: usize) -> Allowance {
        Allowance {
            peers: [(Target::block(peer.parse().unwrap()), Whom::Address)].into(),
            port: Port::number(Protocol::Tcp, number),
            ground: Ground::Seen(edge),
        }
    }

    fn exact(allowances: impl IntoIterator<Item = Allowance>) -> Vec<Rule> {
        merge(allowances, |_, ports| (ports, 0))
    }

    /// The rules as (peer, port) pairs, rule by rule.
    fn pairs(rules: &[Rule]) -> BTreeSet<(Target, Port)> {
        rules
            .iter()
            .flat_map(|rule| {
                rule.peers.iter().flat_map(|peer| rule.ports.iter().map(|port| (peer.target.clone(), port.clone())))
            })
            .collect()
    }

    #[test]
    fn peers_with_the_same_ports_share_a_rule_and_nothing_is_added() {
        let allowances = [
            allowance("198.18.0.1/32", 80, 0),
            allowance("198.18.0.1/32", 443, 1),
            allowance("198.18.0.2/32", 443, 2),
            allowance("198.18.0.3/32", 80, 3),
            allowance("198.18.0.3/32", 443, 4),
        ];
        let rules = exact(allowances.clone());
        assert_eq!(rules.len(), 2);
        let expected = allowances.into_iter().map(|allowance| (allowance.peers[0].0.clone(), allowance.port)).collect();
        assert_eq!(pairs(&rules), expected);
    }

    #[test]
    fn a_peer_that_occurs_among_several_has_the_ports_and_the_grounds_of_each() {
        let both = Allowance {
            peers: ["198.18.0.1/32", "198.18.0.2/32"]
                .map(|peer| (Target::block(peer.parse().unwrap()), Whom::Address))
                .into(),
            ..allowance("198.18.0.1/32", 80, 0)
        };
        let again = Allowance { ground: Ground::Seen(3), ..both.clone() };
        let rules = exact([both, allowance("198.18.0.1/32", 443, 1), allowance("198.18.0.3/32", 80, 2), again]);
        let grounds: Vec<Vec<Ground>> = rules.iter().map(|rule| rule.grounds.clone()).collect();
        let seen = |edges: &[usize]| edges.iter().map(|edge| Ground::Seen(*edge)).collect::<Vec<_>>();
        assert_eq!(grounds, [seen(&[0, 2, 3]), seen(&[0, 1, 3])]);
        assert_eq!(rules.iter().map(|rule| rule.peers.len()).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn order_does_not_matter() {
        let mut allowances = vec![allowance("198.18.0.2/32", 80, 0), allowance("198.18.0.1/32", 80, 1)];
        let rules = exact(allowances.clone());
        allowances.reverse();
        assert_eq!(exact(allowances), rules);
    }
}
