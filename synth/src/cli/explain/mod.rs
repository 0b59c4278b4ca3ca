//! `netwright explain`: why can't A call B?
//!
//! The ends as written become parties ([`question`]), each pair is explained by the policy crate, and what it explains
//! is put into words, causes and proposals ([`reasons`], [`advice`], [`suggestion`]). One [`report`] serves people
//! ([`words`]) and programs.

pub mod advice;
pub mod dns;
pub mod question;
pub mod reasons;
pub mod remarks;
pub mod report;
pub mod suggestion;
pub mod words;

use super::exit::{ExitStatus, misuse, unless_nobody_reads};
use super::inventory::SourceArgs;
use super::table::Output;
use crate::state::State;
use crate::state::reference::{ReferenceError, Subject};
use netwright_policy::{Answer as Said, Direction, PolicySet, Protocol, Traffic, explain};
use question::{Kind, Kinds, Target, Targets};
use reasons::Context;
use report::{Answer, Connection, Decision, End, Report, Side};
use std::io::Write;

/// Explain why a connection is allowed or denied.
///
/// Which policies isolate which end, which rule admits it, or what the nearest rules lack, what to change, and whether
/// the client reaches DNS.
///
/// FROM and TO are a pod or workload (NAMESPACE/NAME, or NAMESPACE/KIND/NAME to be exact), a Service
/// (NAMESPACE/svc/NAME), a node (node/NAME), an address, or `internet`. A Service's port becomes the target port of each
/// pod behind it, as it does in a cluster before any policy is applied.
///
/// Exits with 0 if the connection is allowed, and with 3 if it is denied, for some of the pods at least, if nobody
/// serves it, or if the policies do not say (protocols other than TCP, UDP and SCTP).
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Who connects.
    from: String,
    /// Who is connected to.
    to: String,
    /// The port, as the client asks for it.
    #[arg(short, long, value_parser = port_number)]
    port: Option<u16>,
    /// The protocol: TCP, UDP, SCTP, or another such as ICMP.
    #[arg(long, default_value = "TCP")]
    protocol: String,
    #[command(flatten)]
    sources: SourceArgs,
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

fn port_number(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|&port| port != 0);
    number.ok_or_else(|| "must be a number from 1 to 65535; names of ports are not asked for, and the protocol is given by --protocol".to_owned())
}

/// Runs the verb.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let protocol = args.protocol.to_ascii_uppercase();
    let named: Option<Protocol> = protocol.parse().ok();
    if named.is_some() != args.port.is_some() {
        return misuse(match named {
            Some(_) => "--port is missing: policies are about ports",
            None => "--port has no meaning for a protocol other than TCP, UDP and SCTP",
        });
    }
    let (set, state) = args.sources.load()?;
    let subjects = [find(&state, &args.from)?, find(&state, &args.to)?];
    let report = match (named, args.port) {
        (Some(protocol), Some(port)) => Asked::new(&state, &set, subjects, protocol, port).report(args),
        _ => undefined(&state, &set, subjects, &protocol, args),
    };
    let told = args.output.write(out, || &report, |out| Ok(out.write_all(words::text(&report)?.as_bytes())?));
    unless_nobody_reads(told)?;
    Ok(if report.answer == Answer::Allowed { ExitStatus::Success } else { ExitStatus::Findings })
}

/// Who or what is called so. A name in none of the forms is a wrong command line, an unknown one is not.
fn find<'a>(state: &'a State, written: &str) -> anyhow::Result<Subject<'a>> {
    match state.find(written) {
        Err(error @ ReferenceError::Syntax { .. }) => misuse(error.to_string()),
        found => Ok(found?),
    }
}

/// A question about a port.
struct Asked<'a> {
    state: &'a State,
    set: &'a PolicySet,
    subjects: [Subject<'a>; 2],
    protocol: Protocol,
    port: u16,
    kinds: Kinds<'a>,
    clients: Vec<Kind>,
    targets: Targets,
}

