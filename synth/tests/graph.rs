//! `netwright graph` from the outside: what its filters leave, in every format and view.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

#[path = "common/command.rs"]
mod command;
mod common;

use command::{netwright, stderr, stdout};
use common::shop;
use netwright_record::file;
use tempfile::TempDir;

/// A folder with an observation of the shop in it, and that file's path.
fn desk() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.nwo");
    file::write_path(&shop().build(), &path).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn drawn(arguments: &[&str]) -> String {
    let (_folder, path) = desk();
    let output = netwright(&[&["graph", &path], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let (_folder, path) = desk();
    let output = netwright(&[&["graph", &path, "--format", "dot"], arguments].concat());
    assert_eq!(stdout(&output), "", "{arguments:?}");
    (output.status.code(), stderr(&output))
}

#[test]
fn filters_apply_to_every_format() {
    for format in ["dot", "mermaid", "graphml", "json"] {
        let text = drawn(&["--format", format, "--workload", "shop/front", "--direction", "in"]);
        assert!(text.contains("front") && text.contains("8080"), "{format}: {text}");
        assert!(!text.contains("5432") && !text.contains("billing"), "{format}: {text}");
    }
}

#[test]
fn around_a_workload_by_workload() {
    let text =
        drawn(&["--format", "mermaid", "--by", "workload", "--workload", "shop/deploy/api", "--established-only"]);
    insta::assert_snapshot!(text);
}

#[test]
fn by_namespace() {
    insta::assert_snapshot!(drawn(&["--format", "dot", "--by", "namespace"]));
}

#[test]
fn by_service_account() {
    let text = drawn(&["--format", "mermaid", "--by", "service-account", "--namespace", "data"]);
    assert!(text.contains("service account not known"), "{text}");
}

#[test]
fn a_filter_that_matches_nothing_says_what_there_is() {
    for (arguments, expected) in [
        (vec!["--namespace", "shpo"], "did you mean shop?"),
        (vec!["--workload", "shop/fornt"], "did you mean shop/front?"),
        (vec!["--workload", "data/silent"], "it is in the inventory, and was not seen to talk"),
        (vec!["--port", "81"], "there are 53/UDP, 80/TCP, 443/TCP"),
        (vec!["--since", "2027-01-01T00:00:00Z"], "the last link was seen at"),
        (vec!["--port", "53", "--only-outside"], "2 match --only-outside, and none of these --port"),
    ] {
        let (code, told) = refused(&arguments);
        assert!(code == Some(1) && told.contains(expected), "{arguments:?}: {told}");
    }
}

#[test]
fn a_filter_that_cannot_be_understood_is_a_wrong_command_line() {
    for arguments in [
        vec!["--port", "http"],
        vec!["--workload", "front"],
        vec!["--since", "yesterday"],
        vec!["--direction", "in"],
        vec!["--depth", "2"],
        vec!["--workload", "shop/front", "--depth", "0"],
    ] {
        assert_eq!(refused(&arguments).0, Some(2), "{arguments:?}");
    }
}

fn dependencies(arguments: &[&str]) -> (Option<i32>, String, String) {
    let (_folder, path) = desk();
    let output = netwright(&[&["dependencies", &path], arguments].concat());
    (output.status.code(), stdout(&output), stderr(&output))
}

#[test]
fn the_dependencies_of_the_shop() {
    insta::assert_snapshot!(dependencies(&[]).1);
}

#[test]
fn the_dependencies_of_one_workload() {
    insta::assert_snapshot!(dependencies(&["--of", "data/db"]).1);
    let (code, _, told) = dependencies(&["--of", "data/dbb"]);
    assert!(code == Some(1) && told.contains("did you mean data/db?"), "{told}");
}

#[test]
fn dependencies_for_programs() {
    let (_, text, _) = dependencies(&["-o", "json", "--by", "namespace"]);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!([[["namespace shop"]], [["namespace data"], ["namespace kube-system"]]]);
    assert_eq!(report.get("waves"), Some(&expected));
    let (_, text, _) = dependencies(&["-o", "json", "--of", "shop/api"]);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report.pointer("/blastRadius/byWayOfOthers/0"), Some(&"clients outside the cluster".into()));
}
