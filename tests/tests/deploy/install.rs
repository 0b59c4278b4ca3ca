//! The chart on a real API server: installed, upgraded, rolled back, uninstalled, with nothing left; and the way through the API
//! server that `netwright status` takes.

use crate::chart::VARIANTS;
use crate::objects::{objects, pod};
use crate::tools::{chart, kustomize, path, template, text};
use netwright_tests::cluster::{Cluster, Options, manifests, missing};
use netwright_tests::world::prerequisites::program;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// The cluster that these tests share; its guard removes it when the process has ended.
fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let start = || {
        let missing = missing();
        if !missing.is_empty() {
            netwright_tests::skipped(&missing.join("\n"));
            return None;
        }
        Some(Cluster::start(&Options { nodes: 1, ..Options::default() }).unwrap())
    };
    CLUSTER.get_or_init(start).as_ref()
}

/// A namespace that admits agents, as the documentation has people make it.
fn namespace(cluster: &Cluster, name: &str) {
    cluster.kubectl().run(&["create", "namespace", name]).unwrap();
    cluster.kubectl().run(&["label", "namespace", name, "pod-security.kubernetes.io/enforce=privileged"]).unwrap();
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every object of the cluster that does not come and go by itself, as its kind, namespace and name. What other tests make is in
/// namespaces that begin with `test-`.
fn everything(cluster: &Cluster) -> BTreeSet<String> {
    let kubectl = cluster.kubectl();
    let kinds = kubectl.run(&["api-resources", "--verbs=list", "--output=name"]).unwrap();
    let passing = |kind: &&str| {
        !matches!(*kind, "events" | "events.events.k8s.io" | "leases.coordination.k8s.io" | "componentstatuses")
    };
    let kinds: Vec<&str> = kinds.lines().filter(passing).collect();
    let columns = "--output=custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name";
    let listed = kubectl.run(&["get", &kinds.join(","), "--all-namespaces", "--no-headers", columns]).unwrap();
    listed.lines().filter(|line| !line.contains(" test-")).map(words).collect()
}

fn collector_arguments(cluster: &Cluster, namespace: &str) -> Vec<String> {
    let deployment = cluster.kubectl().get(&["deployment", "netwright-collector", "--namespace", namespace]).unwrap();
    serde_json::from_value(deployment["spec"]["template"]["spec"]["containers"][0]["args"].clone()).unwrap()
}

#[test]
fn install_upgrade_rollback_uninstall_leave_nothing() {
    let Some(cluster) = cluster() else { return };
    let (kubectl, name) = (cluster.kubectl(), "netwright-lifecycle");
    let before = everything(cluster);
    namespace(cluster, name);
    let values = cluster.agent_values().unwrap();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let helm = |verb: &[&str]| cluster.helm(&[verb, &["--namespace", name]].concat()).unwrap();
    let chart = chart();
    let notes = helm(&[&["install", "netwright", &chart], values.as_slice()].concat());
    assert!(notes.contains("netwright pull -n netwright-lifecycle"), "{notes}");
    // The DaemonSet's controller is allowed to make its pod, one for the one node.
    let counted = ["daemonset/netwright-agent"];
    kubectl.wait(name, &counted, "jsonpath={.status.currentNumberScheduled}=1", PATIENCE).unwrap();
    // As the collector does; a manifest that has no data must not take it away.
    let written = r#"{"data":{"ca.crt":"written by the collector"}}"#;
    kubectl.run(&["patch", "configmap", "netwright-ca", "--namespace", name, "--patch", written]).unwrap();
    let certificates =
        || kubectl.get(&["configmap", "netwright-ca", "--namespace", name]).unwrap()["data"]["ca.crt"].clone();

    helm(&[&["upgrade", "netwright", &chart, "--set", "collector.window=7d"], values.as_slice()].concat());
    assert!(collector_arguments(cluster, name).contains(&"--window=7d".to_owned()));
    assert_eq!(certificates(), "written by the collector");
    helm(&["rollback", "netwright", "1"]);
    assert!(collector_arguments(cluster, name).contains(&"--window=14d".to_owned()));
    assert_eq!(certificates(), "written by the collector");
    helm(&["uninstall", "netwright", "--wait"]);
    kubectl.run(&["delete", "namespace", name, "--wait"]).unwrap();
    assert_eq!(everything(cluster), before);
}

#[test]
fn the_api_server_takes_every_variant() {
    let Some(cluster) = cluster() else { return };
    let name = "test-variants";
    namespace(cluster, name);
    let of_operator = |(kind, _): &(String, String)| kind == "PodMonitor";
    let mut streams: Vec<String> = VARIANTS.iter().map(|values| template(values).unwrap()).collect();
    streams.push(kustomize("deploy/kustomize/base").unwrap());
    for stream in streams {
        let objects = objects(&stream.replace("namespace: netwright\n", &format!("namespace: {name}\n")));
        let items: Vec<&Value> =
            objects.iter().filter(|(key, _)| !of_operator(key)).map(|(_, object)| object).collect();
        assert!(items.len() > 10);
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.json");
        std::fs::write(&file, list).unwrap();
        let arguments = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "--validate=strict",
            "--filename",
            file.to_str().unwrap(),
        ];
        cluster.kubectl().run(&arguments).unwrap();
    }
}

