//! The dialect `cilium.io/v2` CiliumNetworkPolicy: names and entities where the plan knows who is behind an address.
//!
//! Source: the types and `rule_validation.go` of cilium/cilium, `pkg/policy/api`, and its documentation. A rule names one
//! kind of peer only, so a rule of the plan becomes up to four. Blocks match neither pods nor nodes: those are endpoints
//! and entities.

mod adapt;
mod dns;
mod labels;
mod peers;
mod ports;

pub(super) use adapt::adapted;

use super::context::Context;
use super::form::Stage;
use super::metadata::{ApiObject, Metadata};
use super::unsayable::Unsayable;
use super::yaml::{self, Above, Noted};
use super::{RenderError, Written};
use crate::infer::names::DEFAULT_DENY;
use crate::infer::rules::{Rule, RuleDirection, WorkloadPolicy};
use dns::Dns;
use netwright_record::inventory::Labels;
use peers::{Ends, Gathered};
use ports::PortRule;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::collections::BTreeSet;

/// The manifest of one workload's policy.
pub(super) fn policy(context: &Context, policy: &WorkloadPolicy) -> Result<Written, RenderError> {
    let namespace = policy.workload.namespace.as_str();
    let dns = Dns::of(context.observation, policy);
    let ingress = Half::of(context, &dns, policy, RuleDirection::Ingress, &policy.ingress);
    let egress = Half::of(context, &dns, policy, RuleDirection::Egress, &policy.egress);
    let denied = if context.form.stage == Stage::Enforce { dns.denied(policy) } else { Vec::new() };
    let mut above: Above = vec![("ingress", ingress.lines), ("egress", egress.lines)];
    if !denied.is_empty() {
        above.push((
            "egressDeny",
            vec!["whatever a name's DNS answers say, it does not lead to a metadata service".into()],
        ));
    }
    let spec = Spec {
        endpoint_selector: Selector::of(labels::relevant(&policy.selection.pods.labels)),
        enable_default_deny: DefaultDeny::of(context.form.stage),
        ingress: ingress.rules,
        egress: egress.rules,
        egress_deny: (!denied.is_empty()).then_some([Denied { to_cidr_set: denied }]),
    };
    let metadata = Metadata::new(Some(namespace), &policy.name, context.provenance).of(&policy.workload);
    let unsayable = ingress.unsayable.into_iter().chain(egress.unsayable).collect();
    Ok(Written { text: text(metadata, spec, &above)?, unsayable })
}

/// One direction of a policy.
struct Half {
    rules: Vec<CiliumRule>,
    /// What stands above each rule.
    lines: Vec<String>,
    unsayable: BTreeSet<Unsayable>,
}

impl Half {
    fn of(context: &Context, dns: &Dns, policy: &WorkloadPolicy, direction: RuleDirection, rules: &[Rule]) -> Self {
        let mut half = Self { rules: Vec::new(), lines: Vec::new(), unsayable: BTreeSet::new() };
        for rule in rules {
            let mut gathered = Gathered::of(context, dns, policy, direction, rule);
            half.unsayable.append(&mut gathered.unsayable);
            let apart = apart(dns, direction, rule, gathered);
            half.lines.extend(context.comments(rule, apart.len()));
            half.rules.extend(apart);
        }
        if half.rules.is_empty() {
            half.rules.push(CiliumRule::nobody(direction));
        }
        half
    }
}

/// The manifest that denies everything in `namespace` that no other policy allows.
pub(super) fn default_deny(context: &Context, namespace: &str) -> Result<String, RenderError> {
    let spec = Spec {
        endpoint_selector: Selector::default(),
        enable_default_deny: DefaultDeny::of(context.form.stage),
        ingress: vec![CiliumRule::nobody(RuleDirection::Ingress)],
        egress: vec![CiliumRule::nobody(RuleDirection::Egress)],
        egress_deny: None,
    };
    text(Metadata::new(Some(namespace), DEFAULT_DENY, context.provenance), spec, &Above::new())
}

fn text(metadata: Metadata, spec: Spec, above: &Above) -> Result<String, RenderError> {
    let manifest = Manifest { api_version: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata, spec };
    Ok(yaml::file(&[yaml::typed(&manifest, above)?]))
}

/// The rules that together say what `rule` says.
fn apart(dns: &Dns, direction: RuleDirection, rule: &Rule, gathered: Gathered) -> Vec<CiliumRule> {
    let ends = gathered.apart();
    ends.into_iter()
        .map(|ends| {
            let to_ports = ports::rules(rule, |port| direction == RuleDirection::Egress && dns.reads(rule, port));
            CiliumRule { direction, ends: Some(ends), to_ports }
        })
        .collect()
}

type Manifest<'a> = ApiObject<'a, Spec>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    endpoint_selector: Selector,
    enable_default_deny: DefaultDeny,
    ingress: Vec<CiliumRule>,
    egress: Vec<CiliumRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    egress_deny: Option<[Denied; 1]>,
}

/// Always written out: what follows from rules that are there or not differs between versions and flags.
#[derive(Serialize)]
struct DefaultDeny {
    ingress: bool,
    egress: bool,
}

impl DefaultDeny {
    fn of(stage: Stage) -> Self {
        let denies = stage == Stage::Enforce;
        Self { ingress: denies, egress: denies }
    }
}

/// Endpoints by labels, every one of the policy's namespace where there are none.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
struct Selector {
    #[serde(skip_serializing_if = "Labels::is_empty")]
    match_labels: Labels,
}

impl Selector {
    fn of(match_labels: Labels) -> Self {
        Self { match_labels }
    }
}

#[derive(Serialize)]
struct Denied {
    #[serde(rename = "toCIDRSet")]
    to_cidr_set: Vec<Block>,
}

/// A block of addresses that are neither pods nor nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Block {
    cidr: Noted<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    except: Vec<String>,
}

/// A rule of either direction: one kind of peer, and ports.
#[derive(Debug)]
struct CiliumRule {
    direction: RuleDirection,
    ends: Option<Ends>,
    to_ports: Vec<PortRule>,
}

impl CiliumRule {
    /// What admits nothing. A direction without any rule would not be the policy's concern.
    fn nobody(direction: RuleDirection) -> Self {
        Self { direction, ends: None, to_ports: Vec::new() }
    }
}

impl Serialize for CiliumRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        let egress = self.direction == RuleDirection::Egress;
        let key = |to, from| if egress { to } else { from };
        match &self.ends {
            None => {}
            Some(Ends::Endpoints(all)) => fields.serialize_entry(key("toEndpoints", "fromEndpoints"), all)?,
            Some(Ends::Entities(all)) => fields.serialize_entry(key("toEntities", "fromEntities"), all)?,
            Some(Ends::Names(all)) => fields.serialize_entry("toFQDNs", all)?,
            Some(Ends::Blocks(all)) => fields.serialize_entry(key("toCIDRSet", "fromCIDRSet"), all)?,
        }
        if !self.to_ports.is_empty() {
            fields.serialize_entry("toPorts", &self.to_ports)?;
        }
        fields.end()
    }
}
