//! What the shop's manifests need besides those of tests.

use serde_json::{Value, json};

/// A workload with `count` pods.
pub(super) fn replicas(mut workload: Value, count: u8) -> Value {
    set(&mut workload, "/spec", "replicas", json!(count));
    workload
}

/// A workload whose pods use their node's network.
pub(super) fn host_network(mut workload: Value) -> Value {
    set(&mut workload, "/spec/template/spec", "hostNetwork", json!(true));
    workload
}

/// A container that is ready once it answers on `port`, and is asked again every few seconds.
pub(super) fn probed(mut container: Value, port: u16) -> Value {
    set(&mut container, "", "readinessProbe", json!({"httpGet": {"path": "/", "port": port}, "periodSeconds": 3}));
    container
}

/// A Service whose first port is on every node too.
pub(super) fn node_port(mut service: Value, port: u16) -> Value {
    set(&mut service, "/spec", "type", json!("NodePort"));
    set(&mut service, "/spec/ports/0", "nodePort", json!(port));
    service
}

/// A container that asks PostgreSQL something and ends.
pub(super) fn psql(host: &str) -> Value {
    json!({
        "name": "psql", "image": "localhost/netwright-postgresql:test", "imagePullPolicy": "Never",
        "command": ["psql", "-h", host, "-U", "postgres", "-c", "select now()"],
    })
}

/// A Job of one pod.
pub(super) fn job(namespace: &str, name: &str, container: &Value) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": template(name, container)},
    })
}

/// A Job every minute.
pub(super) fn cron_job(namespace: &str, name: &str, container: &Value) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template(name, container)}}},
    })
}

fn template(name: &str, container: &Value) -> Value {
    json!({
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "restartPolicy": "OnFailure", "enableServiceLinks": false},
    })
}

fn set(manifest: &mut Value, at: &str, field: &str, value: Value) {
    if let Some(object) = manifest.pointer_mut(at).and_then(Value::as_object_mut) {
        object.insert(field.into(), value);
    }
}
