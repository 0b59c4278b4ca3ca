//! From rules to files: one module a dialect over the same intermediate form, and the files that go with them.
//!
//! A rendering is a set of files in memory; [`crate::synthesis`] proves it and puts it in its place.

pub mod evidence;
pub mod kubernetes;
pub mod kustomize;
pub mod rollout;
pub mod yaml;

use crate::infer::names::DEFAULT_DENY;
use crate::infer::rules::Plan;
use kubernetes::Division;
use netwright_record::{Observation, Window};
use std::collections::BTreeMap;

/// The files of a rendering, by their path below the output folder, with `/` as separator.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Why a plan could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The YAML writer refused.
    #[error("cannot write a manifest as YAML: {0}; please report this with the observation")]
    Yaml(String),
    /// The JSON writer refused.
    #[error("cannot write the evidence as JSON: {0}")]
    Json(#[from] std::io::Error),
}

/// What a policy comes from: written into each manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The observation's window.
    pub window: Window,
    /// The observation's digest.
    pub digest: String,
    /// The version of Netwright.
    pub version: &'static str,
}

impl Provenance {
    /// Of policies made from `observation` by this version.
    pub fn of(observation: &Observation) -> Self {
        Self { window: observation.header.window, digest: observation.digest(), version: env!("CARGO_PKG_VERSION") }
    }
}

/// The file of the policy called `name`.
pub fn policy_file(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}.yaml")
}

/// Renders everything: policies, default-denies, kustomizations, the evidence and the order of roll-out.
pub fn render(observation: &Observation, plan: &Plan, division: Division) -> Result<Files, RenderError> {
    let provenance = Provenance::of(observation);
    let mut files = Files::new();
    for policy in &plan.policies {
        let text = kubernetes::policy(observation, policy, &provenance, division)?;
        files.insert(policy_file(&policy.workload.namespace, &policy.name), text.into_bytes());
    }
    for namespace in &plan.default_deny {
        let text = kubernetes::default_deny(namespace, &provenance)?;
        files.insert(policy_file(namespace, DEFAULT_DENY), text.into_bytes());
    }
    for (file, text) in kustomize::kustomizations(plan)? {
        files.insert(file, text.into_bytes());
    }
    let mut text = Vec::new();
    evidence::json::write(&mut text, observation, plan, &provenance)?;
    files.insert(evidence::FILE.into(), text);
    for (file, bytes) in rollout::files(observation, plan, &provenance)? {
        files.insert(file.into(), bytes);
    }
    Ok(files)
}
