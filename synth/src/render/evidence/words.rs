//! The evidence for people: `netwright synth --explain`.

use super::account::{Account, counted};
use super::{addresses, selection_reason};
use crate::infer::rules::{Peer, Rule, RuleDirection, Target, Whom, Widened, WorkloadPolicy};
use crate::review::{Decided, Decision};
use crate::text::{plain, some_of};
use netwright_record::inventory::Labels;
use netwright_record::{Edge, Observation};
use std::io::{self, Write};

/// How many edges of a rule are named.
const EDGES_SHOWN: usize = 8;
/// How many nodes or names are.
const NAMES_SHOWN: usize = 5;

/// Says of each rule of `policy` why it is there. Text from outside is made safe for a terminal.
pub fn write(
    out: &mut dyn Write,
    observation: &Observation,
    decided: &Decided,
    policy: &WorkloadPolicy,
) -> io::Result<()> {
    let selection = &policy.selection;
    writeln!(out, "{}", policy.workload)?;
    writeln!(out, "  selected by {}: {}", labels(&selection.pods.labels), selection_reason(selection))?;
    if !selection.widened.is_empty() {
        writeln!(out, "  these labels also select {}", some_of(&selection.widened, NAMES_SHOWN))?;
    }
    for (direction, rule) in policy.rules() {
        self::rule(out, observation, decided, direction, rule)?;
    }
    if policy.ingress.is_empty() {
        writeln!(out, "  nobody may connect to it: nothing that was seen makes a rule")?;
    }
    if policy.egress.is_empty() {
        writeln!(out, "  it may connect to nobody: nothing that was seen makes a rule")?;
    }
    Ok(())
}

fn rule(
    out: &mut dyn Write,
    observation: &Observation,
    decided: &Decided,
    direction: RuleDirection,
    rule: &Rule,
) -> io::Result<()> {
    let (word, account) = (direction.preposition(), Account::of(observation, decided, rule));
    let ports: Vec<String> = rule.ports.iter().map(ToString::to_string).collect();
    writeln!(out, "  {word} {} on {}", some_of(rule.peers.iter().map(peer), NAMES_SHOWN), ports.join(", "))?;
    writeln!(out, "    {account}{}", on_nodes(&account))?;
    for edge in seen(observation, &account).take(EDGES_SHOWN) {
        writeln!(out, "    {}", self::edge(edge))?;
    }
    if account.edges.len() > EDGES_SHOWN {
        writeln!(out, "    and {} more: see evidence.json", account.edges.len() - EDGES_SHOWN)?;
    }
    for name in addresses::several(seen(observation, &account)) {
        writeln!(out, "    {}", plain(&name))?;
    }
    for besides in account.besides.keys() {
        writeln!(out, "    added: {besides}")?;
    }
    let extensions = &observation.inventory.api_extensions;
    for extension in account.api_extensions.iter().filter_map(|number| extensions.get(*number)) {
        let (kind, name) = (plain(&extension.kind), plain(&extension.name));
        writeln!(out, "    {kind} {name} makes the API server call it, whether or not it was seen to")?;
    }
    for decision in account.decisions.iter().chain(&account.notes) {
        writeln!(out, "    {}", self::decision(decision))?;
    }
    if !rule.widened.is_none() {
        writeln!(out, "    wider than what was seen: {}", widened(&rule.widened))?;
    }
    Ok(())
}

/// What stands above a rule in a manifest: how much was seen of it, how much wider than that it is, how many addresses its
/// outside names had, what people said. Text from outside, not escaped.
pub fn comment(observation: &Observation, decided: &Decided, rule: &Rule) -> String {
    let account = Account::of(observation, decided, rule);
    let mut line = account.to_string();
    if !rule.widened.is_none() {
        line += &format!("; wider by {}", widened(&rule.widened));
    }
    let names = addresses::several(seen(observation, &account));
    if !names.is_empty() {
        line += &format!("; {}", some_of(names, NAMES_SHOWN));
    }
    for decision in account.decisions.iter().chain(&account.notes) {
        line += &format!("; {}: {}", decision.action.as_str(), decision.reason);
    }
    line
}

/// The edges that were seen.
fn seen<'a>(observation: &'a Observation, account: &Account) -> impl Iterator<Item = &'a Edge> {
    account.edges.iter().filter_map(|number| observation.edges.get(*number))
}

impl RuleDirection {
    /// What stands before a peer.
    fn preposition(self) -> &'static str {
        match self {
            Self::Ingress => "from",
            Self::Egress => "to",
        }
    }
}

/// What is allowed beyond what was seen, in words.
pub fn widened(widened: &Widened) -> String {
    let Widened { pairs, addresses, ports } = widened;
    let parts = [
        (*pairs > 0).then(|| counted(pairs, "pair") + " of workloads"),
        (*addresses > 0).then(|| format!("{addresses} address{}", if *addresses == 1 { "" } else { "es" })),
        (*ports > 0).then(|| counted(ports, "port")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "nothing".into() } else { parts.join(", ") + " not seen" }
}

/// `review.yaml line 7: allow shop/job -> metadata 80/TCP: for the image puller (by platform), until 2027-01-31`.
fn decision(decision: &Decision) -> String {
    let by = decision.by.as_deref().map(|by| format!(" (by {})", plain(by))).unwrap_or_default();
    let until = decision.expires.map(|last| format!(", until {last}")).unwrap_or_default();
    format!("review, {decision}: {}{by}{until}", plain(&decision.reason))
}

fn on_nodes(account: &Account) -> String {
    if account.nodes.is_empty() {
        return String::new();
    }
    format!(", reported by {}", some_of(account.nodes.iter().map(|node| plain(node)), NAMES_SHOWN))
}

fn edge(edge: &Edge) -> String {
    let services: Vec<String> = edge
        .services
        .iter()
        .map(|service| plain(&format!("{}/{}:{}", service.namespace, service.name, service.port)))
        .collect();
    let through = if services.is_empty() { String::new() } else { format!(" through {}", services.join(", ")) };
    let days = counted(edge.activity.hours.days(), "day");
    let connections = counted(edge.activity.connections, "connection");
    format!("{} -> {} {}/{}{through}: {connections} on {days}", edge.client, edge.server, edge.port, edge.protocol)
}

fn peer(peer: &Peer) -> String {
    let notes: Vec<String> = peer.whom.iter().filter_map(Whom::note).map(|note| plain(&note)).collect();
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", some_of(notes, NAMES_SHOWN)) };
    match &peer.target {
        Target::Pods(pods) => format!("{} {}", plain(&pods.namespace), labels(&pods.labels)),
        Target::Block { cidr, except } if except.is_empty() => format!("{cidr}{notes}"),
        Target::Block { cidr, except } => format!("{cidr} except {}{notes}", some_of(except.iter(), NAMES_SHOWN)),
    }
}

fn labels(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(key, value)| plain(&format!("{key}={value}"))).collect();
    if pairs.is_empty() { "every pod".into() } else { pairs.join(",") }
}
