//! The answer as text for people: first the answer, then why, then what to do, then the details.

use super::reasons::{name, place};
use super::report::{Answer, Connection, Decision, Dns, End, Policy, Report, Rule, Side, Suggestion, Through};
use crate::render::yaml::{self, Comments};
use crate::text::{plain, some_of, visible};

/// How many pods a line names.
const PODS_SHOWN: usize = 4;

/// The whole text. Nothing in it acts on a terminal.
pub fn text(report: &Report) -> anyhow::Result<String> {
    let mut text = Text::default();
    text.line(0, &headline(report));
    report.notes.iter().for_each(|note| text.line(0, note));
    let mut shown: Vec<&Connection> = Vec::new();
    for connection in &report.connections {
        // Pairs for the same reasons are told once.
        let alike = |other: &&Connection| (&other.egress, &other.ingress) == (&connection.egress, &connection.ingress);
        if !shown.iter().any(alike) {
            shown.push(connection);
        }
    }
    for connection in &shown {
        text.connection(connection, shown.len() > 1)?;
    }
    if let Some(dns) = &report.dns {
        text.dns(&report.from, dns, report.answer == Answer::Allowed)?;
    }
    if let Some(through) = &report.through {
        text.through(through);
    }
    for warning in &report.warnings {
        text.paragraph(&format!("Mind: {warning}"));
    }
    Ok(text.written)
}

fn headline(report: &Report) -> String {
    let (from, to) = (plain(&report.from), plain(&report.to));
    let port = report.port.map(|port| format!(" port {port}")).unwrap_or_default();
    let on = format!("{}{port}", plain(&report.protocol));
    match report.answer {
        Answer::Allowed if report.dns.as_ref().is_some_and(Dns::fails) => {
            format!("ALLOWED, BUT WITHOUT DNS: {from} can connect to {to} on {on}, but cannot look up its name.")
        }
        Answer::Allowed if report.through.as_ref().is_some_and(|through| !through.denied_from.is_empty()) => format!(
            "ALLOWED, BUT NOT THROUGH A SERVICE: {from} can connect to {to} on {on} under its own address only."
        ),
        Answer::Allowed => format!("ALLOWED: {from} can connect to {to} on {on}."),
        Answer::Denied => format!("DENIED: {from} cannot connect to {to} on {on}."),
        Answer::Partly => {
            let (denied, all) = counts(&report.connections);
            format!(
                "PARTLY DENIED: {from} can connect to {to} on {on} only in part: {denied} of {all} pairs of pods are denied."
            )
        }
        Answer::Unserved => format!("NOT SERVED: nothing answers at {to} on {on}, whatever the policies say."),
        Answer::Undefined => format!(
            "UNDEFINED: whether {from} reaches {to} by {on} the policies do not say: they speak of TCP, UDP and SCTP only, and enforcers differ in what they do with the rest."
        ),
    }
}

/// How many pairs of pods are denied, and how many there are.
fn counts(connections: &[Connection]) -> (usize, usize) {
    let pairs = |connection: &Connection| connection.from.pods.len().max(1) * connection.to.pods.len().max(1);
    let denied = connections.iter().filter(|connection| connection.allowed == Some(false)).map(pairs).sum();
    (denied, connections.iter().map(pairs).sum())
}

#[derive(Default)]
struct Text {
    written: String,
}

impl Text {
    /// One line, made safe.
    fn line(&mut self, indent: usize, line: &str) {
        self.written.push_str(&format!("{:indent$}{}\n", "", visible(line)));
    }

    /// A line with an empty one before it.
    fn paragraph(&mut self, line: &str) {
        self.written.push('\n');
        self.line(0, line);
    }

