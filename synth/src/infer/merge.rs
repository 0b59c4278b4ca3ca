//! Turns single allowances into few rules: peers with the same ports share a rule. The result allows exactly the same.

use super::rules::{Ground, Peer, Port, Rule, Target};
use std::collections::{BTreeMap, BTreeSet};

/// One peer on one port, and where that comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The peer.
    pub peer: Peer,
    /// The port.
    pub port: Port,
    /// The edge behind it.
    pub ground: Ground,
}

/// What is gathered about one target.
#[derive(Default)]
struct Gathered {
    notes: BTreeSet<String>,
    ports: BTreeSet<Port>,
    grounds: BTreeSet<Ground>,
}

/// The rules that allow exactly `allowances`, sorted by their ports. The order of `allowances` does not matter.
pub fn merge(allowances: impl IntoIterator<Item = Allowance>) -> Vec<Rule> {
    let mut targets: BTreeMap<Target, Gathered> = BTreeMap::new();
    for Allowance { peer, port, ground } in allowances {
        let gathered = targets.entry(peer.target).or_default();
        gathered.notes.extend(peer.notes);
        gathered.ports.insert(port);
        gathered.grounds.insert(ground);
    }
    let mut rules: BTreeMap<BTreeSet<Port>, Rule> = BTreeMap::new();
    for (target, Gathered { notes, ports, grounds }) in targets {
        let rule = rules.entry(ports).or_insert_with_key(|ports| Rule {
            peers: Vec::new(),
            ports: ports.clone(),
            grounds: BTreeSet::new(),
        });
        rule.peers.push(Peer { target, notes });
        rule.grounds.extend(grounds);
    }
    rules.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::rules::Why;
    use netwright_record::Protocol;

    fn allowance(peer: &str, number: u16, edge: usize) -> Allowance {
        let target = Target::Block { cidr: peer.parse().unwrap(), except: BTreeSet::new() };
        Allowance {
            peer: Peer { target, notes: BTreeSet::new() },
            port: Port { protocol: Protocol::Tcp, number },
            ground: Ground { edge, why: Why::Seen },
        }
    }

    /// The rules as (peer, port) pairs, rule by rule.
    fn pairs(rules: &[Rule]) -> BTreeSet<(Target, Port)> {
        rules
            .iter()
            .flat_map(|rule| {
                rule.peers.iter().flat_map(|peer| rule.ports.iter().map(|port| (peer.target.clone(), *port)))
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
        let rules = merge(allowances.clone());
        assert_eq!(rules.len(), 2);
        let expected = allowances.into_iter().map(|allowance| (allowance.peer.target, allowance.port)).collect();
        assert_eq!(pairs(&rules), expected);
    }

    #[test]
    fn order_does_not_matter() {
        let mut allowances = vec![allowance("198.18.0.2/32", 80, 0), allowance("198.18.0.1/32", 80, 1)];
        let rules = merge(allowances.clone());
        allowances.reverse();
        assert_eq!(merge(allowances), rules);
    }
}
