//! What was seen against what was declared.

use super::expected::{Expected, Key};
use crate::actor::Tally;
use netwright_record::{Edge, Protocol};
use std::collections::BTreeMap;
use std::fmt;

/// One edge, declared or seen or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Client, server, protocol, port.
    pub key: Key,
    /// Connections seen and failed; nothing where the edge was not seen.
    pub seen: Option<(u64, u64)>,
    /// Connections that the clients say they opened, where that is known.
    pub opened: Option<u64>,
    /// What is wrong with it; empty where it is as declared.
    pub faults: Vec<String>,
}

/// Compares every edge; `tallies` are what the clients say they opened. Rows come in the order of their keys.
pub fn compare(expected: &BTreeMap<Key, Expected>, seen: &[Edge], tallies: &BTreeMap<String, Tally>) -> Vec<Row> {
    let mut rows: BTreeMap<&Key, Row> = BTreeMap::new();
    for (key, edge) in expected {
        let opened = opened(edge, tallies);
        let faults = vec!["declared, but not seen".to_owned()];
        rows.insert(key, Row { key: key.clone(), seen: None, opened, faults });
    }
    let keys: Vec<Key> = seen.iter().map(key).collect();
    for (edge, key) in seen.iter().zip(&keys) {
        let counted = (edge.activity.connections, edge.activity.failed);
        let row = rows.entry(key).or_insert_with(|| Row { key: key.clone(), seen: None, opened: None, faults: vec![] });
        row.faults = match (expected.get(key), row.seen) {
            (None, _) => vec!["seen, but not declared".into()],
            (_, Some(_)) => vec!["seen twice: an observation holds one edge a key".into()],
            (Some(expected), None) => faults(edge, expected, row.opened),
        };
        row.seen = Some(counted);
    }
    rows.into_values().collect()
}

fn key(edge: &Edge) -> Key {
    (edge.client.clone(), edge.server.clone(), edge.protocol, edge.port)
}

fn opened(edge: &Expected, tallies: &BTreeMap<String, Tally>) -> Option<u64> {
    (!edge.clients.is_empty())
        .then(|| edge.clients.iter().filter_map(|client| tallies.get(client)).map(|tally| tally.attempts).sum())
}

fn faults(edge: &Edge, expected: &Expected, opened: Option<u64>) -> Vec<String> {
    let mut faults = Vec::new();
    let (connections, failed) = (edge.activity.connections, edge.activity.failed);
    match expected.fails {
        true if edge.activity.established() => faults.push("got through, though it cannot have".into()),
        false if failed > 0 => faults.push(format!("{failed} of {connections} marked failed, though none did")),
        _ => {}
    }
    if let Some(opened) = opened.filter(|opened| *opened != connections) {
        faults.push(format!("{opened} opened, {connections} counted"));
    }
    if edge.services != expected.services {
        faults.push(format!("Services {:?}, expected {:?}", edge.services, expected.services));
    }
    if edge.client_addresses != expected.client_addresses {
        faults.push(format!("client at {:?}, expected {:?}", edge.client_addresses, expected.client_addresses));
    }
    if edge.server_addresses != expected.server_addresses {
        faults.push(format!("server at {:?}, expected {:?}", edge.server_addresses, expected.server_addresses));
    }
    faults
}

/// One line: the edge, its counts, and `as declared` or what is wrong.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, server, protocol, port) = &self.key;
        let (seen, failed) = match self.seen {
            Some((seen, 0)) => (seen.to_string(), String::new()),
            Some((seen, failed)) => (seen.to_string(), format!("{failed} failed")),
            None => ("-".into(), String::new()),
        };
        let opened = match (self.opened, protocol) {
            (Some(opened), _) => opened.to_string(),
            (None, Protocol::Udp) => "udp".into(),
            (None, _) => "held".into(),
        };
        let verdict = if self.faults.is_empty() { "as declared".into() } else { self.faults.join("; ") };
        let (client, server) = (client.to_string(), server.to_string());
        write!(f, "{client:<44} {server:<44} {protocol} {port:<5} {opened:>6} {seen:>6} {failed:<10} {verdict}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netwright_record::{Activity, Endpoint};

    fn edge(port: u16, failed: u64) -> Edge {
        let mut activity = Activity::once(jiff::Timestamp::UNIX_EPOCH);
        activity.failed = failed;
        Edge {
            client: Endpoint::ApiServer,
            server: Endpoint::ApiServer,
            protocol: Protocol::Tcp,
            port,
            services: Default::default(),
            client_addresses: Default::default(),
            server_addresses: Default::default(),
            addresses_dropped: 0,
            activity,
            nodes: Default::default(),
        }
    }

    fn declared(port: u16, fails: bool) -> BTreeMap<Key, Expected> {
        BTreeMap::from([(key(&edge(port, 0)), Expected { fails, ..Expected::default() })])
    }

    fn faults_of(expected: &BTreeMap<Key, Expected>, seen: &[Edge]) -> Vec<String> {
        compare(expected, seen, &BTreeMap::new()).into_iter().flat_map(|row| row.faults).collect()
    }

    #[test]
    fn an_edge_as_declared_has_no_fault() {
        assert_eq!(faults_of(&declared(80, false), &[edge(80, 0)]), Vec::<String>::new());
        assert_eq!(faults_of(&declared(80, true), &[edge(80, 1)]), Vec::<String>::new());
    }

    #[test]
    fn missing_and_extra_edges_are_faults() {
        assert_eq!(
            faults_of(&declared(80, false), &[edge(81, 0)]),
            ["declared, but not seen", "seen, but not declared"]
        );
    }

    #[test]
    fn a_wrong_failed_mark_is_a_fault_either_way() {
        assert_eq!(faults_of(&declared(80, false), &[edge(80, 1)]).len(), 1);
        assert_eq!(faults_of(&declared(80, true), &[edge(80, 0)]).len(), 1);
    }

    #[test]
    fn a_wrong_count_is_a_fault() {
        let mut expected = declared(80, false);
        for edge in expected.values_mut() {
            edge.clients.insert("shop/front/http".into());
        }
        let tallies = BTreeMap::from([("shop/front/http".to_owned(), Tally { attempts: 2, errors: 0, done: true })]);
        let rows = compare(&expected, &[edge(80, 0)], &tallies);
        assert_eq!(rows[0].faults, ["2 opened, 1 counted"]);
    }
}
