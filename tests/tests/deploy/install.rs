//! The chart on a real API server: installed, upgraded, rolled back, uninstalled, with nothing left; and the way through the API
//! server that `netwright status` takes.

use crate::chart::VARIANTS;
use crate::cluster::{PATIENCE, Release, cluster, cluster_with_images, namespace};
use crate::objects::{objects, pod};
use crate::tools::{kustomize, path, template, text};
use netwright_tests::cluster::{Cluster, manifests};
use netwright_tests::world::prerequisites::program;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::{Command, Output};

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

/// What is in the folder of each node that lasts.
fn on_nodes(cluster: &Cluster) -> BTreeSet<String> {
    let folder = |node: &netwright_tests::cluster::Node| std::fs::read_dir(node.path("/var/lib")).unwrap();
    cluster.nodes().iter().flat_map(folder).map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn collector_arguments(release: &Release) -> Vec<String> {
    let name = format!("{}-collector", release.name);
    let deployment = release.kubectl().get(&["deployment", &name, "--namespace", release.name]).unwrap();
    serde_json::from_value(deployment["spec"]["template"]["spec"]["containers"][0]["args"].clone()).unwrap()
}

/// The agents of the release have all reported, and none has lost anything.
fn reports(release: &Release) {
    netwright_tests::cluster::wait("agents to report", PATIENCE, || {
        let output = release.netwright("status", &["--output=json"]);
        let said = text(&output.stdout) + &text(&output.stderr);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let agents = status["agents"].as_array().map_or(0, Vec::len);
        Ok(match (output.status.code(), agents) {
            (Some(0), 2) => netwright_tests::cluster::Step::Done(()),
            _ => netwright_tests::cluster::Step::NotYet(said),
        })
    })
    .unwrap();
}

#[test]
fn install_test_upgrade_rollback_uninstall_leave_nothing() {
    let Some(cluster) = cluster_with_images() else { return };
    let (before, nodes_before) = (everything(cluster), on_nodes(cluster));
    let (release, notes) = Release::install(cluster, "netwright");
    assert!(notes.contains("netwright pull -n netwright"), "{notes}");
    reports(&release);
    let certificates = || {
        let map = release.kubectl().get(&["configmap", "netwright-ca", "--namespace", "netwright"]).unwrap();
        map["data"]["ca.crt"].as_str().unwrap().to_owned()
    };
    let made = certificates();
    assert!(made.starts_with("-----BEGIN CERTIFICATE-----"), "{made}");
    let tested = cluster.helm(&["test", "netwright", "--namespace", "netwright"]).unwrap();
    assert!(tested.contains("Succeeded"), "{tested}");

    release.helm("upgrade", &["collector.window=7d"]);
    assert!(collector_arguments(&release).contains(&"--window=7d".to_owned()));
    // A manifest that has no data must not take away what the collector wrote.
    assert_eq!(certificates(), made);
    release.wait_for_agents();
    reports(&release);
    let backup = ["/netwright-collector", "backup", "-"];
    let copy = cluster.kubectl().exec("netwright", "deployment/netwright-collector", &backup).unwrap();
    assert!(copy.starts_with("SQLite format 3\0"), "{copy:.100}");
    cluster.helm(&["rollback", "netwright", "1", "--namespace", "netwright", "--wait"]).unwrap();
    assert!(collector_arguments(&release).contains(&"--window=14d".to_owned()));
    assert_eq!(certificates(), made);
    release.wait_for_agents();
    reports(&release);

    cluster.helm(&["uninstall", "netwright", "--namespace", "netwright", "--wait"]).unwrap();
    cluster.kubectl().run(&["delete", "namespace", "netwright", "--wait"]).unwrap();
    let left: Vec<String> = everything(cluster).difference(&before).cloned().collect();
    assert!(left.is_empty(), "{left:?}");
    // As the documentation says: the folder of segments stays on the nodes.
    let left: Vec<String> = on_nodes(cluster).difference(&nodes_before).cloned().collect();
    assert!(left == ["netwright"], "{left:?}");
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
