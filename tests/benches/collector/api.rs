//! A stand-in for the API server, as a collector meets it: lists in pages, watches in which nothing happens, reviews of tokens. Real HTTP,
//! made-up objects. A real one holds the same in etcd, and would need the better part of an hour on two cores to be told of all.

use crate::world::{self, NAMESPACES, NODES, SERVICES, WORKLOADS};
use anyhow::Result;
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A token is `NAME:NODE` of this audience.
pub(crate) const TOKEN: &str = "netwright-agent";

/// Serves on a port of loopback, until the process ends.
pub(crate) async fn serve() -> Result<SocketAddr> {
    let router = Router::new()
        .route("/apis/authentication.k8s.io/v1/tokenreviews", post(review))
        .route("/api/v1/{resource}", get(core))
        .route("/apis/{group}/{version}/{resource}", get(grouped));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

async fn review(Json(review): Json<Value>) -> Json<Value> {
    let token = review["spec"]["token"].as_str().unwrap_or_default();
    let node = token.split_once(':').map(|(_, node)| node).unwrap_or_default();
    let status = json!({
        "authenticated": true, "audiences": review["spec"]["audiences"],
        "user": { "username": "system:serviceaccount:netwright:netwright-agent", "extra": {
            "authentication.kubernetes.io/pod-uid": [format!("agent-of-{node}")],
            "authentication.kubernetes.io/node-name": [node],
        } },
    });
    Json(
        json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}, "spec": {}, "status": status }),
    )
}

async fn core(Path(resource): Path<String>, Query(query): Query<HashMap<String, String>>) -> Response {
    list("v1", &resource, &query)
}