impl<'a> Asked<'a> {
    fn new(state: &'a State, set: &'a PolicySet, subjects: [Subject<'a>; 2], protocol: Protocol, port: u16) -> Self {
        let kinds = Kinds::new(state, set, subjects);
        let [from, to] = subjects;
        let (clients, targets) = (kinds.clients(from), kinds.targets(to, protocol, port));
        Self { state, set, subjects, protocol, port, kinds, clients, targets }
    }

    fn report(&self, args: &Args) -> Report {
        let pairs = self.clients.iter().flat_map(|from| self.targets.list.iter().map(move |to| (from, to)));
        let (mut connections, mut warnings) = (Vec::new(), Vec::new());
        for (from, target) in pairs {
            let connection = self.connection(from, target, &mut warnings);
            connections.push(connection);
        }
        connections.sort_by_key(|connection| connection.allowed);
        warnings.sort();
        warnings.dedup();
        let [_, to] = self.subjects;
        let is_dns = dns::is_server(self.state, to);
        Report {
            answer: answer(&connections),
            from: display(&args.from),
            to: display(&args.to),
            protocol: self.protocol.to_string(),
            port: Some(self.port),
            notes: remarks::notes(self.state, &self.kinds, to, self.protocol, self.port, &self.targets),
            dns: if is_dns { None } else { dns::check(self.state, self.set, &self.kinds, &self.clients) },
            connections,
            through: remarks::through(self.state, self.set, &self.kinds, &self.clients, (self.protocol, &self.targets)),
            warnings,
        }
    }

    fn connection(&self, from: &Kind, Target { kind, port }: &Target, warnings: &mut Vec<String>) -> Connection {
        let to = &from.other_end(kind);
        let (state, set, protocol, port) = (self.state, self.set, self.protocol, *port);
        let explained = explain::explain(set, &state.cluster, &from.whom.party(), &to.whom.party(), protocol, port);
        let service_port = (port != self.port).then_some(self.port);
        let context = |direction| Context { state, set, protocol, port, service_port, from, to, direction };
        let (egress, ingress) = (context(Direction::Egress), context(Direction::Ingress));
        for (context, end) in [(&egress, &explained.egress), (&ingress, &explained.ingress)] {
            warnings.extend(remarks::warnings(context, end));
        }
        Connection {
            from: side(from),
            to: side(to),
            port: Some(port),
            allowed: Some(explained.allowed()),
            egress: egress.report(&explained.egress),
            ingress: ingress.report(&explained.ingress),
        }
    }
}

/// The name of an end without what a terminal might act on is made where it is shown.
fn display(written: &str) -> String {
    if written == "internet" { "the internet".to_owned() } else { written.to_owned() }
}

fn side(kind: &Kind) -> Side {
    Side { name: kind.name.clone(), pods: kind.pods.clone() }
}

fn answer(connections: &[Connection]) -> Answer {
    let all = |wanted| connections.iter().all(|connection| connection.allowed == wanted);
    match connections {
        [] => Answer::Unserved,
        _ if all(Some(true)) => Answer::Allowed,
        _ if all(Some(false)) => Answer::Denied,
        _ if connections.iter().any(|connection| connection.allowed.is_none()) => Answer::Undefined,
        _ => Answer::Partly,
    }
}

/// The answer for a protocol that policies do not speak about.
fn undefined(state: &State, set: &PolicySet, subjects: [Subject; 2], protocol: &str, args: &Args) -> Report {
    let kinds = Kinds::new(state, set, subjects);
    let [from, to] = subjects;
    let (clients, destinations) = (kinds.clients(from), kinds.clients(to));
    let pairs = clients.iter().flat_map(|from| destinations.iter().map(move |to| (from, from.other_end(to))));
    let connections: Vec<Connection> = pairs
        .map(|(from, to)| {
            let said = set.ask(&state.cluster, &from.whom.party(), &to.whom.party(), Traffic::Other(protocol));
            let ends = [Direction::Egress, Direction::Ingress].map(|direction| unsaid(set, direction, &said));
            let [egress, ingress] = ends;
            Connection { from: side(from), to: side(&to), port: None, allowed: said.allowed(), egress, ingress }
        })
        .collect();
    Report {
        answer: answer(&connections),
        from: display(&args.from),
        to: display(&args.to),
        protocol: protocol.to_owned(),
        port: None,
        notes: Vec::new(),
        connections,
        dns: None,
        through: None,
        warnings: Vec::new(),
    }
}

/// One end, for a protocol that policies do not speak about.
fn unsaid(set: &PolicySet, direction: Direction, said: &Said) -> End {
    let isolating: &[usize] = match (said, direction) {
        (Said::Undefined { egress_isolated_by, .. }, Direction::Egress) => egress_isolated_by,
        (Said::Undefined { ingress_isolated_by, .. }, Direction::Ingress) => ingress_isolated_by,
        (Said::Defined(_), _) => &[],
    };
    End {
        decision: if isolating.is_empty() { Decision::NotIsolated } else { Decision::Undefined },
        isolated_by: isolating.iter().filter_map(|&index| set.policies().get(index)).map(reasons::policy).collect(),
        admitted_by: None,
        nearest: Vec::new(),
        elsewhere: Vec::new(),
        reason: None,
        changes: Vec::new(),
        suggestion: None,
    }
}
