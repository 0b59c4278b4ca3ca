//! Manifests of what tests run: actors that play a table, busybox, and Services before them. JSON, which kubectl takes as well.

use serde_json::{Value, json};

/// The image of `netwright-actor`, from `scripts/images.sh DIRECTORY actor`.
pub const ACTOR: &str = "localhost/netwright-actor:test";
/// A shell and its tools, in every cluster.
pub const BUSYBOX: &str = "localhost/netwright-busybox:test";

/// Several manifests as one text for `Kubectl::apply`.
pub fn list(items: impl IntoIterator<Item = Value>) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": items.into_iter().collect::<Vec<_>>()}).to_string()
}

/// A namespace.
pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// A container that plays `table` ([`crate::actor::play`]): non-root, without rights, nothing writable.
pub fn actor(table: &[&str]) -> Value {
    let arguments = [&["play"], table].concat();
    json!({
        "name": "actor",
        "image": ACTOR,
        "imagePullPolicy": "Never",
        "args": arguments,
        "securityContext": {
            "runAsNonRoot": true, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
        },
    })
}

/// A container that runs a script of busybox, which ends when it is asked to.
pub fn shell(script: &str) -> Value {
    json!({
        "name": "shell",
        "image": BUSYBOX,
        "imagePullPolicy": "Never",
        // The first process of a container is not ended by SIGTERM unless it says so.
        "command": ["sh", "-c", format!("trap 'exit 0' TERM; ({script}) & wait")],
        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
    })
}

/// A workload of `kind` (`Deployment`, `DaemonSet`, `StatefulSet`) whose pods have one container and the label `app: <name>`.
pub fn workload(kind: &str, namespace: &str, name: &str, container: &Value) -> Value {
    let labels = json!({"app": name});
    let mut spec = json!({
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 5, "enableServiceLinks": false},
        },
    });
    if kind == "StatefulSet"
        && let Some(spec) = spec.as_object_mut()
    {
        spec.insert("serviceName".into(), name.into());
    }
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": spec})
}

/// A pod by itself, which is not started again.
pub fn pod(namespace: &str, name: &str, container: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 5},
    })
}

/// A Service of both families before the pods with `app: <name>`; ports are (protocol, port, target port).
pub fn service(namespace: &str, name: &str, ports: &[(&str, u16, u16)]) -> Value {
    let ports: Vec<Value> = ports
        .iter()
        .map(|(protocol, port, target)| {
            let name = format!("{}-{port}", protocol.to_lowercase());
            json!({"name": name, "protocol": protocol, "port": port, "targetPort": target})
        })
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": name}, "ipFamilyPolicy": "PreferDualStack", "ports": ports},
    })
}