    fn connection(&mut self, connection: &Connection, one_of_several: bool) -> anyhow::Result<()> {
        if one_of_several {
            let answer = if connection.allowed == Some(true) { "allowed" } else { "not allowed" };
            let (from, to) = (side(&connection.from), side(&connection.to));
            let port = connection.port.map(|port| format!(", port {port}")).unwrap_or_default();
            self.paragraph(&format!("From {from} to {to}{port}: {answer}"));
        }
        let Connection { from, to, egress, ingress, .. } = connection;
        match (egress.decision, ingress.decision) {
            (Decision::Denied, Decision::Denied) => {
                self.paragraph("Both ends refuse it, so both need a change.");
                self.denied(&format!("the egress of {} refuses it", plain(&from.name)), egress)?;
                self.denied(&format!("the ingress of {} refuses it", plain(&to.name)), ingress)?;
            }
            (Decision::Denied, _) => {
                let other = lets_pass("ingress", to, ingress, "would let it in");
                self.denied(&format!("the egress of {} refuses it{other}", plain(&from.name)), egress)?;
            }
            (_, Decision::Denied) => {
                let other = lets_pass("egress", from, egress, "lets it out");
                self.denied(&format!("the ingress of {} refuses it{other}", plain(&to.name)), ingress)?;
            }
            _ => {}
        }
        self.paragraph("Details:");
        self.details("egress", from, egress);
        self.details("ingress", to, ingress);
        Ok(())
    }

    /// Why an end denies, and what to do.
    fn denied(&mut self, who: &str, end: &End) -> anyhow::Result<()> {
        self.paragraph(&format!("Why: {who}."));
        self.line(5, &format!("{}.", capital(end.reason.as_deref().unwrap_or_default())));
        self.fix(&end.changes, end.suggestion.as_ref())
    }

    fn fix(&mut self, changes: &[String], suggestion: Option<&Suggestion>) -> anyhow::Result<()> {
        for (number, change) in changes.iter().enumerate() {
            let label = if number == 0 { "Fix: " } else { "and  " };
            self.line(0, &format!("{label}{change}."));
        }
        match suggestion {
            Some(suggestion) => self.suggestion(suggestion, changes.is_empty()),
            None => Ok(()),
        }
    }

    fn suggestion(&mut self, suggestion: &Suggestion, alone: bool) -> anyhow::Result<()> {
        let label =
            if alone { "Fix (a suggestion, if this is meant):" } else { "Or (a suggestion, if this is meant):" };
        let place = match &suggestion.add_to {
            Some(policy) => format!("add this rule to spec.{} of {}:", suggestion.direction, name(policy)),
            None => "add this policy:".to_owned(),
        };
        self.line(0, &format!("{label} {place}"));
        self.written.push('\n');
        for line in yaml::document(&suggestion.yaml, &Comments::new())?.lines() {
            self.line(4, line);
        }
        if !suggestion.notes.is_empty() {
            self.written.push('\n');
        }
        suggestion.notes.iter().for_each(|note| self.line(0, &format!("Mind: {note}.")));
        Ok(())
    }

    /// What one end says, with every policy and rule that has to do with it.
    fn details(&mut self, direction: &str, of: &Side, end: &End) {
        let of = plain(&of.name);
        let of = if end.decision == Decision::NoPod { of } else { format!("{direction} of {of}") };
        self.line(2, &format!("{of}: {}", verdict(end)));
        if matches!(end.decision, Decision::Admitted | Decision::Denied | Decision::Undefined) {
            for policy in &end.isolated_by {
                self.line(4, &format!("isolated by {}, which selects {}", name(policy), selected(policy)));
            }
        }
        for rule in &end.nearest {
            self.rule("lacks", rule);
        }
        for rule in &end.elsewhere {
            self.rule("would admit it, but its policy does not apply", rule);
        }
    }

    fn rule(&mut self, what: &str, rule: &Rule) {
        let last = |field: &String| field.strip_prefix(&format!("{}.", rule.field)).map(str::to_owned);
        let entries: Vec<String> = rule.peer.iter().chain(&rule.ports).filter_map(last).collect();
        let entries = if entries.is_empty() { String::new() } else { format!(", by {},", entries.join(" and ")) };
        self.line(4, &format!("{}{entries} {what}:", place(rule)));
        rule.missing.iter().for_each(|missing| self.line(6, &format!("- {missing}")));
    }

