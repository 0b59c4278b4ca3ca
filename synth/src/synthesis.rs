//! From an observation to a folder of proven policies: infer, render, write aside, read back, replay, move into place.
//!
//! Nothing reaches the output folder that has not been read back from disk and proven there.

use crate::index::Index;
use crate::infer::rules::Plan;
use crate::infer::{Options, infer_indexed};
use crate::output::{Kept, Output, OutputError, Published, Staged};
use crate::parallel;
use crate::phases::timed;
use crate::render::form::Form;
use crate::render::unsayable::Unsayable;
use crate::render::{self, Basis, Provenance, RenderError, adapted, network_policies};
use crate::replay::{Denial, Interrupted, Replay, replay_indexed};
use crate::review::Decided;
use crate::text::{plain, some_of};
use netwright_policy::{Direction, ParseError, PolicySet, ReadOptions, Source};
use netwright_record::{Edge, Observation};
use std::collections::BTreeMap;
use std::fmt;

/// How many errors of one kind a message names.
const ERRORS_NAMED: usize = 10;

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
    #[error(
        "cannot parse the manifests just written, so nothing was put in place; please report this: {}",
        some_of(.0, ERRORS_NAMED)
    )]
    ReadBack(Vec<ParseError>),
    /// What somebody wrote where one of our files would be cannot be read.
    #[error(
        "cannot parse a file that was kept in place of ours, so nothing was put in place; mend it or remove it: {}{}",
        some_of(.errors, ERRORS_NAMED),
        named(.kept)
    )]
    Kept {
        /// What is wrong.
        errors: Vec<ParseError>,
        /// The files that were kept.
        kept: BTreeMap<String, Kept>,
    },
    /// Someone asked to stop before the files were moved into place.
    #[error("interrupted, so nothing was put in place")]
    Interrupted(#[from] Interrupted),
    /// The policies would cut off what was seen.
    #[error("{0}")]
    Denied(Box<Denied>),
}

/// A failed proof: the policies as read back, and what they deny.
#[derive(Debug)]
pub struct Denied {
    /// The policies.
    pub policies: PolicySet,
    /// What they deny.
    pub replay: Replay,
    /// Files of somebody else, which stand where ours would: any of them may be what denies.
    pub kept: BTreeMap<String, Kept>,
    /// The first denied edges, in words.
    edges: Vec<String>,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let advice = match self.kept.is_empty() {
            true => "please report this with the observation",
            false => "mend or remove the files that were kept, which are named below",
        };
        write!(f, "the policies would deny connections that were seen, so nothing was put in place; {advice}:")?;
        self.edges.iter().try_for_each(|edge| write!(f, "\n  {edge}"))?;
        match self.replay.denied.len().saturating_sub(self.edges.len()) {
            0 => {}
            more => write!(f, "\n  and {more} more")?,
        }
        f.write_str(&named(&self.kept))
    }
}

/// The files that were kept, a line each, and what can be done about them; empty where there are none.
fn named(kept: &BTreeMap<String, Kept>) -> String {
    let line = |(name, why): (&String, &Kept)| match why {
        Kept::Edited => format!("\nkept: {}: {why} (--overwrite replaces it)", plain(name)),
        Kept::Foreign => format!("\nkept: {}: {why}", plain(name)),
    };
    kept.iter().map(line).collect()
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
    /// What was written, kept and removed.
    pub published: Published,
    /// In which form the policies were written.
    pub form: Form,
    /// What the rules say and that form does not.
    pub unsayable: Vec<Unsayable>,
}

/// Synthesises policies from `observation` (in canonical order) into the folder `out`, in the given form. Whatever the
/// form, what is replayed are NetworkPolicies: those on the disk where that is what is written, else those that say the
/// same. `progress` is called before each edge while proving, and may put an end to everything; nothing is left behind then.
pub fn synthesise<'a>(
    observation: &Observation,
    options: &Options,
    decided: &Decided,
    form: &Form,
    out: impl Into<Output<'a>>,
    progress: impl Fn() -> Result<(), Interrupted> + Sync,
) -> Result<Synthesis, SynthesisError> {
    let index = timed("index", || Index::new(observation));
    // Inference runs on one core, and what renderers ask besides goes over all of the observation too.
    let (plan, basis) = parallel::both(
        || timed("infer", || adapted(observation, infer_indexed(observation, &index, options, decided), form)),
        || Basis::new(observation, &index),
    );
    prove_and_publish(&basis, &index, plan, form, out.into(), progress)
}

fn prove_and_publish(
    basis: &Basis<'_>,
    index: &Index<'_>,
    plan: Plan,
    form: &Form,
    out: Output<'_>,
    progress: impl Fn() -> Result<(), Interrupted> + Sync,
) -> Result<Synthesis, SynthesisError> {
    let observation = basis.observation;
    let staged = Staged::new(out.folder, out.edited)?;
    let unsayable = timed("render", || render::write(basis, &plan, form, &staged))?;
    tracing::info!(policies = plan.policies.len(), "inferred and rendered");
    let kept = staged.kept();
    let policies = timed("read back", || match form.is_proven_as_written() {
        true => read_back(&staged),
        false => in_kubernetes_form(observation, &plan, &basis.provenance),
    })?;
    let replay = timed("prove", || replay_indexed(observation, index, &policies, &plan.decided, progress))?;
    if !replay.denied.is_empty() {
        return Err(SynthesisError::Denied(Box::new(denied(observation, policies, replay, kept))));
    }
    tracing::info!(edges = replay.established, "proven");
    let staged_files = staged.names().len();
    let published = timed("publish", || staged.publish())?;
    Ok(Synthesis { plan, replay, files: staged_files, published, form: form.clone(), unsayable })
}

