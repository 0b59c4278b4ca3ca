//! The command line from outside: bad input gets a clear error and an exit code, and leaves nothing that looks whole.

#![allow(clippy::unwrap_used)] // A test stops at the first surprise.

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use netwright_record::{
    Activity, Coverage, Direction, Ended, Flow, Header, Local, Losses, Observation, Protocol, Time,
};
use netwright_record::{Window, file};
use std::fs;
use std::path::Path;

fn agent(arguments: &[&str]) -> Assert {
    Command::new(env!("CARGO_BIN_EXE_netwright-agent")).args(arguments).env_remove("NODE_NAME").assert()
}

/// Asserts failure with a code, and that the message names each of these.
fn fails(arguments: &[&str], code: i32, says: &[&str]) {
    let output = agent(arguments).failure().code(code).get_output().clone();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in says {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn segment(ended: Ended) -> Observation {
    let at = |second| Time::from_second(second).unwrap();
    let mut segment = Observation::new(Header::new("test", Window { from: at(100), until: at(200) }));
    segment.coverage.push(Coverage {
        node: "node-a".into(),
        run: "1".into(),
        from: at(100),
        to: at(200),
        ended,
        losses: Losses::default(),
        notes: Vec::new(),
    });
    segment.flows.push(Flow {
        node: "node-a".into(),
        direction: Direction::Egress,
        protocol: Protocol::Tcp,
        local: Local::Address { ip: "10.244.0.1".parse().unwrap() },
        remote: "198.18.0.1".parse().unwrap(),
        port: 443,
        remote_port: None,
        names: Default::default(),
        activity: Activity::once(at(150)),
    });
    segment
}

const POD: &str = "
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: client, namespace: shop, uid: 0f6d7a53-7b8e-4c39-9a3e-1d2c3b4a5f60, labels: {app: client}, creationTimestamp: '1970-01-01T00:00:01Z'}
  spec: {nodeName: node-a, containers: [{name: c, image: i}]}
  status: {phase: Running, podIP: 10.244.0.1, podIPs: [{ip: 10.244.0.1}], startTime: '1970-01-01T00:00:01Z'}
";

#[test]
fn a_missing_inventory_is_named_with_what_prints_one() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("o.zst");
    fails(&["observe", "--out", text(&out), "--inventory", "/no/such/file"], 1, &["/no/such/file", "kubectl get"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn an_inventory_without_pods_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let inventory = dir.path().join("inventory.yaml");
    fs::write(&inventory, "apiVersion: v1\nkind: List\nitems: []\n").unwrap();
    fails(
        &["observe", "--out", "o.zst", "--inventory", text(&inventory)],
        1,
        &["inventory.yaml", "pod", "kubectl get"],
    );
}

#[test]
fn an_inventory_that_is_no_yaml_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let inventory = dir.path().join("inventory.yaml");
    fs::write(&inventory, "kind: List\nitems: [\n").unwrap();
    fails(&["observe", "--out", "o.zst", "--inventory", text(&inventory)], 1, &["inventory.yaml", "line"]);
}

#[test]
fn an_output_that_cannot_be_written_is_found_at_the_start() {
    fails(&["observe", "--out", "/proc/no/such/o.zst"], 1, &["/proc/no/such/o.zst.segments"]);
    fails(&["observe", "--out", "/"], 1, &["does not name a file"]);
}

#[test]
fn a_recording_is_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("o.zst");
    fs::write(&out, "two weeks").unwrap();
    fails(&["observe", "--out", text(&out)], 1, &["o.zst", "exists", "move it away"]);
    assert_eq!(fs::read_to_string(&out).unwrap(), "two weeks");
}

#[test]
fn wrong_usage_is_told_apart_from_errors() {
    fails(&["observe"], 2, &["--out"]);
    fails(&["observe", "--out", "o.zst", "--for", "soon"], 2, &["soon", "such as"]);
    fails(&["observe", "--out", "o.zst", "--announcement-bytes", "5000"], 2, &["power of two"]);
    fails(&["observe", "--out", "o.zst", "--flow-entries", "0"], 2, &["--flow-entries"]);
}

#[test]
fn nothing_to_assemble_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("o.zst");
    fails(&["assemble", text(dir.path()), "--out", text(&out)], 1, &["no segments", text(dir.path())]);
    fails(&["assemble", "/no/such/file", "--out", text(&out)], 1, &["/no/such/file"]);
    assert!(!out.exists());
}

#[test]
fn what_is_no_observation_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let garbage = dir.path().join("garbage");
    let newer = dir.path().join("newer");
    fs::write(&garbage, b"\x00\x01 not an observation").unwrap();
    fs::write(&newer, "{\"record\":\"header\",\"format\":\"netwright.observation/v2\",\"shape\":[]}\n").unwrap();
    let out = dir.path().join("o.zst");
    fails(&["assemble", text(&garbage), "--out", text(&out)], 1, &["garbage", "not an observation"]);
    fails(&["assemble", text(&newer), "--out", text(&out)], 1, &["netwright.observation/v2", "newer"]);
    assert!(!out.exists());
}

#[test]
fn a_recording_without_an_inventory_gets_its_names_later() {
    let dir = tempfile::tempdir().unwrap();
    let recorded = dir.path().join("recorded.zst");
    let inventory = dir.path().join("inventory.yaml");
    let out = dir.path().join("o.zst");
    file::write_path(&segment(Ended::Clean), &recorded).unwrap();
    fs::write(&inventory, POD).unwrap();
    agent(&["assemble", text(&recorded), "--inventory", text(&inventory), "--out", text(&out), "--cluster", "test"])
        .success();
    let (observation, warnings) = file::read_path(&out).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(observation.header.cluster.as_deref(), Some("test"));
    let edges: Vec<_> =
        observation.edges.iter().map(|edge| format!("{} -> {} {}", edge.client, edge.server, edge.port)).collect();
    assert_eq!(edges, ["shop/Pod/client -> 198.18.0.1 443"]);
    assert!(recorded.exists(), "what was read is left alone");
}

#[test]
fn segments_of_a_run_that_died_are_assembled_and_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let segments = dir.path().join("o.zst.segments");
    fs::create_dir(&segments).unwrap();
    file::write_path(&segment(Ended::Continues), &segments.join("1-00000000.jsonl.zst")).unwrap();
    fs::write(segments.join(".1-00000001.jsonl.zst.77.partial"), "half").unwrap();
    let out = dir.path().join("o.zst");
    agent(&["assemble", text(&segments), "--out", text(&out)]).success();
    let (observation, _) = file::read_path(&out).unwrap();
    assert_eq!(observation.coverage.first().unwrap().ended, Ended::CutOff);
    assert_eq!(observation.flows.len(), 1);
}
