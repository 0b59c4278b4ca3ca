//! The observation that a perfect recording of the shop would be: the declared edges, and the inventory.

use crate::{Recorded, common};
use netwright_record::file::{Header, Window, write_path};
use netwright_record::{Activity, Edge, Observation, Time};
use netwright_resolve::inventory::read_kubectl;
use netwright_tests::shop::expected::{Expected, Key, expected};
use netwright_tests::shop::inventory::{Timeline, inventory};
use netwright_tests::shop::shop;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::OnceLock;

/// 2025-01-01T00:00:00Z: any time does.
const START: i64 = 1_735_689_600;

/// The declared edges as an observation, with the policies written for it.
pub(crate) fn declared() -> &'static Recorded {
    static DECLARED: OnceLock<Recorded> = OnceLock::new();
    DECLARED.get_or_init(|| {
        let directory = common::empty_directory("declared");
        let (file, list) = (directory.join("observation.jsonl.zst"), directory.join("inventory.yaml"));
        let started = Time::from_second(START).unwrap();
        let timeline = Timeline { started, runs: vec![(started, Some(started)); 2] };
        fs::write(&list, inventory(&shop(), &timeline).unwrap()).unwrap();
        write_path(&observation(started, &fs::read_to_string(&list).unwrap()), &file).unwrap();
        Recorded::new(directory, file, list, BTreeMap::new())
    })
}

fn observation(at: Time, list: &str) -> Observation {
    let header = Header::new("netwright-tests", Window { from: at, until: at });
    let (inventory, warnings) = read_kubectl(list, "inventory.yaml", at).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let edges = expected(&shop()).into_iter().map(|(key, it)| edge(at, key, it)).collect();
    Observation { inventory, edges, ..Observation::new(header) }
}

fn edge(at: Time, (client, server, protocol, port): Key, it: Expected) -> Edge {
    let activity = Activity { failed: u64::from(it.fails), ..Activity::once(at) };
    Edge {
        client,
        server,
        protocol,
        port,
        services: it.services,
        client_addresses: it.client_addresses,
        server_addresses: it.server_addresses,
        addresses_dropped: 0,
        activity,
        nodes: BTreeSet::from(["node-a".into()]).into(),
    }
}
