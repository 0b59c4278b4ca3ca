//! The side file `evidence.json`: for each rule, which edges it comes from; and everything a reviewer should look at.
//!
//! Comments in manifests are lost when they are applied; this file is what a review works with. It carries `apiVersion`
//! and `kind`, so that tools that read the folder as manifests take it for an object of a kind they do not know.

use super::{Provenance, RenderError, policy_file};
use crate::infer::rules::{Ground, Peer, Plan, Rule, Selection, Target, Whom, WorkloadPolicy};
use crate::text;
use netwright_record::inventory::{Labels, WorkloadRef};
use netwright_record::{Activity, Direction, Edge, Endpoint, Observation, ServiceRef, Time};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The file's name.
pub const FILE: &str = "evidence.json";
/// By which a later run knows the file for one of ours.
pub const API_VERSION: &str = "netwright.io/v1";

/// Writes the evidence. The same observation and plan give the same bytes.
pub fn write(observation: &Observation, plan: &Plan, provenance: &Provenance) -> Result<Vec<u8>, RenderError> {
    Ok(text::json(&evidence(observation, plan, provenance))?.into_bytes())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Evidence<'a> {
    api_version: &'static str,
    kind: &'static str,
    version: &'static str,
    observation: Source<'a>,
    policies: Vec<PolicyEvidence<'a>>,
    default_deny: &'a [String],
    review: Review<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source<'a> {
    sha256: &'a str,
    from: Time,
    until: Time,
    written_by: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyEvidence<'a> {
    file: String,
    workload: &'a WorkloadRef,
    selector: SelectorEvidence<'a>,
    ingress: Vec<RuleEvidence<'a>>,
    egress: Vec<RuleEvidence<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SelectorEvidence<'a> {
    labels: &'a Labels,
    why: &'static str,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    added: &'a BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    also_selects: &'a BTreeSet<WorkloadRef>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleEvidence<'a> {
    ports: Vec<String>,
    peers: Vec<PeerEvidence<'a>>,
    connections: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<Time>,
    days_active: usize,
    nodes: BTreeSet<&'a str>,
    edges: Vec<EdgeEvidence<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", untagged)]
enum PeerEvidence<'a> {
    Pods {
        namespace: &'a str,
        labels: &'a Labels,
    },
    Block {
        cidr: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        except: Vec<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        names: Vec<String>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EdgeEvidence<'a> {
    client: &'a Endpoint,
    server: &'a Endpoint,
    port: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    services: &'a BTreeSet<ServiceRef>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    client_addresses: &'a BTreeSet<IpAddr>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    server_addresses: &'a BTreeSet<IpAddr>,
    #[serde(skip_serializing_if = "is_zero")]
    addresses_dropped: u64,
    connections: u64,
    failed: u64,
    first_seen: Time,
    last_seen: Time,
    days_active: usize,
    nodes: &'a BTreeSet<String>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    exposed: Vec<EdgeEvidence<'a>>,
    left_out: Vec<LeftOutEvidence<'a>>,
    never_established: Vec<EdgeEvidence<'a>>,
    more_addresses_than_kept: Vec<EdgeEvidence<'a>>,
    named_by_pod_addresses: Vec<EdgeEvidence<'a>>,
    widened: Vec<Overlap<'a>>,
    unprotected: Vec<UnprotectedEvidence<'a>>,
    without_default_deny: &'a BTreeMap<String, BTreeSet<WorkloadRef>>,
    unresolved: BTreeMap<&'a str, usize>,
    ambiguous: usize,
}

#[derive(Serialize)]
struct LeftOutEvidence<'a> {
    address: IpAddr,
    why: &'static str,
    edge: EdgeEvidence<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Overlap<'a> {
    workload: &'a WorkloadRef,
    also_selects: &'a BTreeSet<WorkloadRef>,
}

#[derive(Serialize)]
struct UnprotectedEvidence<'a> {
    workload: &'a WorkloadRef,
    why: String,
}

fn evidence<'a>(observation: &'a Observation, plan: &'a Plan, provenance: &'a Provenance) -> Evidence<'a> {
    Evidence {
        api_version: API_VERSION,
        kind: "Evidence",
        version: provenance.version,
        observation: Source {
            sha256: &provenance.digest,
            from: provenance.window.from,
            until: provenance.window.until,
            written_by: &observation.header.written_by,
        },
        policies: plan.policies.iter().map(|policy| policy_evidence(observation, policy)).collect(),
        default_deny: &plan.default_deny,
        review: review(observation, plan),
    }
}

fn policy_evidence<'a>(observation: &'a Observation, policy: &'a WorkloadPolicy) -> PolicyEvidence<'a> {
    let rules = |rules: &'a [Rule]| rules.iter().map(|rule| rule_evidence(observation, rule)).collect();
    PolicyEvidence {
        file: policy_file(&policy.workload.namespace, &policy.name),
        workload: &policy.workload,
        selector: selector(&policy.selection),
        ingress: rules(&policy.ingress),
        egress: rules(&policy.egress),
    }
}

fn selector(selection: &Selection) -> SelectorEvidence<'_> {
    let Selection { pods, added, common, widened } = selection;
    let labels = &pods.labels;
    let why = match (added.is_empty(), widened.is_empty()) {
        (_, true) if *common => "labels that every pod seen carried: the owner's selector does not match all of them",
        (true, true) => "the owner's selector: no other workload of the namespace matches it",
        (false, true) => "the owner's selector, and the added labels, which tell it apart from other workloads",
        (_, false) => "no stable label tells it apart from the workloads that it also selects",
    };
    SelectorEvidence { labels, why, added, also_selects: widened }
}

