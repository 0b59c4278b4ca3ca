//! Where `netwright check` finds policies, the observation and what the cluster holds.

use super::Args;
use crate::cli::exit::misuse;
use crate::cli::{inventory, observation, policies};
use crate::state::State;
use netwright_policy::PolicySet;
use netwright_record::Observation;
use std::path::Path;

/// Reads what the arguments name. There is a state unless nothing is to be linted.
pub(super) fn load(args: &Args) -> anyhow::Result<(PolicySet, Option<Observation>, Option<State>)> {
    let (policies, inventory) = (args.policies.as_deref(), args.inventory.as_deref());
    inventory::not_both_stdin(policies, inventory)?;
    let observation = args.observation.as_deref().map(read_observation).transpose()?;
    let place = inventory.or(args.observation.as_deref()).or(policies);
    let Some(place) = place else {
        return misuse("name an observation to replay, or --policies or --inventory to lint");
    };
    match policies {
        Some(policies) if policies != place => {
            let policies = policies::load(policies, args.strict)?;
            let state = (!args.no_lint).then(|| inventory::state(place)).transpose()?;
            Ok((policies, observation, state))
        }
        // They stand in one place, which may be stdin and is then read once.
        _ => {
            let (policies, state) = inventory::both(place, args.strict)?;
            Ok((policies, observation, (!args.no_lint).then_some(state)))
        }
    }
}

fn read_observation(path: &Path) -> anyhow::Result<Observation> {
    let advice = "there is no observation to replay (to lint only, name manifests with --policies or --inventory)";
    // Looked at afterwards only: what comes through a pipe can be read once.
    let is_one = || observation::is_at(path).unwrap_or(true);
    observation::read_with_edges(path).map_err(|error| if is_one() { error } else { error.context(advice) })
}
