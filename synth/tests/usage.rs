//! What the command line says to those who are in a hurry: where things may stand, what a wrong command line is told,
//! and that exit codes do not depend on who reads the output.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

#[path = "common/command.rs"]
mod command;
mod common;

use command::{stderr, stdout, with_stdin};
use netwright_record::file;
use std::process::{Command, Stdio};

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/shop");

fn fixture(name: &str) -> String {
    format!("{SHOP}/{name}")
}

/// The policies and the workloads of the shop, as one stream.
fn shop() -> String {
    let read = |name| std::fs::read_to_string(fixture(name)).unwrap();
    format!("{}\n---\n{}", read("workloads.yaml"), read("policies.yaml"))
}

#[test]
fn policies_and_workloads_of_one_stream_serve_every_verb() {
    let (policies, manifests) = (fixture("policies.yaml"), fixture("workloads.yaml"));
    for verb in [vec!["connectivity"], vec!["explain", "shop/front", "shop/api", "--port", "8080"], vec!["check"]] {
        let with = |more: &[&str], stdin: &str| {
            let output = with_stdin(&[verb.as_slice(), more].concat(), stdin);
            (output.status.code(), stdout(&output).lines().next().map(ToOwned::to_owned), stderr(&output))
        };
        let apart = with(&["--policies", &policies, "--inventory", &manifests], "");
        assert_eq!(with(&["--policies", "-"], &shop()).0, apart.0, "{verb:?}: {}", apart.2);
        assert_eq!(with(&["--inventory", "-"], &shop()).0, apart.0, "{verb:?}");
        if verb != ["check"] {
            assert_eq!(with(&["--policies", "-"], &shop()).1, apart.1, "the first line names no file: {verb:?}");
        }
        let (code, _, told) = with(&["--policies", "-", "--inventory", "-"], &shop());
        assert!(code == Some(2) && told.contains("leave out one of them"), "{verb:?}: {told}");
        let (code, _, told) = with(&[], "");
        assert!(code == Some(2) && told.contains("--policies") && told.contains("--inventory"), "{verb:?}: {told}");
    }
}

