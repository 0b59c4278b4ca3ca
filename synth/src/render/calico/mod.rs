//! The dialect `projectcalico.org/v3` NetworkPolicy, and StagedNetworkPolicy, which is the same and only logs.
//!
//! Source: the types of github.com/projectcalico/api, `networkpolicy.go`, `stagednetworkpolicy.go`. A rule has one protocol
//! and one selector on either side, so that a rule of the plan becomes one for each protocol and namespace. There are only
//! rules that allow: what no policy of the tier allows is denied at its end, to whoever a policy of the tier selects. So
//! `order` decides nothing; it is written so that people see the default-deny last, and policies beside Kubernetes' own,
//! which Calico reads as order 1000.

mod selector;

use super::context::Context;
use super::form::Stage;
use super::kubernetes::note;
use super::metadata::{ApiObject, Metadata};
use super::unsayable::Unsayable;
use super::yaml::{self, Above, Noted};
use super::{RenderError, Written};
use crate::infer::names::DEFAULT_DENY;
use crate::infer::rules::{Peer, Port, PortMatch, Rule, RuleDirection, Target, WorkloadPolicy};
use ipnet::IpNet;
use netwright_record::Protocol;
use netwright_record::inventory::Labels;
use serde::Serialize;
use std::collections::BTreeMap;

const API_VERSION: &str = "projectcalico.org/v3";
/// The label by which a namespace is selected; the API server sets it on every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// The order that Calico gives to NetworkPolicies of Kubernetes.
const ORDER: u32 = 1000;
const ORDER_OF_DEFAULT_DENY: u32 = 2000;
/// Always written out: without them Calico guesses from the rules.
const BOTH: &[&str] = &["Ingress", "Egress"];

/// The manifest of one workload's policy. Calico can say whatever a plan can.
pub(super) fn policy(context: &Context, policy: &WorkloadPolicy) -> Result<Written, RenderError> {
    let namespace = policy.workload.namespace.as_str();
    let mut above = Above::new();
    let mut written = |direction: RuleDirection, rules: &'_ [Rule]| {
        let (mut lines, mut all) = (Vec::new(), Vec::new());
        for rule in rules {
            let apart = self::rules(rule, direction, namespace)?;
            lines.extend(context.comments(rule, apart.len()));
            all.extend(apart);
        }
        above.push((direction.as_str(), lines));
        Ok::<_, RenderError>(all)
    };
    let (ingress, egress) =
        (written(RuleDirection::Ingress, &policy.ingress)?, written(RuleDirection::Egress, &policy.egress)?);
    let metadata = Metadata::new(Some(namespace), &policy.name, context.provenance).of(&policy.workload);
    let selector = selector::every(&policy.selection.pods.labels).ok_or_else(not_a_label)?;
    let manifest = manifest(context, metadata, ORDER, selector, ingress, egress);
    Ok(Written { text: yaml::file(&[yaml::typed(&manifest, &above)?]), unsayable: Vec::<Unsayable>::new() })
}

/// The manifest that denies everything in `namespace` that no other policy allows.
pub(super) fn default_deny(context: &Context, namespace: &str) -> Result<String, RenderError> {
    let metadata = Metadata::new(Some(namespace), DEFAULT_DENY, context.provenance);
    let selector = selector::ALL.to_owned();
    let manifest = manifest(context, metadata, ORDER_OF_DEFAULT_DENY, selector, Vec::new(), Vec::new());
    Ok(yaml::file(&[yaml::typed(&manifest, &Above::new())?]))
}

fn manifest<'a>(
    context: &Context,
    metadata: Metadata<'a>,
    order: u32,
    selector: String,
    ingress: Vec<CalicoRule>,
    egress: Vec<CalicoRule>,
) -> Manifest<'a> {
    let staged = context.form.stage == Stage::Audit;
    Manifest {
        api_version: API_VERSION,
        kind: if staged { "StagedNetworkPolicy" } else { "NetworkPolicy" },
        metadata,
        spec: Spec { staged_action: staged.then_some("Set"), order, selector, types: BOTH, ingress, egress },
    }
}

