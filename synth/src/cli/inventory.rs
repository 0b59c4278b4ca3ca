//! Reads what a cluster holds, and the policies that are for it, and says what is odd about either. For every verb that
//! asks what policies mean in a cluster.

use super::exit::misuse;
use super::{policies, tell};
use crate::state::State;
use anyhow::bail;
use netwright_policy::{PolicySet, ReadOptions};
use std::path::{Path, PathBuf};

/// Where the policies are, and what the cluster holds: in two places or in one.
#[derive(Debug, clap::Args)]
pub struct SourceArgs {
    /// The policies: a file, a folder (searched for *.yaml, *.yml and *.json), or `-` for stdin. Without it: those in
    /// the inventory.
    #[arg(long, value_name = "PATH")]
    policies: Option<PathBuf>,
    /// What the cluster holds: manifests, what `kubectl get -A -o yaml` printed, or an observation; a file, a folder, or
    /// `-` for stdin. Without it: what stands beside the policies.
    #[arg(long, value_name = "PATH")]
    inventory: Option<PathBuf>,
    /// Take a field that the API does not have for an error, not for a warning.
    #[arg(long)]
    strict: bool,
}

impl SourceArgs {
    /// Reads both, and requires that there is a policy, and a pod or a workload.
    ///
    /// # Errors
    ///
    /// Those of [`policies::load`], [`both`] and [`state`]; or if nothing is there that policies could be about.
    pub fn load(&self) -> anyhow::Result<(PolicySet, State)> {
        let stdin = Path::new("-");
        let (policies, inventory) = (self.policies.as_deref(), self.inventory.as_deref());
        not_both_stdin(policies, inventory)?;
        let (set, state) = match (policies, inventory) {
            (Some(policies), Some(inventory)) => (policies::load(policies, self.strict)?, state(inventory)?),
            (Some(policies), None) if policies != stdin => (policies::load(policies, self.strict)?, state(policies)?),
            // Stdin can be read only once.
            (Some(place), None) | (None, Some(place)) => both(place, self.strict)?,
            (None, None) => return misuse("name --policies, --inventory, or both"),
        };
        if let (true, Some(place)) = (state.pods.is_empty(), inventory.or(policies)) {
            bail!(
                "{} holds no workload and no pod, so there is nobody to allow anything: name what the cluster holds with --inventory",
                name(place)
            );
        }
        Ok((set, state))
    }
}

/// # Errors
///
/// If both are stdin, which can be read only once.
pub fn not_both_stdin(policies: Option<&Path>, inventory: Option<&Path>) -> anyhow::Result<()> {
    let stdin = Some(Path::new("-"));
    if policies == stdin && inventory == stdin {
        return misuse("--policies and --inventory are both `-`: leave out one of them if stdin holds both");
    }
    Ok(())
}

/// Reads the policies and what the cluster holds from one place.
///
/// # Errors
///
/// Those of [`State::load_with`], or if there is no policy.
pub fn both(place: &Path, strict: bool) -> anyhow::Result<(PolicySet, State)> {
    let mut state = State::load_with(place, ReadOptions { strict, keep_text: true })?;
    state.policy_warnings.iter().for_each(|warning| tell(&format!("warning: {warning}")));
    tell_remarks(&state);
    let policies = std::mem::take(&mut state.policies);
    if policies.policies().is_empty() {
        bail!(
            "{} holds no NetworkPolicy, so nothing is isolated: name the policies with --policies, or add them (kubectl get networkpolicies -A -o yaml)",
            name(place)
        );
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

/// How messages call a place that was named on the command line.
pub fn name(place: &Path) -> String {
    if place == Path::new("-") { "stdin".to_owned() } else { place.display().to_string() }
}

/// Tells what is odd about what was read, on stderr.
fn tell_remarks(state: &State) {
    state.remarks.iter().for_each(|remark| tell(remark));
    if state.finished > 0 {
        tell(&format!("note: left out {} pods that have come to an end", state.finished));
    }
}
