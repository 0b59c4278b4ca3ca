//! `netwright check` as a linter, from the outside: text, JSON, exit codes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

#[path = "common/command.rs"]
mod command;
mod common;

use command::{netwright, stderr, stdout, with_stdin};
use common::World;
use netwright_record::{Endpoint, Protocol, file};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

const CLUSTER: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec: {containers: [{name: cart, image: cart, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, namespace: shop}
spec:
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}}
    spec: {containers: [{name: front, image: front}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7], ports: [{port: 80, targetPort: http}]}
";

fn policy(port: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: cart, namespace: shop}}\nspec:\n  podSelector: {{matchLabels: {{app: cart}}}}\n  ingress:\n  - from: [{{podSelector: {{matchLabels: {{app: front}}}}}}]\n    ports: [{{port: {port}}}]\n"
    )
}

/// A folder with the cluster and a policy for a port.
fn folder(port: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cluster.yaml"), CLUSTER).unwrap();
    fs::write(folder.path().join("policy.yaml"), policy(port)).unwrap();
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// `check` of the two files, with further arguments.
fn check(port: &str, more: &[&str]) -> Output {
    let folder = folder(port);
    let (cluster, policy) = (folder.path().join("cluster.yaml"), folder.path().join("policy.yaml"));
    let mut arguments = vec!["check", "--inventory", text(&cluster), "--policies", text(&policy)];
    arguments.extend(more);
    netwright(&arguments)
}

#[test]
fn findings_are_shown_with_their_place_and_their_reason() {
    let output = check("80", &["--level", "warning"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let shown: Vec<String> = stdout(&output).lines().map(ToOwned::to_owned).collect();
    assert!(shown[0].starts_with("shop/cart  ") && shown[0].ends_with("policy.yaml:1"), "{shown:#?}");
    assert_eq!(
        shown[1..],
        [
            "  warning  service-port  spec.ingress[0].ports[0] (line 8): TCP 80 is the port of a Service, not of its pods: shop/cart has target port 8080",
            "",
            "service-port: Policies are asked after a Service's port has been translated, so they see the port of the pod only. Write the Service's targetPort in its place.",
            "",
            "not known: no nodes: their addresses were not checked",
            "1 policies linted for 2 pods: 0 errors, 1 warnings, 0 notes; 2 left out as asked",
        ]
    );
}

#[test]
fn nothing_to_object_to_is_said_and_exits_with_0() {
    let output = check("8080", &["--level", "warning"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).ends_with("0 errors, 0 warnings, 0 notes; 2 left out as asked\n"), "{}", stdout(&output));
}

#[test]
fn a_check_can_be_silenced_and_the_limit_moved() {
    assert_eq!(check("80", &["--allow", "service-port"]).status.code(), Some(0));
    assert_eq!(check("80", &["--allow", "not-isolated,service-port"]).status.code(), Some(0));
    assert_eq!(check("80", &["--deny", "error"]).status.code(), Some(0));
    assert_eq!(check("8080", &["--deny", "note"]).status.code(), Some(3), "front is not isolated");
    assert_eq!(
        check("8080", &["--deny", "note", "--level", "warning"]).status.code(),
        Some(0),
        "what is left out does not fail"
    );
    let output = check("80", &["--allow", "service-prot"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("service-port"), "a similar code is proposed: {}", stderr(&output));
}

#[test]
fn programs_get_every_finding_with_file_line_and_field() {
    let json: Value = serde_json::from_slice(&check("80", &["-o", "json"]).stdout).unwrap();
    assert_eq!((&json["policies"], &json["pods"], &json["silenced"]), (&1.into(), &2.into(), &0.into()));
    let finding = &json["findings"][0];
    assert_eq!((&finding["code"], &finding["level"]), (&"service-port".into(), &"warning".into()));
    assert_eq!(
        (&finding["namespace"], &finding["policy"], &finding["line"]),
        (&"shop".into(), &"cart".into(), &8.into())
    );
    assert_eq!(finding["field"], "spec.ingress[0].ports[0]");
    assert_eq!(finding["objects"], Value::from(vec!["shop/cart has target port 8080"]));
    assert!(json.get("denied").is_none(), "nothing was replayed");
    let yaml: Value = serde_yaml::from_slice(&check("80", &["-o", "yaml"]).stdout).unwrap();
    let codes = |report: &Value| -> Vec<Value> {
        report["findings"].as_array().unwrap().iter().map(|finding| finding["code"].clone()).collect()
    };
    assert_eq!(codes(&yaml), codes(&json));
}

#[test]
fn policies_and_what_they_are_for_may_stand_in_one_place() {
    let folder = folder("80");
    for flag in ["--policies", "--inventory"] {
        let output = netwright(&["check", flag, text(folder.path()), "--level", "warning"]);
        assert_eq!(output.status.code(), Some(3), "{flag}: {}", stderr(&output));
        assert!(stdout(&output).contains("service-port"), "{flag}: {}", stdout(&output));
    }
    let both = format!("{CLUSTER}---\n{}", policy("80"));
    let output = with_stdin(&["check", "--inventory", "-"], &both);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let nothing = with_stdin(&["check", "--inventory", "-"], CLUSTER);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(stderr(&nothing).contains("holds no NetworkPolicy"), "{}", stderr(&nothing));
}

#[test]
fn policies_alone_are_linted_for_what_they_show() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.yaml"), policy("80")).unwrap();
    let output = netwright(&["check", "--policies", text(folder.path())]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("not known: no pods and workloads"), "{}", stdout(&output));
}

#[test]
fn an_enforcer_adds_its_own_checks() {
    assert!(!stdout(&check("8080", &[])).contains("vpc-service-port"));
    let output = check("8080", &["--cni", "vpc"]);
    assert!(stdout(&output).contains("vpc-service-port"), "{}", stdout(&output));
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn every_check_is_listed() {
    let output = netwright(&["check", "--list"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("selects-nothing: warning\n"), "{}", stdout(&output));
    assert!(stdout(&output).contains("kube-router-both-types: warning (--cni kube-router)\n"));
    let known = stdout(&netwright(&["check", "--list", "--cni", "kube-router"]));
    assert!(known.contains("What is known of kube-router:") && !known.contains("cilium"), "{known}");
    let json: Value =
        serde_json::from_slice(&netwright(&["check", "--list", "-o", "json", "--cni", "vpc"]).stdout).unwrap();
    assert!(json["differences"][0]["source"].as_str().unwrap().starts_with("https://"), "{json}");
}

/// Two workloads of which one was seen to call the other, and policies with a finding of each kind.
#[test]
fn with_an_observation_the_findings_follow_the_replay() {
    let mut world = World::new();
    let (web, api) = (world.running("shop", "web"), world.running("shop", "api"));
    world.edge(Endpoint::Workload(web), Endpoint::Workload(api), Protocol::Tcp, 80);
    let folder = tempfile::tempdir().unwrap();
    let (observation, policy) = (folder.path().join("observation"), folder.path().join("policy.yaml"));
    file::write_path(&world.build(), &observation).unwrap();
    let write = |spec: &str| {
        let head =
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: api, namespace: shop}\nspec: ";
        fs::write(&policy, format!("{head}{spec}\n")).unwrap();
    };
    let check = |more: &[&str]| {
        let mut arguments = vec!["check", text(&observation), "--policies", text(&policy)];
        arguments.extend(more);
        netwright(&arguments)
    };
    write("{podSelector: {matchLabels: {app: api}}, ingress: [{}]}");
    let output = check(&[]);
    assert_eq!(output.status.code(), Some(0), "a warning: {}{}", stdout(&output), stderr(&output));
    let shown = stdout(&output);
    assert!(shown.find("1 established edges") < shown.find("allows-everything"), "{shown}");
    assert_eq!(check(&["--deny", "warning"]).status.code(), Some(3));
    assert!(!stdout(&check(&["--no-lint"])).contains("allows-everything"));
    let json: Value = serde_json::from_slice(&check(&["-o", "json"]).stdout).unwrap();
    assert_eq!((&json["allowed"], json["findings"][0]["code"].as_str()), (&1.into(), Some("allows-everything")));
    write("{podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress], ingress: [{}], egress: [{}]}");
    assert_eq!(check(&[]).status.code(), Some(3), "rules that are ignored are an error");
    assert_eq!(check(&["--no-lint"]).status.code(), Some(0));
    assert_eq!(check(&["--no-lint", "--allow", "every-port"]).status.code(), Some(2));
}

#[test]
fn without_anything_to_check_the_usage_is_told() {
    assert_eq!(netwright(&["check"]).status.code(), Some(2));
    let output = netwright(&["check", "--policies", "-", "--inventory", "-"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("both `-`"), "{}", stderr(&output));
}
