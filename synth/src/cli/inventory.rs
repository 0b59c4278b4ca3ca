//! Reads what a cluster holds, and the policies that are for it, and says what is odd about either. For every verb that
//! asks what policies mean in a cluster.

use super::policies::PolicyArgs;
use super::tell;
use crate::state::State;
use anyhow::bail;
use netwright_policy::{PolicySet, ReadOptions};
use std::path::{Path, PathBuf};

/// Where it says what the cluster holds.
#[derive(Debug, clap::Args)]
pub struct InventoryArgs {
    /// What the cluster holds: manifests, what `kubectl get -A -o yaml` printed, or an observation; a file, a folder, or
    /// `-` for stdin. Without it: what stands beside the policies.
    #[arg(long, value_name = "PATH")]
    pub inventory: Option<PathBuf>,
}

impl InventoryArgs {
    /// Reads both, and requires that there is a pod or a workload.
    ///
    /// # Errors
    ///
    /// Those of [`PolicyArgs::load`], [`State::load`] and [`state`]; or if nothing is there that policies could be about.
    pub fn load(&self, args: &PolicyArgs) -> anyhow::Result<(PolicySet, State)> {
        let stdin = Path::new("-");
        let (policies, state) = match &self.inventory {
            Some(inventory) if inventory == stdin && args.policies == stdin => {
                bail!("--policies and --inventory are both `-`: leave out --inventory if stdin holds both")
            }
            Some(inventory) => (args.load()?, state(inventory)?),
            // It can be read only once.
            None if args.policies == stdin => both_from_stdin(args)?,
            None => (args.load()?, state(&args.policies)?),
        };
        if state.pods.is_empty() {
            let place = self.inventory.as_ref().unwrap_or(&args.policies);
            bail!(
                "{} holds no workload and no pod, so there is nobody to allow anything: name what the cluster holds with --inventory",
                place.display()
            );
        }
        Ok((policies, state))
    }
}

fn both_from_stdin(args: &PolicyArgs) -> anyhow::Result<(PolicySet, State)> {
    let mut state = State::load_with(&args.policies, ReadOptions { strict: args.strict, ..ReadOptions::default() })?;
    for warning in &state.policy_warnings {
        tell(&format!("warning: {warning}"));
    }
    tell_remarks(&state);
    let policies = std::mem::take(&mut state.policies);
    if policies.policies().is_empty() {
        bail!("stdin holds no NetworkPolicy: nothing would be isolated; check what is written there");
    }
    Ok((policies, state))
}

/// Reads what a cluster holds; what is odd about it goes to stderr. Its policies, if any, are not what the verb asked for,
/// and are passed over.
///
/// # Errors
///
/// Those of [`State::load_without_policies`].
pub fn state(path: &Path) -> anyhow::Result<State> {
    let state = State::load_without_policies(path)?;
    tell_remarks(&state);
    Ok(state)
}

/// Tells what is odd about what was read, on stderr.
pub fn tell_remarks(state: &State) {
    state.remarks.iter().for_each(|remark| tell(remark));
    if state.finished > 0 {
        tell(&format!("note: left out {} pods that have come to an end", state.finished));
    }
}