#[test]
fn a_rule_in_a_stream_has_its_line() {
    let policies = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template: {metadata: {labels: {app: cart}}, spec: {containers: [{name: cart, image: cart}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: cart, namespace: shop}
spec:
  podSelector: {matchLabels: {app: cart}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
  - from: [{podSelector: {matchLabels: {app: nobody}}}]
";
    for place in ["--policies", "--inventory"] {
        let output = with_stdin(&["check", place, "-"], policies);
        let text = stdout(&output);
        assert!(text.contains("spec.ingress[1].from[0] (line 15)"), "{place}: {text}");
    }
}

#[test]
fn a_policy_set_on_stdin_is_compared() {
    let (policies, manifests) = (fixture("policies.yaml"), fixture("workloads.yaml"));
    let text = std::fs::read_to_string(&policies).unwrap();
    let same = with_stdin(&["diff", "-", &policies, "--inventory", &manifests], &text);
    assert_eq!(same.status.code(), Some(0), "{}", stderr(&same));
    let beside = with_stdin(&["diff", &policies, "-", "--inventory", "-"], &text);
    assert_eq!(beside.status.code(), Some(2), "stdin cannot be read twice");
    let nobody = with_stdin(&["diff", &policies, "-"], &shop());
    assert!(stderr(&nobody).contains("--inventory"), "{}", stderr(&nobody));
}

#[test]
fn manifests_in_the_place_of_an_observation_are_told_where_to_go() {
    let output = with_stdin(&["check", &fixture("workloads.yaml"), "--policies", &fixture("policies.yaml")], "");
    let told = stderr(&output);
    assert!(output.status.code() == Some(1) && told.contains("--inventory"), "{told}");
}

#[test]
fn what_is_no_name_or_port_is_a_wrong_command_line_and_an_unknown_name_is_not() {
    let sources = ["--policies", &fixture("policies.yaml"), "--inventory", &fixture("workloads.yaml")];
    let explain = |ends: &[&str]| with_stdin(&[&["explain"], ends, &sources].concat(), "");
    let code = |ends: &[&str]| explain(ends).status.code();
    assert_eq!(code(&["api", "shop/api", "--port", "80"]), Some(2));
    assert_eq!(code(&["shop/nobody", "shop/api", "--port", "80"]), Some(1));
    assert_eq!(code(&["shop/front", "shop/api"]), Some(2));
    let told = stderr(&explain(&["shop/front", "shop/api", "--port", "80/UDP"]));
    assert!(told.contains("1 to 65535") && told.contains("--protocol"), "{told}");
}

/// A pipeline must not pass because somebody looked at the first lines only.
#[test]
fn findings_are_findings_though_nobody_reads_them() {
    let sources = ["--policies", &fixture("policies.yaml"), "--inventory", &fixture("workloads.yaml")];
    let nothing = tempfile::NamedTempFile::new().unwrap();
    let nothing = nothing.path().to_str().unwrap();
    let status = |arguments: &[&str]| {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("netwright"));
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        drop(child.stdout.take());
        child.wait().unwrap().code()
    };
    assert_eq!(status(&[&["explain", "192.0.2.1", "shop/api", "--port", "1"], &sources[..]].concat()), Some(3));
    assert_eq!(status(&[&["check", "--deny", "note"], &sources[..]].concat()), Some(3));
    assert_eq!(status(&[&["connectivity"], &sources[..]].concat()), Some(0));
    assert_eq!(status(&["diff", sources[1], nothing, "--inventory", sources[3]]), Some(1));
}

#[test]
fn a_path_cannot_speak_to_the_terminal() {
    for arguments in [
        vec!["check", "no\u{1b}[31m", "--policies", "no\u{1b}[31m"],
        vec!["inspect", "no\u{1b}[31m"],
        vec!["diff", "no\u{1b}[31m", "no\u{1b}[31m"],
        vec!["connectivity", "--policies", "no\u{1b}[31m"],
    ] {
        let told = stderr(&with_stdin(&arguments, ""));
        assert!(told.contains("\\u{1b}[31m") && !told.contains('\u{1b}'), "{told:?}");
    }
}

#[cfg(unix)]
#[test]
fn an_observation_may_come_through_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.nwo");
    file::write_path(&common::shop().build(), &path).unwrap();
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("netwright");
    let arguments = ["check", "/dev/stdin", "--no-lint", "--policies", &fixture("policies.yaml")];
    let output = command.args(arguments).write_stdin(std::fs::read(&path).unwrap()).output().unwrap();
    assert!(stdout(&output).contains("established edges replayed"), "{}", stderr(&output));
}

/// Templates have no addresses, and a block that may hold them is no reason to call a connection shut without a word.
#[test]
fn blocks_that_may_hold_an_unknown_address_are_told() {
    let policies = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]
";
    let sources = ["--policies", "-", "--inventory", &fixture("workloads.yaml")];
    let explained =
        with_stdin(&[&["explain", "shop/api", "shop/db", "--port", "5432"], &sources[..]].concat(), policies);
    let text = stdout(&explained);
    assert!(
        text.contains("Mind: no address of shop/api is known") && text.contains("shop/db: spec.ingress[0]"),
        "{text}"
    );
    let listed = with_stdin(&[&["connectivity"], &sources[..]].concat(), policies);
    assert!(stderr(&listed).contains("no address of"), "{}", stderr(&listed));
    let by_labels = policies.replace("ipBlock: {cidr: 0.0.0.0/0}", "podSelector: {}");
    let silent = with_stdin(&[&["connectivity"], &sources[..]].concat(), &by_labels);
    assert_eq!(stderr(&silent), "");
}
