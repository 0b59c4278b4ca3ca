//! One recording of the shop by the real agent, and what has to be true of it and of the policies written for it.
//!
//! The half that is about policies is also asked of a recording that nobody had to make: the declared edges themselves.
//! So it is tested where there is no kernel to watch, and a fault is known to lie before or after the observation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "../common/mod.rs"]
mod common;
mod declared;
mod determinism;
mod edges;
mod proof;

use netwright_record::{Observation, file::read_path};
use netwright_tests::actor::Tally;
use netwright_tests::demo::{netwright, record};
use netwright_tests::shop::shop;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// An observation of the shop, and the policies written for it.
struct Recorded {
    file: PathBuf,
    observation: Observation,
    inventory: PathBuf,
    policies: PathBuf,
    directory: PathBuf,
    tallies: BTreeMap<String, Tally>,
}

impl Recorded {
    fn new(directory: PathBuf, file: PathBuf, inventory: PathBuf, tallies: BTreeMap<String, Tally>) -> Self {
        let (observation, warnings) = read_path(&file).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let policies = directory.join("policies");
        synth(&file, &policies);
        Self { file, observation, inventory, policies, directory, tallies }
    }
}

/// The recording that all tests of this file share: a run takes half a minute. Nothing where the machine cannot make it.
fn recorded() -> Option<&'static Recorded> {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    if common::skipped() {
        return None;
    }
    Some(RECORDED.get_or_init(|| {
        let directory = common::empty_directory("recorded");
        let it = record(shop(), &directory).unwrap();
        Recorded::new(directory, it.observation, it.inventory, it.tallies)
    }))
}

/// The declared edges, and the recorded ones where there are such.
fn both() -> Vec<&'static Recorded> {
    [Some(declared::declared()), recorded()].into_iter().flatten().collect()
}

/// `netwright synth OBSERVATION --out DIRECTORY`.
fn synth(observation: &Path, out: &Path) {
    netwright(["synth".as_ref(), observation, "--out".as_ref(), out]).unwrap().expect(0).unwrap();
}
