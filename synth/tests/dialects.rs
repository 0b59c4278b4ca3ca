//! `netwright synth --dialect … --stage …` from the outside.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

#[path = "common/command.rs"]
mod command;
mod common;

use command::{netwright, stderr, stdout};
use common::shop;
use netwright_record::file;
use std::fs;
use std::process::Output;
use tempfile::TempDir;

/// Writes the shop's policies with these options into the folder `policies`.
fn synth(folder: &TempDir, options: &[&str]) -> Output {
    let [observation, out] = ["observation", "policies"].map(|name| folder.path().join(name));
    file::write_path(&shop().build(), &observation).unwrap();
    let fixed = ["synth", observation.to_str().unwrap(), "--out", out.to_str().unwrap()];
    netwright(&[&fixed, options].concat())
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join("policies").join(name)).unwrap()
}

#[test]
fn each_dialect_writes_its_own_kind_and_says_what_was_proven() {
    let kinds = [
        (["calico", "enforce"], "NetworkPolicy", "projectcalico.org/v3"),
        (["calico", "audit"], "StagedNetworkPolicy", "projectcalico.org/v3"),
        (["cilium", "enforce"], "CiliumNetworkPolicy", "cilium.io/v2"),
        (["cilium", "audit"], "CiliumNetworkPolicy", "cilium.io/v2"),
        (["istio", "enforce"], "AuthorizationPolicy", "security.istio.io/v1"),
        (["istio", "audit"], "AuthorizationPolicy", "security.istio.io/v1"),
    ];
    for ([dialect, stage], kind, version) in kinds {
        let folder = tempfile::tempdir().unwrap();
        let output = synth(&folder, &["--dialect", dialect, "--stage", stage]);
        assert!(output.status.success(), "{}", stderr(&output));
        let text = read(&folder, "shop/api.yaml");
        assert!(
            text.contains(&format!("\nkind: {kind}\n")) && text.contains(&format!("apiVersion: {version}\n")),
            "{text}"
        );
        let summary = stdout(&output);
        assert!(summary.contains("0 denied") && summary.contains("proven as the NetworkPolicies that say the same"));
        let evidence: serde_json::Value = serde_json::from_str(&read(&folder, "evidence.json")).unwrap();
        let form = serde_json::json!({"dialect": dialect, "stage": stage, "provenAsWritten": false});
        assert_eq!(evidence["form"], form);
        let unsayable = evidence["unsayable"].as_array().unwrap();
        let reasons: std::collections::BTreeSet<&str> =
            unsayable.iter().map(|one| one["why"].as_str().unwrap()).collect();
        assert_eq!(summary.matches(&format!("\n{dialect}: ")).count(), reasons.len(), "{summary}");
        assert!(reasons.iter().all(|why| summary.contains(why)), "{summary}");
    }
}

#[test]
fn what_istio_cannot_say_is_in_the_summary_and_in_the_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let output = synth(&folder, &["--dialect", "istio", "--trust-domain", "shop.example"]);
    let summary = stdout(&output).replace(folder.path().to_str().unwrap(), "DIR");
    insta::assert_snapshot!("istio-summary", summary);
    let evidence: serde_json::Value = serde_json::from_str(&read(&folder, "evidence.json")).unwrap();
    let of_dns = evidence["unsayable"].as_array().unwrap().iter().find(|one| one["what"] == "53/UDP").unwrap();
    assert_eq!((&of_dns["policy"], &of_dns["effect"]), (&"kube-system/dns".into(), &"open".into()));
}

#[test]
fn guard_rails_stand_beside_policies_that_are_proven() {
    let folder = tempfile::tempdir().unwrap();
    let output = synth(&folder, &["--dialect", "cluster"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!stdout(&output).contains("proven as"), "{}", stdout(&output));
    assert!(read(&folder, "cluster-dns.yaml").contains("kind: ClusterNetworkPolicy"));
    assert!(read(&folder, "shop/api.yaml").contains("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy"));
    let [observation, policies] = ["observation", "policies"].map(|name| folder.path().join(name));
    let check = netwright(&["check", observation.to_str().unwrap(), "--policies", policies.to_str().unwrap()]);
    assert_eq!(check.status.code(), Some(0), "{}{}", stdout(&check), stderr(&check));
}

#[test]
fn what_has_no_log_only_form_is_refused_and_another_way_is_named() {
    for dialect in ["kubernetes", "cluster"] {
        let folder = tempfile::tempdir().unwrap();
        let output = synth(&folder, &["--dialect", dialect, "--stage", "audit"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("no log-only form") && stderr(&output).contains("--dialect calico"));
        assert!(!folder.path().join("policies").exists());
    }
}

#[test]
fn calico_stages_network_policies_of_kubernetes_too() {
    let folder = tempfile::tempdir().unwrap();
    let output = synth(&folder, &["--cni", "calico", "--stage", "audit"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = read(&folder, "shop/default-deny.yaml");
    assert!(text.contains("kind: StagedKubernetesNetworkPolicy\n") && text.contains("  stagedAction: Set\n"), "{text}");
}

#[test]
fn a_trust_domain_that_would_match_more_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = synth(&folder, &["--dialect", "istio", "--trust-domain", "*"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("is not a trust domain"), "{}", stderr(&output));
}

#[test]
fn a_flag_that_the_dialect_has_no_use_for_is_refused() {
    for (arguments, said) in [
        (vec!["--trust-domain", "shop.example"], "--trust-domain is for --dialect istio"),
        (vec!["--dialect", "calico", "--trust-domain", "shop.example"], "--trust-domain is for --dialect istio"),
        (vec!["--dialect", "cilium", "--cni", "kube-router"], "--cni kube-router divides NetworkPolicies"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = synth(&folder, &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
}
