//! Where `netwright check` finds policies, the observation and what the cluster holds.

use super::Args;
use crate::cli::{inventory, observation, policies, tell};
use crate::state::State;
use anyhow::bail;
use netwright_policy::{PolicySet, ReadOptions};
use netwright_record::Observation;
use std::path::Path;

/// Reads what the arguments name. There is a state unless nothing is to be linted.
pub(super) fn load(args: &Args) -> anyhow::Result<(PolicySet, Option<Observation>, Option<State>)> {
    let stdin = Some(Path::new("-"));
    let (policies, inventory) = (args.policies.as_deref(), args.inventory.as_deref());
    if policies == stdin && inventory == stdin {
        bail!("--policies and --inventory are both `-`: leave out --policies if stdin holds both");
    }
    let observation = args.observation.as_deref().map(observation::read_with_edges).transpose()?;
    let place = inventory.or(args.observation.as_deref()).or(policies);
    let Some(place) = place else { bail!("name an observation, an --inventory or --policies") };
    match policies {
        Some(policies) if policies != place => {
            let policies = policies::load(policies, args.strict)?;
            let state = (!args.no_lint).then(|| inventory::state(place)).transpose()?;
            Ok((policies, observation, state))
        }
        // They stand in one place, which may be stdin and is then read once.
        _ => {
            let (policies, state) = both(place, args.strict)?;
            Ok((policies, observation, (!args.no_lint).then_some(state)))
        }
    }
}

fn both(place: &Path, strict: bool) -> anyhow::Result<(PolicySet, State)> {
    let mut state = State::load_with(place, ReadOptions { strict, ..ReadOptions::default() })?;
    state.policy_warnings.iter().for_each(|warning| tell(&format!("warning: {warning}")));
    inventory::tell_remarks(&state);
    let policies = std::mem::take(&mut state.policies);
    if policies.policies().is_empty() {
        bail!(
            "{} holds no NetworkPolicy, so there is nothing to check: name the policies with --policies",
            place.display()
        );
    }
    Ok((policies, state))
}
