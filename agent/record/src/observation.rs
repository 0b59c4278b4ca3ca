//! Everything recorded over a window, in memory.

use crate::coverage::Coverage;
use crate::edge::{Edge, Unresolved};
use crate::file::{Header, Record};
use crate::flow::Flow;
use crate::inventory::Inventory;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use std::fmt::Write;

/// Everything recorded over a window: what was seen, by whom, between whom, and what was missed.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// What the file is, and over which time it speaks.
    pub header: Header,
    /// What was watched, and what was lost.
    pub coverage: Vec<Coverage>,
    /// What the cluster consisted of.
    pub inventory: Inventory,
    /// What each node saw.
    pub flows: Vec<Flow>,
    /// Who talked to whom.
    pub edges: Vec<Edge>,
    /// What could not be named.
    pub unresolved: Vec<Unresolved>,
}

impl Observation {
    /// An observation with nothing in it.
    pub fn new(header: Header) -> Self {
        Self {
            header,
            coverage: Vec::new(),
            inventory: Inventory::default(),
            flows: Vec::new(),
            edges: Vec::new(),
            unresolved: Vec::new(),
        }
    }

    /// Puts every vector in its canonical order, so that the same content gives the same bytes whatever order it came in.
    /// O(n log n) in records.
    pub fn sort(&mut self) {
        let inventory = &mut self.inventory;
        order(&mut self.coverage, |a, b| (&a.node, a.from, &a.run, a.to).cmp(&(&b.node, b.from, &b.run, b.to)));
        order(&mut inventory.namespaces, |a, b| a.name.cmp(&b.name));
        order(&mut inventory.workloads, |a, b| a.workload.cmp(&b.workload));
        order(&mut inventory.pods, |a, b| (&a.namespace, &a.name, &a.uid).cmp(&(&b.namespace, &b.name, &b.uid)));
        order(&mut inventory.services, |a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        order(&mut inventory.nodes, |a, b| a.name.cmp(&b.name));
        order(&mut inventory.cron_jobs, |a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        for policy in &mut inventory.policies {
            // Does something only where another crate of the build has asked serde_json to keep the order of keys.
            policy.manifest.sort_all_objects();
        }
        inventory.policies.sort_by_cached_key(form);
        inventory.api_extensions.sort();
        order(&mut self.flows, |a, b| flow_key(a).cmp(&flow_key(b)));
        order(&mut self.edges, |a, b| edge_key(a).cmp(&edge_key(b)));
        order(&mut self.unresolved, |a, b| (flow_key(&a.flow), &a.reason).cmp(&(flow_key(&b.flow), &b.reason)));
    }

    /// SHA-256 over the content, as lower-case hexadecimal. The order of the lines in the file does not change it.
    pub fn digest(&self) -> String {
        let mut sorted = self.clone();
        sorted.sort();
        let mut hasher = Sha256::new();
        for record in sorted.into_records() {
            hasher.update(form(&record));
            hasher.update(b"\n");
        }
        hasher.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// The records in the order they are written, without the end record.
    pub(crate) fn into_records(self) -> impl Iterator<Item = Record> {
        let inventory = self.inventory;
        std::iter::once(Record::Header(self.header))
            .chain(self.coverage.into_iter().map(Record::Coverage))
            .chain(inventory.namespaces.into_iter().map(Record::Namespace))
            .chain(inventory.nodes.into_iter().map(Record::Node))
            .chain(inventory.workloads.into_iter().map(Record::Workload))
            .chain(inventory.pods.into_iter().map(Record::Pod))
            .chain(inventory.services.into_iter().map(Record::Service))
            .chain(inventory.cron_jobs.into_iter().map(Record::CronJob))
            .chain(inventory.policies.into_iter().map(Record::Policy))
            .chain(inventory.api_extensions.into_iter().map(Record::ApiExtension))
            .chain(self.flows.into_iter().map(Record::Flow))
            .chain(self.edges.into_iter().map(Record::Edge))
            .chain(self.unresolved.into_iter().map(Record::Unresolved))
    }
}

/// Sorts by `compare`, and what that finds equal by the text it is written as, which tells any two records apart.
fn order<T: Serialize>(records: &mut [T], compare: fn(&T, &T) -> Ordering) {
    records.sort_by(compare);
    for equals in records.chunk_by_mut(|a, b| compare(a, b).is_eq()).filter(|equals| equals.len() > 1) {
        equals.sort_by_cached_key(form);
    }
}

/// The record as it is written. It is plain data with string keys, so it always has a JSON form.
fn form(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).unwrap_or_default()
}

fn flow_key(flow: &Flow) -> impl Ord + '_ {
    (
        (&flow.node, &flow.local, flow.direction, flow.protocol),
        (flow.remote, flow.port, flow.remote_port),
        (flow.activity.first, flow.activity.last, flow.activity.connections),
    )
}

fn edge_key(edge: &Edge) -> impl Ord + '_ {
    (
        (&edge.client, &edge.server, edge.protocol, edge.port),
        (edge.activity.first, edge.activity.last, edge.activity.connections),
    )
}