#[test]
fn the_collector_is_admitted_where_pods_are_restricted_and_the_agent_is_not() {
    let Some(cluster) = cluster() else { return };
    let kubectl = cluster.kubectl();
    kubectl.run(&["create", "namespace", "test-restricted"]).unwrap();
    kubectl.run(&["label", "namespace", "test-restricted", "pod-security.kubernetes.io/enforce=restricted"]).unwrap();
    let objects = objects(&template(&["priorityClass.create=false"]).unwrap());
    let admitted = |kind: &str, name: &str| {
        let mut spec = pod(&objects, kind, name)["spec"].clone();
        // No such account is in this namespace.
        spec["serviceAccountName"] = json!("default");
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "tried", "namespace": "test-restricted" }, "spec": spec });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pod.json");
        std::fs::write(&file, pod.to_string()).unwrap();
        kubectl.run(&["create", "--dry-run=server", "--filename", file.to_str().unwrap()])
    };
    let default = || kubectl.run(&["get", "serviceaccount", "default", "--namespace", "test-restricted"]);
    netwright_tests::cluster::wait("the default ServiceAccount", PATIENCE, || {
        netwright_tests::cluster::until_ok(default())
    })
    .unwrap();
    admitted("Deployment", "netwright-collector").unwrap();
    let refused = admitted("DaemonSet", "netwright-agent").unwrap_err().to_string();
    assert!(refused.contains("violates PodSecurity"), "{refused}");
}

/// A collector that knows one answer.
fn standing_in(namespace: &str) -> String {
    let status = r#"{"at": "2026-11-23T00:00:00Z", "collector": "stand-in", "agents": [{"node": "n1", "heard": "2026-11-23T00:00:00Z", "watched_until": "2026-11-23T00:00:00Z"}]}"#;
    let answer = format!("HTTP/1.1 200 OK\\r\\ncontent-length: {}\\r\\n\\r\\n{status}", status.len());
    let respond = r#"while read -r line; do [ ${#line} -le 1 ] && break; done; printf "$ANSWER""#;
    let script = format!("nc -ll -p 8444 -e sh -c '{respond}'");
    let mut container = manifests::shell(&script);
    container["env"] = json!([{ "name": "ANSWER", "value": answer }]);
    let mut pod = manifests::pod(namespace, "stand-in", &container);
    pod["metadata"]["labels"] =
        json!({ "app.kubernetes.io/name": "netwright", "app.kubernetes.io/component": "collector" });
    manifests::list([pod])
}

#[test]
fn status_goes_through_the_api_server_and_names_the_right_that_is_missing() {
    let Some(cluster) = cluster() else { return };
    let (kubectl, name) = (cluster.kubectl(), "test-status");
    namespace(cluster, name);
    let netwright = program("netwright").unwrap();
    let status = |kubeconfig: &std::path::Path| -> Output {
        Command::new(&netwright).args(["status", "-n", name, "--kubeconfig"]).arg(kubeconfig).output().unwrap()
    };
    let said = text(&status(kubectl.kubeconfig()).stderr);
    assert!(said.contains("no pod in namespace test-status has the labels"), "{said}");
    kubectl.apply(&standing_in(name)).unwrap();
    kubectl.wait(name, &["pod/stand-in"], "condition=Ready", PATIENCE).unwrap();
    let output = status(kubectl.kubeconfig());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("stand-in"), "{}", text(&output.stdout));

    // As the documentation has it: the Role that suffices, and what is said without a part of it.
    let someone = cluster.kubectl_as("someone", None).unwrap();
    let said = text(&status(someone.kubeconfig()).stderr);
    assert!(said.contains("you need the verb list on pods in namespace test-status"), "{said}");
    let role = std::fs::read_to_string(path("deploy/reader/role.yaml")).unwrap();
    let without_forwarding: String = role.split("- apiGroups").take(2).collect::<Vec<_>>().join("- apiGroups");
    let apply = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("role.yaml");
        std::fs::write(&file, text).unwrap();
        kubectl.run(&["apply", "--namespace", name, "--filename", file.to_str().unwrap()]).unwrap();
    };
    apply(&without_forwarding);
    kubectl
        .run(&["create", "rolebinding", "someone", "--namespace", name, "--role=netwright-reader", "--user=someone"])
        .unwrap();
    let said = text(&status(someone.kubeconfig()).stderr);
    assert!(said.contains("get and create on pods/portforward in namespace test-status"), "{said}");
    apply(&role);
    let output = status(someone.kubeconfig());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}
