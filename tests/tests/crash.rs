//! The agent dies in mid-run: what it had written is whole, and that it died shows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

mod common;

use netwright_record::{Ended, Endpoint, file::read_path};
use netwright_tests::demo::Agent;
use netwright_tests::shop::{expected::expected, shop, stage::Stage};
use netwright_tests::world::prerequisites;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

#[test]
fn segments_of_a_killed_agent_are_read_whole_and_the_loss_is_told() {
    if common::skipped() {
        return;
    }
    let directory = common::empty_directory("crash");
    let (out, inventory) = (directory.join("observation"), directory.join("inventory.yaml"));
    let assembled = directory.join("assembled");
    let opened = record_until_killed(&out, &inventory);
    assert!(!out.exists(), "a killed agent left a file that looks whole");

    assemble(&directory.join("observation.segments"), &inventory, &assembled);
    let (observation, warnings) = read_path(&assembled).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let last = observation.coverage.iter().max_by_key(|part| part.to).expect("some coverage");
    assert_eq!(last.ended, Ended::CutOff, "{:#?}", observation.coverage);

    let declared = expected(&shop());
    for edge in &observation.edges {
        let key = (edge.client.clone(), edge.server.clone(), edge.protocol, edge.port);
        assert!(declared.contains_key(&key), "an edge that nobody opened: {edge:#?}");
    }
    let front = |end: &Endpoint| end.workload().is_some_and(|workload| workload.name == "front");
    let counted: Vec<u64> = observation
        .edges
        .iter()
        .filter(|edge| front(&edge.client) && edge.port == 9090)
        .map(|edge| edge.activity.connections)
        .collect();
    let [counted] = counted.as_slice() else { panic!("one edge expected from front to api: {counted:?}") };
    assert!((1..=opened).contains(counted), "{counted} counted, {opened} opened");
}

/// Runs the shop for some seconds, kills the agent, and says how often `front` had called `api` by then.
fn record_until_killed(out: &Path, inventory: &Path) -> u64 {
    let mut stage = Stage::open(shop()).unwrap();
    fs::write(inventory, stage.inventory().unwrap()).unwrap();
    let node = stage.shop().node.0;
    let options = ["--inventory", inventory.to_str().unwrap(), "--interval", "1s"];
    let agent = Agent::start(stage.world(), out, node, &options).unwrap();
    stage.start_clients().unwrap();
    sleep(Duration::from_secs(6));
    agent.kill(stage.world()).unwrap();
    stage.stop_clients().unwrap();
    let calls = |(label, tally): (String, netwright_tests::actor::Tally)| label.ends_with("/backend").then_some(tally);
    stage.tallies().into_iter().filter_map(calls).map(|tally| tally.attempts).sum()
}

fn assemble(segments: &Path, inventory: &Path, out: &Path) {
    let output = Command::new(prerequisites::program("netwright-agent").unwrap())
        .arg("assemble")
        .arg(segments)
        .arg("--inventory")
        .arg(inventory)
        .arg("--out")
        .arg(out)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
