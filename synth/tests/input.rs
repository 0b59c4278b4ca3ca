//! Bad input and other verbs from the outside: clear messages, and exit codes that scripts can rely on.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

#[path = "common/command.rs"]
mod command;
mod common;

use command::netwright;
use common::{World, at, shop};
use netwright_record::{Activity, Direction, FlatSet, Flow, Local, Protocol, Unresolved, file};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder with the file `observation`, which holds `bytes`.
fn desk(bytes: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("observation");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn plain(world: &World) -> String {
    let mut plain = Vec::new();
    file::write_plain(&world.build(), &mut plain).unwrap();
    String::from_utf8(plain).unwrap()
}

fn flow(direction: Direction) -> Flow {
    Flow {
        node: "n1".into(),
        direction,
        protocol: Protocol::Udp,
        local: Local::Address { ip: common::address("10.244.0.9") },
        remote: common::address("10.244.0.1"),
        port: 9000,
        remote_port: None,
        names: FlatSet::new(),
        activity: Activity::once(at(60)),
    }
}

/// Each verb refuses the observation with exit code 1 and a message that holds all of `expected`.
fn refused(observation: &Path, expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let observation = text(observation);
    let verbs: [&[&str]; 4] = [
        &["synth", observation, "--out", text(&out)],
        &["check", observation, "--policies", text(folder.path())],
        &["graph", observation, "--format", "dot"],
        &["inspect", observation],
    ];
    for arguments in verbs {
        let output = netwright(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        for part in expected {
            assert!(message.contains(part), "{arguments:?}: {part:?} is missing in {message:?}");
        }
    }
    assert!(!out.exists());
}

#[test]
fn no_such_file() {
    refused(Path::new("/nonexistent/observation"), &["/nonexistent/observation", "No such file"]);
    let output = netwright(&["inspect", "/nonexistent/observation"]);
    assert_eq!(String::from_utf8(output.stderr).unwrap().matches("No such file").count(), 1, "the cause is said once");
}

#[test]
fn not_an_observation() {
    let (_folder, path) = desk("apiVersion: v1\nkind: Pod\n");
    refused(&path, &["is not an observation file"]);
}

#[test]
fn a_newer_version() {
    let (_folder, path) = desk(plain(&shop()).replace("netwright.observation/v1", "netwright.observation/v2"));
    refused(&path, &["netwright.observation/v2", "is not supported"]);
}

#[test]
fn a_garbage_line_is_named() {
    let mut lines: Vec<String> = plain(&shop()).lines().map(str::to_owned).collect();
    lines.insert(4, "garbage".into());
    let (_folder, path) = desk(lines.join("\n"));
    refused(&path, &[":5: bad record"]);
}

#[test]
fn a_truncated_file_is_read_as_far_as_it_goes_and_says_so() {
    let whole = plain(&shop());
    let (folder, path) = desk(whole.get(..whole.len() - 200).unwrap());
    let out = folder.path().join("out");
    let output = netwright(&["synth", text(&path), "--out", text(&out)]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && message.contains("cut short"), "{message}");
    assert!(out.join("kustomization.yaml").exists());
}

#[test]
fn flows_without_edges_say_how_to_record_them() {
    let mut world = World::new();
    world.observation.flows.push(flow(Direction::Egress));
    let (folder, path) = desk(plain(&world));
    for arguments in
        [&["graph", text(&path), "--format", "dot"][..], &["synth", text(&path), "--out", text(folder.path())]]
    {
        let output = netwright(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(message.contains("--inventory") && message.contains("netwright-agent assemble"), "{message}");
    }
}

#[test]
fn an_unwritable_output_is_named() {
    let (folder, path) = desk(plain(&shop()));
    // A path below a file can be written by nobody, root included.
    let out = path.join("out");
    let verbs: [&[&str]; 2] =
        [&["synth", text(&path), "--out", text(&out)], &["graph", text(&path), "--format", "dot", "-o", text(&out)]];
    for arguments in verbs {
        let output = netwright(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(text(folder.path())), "{message}");
    }
}

#[test]
fn policies_that_are_missing_empty_or_invalid_are_errors_not_passes() {
    let (folder, path) = desk(plain(&shop()));
    let file = folder.path().join("policy.yaml");
    for (content, expected) in [
        ("apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n", "holds no NetworkPolicy"),
        (
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: N}\nspec: {podSelector: {}}\n",
            "metadata.name",
        ),
    ] {
        fs::write(&file, content).unwrap();
        let output = netwright(&["check", text(&path), "--policies", text(&file)]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    let output = netwright(&["check", text(&path), "--policies", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(1));
}

/// Warnings are told also where there are errors, and what is unknown is one or the other.
#[test]
fn unknown_fields_of_policies_are_warnings_or_errors() {
    let (_folder, observation) = desk(plain(&shop()));
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: NAME, lables: {}}\nspec: {podSelector: {}, ingress: [{}]}\n";
    let said = |policy: String, strict: &[&str]| {
        let mut check = assert_cmd::cargo::cargo_bin_cmd!("netwright");
        let output = check.args(["check", text(&observation), "--policies", "-"]).args(strict).write_stdin(policy);
        String::from_utf8(output.output().unwrap().stderr).unwrap()
    };
    let at = "stdin:3, document 1: metadata.lables: unknown field";
    assert!(said(policy.replace("NAME", "p"), &[]).contains(&format!("warning: {at}, ignored: must be annotations")));
    let broken = said(policy.replace("NAME", "P"), &[]);
    assert!(broken.contains(&format!("warning: {at}")) && broken.contains("error: 1 error in"), "{broken}");
    let strict = said(policy.replace("NAME", "p"), &["--strict"]);
    assert!(strict.contains("error: 1 error in the policies of \"stdin\"") && strict.contains(at), "{strict}");
}

#[test]
fn wrong_usage_exits_with_2_and_help_with_0() {
    assert_eq!(netwright(&["synth"]).status.code(), Some(2));
    assert_eq!(netwright(&["graph", "x", "--format", "png"]).status.code(), Some(2));
    let help = netwright(&["synth", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8(help.stdout).unwrap().contains("--out"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (_folder, path) = desk(plain(&shop()));
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("netwright"))
        .args(["graph", text(&path), "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn inspect_tells_the_window_losses_and_what_could_not_be_named() {
    let mut world = shop();
    world.observation.coverage[1].losses.ring_full = 7;
    world
        .observation
        .unresolved
        .push(Unresolved { flow: flow(Direction::Egress), reason: "no pod held \u{1b}[2J".into() });
    world.observation.unresolved.push(Unresolved { flow: flow(Direction::Ambiguous), reason: "ambiguous".into() });
    let (_folder, path) = desk(plain(&world));
    let output = netwright(&["inspect", text(&path)]);
    assert!(output.status.success());
    insta::assert_snapshot!(
        "inspect",
        String::from_utf8(output.stdout).unwrap().replace(&world.build().digest(), "DIGEST")
    );
    let json = netwright(&["inspect", text(&path), "-o", "json"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(value.pointer("/coverage/1/losses/ring_full").unwrap(), 7);
    assert_eq!(
        value.pointer("/neverEstablished/0/edge").unwrap(),
        "shop/Deployment/job -> data/Deployment/db 6379/TCP"
    );
}

#[test]
fn graph_writes_a_file_and_every_format() {
    let (folder, path) = desk(plain(&shop()));
    for format in ["dot", "mermaid", "graphml", "json"] {
        let out = folder.path().join(format);
        let output = netwright(&["graph", text(&path), "--format", format, "-o", text(&out)]);
        assert!(output.status.success() && output.stdout.is_empty());
        let direct = netwright(&["graph", text(&path), "--format", format]);
        assert_eq!(fs::read(&out).unwrap(), direct.stdout);
        assert!(!direct.stdout.is_empty());
    }
}