fn not_a_label() -> RenderError {
    RenderError::Yaml("a label that is to be selected is none that Kubernetes takes".into())
}

type Manifest<'a> = ApiObject<'a, Spec>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(skip_serializing_if = "Option::is_none")]
    staged_action: Option<&'static str>,
    order: u32,
    selector: String,
    types: &'static [&'static str],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ingress: Vec<CalicoRule>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    egress: Vec<CalicoRule>,
}

#[derive(Serialize)]
struct CalicoRule {
    action: &'static str,
    protocol: &'static str,
    #[serde(skip_serializing_if = "Side::is_empty")]
    source: Side,
    destination: Side,
}

/// One end of a rule. Fields that are not written match everything.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Side {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace_selector: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nets: Vec<Noted<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_nets: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<PortValue>,
}

impl Side {
    fn is_empty(&self) -> bool {
        self.selector.is_none() && self.nets.is_empty() && self.ports.is_empty()
    }
}

/// A number; a range `8000:8010` or a name as text.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum PortValue {
    Number(u16),
    Text(String),
}

/// The rules that together say what `rule` says.
fn rules(rule: &Rule, direction: RuleDirection, own_namespace: &str) -> Result<Vec<CalicoRule>, RenderError> {
    let mut protocols: BTreeMap<Protocol, Vec<PortValue>> = BTreeMap::new();
    for port in &rule.ports {
        protocols.entry(port.protocol).or_default().extend(self::port(port));
    }
    let peers = sides(&rule.peers, own_namespace)?;
    let each = peers.iter().flat_map(|peer| protocols.iter().map(move |(protocol, ports)| (peer, *protocol, ports)));
    Ok(each.map(|(peer, protocol, ports)| calico_rule(peer.clone(), direction, protocol, ports.clone())).collect())
}

fn calico_rule(peer: Side, direction: RuleDirection, protocol: Protocol, ports: Vec<PortValue>) -> CalicoRule {
    let (source, destination) = match direction {
        RuleDirection::Ingress => (peer, Side { ports, ..Side::default() }),
        RuleDirection::Egress => (Side::default(), Side { ports, ..peer }),
    };
    CalicoRule { action: "Allow", protocol: protocol.as_str(), source, destination }
}

/// No ports mean every port of the protocol.
fn port(port: &Port) -> Option<PortValue> {
    match &port.at {
        PortMatch::Range { first, last } if first == last => Some(PortValue::Number(*first)),
        PortMatch::Range { first: 0 | 1, last: u16::MAX } => None,
        PortMatch::Range { first, last } => Some(PortValue::Text(format!("{first}:{last}"))),
        PortMatch::Named(name) => Some(PortValue::Text(name.to_string())),
    }
}

/// The peers, those together that one side can name: pods of one namespace, blocks of one family with the same exceptions.
fn sides(peers: &[Peer], own_namespace: &str) -> Result<Vec<Side>, RenderError> {
    let mut pods: BTreeMap<&str, Vec<&Labels>> = BTreeMap::new();
    let mut blocks: BTreeMap<(bool, &[IpNet]), Vec<Noted<String>>> = BTreeMap::new();
    for peer in peers {
        match &peer.target {
            Target::Pods(target) => pods.entry(&target.namespace).or_default().push(&target.labels),
            Target::Block { cidr, except } => {
                let group = blocks.entry((cidr.addr().is_ipv6(), except)).or_default();
                group.push(Noted(cidr.to_string(), note(peer)));
            }
        }
    }
    let pods = pods.into_iter().map(|(namespace, labels)| {
        let other = namespace != own_namespace;
        let namespace_selector = other.then(|| selector::equality(NAMESPACE_NAME, namespace));
        let selector = Some(selector::any(labels).ok_or_else(not_a_label)?);
        Ok(Side { namespace_selector, selector, ..Side::default() })
    });
    let blocks = blocks.into_iter().map(|((_, except), nets)| {
        Ok(Side { nets, not_nets: except.iter().map(ToString::to_string).collect(), ..Side::default() })
    });
    pods.chain(blocks).collect()
}
