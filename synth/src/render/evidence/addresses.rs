//! How stable the addresses of outside names were. A policy holds those that were seen; a name that had many will soon have
//! others. Serves the comment above a rule, `evidence.json` and `netwright synth --explain`.
//!
//! An observation keeps the addresses of an edge, not the days of each of them. So this sets how many addresses a name had
//! against how many days it was used on, and says nothing of any single address.

use super::account::counted;
use netwright_record::{Edge, Endpoint, FlatSet, Hours};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// The addresses of one name, over the edges that were looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Those that are kept.
    pub kept: BTreeSet<IpAddr>,
    /// How many were seen and are not kept. One that several edges dropped counts for each of them.
    pub dropped: u64,
    /// The hours in which the name was used.
    hours: Hours,
}

impl Addresses {
    /// On how many days (UTC) the name was used.
    pub fn days(&self) -> usize {
        self.hours.days()
    }

    /// Whether more than one address was seen.
    pub fn are_several(&self) -> bool {
        self.kept.len() > 1 || self.dropped > 0
    }

    fn add(&mut self, edge: &Edge, addresses: &FlatSet<IpAddr>) {
        self.kept.extend(addresses.iter().map(IpAddr::to_canonical));
        self.dropped = self.dropped.saturating_add(edge.addresses_dropped);
        self.hours.merge(&edge.activity.hours);
    }
}

/// `10 addresses on 10 days`, `4096 addresses and 12 not kept on 3 days`.
impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept.len();
        write!(f, "{kept} address{}", if kept == 1 { "" } else { "es" })?;
        if self.dropped > 0 {
            write!(f, " and {} not kept", self.dropped)?;
        }
        write!(f, " on {}", counted(self.days(), "day"))
    }
}

/// The addresses of each outside name among the ends of `edges`. An address that had several names counts for each. O(n log n)
/// in the number of addresses.
pub fn of_names<'a>(edges: impl Iterator<Item = &'a Edge>) -> BTreeMap<&'a str, Addresses> {
    let mut found: BTreeMap<&str, Addresses> = BTreeMap::new();
    for edge in edges.filter(|edge| edge.activity.established()) {
        for (end, addresses) in [(&edge.client, &edge.client_addresses), (&edge.server, &edge.server_addresses)] {
            let Endpoint::ExternalName { names } = end else { continue };
            names.iter().for_each(|name| found.entry(name).or_default().add(edge, addresses));
        }
    }
    found
}

/// Of each name with several addresses how many, in words: `cdn.example: 10 addresses on 10 days`. Text from outside, not
/// escaped.
pub fn several<'a>(edges: impl Iterator<Item = &'a Edge>) -> Vec<String> {
    let several = of_names(edges).into_iter().filter(|(_, addresses)| addresses.are_several());
    several.map(|(name, addresses)| format!("{name}: {addresses}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, address};
    use netwright_record::Protocol::Tcp;

    #[test]
    fn addresses_of_a_name_are_counted_over_its_edges_once_each() {
        let mut world = World::new();
        let api = Endpoint::Workload(world.running("n", "api"));
        for (port, names, addresses) in [
            (80, vec!["a.example"], vec!["198.18.0.1", "198.18.0.2"]),
            (443, vec!["a.example", "b.example"], vec!["198.18.0.2", "198.18.0.3"]),
            (444, vec!["c.example"], vec!["198.18.0.9"]),
        ] {
            let names = names.into_iter().map(Into::into).collect();
            let edge = world.edge(api.clone(), Endpoint::ExternalName { names }, Tcp, port);
            edge.server_addresses = addresses.into_iter().map(address).collect();
        }
        world.observation.edges[1].addresses_dropped = 5;
        let edges = &world.observation.edges;
        let expected =
            ["a.example: 3 addresses and 5 not kept on 1 day", "b.example: 2 addresses and 5 not kept on 1 day"];
        assert_eq!(several(edges.iter()), expected);
        assert_eq!(of_names(edges.iter())["c.example"].to_string(), "1 address on 1 day");
    }
}
