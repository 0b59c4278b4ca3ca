//! From an observation to a folder of proven policies: infer, render, write aside, read back, replay, move into place.
//!
//! Nothing reaches the output folder that has not been read back from disk and proven there.

use crate::infer::infer;
use crate::infer::rules::Plan;
use crate::output::{OutputError, Staged};
use crate::render::{self, RenderError};
use crate::replay::{Replay, replay};
use netwright_policy::{LoadError, PolicySet};
use netwright_record::Observation;
use std::path::Path;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum SynthesisError {
    /// Rendering failed.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// Writing failed, or would have overwritten somebody's file.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// What was written cannot be read.
    #[error("cannot read back the manifests just written, so nothing was put in place; please report this: {0}")]
    ReadBack(#[from] LoadError),
    /// The policies would cut off what was seen.
    #[error("{}", .0)]
    Denied(Denied),
}

/// A failed proof: the policies as read back, and what they deny.
#[derive(Debug)]
pub struct Denied {
    /// The policies.
    pub policies: PolicySet,
    /// What they deny.
    pub replay: Replay,
    /// The first denied edges, in words.
    edges: Vec<String>,
}

const EDGES_NAMED: usize = 10;

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the policies would deny connections that were seen, so nothing was put in place; please report this with the observation:"
        )?;
        self.edges.iter().try_for_each(|edge| write!(f, "\n  {edge}"))
    }
}

/// What was synthesised.
#[derive(Debug)]
pub struct Synthesis {
    /// The rules.
    pub plan: Plan,
    /// The proof.
    pub replay: Replay,
    /// How many files the folder now holds of ours.
    pub files: usize,
    /// Our files of an earlier run that were removed, since no policy stands for them any more.
    pub removed: Vec<String>,
}

/// Synthesises policies from `observation` (in canonical order) into the folder `out`. `progress` is called once an edge
/// while proving.
pub fn synthesise(observation: &Observation, out: &Path, progress: impl Fn()) -> Result<Synthesis, SynthesisError> {
    let plan = infer(observation);
    let files = render::render(observation, &plan)?;
    let staged = Staged::write(out, &files)?;
    let policies = PolicySet::load(staged.path())?.policies;
    let replay = replay(observation, &policies, progress);
    if !replay.denied.is_empty() {
        return Err(SynthesisError::Denied(denied(observation, policies, replay)));
    }
    let removed = staged.publish()?;
    Ok(Synthesis { plan, replay, files: files.len(), removed })
}

fn denied(observation: &Observation, policies: PolicySet, replay: Replay) -> Denied {
    let edges = replay
        .denied
        .iter()
        .take(EDGES_NAMED)
        .filter_map(|denial| {
            let edge = observation.edges.get(denial.edge)?;
            let policy = denial.isolated_by.iter().find_map(|index| policies.policies().get(*index));
            let by = policy.map(|policy| format!("{}/{}", policy.namespace, policy.name)).unwrap_or_default();
            Some(format!(
                "{} -> {} {}/{}: {:?} denied, isolated by {by}",
                edge.client, edge.server, edge.port, edge.protocol, denial.end
            ))
        })
        .collect();
    Denied { policies, replay, edges }
}
