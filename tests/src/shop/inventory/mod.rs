//! What `kubectl get ns,nodes,pods,svc,endpointslices,deploy,sts,ds,rs,jobs,cronjobs,netpol -A -o yaml` would print for
//! the shop.

mod services;
mod workloads;

use super::model::{Kind, Shop};
use super::naming;
use super::pods::{Pod, pods};
use anyhow::Result;
use jiff::Timestamp;
use serde_json::{Value, json};
use services::{api_server, service_objects};
use std::collections::BTreeSet;
use workloads::{controllers, job, pod_object};

/// When things happened, as the objects' timestamps tell it. Kubernetes writes whole seconds.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// When the lasting pods started.
    pub started: Timestamp,
    /// When each CronJob run started, and when it finished if it has.
    pub runs: Vec<(Timestamp, Option<Timestamp>)>,
}

/// The list, as YAML. Runs that have not started are not in it.
///
/// # Errors
/// None in practice: the list is plain data.
pub fn inventory(shop: &Shop, timeline: &Timeline) -> Result<String> {
    let mut items = Vec::new();
    items.extend(namespaces(shop).into_iter().map(|name| namespace(name, timeline)));
    items.push(node(shop, timeline));
    items.extend(shop.workloads.iter().flat_map(|workload| controllers(workload, timeline)));
    let pods: Vec<Pod<'_>> = pods(shop).into_iter().filter(|pod| times(pod, timeline).is_some()).collect();
    items.extend(pods.iter().filter_map(|pod| pod_object(shop, pod, timeline)));
    items.extend(pods.iter().filter(|pod| pod.workload.kind == Kind::CronJob).filter_map(|pod| job(pod, timeline)));
    items.extend(shop.services.iter().flat_map(|service| service_objects(service, &pods, timeline)));
    items.extend(api_server(shop, timeline));
    let list = json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}});
    Ok(serde_saphyr::to_string(&without_nulls(list))?)
}

/// The API server prints no field that is not set.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let set = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(set.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

fn namespaces(shop: &Shop) -> BTreeSet<&'static str> {
    let declared = shop.workloads.iter().map(|workload| workload.namespace);
    declared.chain(["default", "kube-system"]).collect()
}

fn namespace(name: &str, timeline: &Timeline) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "creationTimestamp": seconds(timeline.started),
            "labels": {"kubernetes.io/metadata.name": name},
            "name": name,
            "uid": naming::uid(&format!("Namespace/{name}")),
        },
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    })
}

fn node(shop: &Shop, timeline: &Timeline) -> Value {
    let (name, addresses) = shop.node;
    let internal = addresses.both().map(|address| json!({"address": address, "type": "InternalIP"}));
    let mut listed: Vec<Value> = internal.into();
    listed.push(json!({"address": name, "type": "Hostname"}));
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "creationTimestamp": seconds(timeline.started),
            "labels": {"kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
            "name": name,
            "uid": naming::uid(name),
        },
        "spec": {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24", "fd00:244::/64"]},
        "status": {
            "addresses": listed,
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            "nodeInfo": {"kubeletVersion": "v1.33.4", "operatingSystem": "linux"},
        },
    })
}

/// RFC 3339 in whole seconds, cut off as the API server does.
fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

/// When the pod started and finished; nothing where it has not started.
fn times(pod: &Pod<'_>, timeline: &Timeline) -> Option<(Timestamp, Option<Timestamp>)> {
    match pod.workload.kind {
        Kind::CronJob => timeline.runs.get(pod.index).copied(),
        _ => Some((timeline.started, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::shop;
    use super::*;

    fn timeline(runs: usize) -> Timeline {
        let started = Timestamp::UNIX_EPOCH;
        Timeline { started, runs: vec![(started, Some(started)); runs] }
    }

    #[test]
    fn a_run_that_has_not_started_is_not_listed() {
        let pods = |runs| inventory(&shop(), &timeline(runs)).unwrap().matches("kind: Pod\n  metadata").count();
        assert_eq!(pods(2), pods(0) + 2);
    }

    #[test]
    fn nothing_unset_is_printed() {
        assert!(!inventory(&shop(), &timeline(1)).unwrap().contains("null"));
    }
}
