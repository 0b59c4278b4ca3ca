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
pub mod sink;
pub mod unsayable;
pub mod yaml;

use crate::graph::views::By;
use crate::graph::{DependencyGraph, Graph, Vertex};
use crate::index::Index;
use crate::infer::names::DEFAULT_DENY;
use crate::infer::rules::{Plan, WorkloadPolicy};
use crate::output::OutputError;
use crate::parallel;
use crate::phases::timed;
use context::Context;
use form::{Dialect, Form, Stage};
use netwright_record::{Observation, Window};
use sink::Sink;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use unsayable::Unsayable;

/// The files of a rendering, by their path below the output folder, with `/` as separator.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Why a plan could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The YAML writer refused.
    #[error("cannot write a manifest as YAML: {0}; please report this with the observation")]
    Yaml(String),
    /// What is written in pieces could not be.
    #[error("cannot write the evidence or the order of roll-out: {0}")]
    Json(#[from] std::io::Error),
    /// A file could not be written.
    #[error(transparent)]
    Output(Box<OutputError>),
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

/// What renderers ask besides the plan. It does not depend on the plan, so that it can be made beside it.
#[derive(Debug)]
pub struct Basis<'a> {
    /// What the plan was made from.
    pub observation: &'a Observation,
    /// Who depends on whom, by workload.
    pub graph: Graph<Vertex>,
    /// What is written of it into each object.
    pub provenance: Provenance,
}

impl<'a> Basis<'a> {
    /// Of plans made from `observation`, of which `index` is the index.
    pub fn new(observation: &'a Observation, index: &Index) -> Self {
        let graph = || DependencyGraph::indexed(observation, index).view(By::Workload, &observation.inventory);
        Self { observation, provenance: timed("digest", || Provenance::of(observation)), graph: timed("graph", graph) }
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

/// Renders everything in the form asked for, from a plan that was [`adapted`] to it: policies, default-denies,
/// kustomizations, the evidence and the order of roll-out.
///
/// # Errors
///
/// The dialect has no such form, or a writer refused.
pub fn render(observation: &Observation, plan: &Plan, form: &Form) -> Result<Rendering, RenderError> {
    let files = Mutex::new(Files::new());
    let unsayable = write(&Basis::new(observation, &Index::new(observation)), plan, form, &files)?;
    Ok(Rendering { files: files.into_inner().unwrap_or_else(PoisonError::into_inner), unsayable })
}

/// As [`render`], each file to `sink` as soon as it is there, on all cores; returns what the files do not say.
///
/// # Errors
///
/// Those of [`render`], and of `sink`.
pub fn write(basis: &Basis<'_>, plan: &Plan, form: &Form, sink: &impl Sink) -> Result<Vec<Unsayable>, RenderError> {
    form.check()?;
    let Basis { observation, graph, provenance } = basis;
    let context = Context::new(observation, &plan.decided, provenance, form);
    let mut unsayable = timed("policies", || policies(&context, plan, sink))?;
    let mut top = Vec::new();
    if form.dialect == Dialect::Cluster {
        let rails = cluster::guard_rails(&context, plan)?;
        unsayable.extend(rails.unsayable);
        top.extend(rails.files.iter().map(|(file, _)| file.clone()));
        rails.files.iter().try_for_each(|(file, text)| sink.put(file, text.as_bytes()))?;
    }
    let kustomizations = kustomize::kustomizations(plan, top)?;
    timed("kustomizations", || parallel::map(&kustomizations, |(file, text)| sink.put(file, text.as_bytes())))?;
    unsayable.sort();
    let evidence = || {
        sink.stream(evidence::FILE, &mut |out| {
            evidence::json::write(out, observation, plan, provenance, form, &unsayable)
        })
    };
    let rollout = || {
        let rollout = rollout::files(graph, plan, provenance)?;
        rollout.iter().try_for_each(|(file, text)| sink.put(file, text))
    };
    let (evidence, rollout) = parallel::both(|| timed("evidence", evidence), || timed("rollout", rollout));
    evidence.and(rollout)?;
    Ok(unsayable)
}

/// The policies of workloads and of namespaces, on all cores.
fn policies(context: &Context, plan: &Plan, sink: &impl Sink) -> Result<Vec<Unsayable>, RenderError> {
    let writer = context.form.dialect.writer();
    let written = parallel::map(&plan.policies, |policy| -> Result<Vec<Unsayable>, RenderError> {
        let Written { text, unsayable } = (writer.policy)(context, policy)?;
        let remarks: Vec<String> = unsayable.iter().map(Unsayable::remark).collect();
        let file = policy_file(&policy.workload.namespace, &policy.name);
        sink.put(&file, yaml::remarked(text, &remarks).as_bytes())?;
        Ok(unsayable)
    })?;
    parallel::map(&plan.default_deny, |namespace| {
        sink.put(&policy_file(namespace, DEFAULT_DENY), (writer.default_deny)(context, namespace)?.as_bytes())
    })?;
    Ok(written.into_iter().flatten().collect())
}

/// The NetworkPolicies of a plan as text, by file: what a replay reads, whatever the dialect.
///
/// # Errors
///
/// A writer refused.
pub fn network_policies(
    observation: &Observation,
    plan: &Plan,
    provenance: &Provenance,
) -> Result<Vec<(String, String)>, RenderError> {
    let form = Form::default();
    let policies = plan.policies.iter().map(|policy| {
        let text = kubernetes::policy(observation, &plan.decided, policy, provenance, &form)?;
        Ok((policy_file(&policy.workload.namespace, &policy.name), text))
    });
    let denies = plan.default_deny.iter().map(|namespace| {
        let text = kubernetes::default_deny(namespace, provenance, Stage::Enforce)?;
        Ok((policy_file(namespace, DEFAULT_DENY), text))
    });
    policies.chain(denies).collect()
}
