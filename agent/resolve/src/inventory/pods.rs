//! Pods, and the time in which each held its addresses.

use super::error::{Fault, InventoryError};
use super::fields;
use super::objects::{Objects, Report};
use super::owners::Owners;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Pod as ApiPod, PodStatus};
use netwright_record::inventory::{HeldAddress, Pod};
use netwright_record::{Name, Time};

/// Set by the kubelet on the API's image of a static pod: the UID that the pod really runs under.
const STATIC_POD_UID: &str = "kubernetes.io/config.mirror";

/// The API writes times in whole seconds, rounded down: what ended "at 12:00:05" may have spoken until 12:00:06.
const ROUNDED_OFF: SignedDuration = SignedDuration::from_secs(1);

/// All pods, those that are done included.
pub(super) fn read(
    objects: &Objects,
    owners: &Owners,
    now: Time,
    report: &mut Report,
) -> Result<Vec<Pod>, InventoryError> {
    let mut pods = Vec::new();
    for entry in objects.pods.values() {
        match pod(&entry.object, &entry.place.namespace, owners, now) {
            Ok(pod) => pods.push(pod),
            Err(fault) => report.fault(&entry.place, fault)?,
        }
    }
    Ok(pods)
}

/// One pod by itself, as its object shows it: for who watches pods and nothing else. Its `workload` is what its controller's name
/// tells: the Deployment of a ReplicaSet is known by the label `pod-template-hash`, the CronJob of a Job is not. `now` ends the
/// time of a pod that is over, but not since when.
///
/// # Errors
///
/// A field of it is not what the API says.
pub fn read_pod(object: &ApiPod, now: Time) -> Result<Pod, Fault> {
    pod(object, object.metadata.namespace.as_deref().unwrap_or_default(), &Owners::default(), now)
}

/// The UID in the pod's cgroup path. For a static pod that is not the UID of the API's image of it.
pub fn pod_uid(object: &ApiPod) -> Option<Name> {
    uid(object)
}

/// One pod. `now` ends the time of one that is over, but not since when.
pub(crate) fn pod(object: &ApiPod, namespace: &str, owners: &Owners, now: Time) -> Result<Pod, Fault> {
    let metadata = &object.metadata;
    let spec = object.spec.as_ref().ok_or_else(|| Fault::new("spec", "is missing"))?;
    let host_network = spec.host_network == Some(true);
    Ok(Pod {
        namespace: namespace.into(),
        name: metadata.name.clone().unwrap_or_default().into(),
        uid: uid(object).ok_or_else(|| Fault::new("metadata.uid", "is missing"))?,
        node: fields::name(spec.node_name.as_ref()),
        workload: owners.of_pod(namespace, metadata),
        labels: fields::labels(metadata.labels.as_ref()),
        addresses: if host_network { Vec::new() } else { addresses(object, now)? },
        host_network,
        ports: fields::container_ports(spec, "spec")?,
        service_account: fields::name(spec.service_account_name.as_ref()),
    })
}

pub(crate) fn uid(object: &ApiPod) -> Option<Name> {
    let metadata = &object.metadata;
    let own = metadata.annotations.as_ref().and_then(|annotations| annotations.get(STATIC_POD_UID));
    fields::name(own).or_else(|| fields::name(metadata.uid.as_ref()))
}

fn addresses(object: &ApiPod, now: Time) -> Result<Vec<HeldAddress>, Fault> {
    let Some(status) = object.status.as_ref() else { return Ok(Vec::new()) };
    let from =
        fields::time(status.start_time.as_ref()).or_else(|| fields::time(object.metadata.creation_timestamp.as_ref()));
    let until = finished(status, now);
    let listed = status.pod_ips.iter().flatten().map(|listed| listed.ip.as_str());
    let mut held: Vec<HeldAddress> = Vec::new();
    for (index, text) in listed.chain(status.pod_ip.as_deref()).filter(|text| !text.is_empty()).enumerate() {
        let ip = fields::address(text, || format!("status.podIPs[{index}].ip"))?;
        if held.iter().all(|known| known.ip != ip) {
            held.push(HeldAddress { ip, from, until });
        }
    }
    Ok(held)
}

/// When a pod gave its addresses back: when its last container ended. A pod that is only being deleted still talks.
fn finished(status: &PodStatus, now: Time) -> Option<Time> {
    if !matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let containers = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    let ended = containers
        .filter_map(|container| container.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref())
        .map(|time| time.0)
        .max();
    let changed =
        || status.conditions.iter().flatten().filter_map(|c| fields::time(c.last_transition_time.as_ref())).max();
    let until = ended.or_else(changed).and_then(|time| time.checked_add(ROUNDED_OFF).ok());
    Some(until.unwrap_or(now))
}
