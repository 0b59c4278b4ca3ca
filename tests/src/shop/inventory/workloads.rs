//! Workloads as objects: controllers, ReplicaSets, Jobs and pods.

use super::{Timeline, seconds, times};
use crate::shop::model::{Kind, Shop, Workload};
use crate::shop::naming;
use crate::shop::pods::{Pod, selector, template_hash, template_labels};
use netwright_record::Protocol;
use netwright_record::inventory::Labels;
use serde_json::{Value, json};

/// The workload's own object, and its ReplicaSet where it is a Deployment.
pub(super) fn controllers(workload: &Workload, timeline: &Timeline) -> Vec<Value> {
    let replicas = workload.replicas;
    match workload.kind {
        Kind::Deployment => {
            let spec = json!({
                "replicas": replicas,
                "selector": {"matchLabels": selector(workload)},
                "strategy": {"type": "RollingUpdate"},
                "template": template(workload, &template_labels(workload)),
            });
            let status = json!({"replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas});
            vec![object(workload, "apps/v1", spec, status, timeline), replica_set(workload, timeline)]
        }
        Kind::StatefulSet => {
            let spec = json!({
                "replicas": replicas,
                "selector": {"matchLabels": selector(workload)},
                "serviceName": workload.name,
                "template": template(workload, &template_labels(workload)),
            });
            let status = json!({"replicas": replicas, "readyReplicas": replicas});
            vec![object(workload, "apps/v1", spec, status, timeline)]
        }
        Kind::HostNetworkDaemonSet => {
            let spec = json!({"selector": {"matchLabels": selector(workload)}, "template": template(workload, &template_labels(workload))});
            let status = json!({
                "currentNumberScheduled": 1, "desiredNumberScheduled": 1, "numberMisscheduled": 0, "numberReady": 1,
            });
            vec![object(workload, "apps/v1", spec, status, timeline)]
        }
        Kind::CronJob => {
            let spec = json!({
                "schedule": "*/10 * * * *",
                "concurrencyPolicy": "Forbid",
                "jobTemplate": {"spec": {"template": template(workload, &template_labels(workload))}},
                "suspend": false,
            });
            let last = timeline.runs.last().map(|(started, _)| seconds(*started));
            vec![object(workload, "batch/v1", spec, json!({"lastScheduleTime": last}), timeline)]
        }
    }
}

fn object(workload: &Workload, version: &str, spec: Value, status: Value, timeline: &Timeline) -> Value {
    let kind = workload.kind.as_str();
    json!({
        "apiVersion": version,
        "kind": kind,
        "metadata": {
            "creationTimestamp": seconds(timeline.started),
            "generation": 1,
            "labels": template_labels(workload),
            "name": workload.name,
            "namespace": workload.namespace,
            "uid": naming::uid(&format!("{kind}/{}/{}", workload.namespace, workload.name)),
        },
        "spec": spec,
        "status": status,
    })
}

fn replica_set(workload: &Workload, timeline: &Timeline) -> Value {
    let hash = template_hash(workload);
    let name = format!("{}-{hash}", workload.name);
    let with_hash = |mut labels: Labels| {
        labels.insert("pod-template-hash", &hash);
        labels
    };
    let template = template(workload, &with_hash(template_labels(workload)));
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "creationTimestamp": seconds(timeline.started),
            "labels": with_hash(template_labels(workload)),
            "name": name,
            "namespace": workload.namespace,
            "ownerReferences": [owner_reference(workload.namespace, "apps/v1", "Deployment", workload.name)],
            "uid": naming::uid(&format!("ReplicaSet/{}/{name}", workload.namespace)),
        },
        "spec": {
            "replicas": workload.replicas,
            "selector": {"matchLabels": with_hash(selector(workload))},
            "template": template,
        },
        "status": {"replicas": workload.replicas, "readyReplicas": workload.replicas},
    })
}

