//! Everything recorded over a window, in memory.

use crate::coverage::Coverage;
use crate::edge::{Edge, Unresolved};
use crate::file::{Header, RecordRef};
use crate::flow::Flow;
use crate::inventory::{CronJob, Inventory, Namespace, Node, Pod, Policy, Service, Workload};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use std::convert::Infallible;
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
        order(&mut self.coverage, coverage_order);
        order(&mut inventory.namespaces, namespace_order);
        order(&mut inventory.workloads, workload_order);
        order(&mut inventory.pods, pod_order);
        order(&mut inventory.services, service_order);
        order(&mut inventory.nodes, node_order);
        order(&mut inventory.cron_jobs, cron_job_order);
        sort_policies(&mut inventory.policies);
        inventory.api_extensions.sort();
        order(&mut self.flows, flow_order);
        order(&mut self.edges, edge_order);
        order(&mut self.unresolved, unresolved_order);
    }

    /// SHA-256 over the content, as lower-case hexadecimal. The order of the lines in the file does not change it.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        let mut line = Vec::new();
        // Nothing can fail: these are plain data with string keys, and memory takes all.
        let Ok(()) = self.each_record(|record| {
            line.clear();
            let _ = serde_json::to_writer(&mut line, record);
            line.push(b'\n');
            hasher.update(&line);
            Ok::<_, Infallible>(())
        });
        hasher.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// Calls `each` with the records in the order they are written, without the end record. O(n log n) in records that are not
    /// in canonical order yet, O(n) for others; they are not copied.
    pub(crate) fn each_record<E>(&self, mut each: impl FnMut(&RecordRef) -> Result<(), E>) -> Result<(), E> {
        // By name, so that no kind of record can be forgotten.
        let Self { header, coverage, inventory, flows, edges, unresolved } = self;
        let Inventory { namespaces, workloads, pods, services, nodes, cron_jobs, policies, api_extensions } = inventory;
        let mut policies = policies.clone();
        sort_policies(&mut policies);
        each(&RecordRef::Header(header))?;
        all(in_order(coverage, coverage_order), RecordRef::Coverage, &mut each)?;
        all(in_order(namespaces, namespace_order), RecordRef::Namespace, &mut each)?;
        all(in_order(nodes, node_order), RecordRef::Node, &mut each)?;
        all(in_order(workloads, workload_order), RecordRef::Workload, &mut each)?;
        all(in_order(pods, pod_order), RecordRef::Pod, &mut each)?;
        all(in_order(services, service_order), RecordRef::Service, &mut each)?;
        all(in_order(cron_jobs, cron_job_order), RecordRef::CronJob, &mut each)?;
        all(&policies, RecordRef::Policy, &mut each)?;
        all(in_order(api_extensions, Ord::cmp), RecordRef::ApiExtension, &mut each)?;
        all(in_order(flows, flow_order), RecordRef::Flow, &mut each)?;
        all(in_order(edges, edge_order), RecordRef::Edge, &mut each)?;
        all(in_order(unresolved, unresolved_order), RecordRef::Unresolved, &mut each)
    }
}

/// Calls `each` with every one of `records`.
fn all<'a, T: 'a, E>(
    records: impl IntoIterator<Item = &'a T>,
    record: fn(&'a T) -> RecordRef<'a>,
    each: &mut impl FnMut(&RecordRef) -> Result<(), E>,
) -> Result<(), E> {
    records.into_iter().try_for_each(|one| each(&record(one)))
}

/// Sorts by `compare`, and what that finds equal by the text it is written as, which tells any two records apart.
fn order<T: Serialize>(records: &mut [T], compare: fn(&T, &T) -> Ordering) {
    order_by(records, compare);
}

/// The records in canonical order. Most often they are in it already.
fn in_order<T: Serialize>(records: &[T], compare: fn(&T, &T) -> Ordering) -> Vec<&T> {
    let mut records: Vec<&T> = records.iter().collect();
    order_by(&mut records, |a, b| compare(a, b));
    records
}

fn order_by<T: Serialize>(records: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    records.sort_by(&compare);
    for equals in records.chunk_by_mut(|a, b| compare(a, b).is_eq()).filter(|equals| equals.len() > 1) {
        equals.sort_by_cached_key(form);
    }
}

fn sort_policies(policies: &mut [Policy]) {
    for policy in &mut *policies {
        // Does something only where another crate of the build has asked serde_json to keep the order of keys.
        policy.manifest.sort_all_objects();
    }
    policies.sort_by_cached_key(form);
}

fn coverage_order(a: &Coverage, b: &Coverage) -> Ordering {
    (&a.node, a.from, &a.run, a.to).cmp(&(&b.node, b.from, &b.run, b.to))
}

fn namespace_order(a: &Namespace, b: &Namespace) -> Ordering {
    a.name.cmp(&b.name)
}

fn workload_order(a: &Workload, b: &Workload) -> Ordering {
    a.workload.cmp(&b.workload)
}

fn pod_order(a: &Pod, b: &Pod) -> Ordering {
    (&a.namespace, &a.name, &a.uid).cmp(&(&b.namespace, &b.name, &b.uid))
}

fn service_order(a: &Service, b: &Service) -> Ordering {
    (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name))
}

fn node_order(a: &Node, b: &Node) -> Ordering {
    a.name.cmp(&b.name)
}

fn cron_job_order(a: &CronJob, b: &CronJob) -> Ordering {
    (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name))
}

fn flow_order(a: &Flow, b: &Flow) -> Ordering {
    flow_key(a).cmp(&flow_key(b))
}

fn edge_order(a: &Edge, b: &Edge) -> Ordering {
    edge_key(a).cmp(&edge_key(b))
}

fn unresolved_order(a: &Unresolved, b: &Unresolved) -> Ordering {
    (flow_key(&a.flow), &a.reason).cmp(&(flow_key(&b.flow), &b.reason))
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
