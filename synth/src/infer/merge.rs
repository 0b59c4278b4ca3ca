//! Turns single allowances into few rules: peers with the same ports share a rule. The result allows exactly the same.
//!
//! Every peer stands in one rule only, so that no other way of writing the same allowances has fewer peers.

use super::rules::{Ground, Peer, Port, Rule, Target, Whom, Widened};
use std::collections::BTreeMap;

/// One peer on one port, and where that comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The peer.
    pub target: Target,
    /// Who that is.
    pub whom: Whom,
    /// The port.
    pub port: Port,
    /// Why.
    pub ground: Ground,
}

/// What is gathered about one target.
#[derive(Default)]
struct Gathered {
    whom: Vec<Whom>,
    ports: Vec<Port>,
    grounds: Vec<Ground>,
}

/// The rules that allow exactly `allowances`, sorted by their ports. The order of `allowances` does not matter. `tidy` may
/// write the ports of one peer (sorted, distinct) in another way; it returns how many numbers it added.
pub fn merge(
    allowances: impl IntoIterator<Item = Allowance>,
    tidy: impl Fn(&[Whom], Vec<Port>) -> (Vec<Port>, u64),
) -> Vec<Rule> {
    let mut targets: BTreeMap<Target, Gathered> = BTreeMap::new();
    for Allowance { target, whom, port, ground } in allowances {
        let gathered = targets.entry(target).or_default();
        gathered.whom.push(whom);
        gathered.ports.push(port);
        gathered.grounds.push(ground);
    }
    let mut rules: BTreeMap<Vec<Port>, Rule> = BTreeMap::new();
    for (target, Gathered { whom, ports, grounds }) in targets {
        let whom = distinct(whom);
        let (ports, added) = tidy(&whom, distinct(ports));
        let rule = rules.entry(ports).or_insert_with_key(|ports| Rule {
            peers: Vec::new(),
            ports: ports.clone(),
            grounds: Vec::new(),
            widened: Widened::default(),
        });
        rule.peers.push(Peer { target, whom });
        rule.grounds.extend(grounds);
        rule.widened.ports = rule.widened.ports.saturating_add(added);
    }
    rules.into_values().map(|rule| Rule { grounds: distinct(rule.grounds), ..rule }).collect()
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
            target: Target::block(peer.parse().unwrap()),
            whom: Whom::Address,
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
        let expected = allowances.into_iter().map(|allowance| (allowance.target, allowance.port)).collect();
        assert_eq!(pairs(&rules), expected);
    }

    #[test]
    fn order_does_not_matter() {
        let mut allowances = vec![allowance("198.18.0.2/32", 80, 0), allowance("198.18.0.1/32", 80, 1)];
        let rules = exact(allowances.clone());
        allowances.reverse();
        assert_eq!(exact(allowances), rules);
    }
}