pub(super) fn job(pod: &Pod<'_>, timeline: &Timeline) -> Option<Value> {
    let (started, finished) = times(pod, timeline)?;
    let (namespace, name) = (pod.workload.namespace, &pod.owner.1);
    let template = template(pod.workload, &pod.labels);
    Some(json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "creationTimestamp": seconds(started),
            "labels": pod.labels,
            "name": name,
            "namespace": namespace,
            "ownerReferences": [owner_reference(namespace, "batch/v1", "CronJob", pod.workload.name)],
            "uid": naming::uid(&format!("Job/{namespace}/{name}")),
        },
        "spec": {
            "backoffLimit": 6,
            "completions": 1,
            "parallelism": 1,
            "selector": {"matchLabels": {
                "batch.kubernetes.io/controller-uid": naming::uid(&format!("Job/{namespace}/{name}")),
            }},
            "template": template,
        },
        "status": {
            "startTime": seconds(started),
            "completionTime": finished.map(seconds),
            "succeeded": u8::from(finished.is_some()),
        },
    }))
}

fn template(workload: &Workload, labels: &Labels) -> Value {
    json!({"metadata": {"labels": labels}, "spec": pod_spec(workload, None)})
}

fn pod_spec(workload: &Workload, node: Option<&str>) -> Value {
    let port = |(name, protocol, port): (&str, Protocol, u16)| json!({"containerPort": port, "name": name, "protocol": protocol.as_str()});
    let ports: Vec<Value> = workload.ports().map(port).collect();
    json!({
        "containers": [{
            "name": workload.name,
            "image": image(workload),
            "ports": (!ports.is_empty()).then_some(ports),
        }],
        "dnsPolicy": "ClusterFirst",
        "hostNetwork": (workload.kind == Kind::HostNetworkDaemonSet).then_some(true),
        "nodeName": node,
        "restartPolicy": if workload.kind == Kind::CronJob { "Never" } else { "Always" },
        "serviceAccountName": workload.name,
    })
}

fn image(workload: &Workload) -> String {
    format!("registry.example/{}:1.4.2", workload.name)
}

pub(super) fn pod_object(shop: &Shop, pod: &Pod<'_>, timeline: &Timeline) -> Option<Value> {
    let (started, finished) = times(pod, timeline)?;
    let version = if pod.owner.0 == "Job" { "batch/v1" } else { "apps/v1" };
    let spec = pod_spec(pod.workload, Some(shop.node.0));
    let state = match finished {
        Some(finished) => json!({"terminated": {
            "exitCode": 0, "reason": "Completed", "startedAt": seconds(started), "finishedAt": seconds(finished),
        }}),
        None => json!({"running": {"startedAt": seconds(started)}}),
    };
    Some(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "creationTimestamp": seconds(started),
            "generateName": format!("{}-", pod.owner.1),
            "labels": pod.labels,
            "name": pod.name,
            "namespace": pod.workload.namespace,
            "ownerReferences": [owner_reference(pod.workload.namespace, version, pod.owner.0, &pod.owner.1)],
            "uid": pod.uid,
        },
        "spec": spec,
        "status": {
            "phase": if finished.is_some() { "Succeeded" } else { "Running" },
            "hostIP": shop.node.1.v4,
            "hostIPs": shop.node.1.both().map(|ip| json!({"ip": ip})),
            "podIP": pod.addresses.v4,
            "podIPs": pod.addresses.both().map(|ip| json!({"ip": ip})),
            "qosClass": "Burstable",
            "startTime": seconds(started),
            "containerStatuses": [{
                "name": pod.workload.name,
                "image": image(pod.workload),
                "imageID": "",
                "ready": finished.is_none(),
                "restartCount": 0,
                "state": state,
            }],
        },
    }))
}

fn owner_reference(namespace: &str, version: &str, kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": version,
        "blockOwnerDeletion": true,
        "controller": true,
        "kind": kind,
        "name": name,
        "uid": naming::uid(&format!("{kind}/{namespace}/{name}")),
    })
}
