//! One recording of the shop by the real agent, and what has to be true of it.

#[path = "../common/mod.rs"]
mod common;
mod determinism;
mod edges;
mod proof;

use netwright_record::{Observation, file::read_path};
use netwright_tests::demo::{Recording, netwright, record};
use netwright_tests::shop::shop;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The recording, its content, and the policies written for it.
struct Recorded {
    recording: Recording,
    observation: Observation,
    policies: PathBuf,
    directory: PathBuf,
}

/// The recording that all tests of this file share: a run takes half a minute. Nothing where the machine cannot make it.
fn recorded() -> Option<&'static Recorded> {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    if common::skipped() {
        return None;
    }
    Some(RECORDED.get_or_init(|| {
        let directory = common::empty_directory("shop");
        let recording = record(shop(), &directory).unwrap();
        let (observation, warnings) = read_path(&recording.observation).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let policies = directory.join("policies");
        synth(&recording.observation, &policies);
        Recorded { recording, observation, policies, directory }
    }))
}

/// `netwright synth OBSERVATION --out DIRECTORY`.
fn synth(observation: &std::path::Path, out: &std::path::Path) {
    netwright(["synth".as_ref(), observation, "--out".as_ref(), out]).unwrap().expect(0).unwrap();
}
