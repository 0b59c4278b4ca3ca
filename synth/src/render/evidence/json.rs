//! Writes `evidence.json`: one line a rule and one an edge, so that a difference between two runs reads well and a large
//! cluster's file stays small. Rules name edges by their number; each edge stands once.
//!
//! It carries `apiVersion` and `kind`, so that tools that read the folder as manifests take it for an object of a kind they
//! do not know.

use super::account::{Account, Besides};
use super::{API_VERSION, addresses, ambiguous, selection_reason, unresolved};
use crate::infer::rules::{
    Findings, ManyPorts, Peer, Plan, Rule, Selection, Target, ThroughNodes, Whom, Widened, WorkloadPolicy,
};
use crate::parallel;
use crate::render::form::Form;
use crate::render::unsayable::Unsayable;
use crate::render::{Provenance, policy_file};
use crate::review::{Decided, Decision};
use crate::text;
use netwright_record::inventory::{ApiExtension, Labels, WorkloadRef};
use netwright_record::{Edge, Endpoint, FlatSet, Name, Observation, Protocol, ServiceRef, Time};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::IpAddr;

/// Writes the evidence. The same observation and plan give the same bytes. O(size of both), one line in memory at a time.
/// `unsayable` is what the manifests say otherwise than the plan, in the form in which they are written.
pub fn write(
    out: &mut dyn Write,
    observation: &Observation,
    plan: &Plan,
    provenance: &Provenance,
    form: &Form,
    unsayable: &[Unsayable],
) -> io::Result<()> {
    writeln!(out, "{{")?;
    field(out, "apiVersion", &API_VERSION)?;
    field(out, "kind", &"Evidence")?;
    field(out, "version", &provenance.version)?;
    field(out, "observation", &source(observation, provenance))?;
    field(out, "form", &written(form))?;
    if !form.is_proven_as_written() || !unsayable.is_empty() {
        list(out, "unsayable", unsayable.iter())?;
    }
    field(out, "widened", &widened(&plan.widened()))?;
    list(out, "decisions", plan.decided.decisions().iter().map(|decision| self::decision(&plan.decided, decision)))?;
    field(out, "besides", &Besides::ALL.map(|what| (what, what.to_string())).into_iter().collect::<BTreeMap<_, _>>())?;
    at_once(out, "policies", &plan.policies, |item| policy(observation, plan, item))?;
    field(out, "defaultDeny", &plan.default_deny)?;
    list(out, "apiExtensions", observation.inventory.api_extensions.iter())?;
    at_once(out, "edges", &observation.edges, |item| text::json_line(&edge(item)).map_err(Into::into))?;
    review(out, observation, &plan.findings)?;
    writeln!(out, "}}")
}

/// A field with its value on one line.
fn field(out: &mut dyn Write, name: &str, value: &impl Serialize) -> io::Result<()> {
    writeln!(out, "  \"{name}\": {},", text::json_line(value)?)
}

/// A field whose value is a list, with one item a line.
fn list<T: Serialize>(out: &mut dyn Write, name: &str, items: impl Iterator<Item = T>) -> io::Result<()> {
    write!(out, "  \"{name}\": [")?;
    for (number, item) in items.enumerate() {
        let comma = if number == 0 { "" } else { "," };
        write!(out, "{comma}\n    {}", text::json_line(&item)?)?;
    }
    writeln!(out, "\n  ],")
}

/// So many items are made text before any of it is written.
const AT_ONCE: usize = 4096;

/// As [`list`], with the items made text on all cores, a part of them at a time.
fn at_once<T: Sync>(
    out: &mut dyn Write,
    name: &str,
    items: &[T],
    text: impl Fn(&T) -> io::Result<String> + Sync,
) -> io::Result<()> {
    write!(out, "  \"{name}\": [")?;
    let mut comma = "";
    for part in items.chunks(AT_ONCE) {
        for text in parallel::map(part, &text)? {
            write!(out, "{comma}\n    {text}")?;
            comma = ",";
        }
    }
    writeln!(out, "\n  ],")
}

/// One policy, a line for each rule.
fn policy(observation: &Observation, plan: &Plan, policy: &WorkloadPolicy) -> io::Result<String> {
    let mut text = format!("{{\n{}", head(policy)?);
    for (name, rules) in [("ingress", &policy.ingress), ("egress", &policy.egress)] {
        text += &format!(",\n    \"{name}\": [");
        for (number, rule) in rules.iter().enumerate() {
            text += if number == 0 { "\n      " } else { ",\n      " };
            text += &text::json_line(&self::rule(observation, &plan.decided, rule))?;
        }
        text.push(']');
    }
    text += "\n    }";
    Ok(text)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source<'a> {
    sha256: &'a str,
    from: Time,
    until: Time,
    written_by: &'a str,
}

