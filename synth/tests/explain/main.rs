//! Puzzles: connections that are denied, or work only in part, for a classic reason each. In every folder a cluster,
//! policies, and a question; the answer is a snapshot, read by people. What it suggests is tried.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

mod questions;

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

fn puzzle(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain").join(name)
}

/// Asks from inside the puzzle's folder, so that files have short names in the answer.
fn ask(puzzle: &Path, more: &[&str]) -> Output {
    let question = fs::read_to_string(puzzle.join("question")).unwrap();
    let arguments = ["explain"].into_iter().chain(question.split_whitespace()).chain(["--inventory", "cluster.yaml"]);
    assert_cmd::cargo::cargo_bin_cmd!("netwright").args(arguments).args(more).current_dir(puzzle).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The answer to people, under the question.
fn answer(name: &str) -> (String, Option<i32>) {
    let puzzle = puzzle(name);
    let output = ask(&puzzle, &["--policies", "policies.yaml"]);
    let question = fs::read_to_string(puzzle.join("question")).unwrap();
    (format!("$ netwright explain {}\n\n{}", question.trim(), stdout(&output)), output.status.code())
}

fn report(name: &str, policies: &str) -> Value {
    serde_json::from_str(&stdout(&ask(&puzzle(name), &["--policies", policies, "-o", "json"]))).unwrap()
}

/// Every suggestion in a report, each as a policy of its own: `podSelector` is that of the policy it would go into.
fn suggested(report: &Value) -> Vec<Value> {
    let connections = report["connections"].as_array().unwrap().iter();
    let ends = connections.flat_map(|connection| [&connection["egress"], &connection["ingress"]]);
    let suggestions = ends.chain([&report["dns"]]).map(|end| &end["suggestion"]).filter(|it| !it.is_null());
    suggestions.enumerate().map(|(number, suggestion)| as_policy(number, suggestion)).collect()
}

fn as_policy(number: usize, suggestion: &Value) -> Value {
    let mut manifest = suggestion["yaml"].clone();
    if let Some(policy) = suggestion["addTo"].as_object() {
        let (key, value) = policy["selector"].as_str().unwrap().split_once('=').unwrap();
        let direction = suggestion["direction"].as_str().unwrap();
        manifest = json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"namespace": policy["namespace"]},
            "spec": {"podSelector": {"matchLabels": {key: value}}, "policyTypes": ["Egress", "Ingress"], direction: manifest},
        });
    }
    manifest["metadata"]["name"] = json!(format!("suggested-{number}"));
    manifest
}

/// Adds what is suggested to the policies, and asks again.
fn take_the_advice(name: &str) -> Value {
    let suggested = suggested(&report(name, "policies.yaml"));
    assert!(!suggested.is_empty(), "{name}: nothing is suggested");
    let folder = tempfile::tempdir().unwrap();
    fs::copy(puzzle(name).join("policies.yaml"), folder.path().join("policies.yaml")).unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": suggested});
    fs::write(folder.path().join("suggested.json"), list.to_string()).unwrap();
    report(name, folder.path().to_str().unwrap())
}

macro_rules! puzzles {
    ($($test:ident: $folder:literal exits $code:literal, $first:literal;)*) => {
        $(
            #[test]
            fn $test() {
                let (answer, code) = answer($folder);
                assert!(answer.lines().nth(2).unwrap().starts_with($first), "{answer}");
                assert_eq!(code, Some($code), "{answer}");
                insta::assert_snapshot!($folder, answer);
            }
        )*

        /// There is no folder without a test.
        #[test]
        fn every_puzzle_is_asked() {
            let mut folders: Vec<String> = fs::read_dir(puzzle("")).unwrap().map(|entry| entry.unwrap().path())
                .filter(|path| path.join("question").exists())
                .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
            folders.sort();
            assert_eq!(folders, [$($folder),*]);
        }

        /// Whoever adds the suggested rules is let through, and names resolve.
        #[test]
        fn suggestions_help() {
            for (folder, first) in [$(($folder, $first)),*] {
                if !["NOT SERVED", "ALLOWED, BUT NOT THROUGH A SERVICE"].contains(&first) {
                    let report = take_the_advice(folder);
                    assert_eq!(report["answer"], "allowed", "{folder}: {report}");
                    let transports = report["dns"]["transports"].as_array().into_iter().flatten();
                    assert!(transports.into_iter().all(|way| way["allowed"] == true), "{folder}: {report}");
                }
            }
        }
    };
}

puzzles! {
    a_client_behind_a_node_port: "behind-a-node" exits 0, "ALLOWED, BUT NOT THROUGH A SERVICE";
    a_block_for_a_cluster_ip: "cluster-ip-block" exits 3, "DENIED";
    dns_forgotten: "dns-forgotten" exits 0, "ALLOWED, BUT WITHOUT DNS";
    egress_of_the_client_forgotten: "egress-forgotten" exits 3, "DENIED";
    end_port_one_too_low: "end-port" exits 3, "DENIED";
    a_hole_in_the_block: "except-hole" exits 3, "DENIED";
    some_pods_with_the_new_label: "half-rolled-out" exits 3, "PARTLY DENIED";
    a_client_on_the_host_network: "host-network" exits 3, "DENIED";
    a_typing_error_in_a_label: "label-typo" exits 3, "DENIED";
    a_named_port_under_another_protocol: "named-port" exits 3, "DENIED";
    a_namespace_without_the_label: "namespace-label" exits 3, "DENIED";
    the_same_labels_in_another_namespace: "other-namespace" exits 3, "DENIED";
    a_policy_that_selects_nobody: "selects-nobody" exits 3, "DENIED";
    the_service_port_for_the_target_port: "service-port" exits 3, "DENIED";
    the_target_port_for_the_service_port: "service-target-port" exits 3, "NOT SERVED";
    peers_of_a_stateful_set: "statefulset-peers" exits 3, "DENIED";
}
