//! `netwright connectivity` from the outside: each form of the list, and where its parts may come from.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

#[path = "common/command.rs"]
mod command;

use command::{netwright, stderr};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/shop");

fn run(arguments: &[&str]) -> Output {
    netwright(&[&["connectivity"], arguments].concat())
}

fn with_stdin(arguments: &[&str], text: &str) -> Output {
    command::with_stdin(&[&["connectivity"], arguments].concat(), text)
}

/// What a run wrote that succeeded.
fn stdout(output: Output) -> String {
    assert!(output.status.success(), "{}", stderr(&output));
    command::stdout(&output)
}

fn list(arguments: &[&str]) -> Vec<Value> {
    serde_json::from_str(&stdout(run(&[arguments, &["-o", "json"]].concat()))).unwrap()
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn as_table() {
    insta::assert_snapshot!(stdout(run(&["--policies", SHOP])));
}

#[test]
fn as_csv() {
    insta::assert_snapshot!(stdout(run(&["--policies", SHOP, "-o", "csv"])));
}

#[test]
fn as_dot() {
    insta::assert_snapshot!(stdout(run(&["--policies", SHOP, "-o", "dot"])));
}

#[test]
fn as_json() {
    insta::assert_snapshot!(stdout(run(&["--policies", SHOP, "-o", "json"])));
}

#[test]
fn as_yaml_it_says_what_it_says_as_json() {
    let yaml = stdout(run(&["--policies", SHOP, "-o", "yaml"]));
    let read: Vec<Value> = serde_yaml::from_str(&yaml).unwrap();
    assert_eq!(read, list(&["--policies", SHOP]));
    insta::assert_snapshot!(yaml.lines().take(30).collect::<Vec<_>>().join("\n"));
}

#[test]
fn exposed() {
    insta::assert_snapshot!(stdout(run(&["--policies", SHOP, "--exposed"])));
}

#[test]
fn policies_and_workloads_may_stand_apart_or_come_from_stdin() {
    let expected = list(&["--policies", SHOP]);
    let file = |name: &str| format!("{SHOP}/{name}");
    let (policies, workloads) = (file("policies.yaml"), file("workloads.yaml"));
    assert_eq!(list(&["--policies", &policies, "--inventory", &workloads]), expected);
    let [policies_text, workloads_text] = [&policies, &workloads].map(|path| fs::read_to_string(path).unwrap());
    let both = format!("{policies_text}\n---\n{workloads_text}");
    let read = |output| serde_json::from_str::<Vec<Value>>(&stdout(output)).unwrap();
    assert_eq!(read(with_stdin(&["--policies", "-", "-o", "json"], &both)), expected);
    let arguments = ["--policies", &policies, "--inventory", "-", "-o", "json"];
    assert_eq!(read(with_stdin(&arguments, &workloads_text)), expected);
}

#[test]
fn one_thing_cannot_be_read_twice() {
    let output = with_stdin(&["--policies", "-", "--inventory", "-"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--policies and --inventory are both `-`"), "{}", stderr(&output));
}

#[test]
fn without_workloads_there_is_nothing_to_say() {
    let policies = format!("{SHOP}/policies.yaml");
    let output = run(&["--policies", &policies]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("name what the cluster holds with --inventory"), "{}", stderr(&output));
}

/// Two pods of a Deployment in the middle of a rollout, as `kubectl get -o yaml` prints them, and a pod that is done.
const ROLLOUT: &str = "
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: web-1, namespace: shop, uid: a, labels: {app: web, track: stable}}
  spec: {nodeName: n1, containers: []}
  status: {phase: Running, podIP: 10.244.0.1}
- apiVersion: v1
  kind: Pod
  metadata: {name: web-2, namespace: shop, uid: b, labels: {app: web, track: canary}}
  spec: {nodeName: n1, containers: []}
  status: {phase: Running, podIP: 10.244.0.2}
- apiVersion: v1
  kind: Pod
  metadata: {name: web-0, namespace: shop, uid: c, labels: {app: web, track: canary}}
  spec: {nodeName: n1, containers: []}
  status: {phase: Failed}
";

const CANARY_ONLY: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: canary, namespace: shop}
spec:
  podSelector: {matchLabels: {track: stable}}
  policyTypes: [Ingress]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: egress, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {}}], ports: [{port: 80}]}]
";

fn owned(text: &str) -> String {
    let owner =
        "ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: web, uid: o, controller: true}], labels";
    text.replace("labels", owner)
}

#[test]
fn where_only_some_pods_may_it_says_so() {
    let folder = folder(&[("pods.yaml", &owned(ROLLOUT)), ("policies.yaml", CANARY_ONLY)]);
    let web = json!({"namespace": "shop", "kind": "StatefulSet", "name": "web"});
    let port_80 = json!([{"protocol": "TCP", "ports": [{"from": 80, "to": 80}]}]);
    let (v4, v6) = (json!({"cidr": "0.0.0.0/0"}), json!({"cidr": "::/0"}));
    assert_eq!(
        list(&["--policies", text(folder.path())]),
        [
            // From the stable pod to the canary, not the other way round.
            json!({"src": web, "dst": web, "conns": port_80, "pods": "some"}),
            json!({"src": v4, "dst": web, "conns": "all", "pods": "some"}),
            json!({"src": v6, "dst": web, "conns": "all", "pods": "some"}),
        ]
    );
    let table = stdout(run(&["--policies", text(folder.path())]));
    assert!(table.contains("TCP 80 (some pods)"), "{table}");
}

