//! In which order to apply the policies: `rollout.md` for people and `rollout.json` for programs. Serves who locks a cluster
//! down, wave by wave, and the pipeline that does it for them.
//!
//! The order is that of [`crate::graph::lockdown`]. Policies whose labels select each other's pods go together: the first of
//! them isolates the pods of both. A namespace's default-deny comes in a wave after all its policies.

mod facts;
mod json;
mod markdown;

use super::evidence::API_VERSION;
use super::{Provenance, RenderError, policy_file};
use crate::graph::analysis::Dependencies;
use crate::graph::{Graph, Vertex};
use crate::infer::names::DEFAULT_DENY;
use crate::infer::rules::{Plan, WorkloadPolicy};
use facts::{Facts, Peers};
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Name, Time};
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// The file for people.
pub const MARKDOWN: &str = "rollout.md";
/// The file for programs.
pub const JSON: &str = "rollout.json";

/// The order, in waves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout<'a> {
    version: &'static str,
    observation: Source<'a>,
    /// The waves, in order.
    pub waves: Vec<Wave<'a>>,
    /// Workloads that get no policy, and why.
    pub without_policy: Vec<Unprotected<'a>>,
    /// Namespaces with policies that get no default-deny, and the workloads that one would cut off.
    pub without_default_deny: &'a BTreeMap<Name, BTreeSet<WorkloadRef>>,
}

/// What the order comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source<'a> {
    sha256: &'a str,
    from: Time,
    until: Time,
}

/// What to apply at the same time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wave<'a> {
    /// From 1, without gaps.
    pub number: usize,
    /// The policies, those that can harm the fewest first.
    pub policies: Vec<Step<'a>>,
    /// Namespaces of which all policies stand in earlier waves.
    pub default_deny: Vec<&'a str>,
}

/// One policy, and what to know before it is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step<'a> {
    /// The file.
    pub file: String,
    /// Whose policy it is.
    #[serde(serialize_with = "as_text")]
    pub workload: &'a WorkloadRef,
    /// Those of the wave with the same number must not be parted. They stand side by side; absent where it stands alone.
    /// From 1, over all waves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<usize>,
    /// Whom a mistake harms besides the workload, and whom it talks with.
    #[serde(flatten)]
    pub peers: Peers,
}

fn as_text<S: Serializer>(workload: &WorkloadRef, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(workload)
}

/// A workload without a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unprotected<'a> {
    /// Which.
    pub workload: &'a WorkloadRef,
    /// Why. Holds text from outside.
    pub why: String,
}

/// The two files; `graph` is the observation's, by workload.
///
/// # Errors
///
/// If the JSON cannot be written.
pub fn files(
    graph: &Graph<Vertex>,
    plan: &Plan,
    provenance: &Provenance,
) -> Result<[(&'static str, Vec<u8>); 2], RenderError> {
    let rollout = Rollout::new(graph, plan, provenance);
    let mut json = Vec::new();
    json::write(&mut json, &rollout)?;
    Ok([(MARKDOWN, markdown::write(&rollout).into_bytes()), (JSON, json)])
}

impl<'a> Rollout<'a> {
    /// The order of the policies of `plan`; `graph` is the observation's, by workload. Costs what
    /// [`Dependencies::blast_radii`] costs.
    pub fn new(graph: &Graph<Vertex>, plan: &'a Plan, provenance: &'a Provenance) -> Self {
        let facts = Facts::new(Dependencies::new(graph), plan);
        let mut waves: Vec<Wave> = Vec::new();
        let mut numbers = 1..;
        for groups in facts.waves() {
            let policies = groups.iter().flat_map(|group| steps(&facts, group, &mut numbers)).collect();
            waves.push(Wave { number: waves.len() + 1, policies, default_deny: Vec::new() });
        }
        add_default_denies(&mut waves, plan);
        let window = provenance.window;
        Self {
            version: provenance.version,
            observation: Source { sha256: &provenance.digest, from: window.from, until: window.until },
            waves,
            without_policy: plan
                .findings
                .unprotected
                .iter()
                .map(|(workload, why)| Unprotected { workload, why: why.to_string() })
                .collect(),
            without_default_deny: &plan.findings.open_namespaces,
        }
    }
}

impl Wave<'_> {
    /// All files, in the order in which to apply them.
    pub fn files(&self) -> impl DoubleEndedIterator<Item = String> {
        self.policies.iter().map(|step| step.file.clone()).chain(self.default_denies())
    }

    fn default_denies(&self) -> impl DoubleEndedIterator<Item = String> {
        self.default_deny.iter().map(|namespace| policy_file(namespace, DEFAULT_DENY))
    }
}

/// The steps of policies that go together, with the next of `numbers` if there are several.
fn steps<'a>(
    facts: &Facts<'_, 'a>,
    policies: &[&'a WorkloadPolicy],
    numbers: &mut impl Iterator<Item = usize>,
) -> Vec<Step<'a>> {
    let group = if policies.len() > 1 { numbers.next() } else { None };
    let step = |policy: &&'a WorkloadPolicy| Step {
        file: policy_file(&policy.workload.namespace, &policy.name),
        workload: &policy.workload,
        group,
        peers: facts.peers(&policy.workload),
    };
    policies.iter().map(step).collect()
}

/// Puts each default-deny into the wave after the last policy of its namespace.
fn add_default_denies<'a>(waves: &mut Vec<Wave<'a>>, plan: &'a Plan) {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for wave in waves.iter() {
        last.extend(wave.policies.iter().map(|step| (step.workload.namespace.as_str(), wave.number)));
    }
    for namespace in &plan.default_deny {
        let after = last.get(namespace.as_str()).copied().unwrap_or(waves.len());
        if waves.len() <= after {
            waves.push(Wave { number: waves.len() + 1, ..Wave::default() });
        }
        if let Some(wave) = waves.get_mut(after) {
            wave.default_deny.push(namespace);
        }
    }
}

#[cfg(test)]
mod tests;