/// In which form the manifests are written, and whether the proof read these or NetworkPolicies that say the same.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    dialect: &'static str,
    stage: &'static str,
    proven_as_written: bool,
}

fn written(form: &Form) -> Written {
    let (dialect, stage) = (form.dialect.as_str(), form.stage.as_str());
    Written { dialect, stage, proven_as_written: form.is_proven_as_written() }
}

fn source<'a>(observation: &'a Observation, provenance: &'a Provenance) -> Source<'a> {
    Source {
        sha256: &provenance.digest,
        from: provenance.window.from,
        until: provenance.window.until,
        written_by: &observation.header.written_by,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SelectorEvidence<'a> {
    labels: &'a Labels,
    why: &'static str,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    added: &'a BTreeSet<Name>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    also_selects: &'a BTreeSet<WorkloadRef>,
}

/// What a policy is and whom it selects, without a comma behind.
fn head(policy: &WorkloadPolicy) -> io::Result<String> {
    let Selection { pods, added, widened, .. } = &policy.selection;
    let why = selection_reason(&policy.selection);
    let selector = SelectorEvidence { labels: &pods.labels, why, added, also_selects: widened };
    let file = text::json_line(&policy_file(&policy.workload.namespace, &policy.name))?;
    let (workload, selector) = (text::json_line(&policy.workload)?, text::json_line(&selector)?);
    Ok(format!("    \"file\": {file},\n    \"workload\": {workload},\n    \"selector\": {selector}"))
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
    edges: Vec<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    besides: Vec<BesidesEvidence>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    api_extensions: Vec<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decisions: Vec<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    widened: Option<WidenedEvidence>,
}

/// A decision of the review, and what became of it.
#[derive(Serialize)]
struct DecisionEvidence<'a> {
    line: u64,
    decision: &'static str,
    client: String,
    server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<String>,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    expired: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    unused: Option<String>,
}

fn decision<'a>(decided: &Decided, decision: &'a Decision) -> DecisionEvidence<'a> {
    let unused = decided.unused.iter().find(|unused| unused.decision == decision.number);
    DecisionEvidence {
        line: decision.line,
        decision: decision.action.as_str(),
        client: decision.client.to_string(),
        server: decision.server.to_string(),
        port: decision.ports.map(|ports| ports.to_string()),
        reason: &decision.reason,
        by: decision.by.as_deref(),
        expires: decision.expires.map(|last| last.to_string()),
        expired: decided.expired.contains(&decision.number),
        unused: unused.map(|unused| unused.why.to_string()),
    }
}

#[derive(Serialize)]
struct BesidesEvidence {
    what: Besides,
    edges: Vec<usize>,
}

#[derive(Serialize)]
struct WidenedEvidence {
    pairs: u64,
    /// As text: it may be more than numbers in JSON can hold.
    addresses: String,
    ports: u64,
}

fn widened(widened: &Widened) -> WidenedEvidence {
    WidenedEvidence { pairs: widened.pairs, addresses: widened.addresses.to_string(), ports: widened.ports }
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

fn rule<'a>(observation: &'a Observation, decided: &'a Decided, rule: &'a Rule) -> RuleEvidence<'a> {
    let account = Account::of(observation, decided, rule);
    let besides = account.besides.into_iter();
    RuleEvidence {
        ports: rule.ports.iter().map(ToString::to_string).collect(),
        peers: rule.peers.iter().map(peer).collect(),
        connections: account.connections,
        first_seen: account.seen.map(|(first, _)| first),
        last_seen: account.seen.map(|(_, last)| last),
        days_active: account.days_active,
        nodes: account.nodes,
        edges: account.edges,
        besides: besides.map(|(what, edges)| BesidesEvidence { what, edges }).collect(),
        api_extensions: account.api_extensions,
        decisions: account.decisions.iter().map(|decision| decision.number).collect(),
        notes: account.notes.iter().map(|note| note.number).collect(),
        widened: (!rule.widened.is_none()).then(|| widened(&rule.widened)),
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EdgeEvidence<'a> {
    client: &'a Endpoint,
    server: &'a Endpoint,
    port: String,
    #[serde(skip_serializing_if = "FlatSet::is_empty")]
    services: &'a FlatSet<ServiceRef>,
    #[serde(skip_serializing_if = "FlatSet::is_empty")]
    client_addresses: &'a FlatSet<IpAddr>,
    #[serde(skip_serializing_if = "FlatSet::is_empty")]
    server_addresses: &'a FlatSet<IpAddr>,
    #[serde(skip_serializing_if = "is_zero")]
    addresses_dropped: u64,
    connections: u64,
    failed: u64,
    first_seen: Time,
    last_seen: Time,
    days_active: usize,
    nodes: &'a FlatSet<Name>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

fn edge(edge: &Edge) -> EdgeEvidence<'_> {
    EdgeEvidence {
        client: &edge.client,
        server: &edge.server,
        port: format!("{}/{}", edge.port, edge.protocol),
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

/// Everything a reviewer must know; edges by their number.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    exposed: &'a [usize],
    exposed_through_nodes: Vec<ThroughNodesEvidence<'a>>,
    left_out: Vec<LeftOutEvidence>,
    denied_by_decision: &'a [usize],
    ignored_by_decision: &'a [usize],
    never_established: &'a [usize],
    more_addresses_than_kept: &'a [usize],
    named_by_pod_addresses: &'a [usize],
    service_proxy: &'a [usize],
    uncalled: Vec<&'a ApiExtension>,
    many_ports: Vec<ManyPortsEvidence<'a>>,
    names: Vec<NameEvidence<'a>>,
    widened: Vec<Overlap<'a>>,
    unprotected: Vec<UnprotectedEvidence<'a>>,
    without_default_deny: &'a BTreeMap<Name, BTreeSet<WorkloadRef>>,
    unresolved: BTreeMap<&'a str, usize>,
    ambiguous: usize,
}

#[derive(Serialize)]
struct ThroughNodesEvidence<'a> {
    workload: &'a WorkloadRef,
    services: &'a BTreeSet<ServiceRef>,
    edges: &'a [usize],
}

