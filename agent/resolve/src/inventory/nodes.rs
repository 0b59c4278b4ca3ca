//! Nodes with every address they speak from, namespaces, CronJobs, and the policies that exist already.

use super::error::{Fault, InventoryError};
use super::fields;
use super::objects::{Entry, Objects, Report};
use ipnet::IpNet;
use k8s_openapi::api::batch::v1::CronJob as ApiCronJob;
use k8s_openapi::api::core::v1::{Namespace as ApiNamespace, Node as ApiNode};
use netwright_record::inventory::{CronJob, Namespace, Node, Pod, Policy};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Annotations by which network plugins publish the addresses of a node's tunnels and bridges.
const ADDRESS_ANNOTATIONS: &[&str] = &[
    "network.cilium.io/ipv4-cilium-host",
    "network.cilium.io/ipv6-cilium-host",
    "projectcalico.org/IPv4IPIPTunnelAddr",
    "projectcalico.org/IPv4VXLANTunnelAddr",
    "projectcalico.org/IPv6VXLANTunnelAddr",
];

/// The label of a namespace that is its name.
const METADATA_NAME: &str = "kubernetes.io/metadata.name";

/// All nodes. `pods` tells which addresses of a node's range are not the node's own.
pub(super) fn nodes(objects: &Objects, pods: &[Pod], report: &mut Report) -> Result<Vec<Node>, InventoryError> {
    let taken: BTreeSet<IpAddr> = pods.iter().flat_map(|pod| &pod.addresses).map(|held| held.ip).collect();
    let mut nodes = Vec::new();
    for Entry { place, object } in objects.nodes.values() {
        match node(object, &taken) {
            Ok(node) => nodes.push(node),
            Err(fault) => report.fault(place, fault)?,
        }
    }
    Ok(nodes)
}

fn node(object: &ApiNode, taken: &BTreeSet<IpAddr>) -> Result<Node, Fault> {
    let mut node = listed(object)?;
    let own = in_pod_ranges(&node).filter(|ip| !taken.contains(ip)).collect::<Vec<_>>();
    add_addresses(&mut node, own);
    Ok(node)
}

/// One node with the addresses that its object lists; see [`in_pod_ranges`].
pub(crate) fn listed(object: &ApiNode) -> Result<Node, Fault> {
    Ok(Node {
        name: object.metadata.name.clone().unwrap_or_default().into(),
        labels: fields::labels(object.metadata.labels.as_ref()),
        addresses: listed_addresses(object).into_iter().collect(),
        pod_cidrs: pod_ranges(object)?.iter().map(IpNet::to_string).collect(),
    })
}

/// The addresses in the pod ranges of `node` that are its own, unless a pod holds them.
pub(crate) fn in_pod_ranges(node: &Node) -> impl Iterator<Item = IpAddr> + use<'_> {
    node.pod_cidrs.iter().filter_map(|range| range.parse::<IpNet>().ok()).flat_map(|range| own_addresses(&range))
}

/// Adds addresses to those of `node`.
pub(crate) fn add_addresses(node: &mut Node, more: impl IntoIterator<Item = IpAddr>) {
    let all: BTreeSet<IpAddr> = node.addresses.drain(..).chain(more).collect();
    node.addresses = all.into_iter().collect();
}

/// Among the addresses of a node are host names: those are passed over.
fn listed_addresses(object: &ApiNode) -> BTreeSet<IpAddr> {
    let status = object.status.iter().flat_map(|status| status.addresses.iter().flatten());
    let annotations = object.metadata.annotations.iter().flatten();
    let published = annotations.filter(|(key, _)| ADDRESS_ANNOTATIONS.contains(&key.as_str())).map(|(_, value)| value);
    let texts = status.map(|address| &address.address).chain(published);
    texts.filter_map(|text| text.parse::<IpAddr>().ok()).map(|ip| ip.to_canonical()).collect()
}

fn pod_ranges(object: &ApiNode) -> Result<Vec<IpNet>, Fault> {
    let Some(spec) = object.spec.as_ref() else { return Ok(Vec::new()) };
    let listed = spec.pod_cidrs.iter().flatten().chain(&spec.pod_cidr).filter(|text| !text.is_empty());
    let mut ranges = Vec::new();
    for (index, text) in listed.enumerate() {
        let range: IpNet = text
            .parse()
            .map_err(|_| Fault::new(format!("spec.podCIDRs[{index}]"), format_args!("{text:?} is no address range")))?;
        if !ranges.contains(&range.trunc()) {
            ranges.push(range.trunc());
        }
    }
    Ok(ranges)
}

/// The first two addresses of a pod range are the node's on every plugin that divides it in the usual way: the tunnel
/// device (flannel) and the bridge from which the kubelet probes.
fn own_addresses(range: &IpNet) -> impl Iterator<Item = IpAddr> + use<> {
    let longest_divisible = range.max_prefix_len().saturating_sub(2);
    let divided = range.prefix_len() <= longest_divisible;
    let second = match range.network() {
        IpAddr::V4(ip) => ip.to_bits().checked_add(1).map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(ip) => ip.to_bits().checked_add(1).map(|bits| IpAddr::V6(bits.into())),
    };
    [Some(range.network()), second].into_iter().flatten().filter(move |_| divided)
}

/// All namespaces, with the label that the API server gives each.
pub(super) fn namespaces(objects: &Objects) -> Vec<Namespace> {
    objects.namespaces.iter().map(|((_, name, _), entry)| namespace(&entry.object, name)).collect()
}

/// One namespace.
pub(crate) fn namespace(object: &ApiNamespace, name: &str) -> Namespace {
    let mut labels = fields::labels(object.metadata.labels.as_ref());
    if !labels.contains_key(METADATA_NAME) {
        labels.insert(METADATA_NAME, name);
    }
    Namespace { name: name.into(), labels }
}

/// All CronJobs with their schedules.
pub(super) fn cron_jobs(objects: &Objects) -> Vec<CronJob> {
    let entries = objects.cron_jobs.iter();
    entries.map(|((namespace, name, _), entry)| cron_job(&entry.object, namespace, name)).collect()
}

/// One CronJob.
pub(crate) fn cron_job(object: &ApiCronJob, namespace: &str, name: &str) -> CronJob {
    CronJob {
        namespace: namespace.into(),
        name: name.into(),
        schedule: object.spec.as_ref().map(|spec| spec.schedule.clone()).unwrap_or_default(),
        time_zone: object.spec.as_ref().and_then(|spec| spec.time_zone.clone()),
        suspended: object.spec.as_ref().is_some_and(|spec| spec.suspend == Some(true)),
        last_scheduled: fields::time(object.status.as_ref().and_then(|status| status.last_schedule_time.as_ref())),
    }
}

/// All NetworkPolicies, without what the API server adds for itself.
pub(super) fn policies(objects: &Objects) -> Vec<Policy> {
    objects.policies.values().map(|entry| Policy { manifest: without_bookkeeping(entry.object.clone()) }).collect()
}

pub(crate) fn without_bookkeeping(mut manifest: Value) -> Value {
    if let Some(fields) = manifest.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    manifest
}
