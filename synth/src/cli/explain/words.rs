//! The answer as text for people: first the answer, then why, then what to do, then the details.

use super::reasons::name;
use super::report::{Answer, Connection, Decision, Dns, End, Policy, Report, Rule, Side, Suggestion};
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
        text.connection(report, connection, shown.len() > 1)?;
    }
    if let Some(dns) = &report.dns {
        text.dns(&report.from, dns, report.answer == Answer::Allowed)?;
    }
    for warning in &report.warnings {
        text.paragraph(&format!("Note: {warning}"));
    }
    Ok(text.written)
}

fn headline(report: &Report) -> String {
    let (from, to) = (plain(&report.from), plain(&report.to));
    let port = report.port.map(|port| format!(" port {port}")).unwrap_or_default();
    let on = format!("{}{port}", plain(&report.protocol));
    match report.answer {
        Answer::Allowed => format!("ALLOWED: {from} can connect to {to} on {on}."),
        Answer::Denied => format!("DENIED: {from} cannot connect to {to} on {on}."),
        Answer::Partly => {
            let (denied, all) = counts(&report.connections);
            format!(
                "PARTLY DENIED: {from} can connect to {to} on {on} only in part: {denied} of {all} pairs of pods are denied."
            )
        }
        Answer::Unserved => format!("NOT SERVED: nobody answers {from} at {to} on {on}; no policy has to do with it."),
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

    fn connection(&mut self, report: &Report, connection: &Connection, one_of_several: bool) -> anyhow::Result<()> {
        if one_of_several {
            let answer = if connection.allowed == Some(true) { "allowed" } else { "not allowed" };
            let (from, to) = (side(&connection.from), side(&connection.to));
            let port = connection.port.map(|port| format!(", port {port}")).unwrap_or_default();
            self.paragraph(&format!("From {from} to {to}{port}: {answer}"));
        }
        let ends = [("egress", &connection.from, &connection.egress), ("ingress", &connection.to, &connection.ingress)];
        let denied: Vec<_> = ends.iter().filter(|(.., end)| end.decision == Decision::Denied).collect();
        if denied.len() == 2 {
            self.paragraph("Both ends refuse it; both need a change.");
        }
        for (direction, of, end) in &denied {
            self.denied(direction, of, end)?;
        }
        self.written.push('\n');
        for (direction, of, end) in ends {
            self.details(direction, of, end);
        }
        let _ = report;
        Ok(())
    }

    /// Why an end denies, and what to do.
    fn denied(&mut self, direction: &str, of: &Side, end: &End) -> anyhow::Result<()> {
        let why = end.reason.as_deref().unwrap_or_default();
        self.paragraph(&format!("Why: the {direction} of {} refuses it.", plain(&of.name)));
        self.line(5, &format!("{why}."));
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
        let label = if alone { "Fix: if the connection is meant," } else { "Or, if the connection is meant," };
        let place = match &suggestion.add_to {
            Some(policy) => format!("add this rule to spec.{} of {}:", suggestion.direction, name(policy)),
            None => "add this policy:".to_owned(),
        };
        self.line(0, &format!("{label} {place}"));
        self.written.push('\n');
        for line in yaml::document(&suggestion.yaml, &Comments::new())?.lines().filter(|line| *line != yaml::MARKER) {
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
        self.line(0, &format!("{} of {}: {}", capital(direction), plain(&of.name), verdict(end)));
        if matches!(end.decision, Decision::Admitted | Decision::Denied | Decision::Undefined) {
            for policy in &end.isolated_by {
                self.line(2, &format!("isolated by {}, which selects {}", name(policy), selected(policy)));
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
        let entries: Vec<&str> = rule.peer.iter().chain(&rule.ports).map(String::as_str).collect();
        let entries = if entries.is_empty() { rule.field.clone() } else { entries.join(", ") };
        self.line(2, &format!("{entries} of {} {what}:", name(&rule.policy)));
        rule.missing.iter().for_each(|missing| self.line(4, &format!("- {missing}")));
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
        let but = if allowed { "The connection is allowed, but by address only: names" } else { "Names" };
        self.paragraph(&format!("DNS: {from} cannot reach {server} on {closed}. {but} do not resolve."));
        if !open.is_empty() {
            self.line(5, &format!("It is let through on {open}."));
        }
        self.line(5, &format!("{}.", dns.reason.as_deref().unwrap_or_default()));
        self.fix(&dns.changes, dns.suggestion.as_ref())
    }
}

fn side(side: &Side) -> String {
    match side.pods.as_slice() {
        [] => plain(&side.name),
        pods => format!("{} (pods {})", plain(&side.name), some_of(pods.iter().map(|pod| plain(pod)), PODS_SHOWN)),
    }
}

fn capital(word: &str) -> &str {
    if word == "egress" { "Egress" } else { "Ingress" }
}

fn verdict(end: &End) -> String {
    match (end.decision, &end.admitted_by) {
        (Decision::NoPod, _) => "no policy applies, it is no pod with a network of its own".to_owned(),
        (Decision::NotIsolated, _) => "open, no policy isolates it".to_owned(),
        (Decision::SamePod, _) => "open, a pod always reaches itself".to_owned(),
        (Decision::OwnNode, _) => "open, a pod and its own node always reach each other here".to_owned(),
        (Decision::Admitted, Some(rule)) => format!("admitted by {} of {}", rule.field, name(&rule.policy)),
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