#[derive(Serialize)]
struct LeftOutEvidence {
    address: IpAddr,
    why: &'static str,
    edge: usize,
}

#[derive(Serialize)]
struct ManyPortsEvidence<'a> {
    client: &'a Endpoint,
    server: &'a Endpoint,
    protocol: Protocol,
    ports: usize,
    first: u16,
    last: u16,
}

/// How many addresses an outside name had, and on how many days it was used: of which address on which day, the observation
/// does not say.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NameEvidence<'a> {
    name: &'a str,
    addresses: usize,
    #[serde(skip_serializing_if = "is_zero")]
    addresses_dropped: u64,
    days_active: usize,
}

fn names(observation: &Observation) -> Vec<NameEvidence<'_>> {
    let names = addresses::of_names(observation.edges.iter()).into_iter();
    names
        .map(|(name, of)| NameEvidence {
            name,
            addresses: of.kept.len(),
            addresses_dropped: of.dropped,
            days_active: of.days(),
        })
        .collect()
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

fn review(out: &mut dyn Write, observation: &Observation, findings: &Findings) -> io::Result<()> {
    let left_out = findings.left_out.iter().map(|left_out| LeftOutEvidence {
        address: left_out.address,
        why: "metadata and link-local services are allowed by decision only",
        edge: left_out.edge,
    });
    let uncalled = findings.uncalled.iter();
    let widened = findings.widened.iter();
    let unprotected = findings.unprotected.iter();
    let review = Review {
        exposed: &findings.exposed,
        exposed_through_nodes: findings.exposed_through_nodes.iter().map(through_nodes).collect(),
        left_out: left_out.collect(),
        denied_by_decision: &findings.denied_by_decision,
        ignored_by_decision: &findings.ignored_by_decision,
        never_established: &findings.never_established,
        more_addresses_than_kept: &findings.partly_known,
        named_by_pod_addresses: &findings.by_address,
        service_proxy: &findings.service_proxy,
        uncalled: uncalled.filter_map(|number| observation.inventory.api_extensions.get(*number)).collect(),
        many_ports: findings.many_ports.iter().map(many_ports).collect(),
        names: names(observation),
        widened: widened.map(|(workload, also_selects)| Overlap { workload, also_selects }).collect(),
        unprotected: unprotected
            .map(|(workload, why)| UnprotectedEvidence { workload, why: why.to_string() })
            .collect(),
        without_default_deny: &findings.open_namespaces,
        unresolved: unresolved(observation),
        ambiguous: ambiguous(observation),
    };
    // It is the last field, and small enough for many lines.
    let text = text::json(&review)?;
    writeln!(out, "  \"review\": {}", text.trim_end().replace('\n', "\n  "))
}

fn through_nodes<'a>((workload, found): (&'a WorkloadRef, &'a ThroughNodes)) -> ThroughNodesEvidence<'a> {
    ThroughNodesEvidence { workload, services: &found.services, edges: &found.edges }
}

fn many_ports(many: &ManyPorts) -> ManyPortsEvidence<'_> {
    let ManyPorts { client, server, protocol, ports, between: (first, last) } = many;
    ManyPortsEvidence { client, server, protocol: *protocol, ports: *ports, first: *first, last: *last }
}
