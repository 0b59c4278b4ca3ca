//! The dialect `security.istio.io/v1` AuthorizationPolicy: who may call a workload over TCP, by the ServiceAccount that the
//! caller's certificate names.
//!
//! Source: `security/v1beta1/authorization_policy.proto` of istio/api. One policy that allows denies all else that comes to
//! its workload through the mesh, so everything that the plan admits by other means must be said here too: clients that are
//! not in the mesh, and those on the workload's own node, which no NetworkPolicy stops. Egress, UDP and SCTP cannot be
//! said at all.

mod ports;
mod sources;

use super::context::Context;
use super::form::Stage;
use super::metadata::{ApiObject, Metadata};
use super::unsayable::{Effect, Unsayable};
use super::yaml::{self, Above};
use super::{RenderError, Written};
use crate::infer::names::DEFAULT_DENY;
use crate::infer::rules::{Rule, RuleDirection, WorkloadPolicy};
use netwright_record::Protocol;
use netwright_record::inventory::{Labels, WorkloadRef};
use ports::Ports;
use serde::Serialize;
use sources::{From, Sources};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The manifest of one workload's policy.
pub(super) fn policy(context: &Context, policy: &WorkloadPolicy) -> Result<Written, RenderError> {
    let mut notes = Notes { policy: format!("{}/{}", policy.workload.namespace, policy.name), all: BTreeSet::new() };
    let (mut rules, mut lines) = (Vec::new(), Vec::new());
    for rule in &policy.ingress {
        if let Some(written) = self::rule(context, policy, rule, &mut notes) {
            rules.push(written);
            lines.extend(context.comments(rule, 1));
        }
    }
    for (ports, addresses) in from_own_node(context, &policy.workload) {
        let from = addresses.into_iter().map(From::address).collect();
        rules.push(AuthorizationRule { from, to: Ports::Numbers(ports).operations() });
        lines.push("from its own node, which no NetworkPolicy stops and this policy would".into());
    }
    limits(context, policy, &mut notes);
    let spec =
        Spec { selector: Some(Selector { match_labels: &policy.selection.pods.labels }), action: Some("ALLOW"), rules };
    let metadata = Metadata::new(Some(&policy.workload.namespace), &policy.name, context.provenance);
    let above: Above = vec![("rules", lines)];
    let text = text(context, metadata.of(&policy.workload), spec, &above)?;
    Ok(Written { text, unsayable: notes.all.into_iter().collect() })
}

/// The manifest that denies everything in `namespace` that no other policy allows: one that allows nothing.
pub(super) fn default_deny(context: &Context, namespace: &str) -> Result<String, RenderError> {
    let metadata = Metadata::new(Some(namespace), DEFAULT_DENY, context.provenance);
    text(context, metadata, Spec { selector: None, action: None, rules: Vec::new() }, &Above::new())
}

fn text(context: &Context, metadata: Metadata, spec: Spec, above: &Above) -> Result<String, RenderError> {
    let metadata = match context.form.stage {
        Stage::Enforce => metadata,
        Stage::Audit => metadata.annotated("istio.io/dry-run", "true"),
    };
    let (api_version, kind) = ("security.istio.io/v1", "AuthorizationPolicy");
    Ok(yaml::file(&[yaml::typed(&Manifest { api_version, kind, metadata, spec }, above)?]))
}

type Manifest<'a> = ApiObject<'a, Spec<'a>>;

#[derive(Serialize)]
struct Spec<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<Selector<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<AuthorizationRule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Selector<'a> {
    match_labels: &'a Labels,
}

#[derive(Serialize)]
struct AuthorizationRule {
    from: Vec<From>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to: Vec<ports::To>,
}

/// What cannot be said of one policy.
struct Notes {
    policy: String,
    all: BTreeSet<Unsayable>,
}

impl Notes {
    fn add(&mut self, direction: RuleDirection, what: String, why: &'static str, effect: Effect) {
        self.all.insert(Unsayable { policy: Some(self.policy.clone()), direction: Some(direction), what, why, effect });
    }
}

/// What `rule` says; nothing where it is about neither TCP nor anybody who comes through the mesh.
fn rule(context: &Context, policy: &WorkloadPolicy, rule: &Rule, notes: &mut Notes) -> Option<AuthorizationRule> {
    let ports = Ports::of(context, policy, rule, notes)?;
    let sources = Sources::of(context, rule, notes);
    Some(AuthorizationRule { from: sources.from(), to: ports.operations() })
}

/// The TCP ports on which a workload's own node was seen to reach it, and from which addresses. Kubelets' probes are among
/// these; the mesh lets most of those pass by other ways, which depends on its configuration.
fn from_own_node(context: &Context, workload: &WorkloadRef) -> BTreeMap<BTreeSet<u16>, BTreeSet<IpAddr>> {
    let knowledge = context.knowledge();
    let mut ports: BTreeMap<IpAddr, BTreeSet<u16>> = BTreeMap::new();
    for edge in knowledge.edges_from_nodes(workload) {
        let Some((node, _)) = knowledge.index.own_node(edge) else { continue };
        let (Protocol::Tcp, true) = (edge.protocol, edge.activity.established()) else { continue };
        let known = knowledge.index.node_addresses(node);
        for address in known.iter().chain(&edge.client_addresses) {
            ports.entry(*address).or_default().insert(edge.port);
        }
    }
    let mut rules: BTreeMap<BTreeSet<u16>, BTreeSet<IpAddr>> = BTreeMap::new();
    for (address, ports) in ports {
        rules.entry(ports).or_default().insert(address);
    }
    rules
}

/// What no AuthorizationPolicy says of a workload.
fn limits(context: &Context, policy: &WorkloadPolicy, notes: &mut Notes) {
    let knowledge = context.knowledge();
    if !policy.egress.is_empty() {
        let rules = policy.egress.len();
        let what = format!("{rules} rule{}", if rules == 1 { "" } else { "s" });
        notes.add(RuleDirection::Egress, what, NO_EGRESS, Effect::Open);
    } else {
        notes.add(RuleDirection::Egress, "that it may connect to nobody".into(), NO_EGRESS, Effect::Open);
    }
    let in_mesh = knowledge.in_mesh(&policy.workload);
    if !in_mesh {
        notes.add(RuleDirection::Ingress, "all of it".into(), NOT_IN_MESH, Effect::Open);
    } else if knowledge.is_ambient(&policy.workload) && context.form.stage == Stage::Audit {
        notes.add(RuleDirection::Ingress, "the dry run".into(), AMBIENT_DRY_RUN, Effect::Open);
    }
}

const NO_EGRESS: &str = "an AuthorizationPolicy is about who comes in";
const NOT_IN_MESH: &str = "its pods were not seen in the mesh: nothing enforces the policy until they join";
const AMBIENT_DRY_RUN: &str =
    "without a sidecar or a waypoint, ztunnel decides, and not every version of it logs a dry run";