/// How many files are read at a time by one core. Policies take some times the room of their text while they are read.
const READ_AT_ONCE: usize = 16;
/// Lines are not asked for.
const READING: ReadOptions = ReadOptions { strict: false, keep_text: false };

/// The policies as they now stand on the disk, a part of the files in memory at a time.
fn read_back(staged: &Staged) -> Result<PolicySet, SynthesisError> {
    let names: Vec<String> = staged.names().into_iter().filter(|name| name.ends_with(".yaml")).collect();
    let (kept, parts) = (staged.kept(), names.chunks(READ_AT_ONCE).collect::<Vec<_>>());
    let sets = parallel::map(&parts, |names| {
        let source = |name: &String| Ok::<_, OutputError>(Source { name: name.clone(), text: staged.text(name)? });
        parse(&names.iter().map(source).collect::<Result<Vec<_>, _>>()?, &kept)
    })?;
    PolicySet::join(sets).map_err(|failure| unreadable(failure.errors, kept))
}

/// The policies that say the same in the form that can be proven.
fn in_kubernetes_form(
    observation: &Observation,
    plan: &Plan,
    provenance: &Provenance,
) -> Result<PolicySet, SynthesisError> {
    let texts = network_policies(observation, plan, provenance)?;
    let sources: Vec<Source> = texts.into_iter().map(|(name, text)| Source { name, text }).collect();
    parse(&sources, &BTreeMap::new())
}

fn parse(sources: &[Source], kept: &BTreeMap<String, Kept>) -> Result<PolicySet, SynthesisError> {
    let parsed = READING.parse(sources).map_err(|failure| unreadable(failure.errors, kept.clone()))?;
    Ok(parsed.policies)
}

/// What somebody wrote is theirs to mend; what we wrote is not.
fn unreadable(errors: Vec<ParseError>, kept: BTreeMap<String, Kept>) -> SynthesisError {
    match errors.iter().all(|error| kept.contains_key(&error.origin.file)) {
        true => SynthesisError::Kept { errors, kept },
        false => SynthesisError::ReadBack(errors),
    }
}

fn denied(observation: &Observation, policies: PolicySet, replay: Replay, kept: BTreeMap<String, Kept>) -> Denied {
    let first = replay.denied.iter().take(ERRORS_NAMED);
    let edges =
        first.filter_map(|denial| Some(describe(observation.edges.get(denial.edge)?, denial, &policies))).collect();
    Denied { policies, replay, kept, edges }
}

fn describe(edge: &Edge, denial: &Denial, policies: &PolicySet) -> String {
    let isolating = denial.isolated_by.iter().filter_map(|index| policies.policies().get(*index));
    let names: Vec<String> = isolating.map(|policy| format!("{}/{}", policy.namespace, policy.name)).collect();
    let end = match denial.end {
        Direction::Egress => "egress",
        Direction::Ingress => "ingress",
    };
    format!(
        "{} -> {} {}/{} ({} to {}): {end} denied, isolated by {}",
        edge.client,
        edge.server,
        edge.port,
        edge.protocol,
        plain(&denial.client),
        plain(&denial.server),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::infer;
    use crate::testing::shop;
    use std::fs;
    use std::sync::Arc;

    /// Proves the shop's plan after `break_it`, over the policies of an earlier run; returns the message.
    fn refused(break_it: impl Fn(&mut Plan)) -> String {
        let observation = shop().build();
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("policies");
        synthesise(&observation, &Options::default(), &Decided::default(), &Form::default(), &out, || Ok(())).unwrap();
        let before = fs::read(out.join("shop/api.yaml")).unwrap();
        let mut plan = infer(&observation, &Options::default(), &Decided::default());
        break_it(&mut plan);
        let index = Index::new(&observation);
        let basis = Basis::new(&observation, &index);
        let error = prove_and_publish(&basis, &index, plan, &Form::default(), (&out).into(), || Ok(())).unwrap_err();
        assert_eq!(fs::read(out.join("shop/api.yaml")).unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the temporary folder is gone");
        error.to_string()
    }

    #[test]
    fn policies_that_would_deny_are_not_put_in_place_and_the_edge_is_named() {
        let message = refused(|plan| plan.policies.iter_mut().for_each(|policy| policy.ingress.clear()));
        assert!(message.contains("shop/Deployment/api -> data/Deployment/db 5432/TCP"), "{message}");
        assert!(message.contains("ingress denied, isolated by data/db"), "{message}");
    }

    #[test]
    fn what_is_interrupted_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("policies");
        let stopped =
            synthesise(&shop().build(), &Options::default(), &Decided::default(), &Form::default(), &out, || {
                assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the temporary folder is there");
                Err(Interrupted)
            });
        assert!(matches!(stopped, Err(SynthesisError::Interrupted(_))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn manifests_that_cannot_be_parsed_are_not_put_in_place() {
        let message = refused(|plan| {
            for policy in &mut plan.policies {
                Arc::make_mut(&mut policy.selection.pods).labels.insert("a b", "=");
            }
        });
        assert!(message.contains("cannot parse the manifests") && message.contains("podSelector"), "{message}");
    }
}