#[test]
fn by_pod_each_pod_is_listed_and_none_to_itself() {
    let folder = folder(&[("pods.yaml", &owned(ROLLOUT)), ("policies.yaml", CANARY_ONLY)]);
    let pod = |name: &str| json!({"namespace": "shop", "kind": "Pod", "name": name});
    let port_80 = json!([{"protocol": "TCP", "ports": [{"from": 80, "to": 80}]}]);
    let (v4, v6) = (json!({"cidr": "0.0.0.0/0"}), json!({"cidr": "::/0"}));
    assert_eq!(
        list(&["--policies", text(folder.path()), "--by", "pod"]),
        [
            json!({"src": pod("web-1"), "dst": pod("web-2"), "conns": port_80}),
            json!({"src": v4, "dst": pod("web-2"), "conns": "all"}),
            json!({"src": v6, "dst": pod("web-2"), "conns": "all"}),
        ]
    );
    let output = run(&["--policies", text(folder.path())]);
    assert!(stderr(&output).contains("note: left out 1 pods that have come to an end"), "{}", stderr(&output));
}

#[test]
fn a_node_is_let_in_only_where_each_of_its_addresses_is() {
    let workloads = concat!(
        "\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: InternalIP, address: 198.18.0.1}, {type: ExternalIP, address: 198.18.0.9}]}\n---\n",
        include_str!("fixtures/host-network.yaml")
    );
    let policy = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress:
  - {from: [{ipBlock: {cidr: 198.18.0.0/29}}], ports: [{port: 80}, {port: 81}]}
  - {from: [{ipBlock: {cidr: 198.18.0.8/29}}], ports: [{port: 81}, {port: 82}]}
";
    let folder = folder(&[("workloads.yaml", workloads), ("policy.yaml", policy)]);
    let agent = json!({"namespace": "kube-system", "kind": "Pod", "name": "agent", "hostNetwork": true});
    let api = json!({"namespace": "shop", "kind": "Pod", "name": "api"});
    let all = list(&["--policies", text(folder.path())]);
    let between: Vec<&Value> =
        all.iter().filter(|entry| entry["src"].get("name").is_some() && entry["dst"].get("name").is_some()).collect();
    assert_eq!(
        between,
        [&json!({"src": agent, "dst": api, "conns": [{"protocol": "TCP", "ports": [{"from": 81, "to": 81}]}]})]
    );
}

#[test]
fn names_from_manifests_cannot_act_anywhere() {
    let workload = r#"{"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "=cmd|'\u001b[31m\"],\n", "namespace": "a\u202eb"}, "spec": {"containers": []}}"#;
    let policy = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: other, namespace: elsewhere}
spec: {podSelector: {}}
";
    let folder = folder(&[("pod.json", workload), ("policy.yaml", policy)]);
    for form in ["table", "csv", "dot", "json", "yaml"] {
        let text = stdout(run(&["--policies", text(folder.path()), "-o", form]));
        let active = |char: char| (char.is_control() && char != '\n') || char == '\u{202e}';
        assert!(!text.contains(active), "{form}: {text:?}");
    }
    let csv = stdout(run(&["--policies", text(folder.path()), "-o", "csv"]));
    assert!(csv.contains(r#","'=cmd|'\u{1b}[31m""],\n","#), "{csv}");
    assert!(csv.lines().skip(1).all(|line| line.contains(r"a\u{202e}b,Pod,")), "{csv}");
    let dot = stdout(run(&["--policies", text(folder.path()), "-o", "dot"]));
    assert!(dot.contains(r#"label="=cmd|'\\u{1b}[31m\"],\\n\nPod""#), "{dot}");
}

#[test]
fn what_is_open_to_everyone_is_so_whatever_the_sources_are_shut_into() {
    let policies = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shut, namespace: shop}
spec: {podSelector: {}, policyTypes: [Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
  - {from: [{namespaceSelector: {}}], ports: [{port: 80}]}
  - {from: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 192.168.0.0/16]}}], ports: [{port: 443}]}
  - {from: [{ipBlock: {cidr: '::/0'}}], ports: [{port: 443}]}
  - {from: [{podSelector: {}}], ports: [{port: 81}]}
";
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {containers: []}}";
    let folder = folder(&[("pod.yaml", pod), ("policies.yaml", policies)]);
    let table = stdout(run(&["--policies", text(folder.path()), "--exposed"]));
    insta::assert_snapshot!(table, @r"
    SOURCE                DESTINATION   PORTS
    every pod             shop/Pod/web  TCP 80
    every public address  shop/Pod/web  TCP 443
    ");
}