async fn grouped(
    Path((group, version, resource)): Path<(String, String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    list(&format!("{group}/{version}"), &resource, &query)
}

/// One page, or a watch that stays silent.
fn list(api_version: &str, resource: &str, query: &HashMap<String, String>) -> Response {
    if query.get("watch").is_some_and(|watch| watch == "true" || watch == "1") {
        return Body::from_stream(futures_util::stream::pending::<std::io::Result<Vec<u8>>>()).into_response();
    }
    let number = |key: &str| query.get(key).and_then(|value| value.parse::<usize>().ok());
    let (from, limit) = (number("continue").unwrap_or(0), number("limit").unwrap_or(usize::MAX));
    let (kind, count, item): (&str, usize, fn(usize) -> Value) = match resource {
        "namespaces" => ("Namespace", NAMESPACES, namespace),
        "nodes" => ("Node", NODES, node),
        "pods" => ("Pod", WORKLOADS, pod),
        "services" => ("Service", SERVICES, service),
        "endpointslices" => ("EndpointSlice", SERVICES, slice),
        "deployments" => ("Deployment", WORKLOADS, deployment),
        "replicasets" => ("PartialObjectMetadata", WORKLOADS, replica_set),
        _ => ("Nothing", 0, namespace),
    };
    let until = from.saturating_add(limit).min(count);
    let mut metadata = json!({ "resourceVersion": "1" });
    if until < count {
        metadata["continue"] = until.to_string().into();
    }
    let items: Vec<Value> = (from..until).map(item).collect();
    Json(json!({ "apiVersion": api_version, "kind": format!("{kind}List"), "metadata": metadata, "items": items }))
        .into_response()
}

fn metadata(namespace: Option<String>, name: &str, more: Value) -> Value {
    let mut metadata = json!({
        "name": name, "uid": format!("uid-of-{name}"), "resourceVersion": "1", "generation": 3,
        "creationTimestamp": "2026-10-01T08:00:00Z",
        // As long as what a deployer and kubectl leave behind.
        "annotations": { "example.com/deployed-by": "a pipeline, with a link and a commit ".repeat(4) },
        "managedFields": [{ "manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
            "time": "2026-10-01T08:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": { "f:metadata": { "f:labels": {} } } }],
    });
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    for (key, value) in more.as_object().into_iter().flatten() {
        metadata[key.as_str()] = value.clone();
    }
    metadata
}

fn namespace(number: usize) -> Value {
    json!({ "metadata": metadata(None, &world::namespace(number), json!({})) })
}

fn node(number: usize) -> Value {
    let range = format!("{}/24", world::pod_range(number));
    json!({
        "metadata": metadata(None, &world::node_name(number), json!({})),
        "spec": { "podCIDR": range, "podCIDRs": [range] },
        "status": { "addresses": [{ "type": "InternalIP", "address": world::node_ip(number).to_string() }] },
    })
}

fn labels(number: usize) -> Value {
    json!({ "app": world::workload(number), "app.kubernetes.io/part-of": world::namespace(number), "version": "v3" })
}

fn owner(kind: &str, name: &str) -> Value {
    json!([{ "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": format!("uid-of-{name}"), "controller": true }])
}

fn pod(number: usize) -> Value {
    let (name, ip) = (world::pod_name(number), world::pod_ip(number).to_string());
    let node = world::node_of(number);
    let more = json!({
        "uid": world::pod_uid(number), "labels": labels(number),
        "ownerReferences": owner("ReplicaSet", &world::replica_set(number)),
    });
    let environment: Vec<Value> = (0..8).map(|n| json!({ "name": format!("SETTING_{n}"), "value": "on" })).collect();
    json!({
        "metadata": metadata(Some(world::namespace(number)), &name, more),
        "spec": {
            "nodeName": world::node_name(node), "serviceAccountName": world::workload(number), "restartPolicy": "Always",
            "containers": [{ "name": "main", "image": "example.com/shop/app:3", "env": environment,
                "ports": [{ "name": "http", "containerPort": world::TARGET_PORT, "protocol": "TCP" }],
                "resources": { "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "memory": "256Mi" } } }],
        },
        "status": {
            "phase": "Running", "hostIP": world::node_ip(node).to_string(), "podIP": ip, "podIPs": [{ "ip": ip }],
            "startTime": "2026-10-01T08:00:00Z",
            "conditions": [{ "type": "Ready", "status": "True" }, { "type": "PodScheduled", "status": "True" }],
            "containerStatuses": [{ "name": "main", "ready": true, "restartCount": 0, "image": "example.com/shop/app:3",
                "imageID": "example.com/shop/app@sha256:0", "state": { "running": { "startedAt": "2026-10-01T08:00:05Z" } } }],
        },
    })
}

fn deployment(number: usize) -> Value {
    json!({
        "metadata": metadata(Some(world::namespace(number)), &world::workload(number), json!({ "labels": labels(number) })),
        "spec": {
            "replicas": 1, "selector": { "matchLabels": { "app": world::workload(number) } },
            "template": {
                "metadata": { "labels": labels(number) },
                "spec": { "serviceAccountName": world::workload(number), "containers": [{ "name": "main",
                    "image": "example.com/shop/app:3", "ports": [{ "name": "http", "containerPort": world::TARGET_PORT }] }] },
            },
        },
    })
}

fn replica_set(number: usize) -> Value {
    let more = json!({ "labels": labels(number), "ownerReferences": owner("Deployment", &world::workload(number)) });
    let metadata = metadata(Some(world::namespace(number)), &world::replica_set(number), more);
    json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata })
}

fn service(number: usize) -> Value {
    let (workload, ip) = (world::service_workload(number), world::service_ip(number).to_string());
    json!({
        "metadata": metadata(Some(world::namespace(workload)), &world::workload(workload), json!({ "labels": labels(workload) })),
        "spec": {
            "type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "selector": { "app": world::workload(workload) },
            "ports": [{ "name": "http", "protocol": "TCP", "port": world::SERVICE_PORT, "targetPort": world::TARGET_PORT }],
        },
    })
}

fn slice(number: usize) -> Value {
    let workload = world::service_workload(number);
    let service = world::workload(workload);
    let more = json!({ "labels": { "kubernetes.io/service-name": service } });
    json!({
        "metadata": metadata(Some(world::namespace(workload)), &format!("{service}-x7k2p"), more),
        "addressType": "IPv4",
        "ports": [{ "name": "http", "protocol": "TCP", "port": world::TARGET_PORT }],
        "endpoints": [{
            "addresses": [world::pod_ip(workload).to_string()], "conditions": { "ready": true, "serving": true },
            "nodeName": world::node_name(world::node_of(workload)),
            "targetRef": { "kind": "Pod", "namespace": world::namespace(workload), "name": world::pod_name(workload),
                "uid": world::pod_uid(workload) },
        }],
    })
}
