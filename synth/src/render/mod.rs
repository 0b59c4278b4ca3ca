//! From rules to files: one module a dialect over the same intermediate form, and the files that go with them.
//!
//! A rendering is a set of files in memory; [`crate::synthesis`] proves it and puts it in its place.

mod calico;
mod cilium;
mod cluster;
mod context;
pub mod evidence;
pub mod form;
mod istio;
pub mod kubernetes;
pub mod kustomize;
mod metadata;
pub mod rollout;
pub mod unsayable;
pub mod yaml;

use crate::infer::names::DEFAULT_DENY;
use crate::infer::rules::{Plan, WorkloadPolicy};
use context::Context;
use form::{Dialect, Form, Stage};
use netwright_record::{Observation, Window};
use std::collections::BTreeMap;
use unsayable::Unsayable;

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
    /// The dialect has no such form.
    #[error(transparent)]
    Form(#[from] form::FormError),
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

/// What came of rendering a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendering {
    /// The files.
    pub files: Files,
    /// What the plan says and they do not, sorted.
    pub unsayable: Vec<Unsayable>,
}

/// One policy as text, and what that does not say.
#[derive(Debug)]
struct Written {
    text: String,
    unsayable: Vec<Unsayable>,
}

/// How a dialect writes.
#[derive(Clone, Copy)]
struct Writer {
    /// One workload's policy.
    policy: fn(&Context, &WorkloadPolicy) -> Result<Written, RenderError>,
    /// What denies everything else in a namespace.
    default_deny: fn(&Context, &str) -> Result<String, RenderError>,
}

impl Dialect {
    fn writer(self) -> Writer {
        match self {
            Dialect::Kubernetes | Dialect::Cluster => {
                Writer { policy: kubernetes_policy, default_deny: kubernetes_default_deny }
            }
            Dialect::Calico => Writer { policy: calico::policy, default_deny: calico::default_deny },
            Dialect::Cilium => Writer { policy: cilium::policy, default_deny: cilium::default_deny },
            Dialect::Istio => Writer { policy: istio::policy, default_deny: istio::default_deny },
        }
    }
}

fn kubernetes_policy(context: &Context, policy: &WorkloadPolicy) -> Result<Written, RenderError> {
    let text = kubernetes::policy(context.observation, context.decided, policy, context.provenance, context.form)?;
    Ok(Written { text, unsayable: Vec::new() })
}

fn kubernetes_default_deny(context: &Context, namespace: &str) -> Result<String, RenderError> {
    kubernetes::default_deny(namespace, context.provenance, context.form.stage)
}

/// The plan without the policies that the dialect cannot write at all; its findings then say why. To be rendered in its
/// place.
pub fn adapted(observation: &Observation, plan: Plan, form: &Form) -> Plan {
    match form.dialect {
        Dialect::Cilium => cilium::adapted(observation, plan, form),
        _ => plan,
    }
}

/// The file of the policy called `name`.
pub fn policy_file(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}.yaml")
}

/// Renders everything in the form asked for, from a plan that was [`adapted`] to it: policies, default-denies, kustomizations and the evidence.
///
/// # Errors
///
/// The dialect has no such form, or a writer refused.
pub fn render(observation: &Observation, plan: &Plan, form: &Form) -> Result<Rendering, RenderError> {
    form.check()?;
    let provenance = Provenance::of(observation);
    let context = Context::new(observation, &plan.decided, &provenance, form);
    let writer = form.dialect.writer();
    let mut rendering = Rendering::default();
    for policy in &plan.policies {
        let written = (writer.policy)(&context, policy)?;
        let remarks: Vec<String> = written.unsayable.iter().map(Unsayable::remark).collect();
        rendering.unsayable.extend(written.unsayable);
        let file = policy_file(&policy.workload.namespace, &policy.name);
        rendering.add(file, yaml::remarked(written.text, &remarks));
    }
    for namespace in &plan.default_deny {
        rendering.add(policy_file(namespace, DEFAULT_DENY), (writer.default_deny)(&context, namespace)?);
    }
    let mut top = Vec::new();
    if form.dialect == Dialect::Cluster {
        let rails = cluster::guard_rails(&context, plan)?;
        rendering.unsayable.extend(rails.unsayable);
        top.extend(rails.files.iter().map(|(file, _)| file.clone()));
        rails.files.into_iter().for_each(|(file, text)| rendering.add(file, text));
    }
    for (file, text) in kustomize::kustomizations(plan, top)? {
        rendering.add(file, text);
    }
    rendering.unsayable.sort();
    let mut text = Vec::new();
    evidence::json::write(&mut text, observation, plan, &provenance, form, &rendering.unsayable)?;
    rendering.files.insert(evidence::FILE.into(), text);
    for (file, bytes) in rollout::files(observation, plan, &provenance)? {
        rendering.files.insert(file.into(), bytes);
    }
    Ok(rendering)
}

/// The NetworkPolicies of a plan as text, by file: what a replay reads, whatever the dialect.
///
/// # Errors
///
/// A writer refused.
pub fn network_policies(observation: &Observation, plan: &Plan) -> Result<Vec<(String, String)>, RenderError> {
    let (provenance, form) = (Provenance::of(observation), Form::default());
    let policies = plan.policies.iter().map(|policy| {
        let text = kubernetes::policy(observation, &plan.decided, policy, &provenance, &form)?;
        Ok((policy_file(&policy.workload.namespace, &policy.name), text))
    });
    let denies = plan.default_deny.iter().map(|namespace| {
        let text = kubernetes::default_deny(namespace, &provenance, Stage::Enforce)?;
        Ok((policy_file(namespace, DEFAULT_DENY), text))
    });
    policies.chain(denies).collect()
}

impl Rendering {
    fn add(&mut self, file: String, text: String) {
        self.files.insert(file, text.into_bytes());
    }
}