    fn through(&mut self, it: &Through) {
        self.paragraph(&format!("Mind: {}", through(it)));
    }

    fn dns(&mut self, from: &str, dns: &Dns, allowed: bool) -> anyhow::Result<()> {
        let ways = |allowed: bool| {
            let ways = dns.transports.iter().filter(|way| way.allowed == allowed);
            ways.map(|way| format!("{} {}", way.protocol, way.port)).collect::<Vec<_>>().join(" and ")
        };
        let (open, closed) = (ways(true), ways(false));
        let (from, server) = (plain(from), plain(&dns.server));
        if closed.is_empty() {
            self.paragraph(&format!("DNS: {from} reaches {server} on {open}."));
            return Ok(());
        }
        let effect = match (dns.fails(), allowed) {
            (true, true) => "so names do not resolve, and only a client that knows the address can connect",
            (true, false) => "so names do not resolve",
            (false, _) => "which long answers need; short ones come by UDP",
        };
        let but = if open.is_empty() { String::new() } else { format!(" (but it can on {open})") };
        self.paragraph(&format!("DNS: {from} cannot reach {server} on {closed}{but}, {effect}."));
        self.line(5, &format!("{}.", capital(dns.reason.as_deref().unwrap_or_default())));
        self.fix(&dns.changes, dns.suggestion.as_ref())
    }
}

/// Says that the other end is no obstacle, where it could have been.
fn lets_pass(direction: &str, of: &Side, end: &End, what: &str) -> String {
    match end.decision {
        Decision::NoPod => String::new(),
        _ => format!("; the {direction} of {} {what}", plain(&of.name)),
    }
}

fn through(through: &Through) -> String {
    let Through { service, service_type, denied_from } = through;
    let nodes = some_of(denied_from.iter().map(|node| plain(node)), PODS_SHOWN);
    let effect = match denied_from.as_slice() {
        [] => "Nodes are let in, as far as the inventory knows them.".to_owned(),
        _ => format!(
            "That is denied for {nodes}: admit the addresses of all nodes, or set externalTrafficPolicy to Local, which keeps the client's address."
        ),
    };
    format!(
        "{service} is of type {}: with externalTrafficPolicy Cluster, who comes through it from outside arrives with the address of a node instead of its own. {effect}",
        plain(service_type)
    )
}

fn side(side: &Side) -> String {
    match side.pods.as_slice() {
        [] => plain(&side.name),
        pods => format!("{} (pods {})", plain(&side.name), some_of(pods.iter().map(|pod| plain(pod)), PODS_SHOWN)),
    }
}

/// As a sentence begins; what begins with the name of a field stays as it is.
fn capital(sentence: &str) -> String {
    match sentence.strip_prefix("policy ") {
        Some(rest) => format!("Policy {rest}"),
        None => sentence.to_owned(),
    }
}

fn verdict(end: &End) -> String {
    match (end.decision, &end.admitted_by) {
        (Decision::NoPod, _) => "no policy applies to what is no pod, or a pod on the host network".to_owned(),
        (Decision::NotIsolated, _) => "open, no policy isolates it".to_owned(),
        (Decision::SamePod, _) => "open, a pod always reaches itself".to_owned(),
        (Decision::OwnNode, _) => "open, a pod and its own node always reach each other here".to_owned(),
        (Decision::Admitted, Some(rule)) => format!("admitted by {}", place(rule)),
        (Decision::Admitted, None) => "admitted".to_owned(),
        (Decision::Denied, _) => "denied".to_owned(),
        (Decision::Undefined, _) => "undefined".to_owned(),
    }
}

fn selected(policy: &Policy) -> String {
    match policy.selector.as_str() {
        "" => format!("every pod of {}", plain(&policy.namespace)),
        selector => plain(selector),
    }
}
