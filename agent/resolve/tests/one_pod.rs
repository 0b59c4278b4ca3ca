//! A pod by itself, as an agent reads it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails panics")]

use k8s_openapi::api::core::v1::Pod;
use netwright_record::Time;
use netwright_resolve::inventory::{pod_uid, read_pod};
use serde_json::{Value, json};

fn pod(owner: Value, labels: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "namespace": "shop", "name": "cart-5d4f-x1", "uid": "u", "labels": labels, "ownerReferences": [owner],
        },
        "spec": {"nodeName": "n", "containers": [{"name": "c"}]},
        "status": {"podIPs": [{"ip": "10.244.0.7"}], "startTime": "2026-11-23T00:00:00Z"},
    }))
    .unwrap()
}

fn owner(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "name": name, "uid": "o", "controller": true})
}

#[test]
fn its_workload_is_told_by_its_controller() {
    let workload = |owner, labels| {
        let workload = read_pod(&pod(owner, labels), Time::UNIX_EPOCH).unwrap().workload;
        format!("{}/{}/{}", workload.namespace, workload.kind, workload.name)
    };
    let hashed = json!({"pod-template-hash": "5d4f"});
    assert_eq!(workload(owner("ReplicaSet", "cart-5d4f"), hashed), "shop/Deployment/cart");
    assert_eq!(workload(owner("ReplicaSet", "cart-5d4f"), json!({})), "shop/ReplicaSet/cart-5d4f");
    assert_eq!(workload(owner("Job", "report-123"), json!({})), "shop/Job/report-123");
    assert_eq!(workload(owner("StatefulSet", "cart"), json!({})), "shop/StatefulSet/cart");
}

#[test]
fn a_static_pod_goes_by_the_uid_it_runs_under() {
    let mut object = pod(owner("Node", "n"), json!({}));
    object.metadata.annotations = Some([("kubernetes.io/config.mirror".to_owned(), "hash".to_owned())].into());
    assert_eq!(pod_uid(&object).unwrap(), "hash");
    assert_eq!(read_pod(&object, Time::UNIX_EPOCH).unwrap().uid, "hash");
}