fn rule_evidence<'a>(observation: &'a Observation, rule: &'a Rule) -> RuleEvidence<'a> {
    let grounds: Vec<(&Ground, &Edge)> =
        rule.grounds.iter().filter_map(|ground| Some((ground, observation.edges.get(ground.edge()?)?))).collect();
    let mut seen =
        grounds.iter().filter(|(ground, _)| matches!(ground, Ground::Seen(_))).map(|(_, edge)| &edge.activity);
    let mut together: Option<Activity> = seen.next().cloned();
    if let Some(together) = &mut together {
        seen.for_each(|activity| together.merge(activity));
    }
    RuleEvidence {
        ports: rule.ports.iter().map(ToString::to_string).collect(),
        peers: rule.peers.iter().map(peer).collect(),
        connections: together.as_ref().map_or(0, |activity| activity.connections),
        first_seen: together.as_ref().map(|activity| activity.first),
        last_seen: together.as_ref().map(|activity| activity.last),
        days_active: together.as_ref().map_or(0, |activity| activity.hours.days()),
        nodes: grounds.iter().flat_map(|(_, edge)| edge.nodes.iter().map(String::as_str)).collect(),
        edges: grounds.into_iter().map(|(ground, edge)| edge_evidence(edge, Some(*ground))).collect(),
    }
}

fn peer(peer: &Peer) -> PeerEvidence<'_> {
    match &peer.target {
        Target::Pods(pods) => PeerEvidence::Pods { namespace: &pods.namespace, labels: &pods.labels },
        Target::Block { cidr, except } => PeerEvidence::Block {
            cidr: cidr.to_string(),
            except: except.iter().map(ToString::to_string).collect(),
            names: peer.whom.iter().filter_map(Whom::note).collect(),
        },
    }
}

fn edge_evidence(edge: &Edge, ground: Option<Ground>) -> EdgeEvidence<'_> {
    EdgeEvidence {
        client: &edge.client,
        server: &edge.server,
        port: format!("{}/{}", edge.port, edge.protocol),
        why: ground.and_then(why),
        services: &edge.services,
        client_addresses: &edge.client_addresses,
        server_addresses: &edge.server_addresses,
        addresses_dropped: edge.addresses_dropped,
        connections: edge.activity.connections,
        failed: edge.activity.failed,
        first_seen: edge.activity.first,
        last_seen: edge.activity.last,
        days_active: edge.activity.hours.days(),
        nodes: &edge.nodes,
    }
}

/// How a rule follows from an edge, where it is not simply the edge itself.
fn why(ground: Ground) -> Option<&'static str> {
    match ground {
        Ground::Seen(_) | Ground::ApiExtension(_) | Ground::Decision(_) => None,
        Ground::TruncatedAnswers(_) => {
            Some("TCP on the same port added: a DNS answer too long for UDP is repeated over TCP")
        }
        Ground::NodeLocalDns(_) => {
            Some("added: a DNS cache on the node answers at its own address or in place of the DNS Service")
        }
        Ground::Ambient(_) => Some("added: Istio's ambient mesh carries it on a port or from an address of its own"),
    }
}

fn review<'a>(observation: &'a Observation, plan: &'a Plan) -> Review<'a> {
    let findings = &plan.findings;
    let listed = |numbers: &[usize]| {
        numbers
            .iter()
            .filter_map(|number| observation.edges.get(*number))
            .map(|edge| edge_evidence(edge, None))
            .collect()
    };
    let left_out = findings.left_out.iter().filter_map(|left_out| {
        Some(LeftOutEvidence {
            address: left_out.address,
            why: "metadata and link-local services are allowed by decision only",
            edge: edge_evidence(observation.edges.get(left_out.edge)?, None),
        })
    });
    let unprotected = findings.unprotected.iter();
    Review {
        exposed: listed(&findings.exposed),
        left_out: left_out.collect(),
        never_established: listed(&findings.never_established),
        more_addresses_than_kept: listed(&findings.partly_known),
        named_by_pod_addresses: listed(&findings.by_address),
        widened: findings.widened.iter().map(|(workload, also_selects)| Overlap { workload, also_selects }).collect(),
        unprotected: unprotected
            .map(|(workload, why)| UnprotectedEvidence { workload, why: why.to_string() })
            .collect(),
        without_default_deny: &findings.open_namespaces,
        unresolved: unresolved(observation),
        ambiguous: ambiguous(observation),
    }
}

/// How many flows could not be named, by reason.
pub fn unresolved(observation: &Observation) -> BTreeMap<&str, usize> {
    observation.unresolved.iter().fold(BTreeMap::new(), |mut reasons, unresolved| {
        *reasons.entry(unresolved.reason.as_str()).or_default() += 1;
        reasons
    })
}

/// How many of the unresolved flows are so because either end may be the server. (An ambiguous flow that another flow
/// explained is part of an edge, and not counted.)
pub fn ambiguous(observation: &Observation) -> usize {
    observation.unresolved.iter().filter(|unresolved| unresolved.flow.direction == Direction::Ambiguous).count()
}
