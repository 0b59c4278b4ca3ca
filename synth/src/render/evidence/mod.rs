//! Where each rule comes from and what a reviewer should look at. Comments in manifests are lost when they are applied;
//! `evidence.json` is what a review works with, and `netwright synth --explain` what a person reads.

pub mod account;
pub mod addresses;
pub mod json;
pub mod words;

use crate::infer::rules::Selection;
use netwright_record::{Direction, Observation};
use std::collections::BTreeMap;

/// The file's name.
pub const FILE: &str = "evidence.json";
/// By which a later run knows the file for one of ours.
pub const API_VERSION: &str = "netwright.io/v1";

/// Why a workload is selected as it is.
pub fn selection_reason(selection: &Selection) -> &'static str {
    match (selection.added.is_empty(), selection.widened.is_empty()) {
        (_, true) if selection.common => {
            "labels that every pod seen carried: the owner's selector does not match all of them"
        }
        (true, true) => "the owner's selector: no other workload of the namespace matches it",
        (false, true) => "the owner's selector, and the added labels, which tell it apart from other workloads",
        (_, false) => "no stable label tells it apart from the workloads that it also selects",
    }
}

/// How many flows could not be named, by reason.
pub fn unresolved(observation: &Observation) -> BTreeMap<&str, usize> {
    observation.unresolved.iter().fold(BTreeMap::new(), |mut reasons, unresolved| {
        *reasons.entry(unresolved.reason.as_str()).or_default() += 1;
        reasons
    })
}

/// How many of the unresolved flows are so because either end may be the server. (An ambiguous flow that another flow
/// explained is part of an edge, and not counted.)
pub fn ambiguous(observation: &Observation) -> usize {
    observation.unresolved.iter().filter(|unresolved| unresolved.flow.direction == Direction::Ambiguous).count()
}
