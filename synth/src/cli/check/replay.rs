//! Replay, for `netwright check`: would these policies deny what was seen?

use crate::cli::summary::describe;
use crate::cli::table;
use crate::cli::{interrupt, progress};
use crate::replay::{Denial, Replay, replay};
use crate::review::Decided;
use netwright_policy::{Direction, NetworkPolicy, PolicySet};
use netwright_record::Observation;
use serde::Serialize;
use std::io::Write;

/// Replays `observation` against `policies`, with a bar that shows how far it is.
///
/// # Errors
///
/// If it is interrupted.
pub(super) fn run(observation: &Observation, policies: &PolicySet, decided: &Decided) -> anyhow::Result<Replay> {
    let bar = progress::bar(observation.edges.len(), "replaying");
    interrupt::watch();
    let replay = replay(observation, policies, decided, || {
        bar.inc(1);
        interrupt::asked()
    });
    bar.finish_and_clear();
    Ok(replay?)
}

/// The replay for people.
pub(super) fn table(
    out: &mut dyn Write,
    observation: &Observation,
    policies: &PolicySet,
    replay: &Replay,
) -> std::io::Result<()> {
    if !replay.denied.is_empty() {
        let mut rows = table::new(&["denied connection", "end", "isolated by", "file"]);
        for denial in &replay.denied {
            let Some(edge) = observation.edges.get(denial.edge) else { continue };
            let isolating: Vec<&NetworkPolicy> = isolating(policies, denial).collect();
            let names: Vec<String> =
                isolating.iter().map(|policy| format!("{}/{}", policy.namespace, policy.name)).collect();
            let files: Vec<&str> = isolating.iter().map(|policy| policy.origin.file.as_str()).collect();
            table::row(&mut rows, [&describe(edge), end(denial), &names.join(", "), &files.join(", ")]);
        }
        write!(out, "{}", table::render(&rows))?;
    }
    for (number, address) in &replay.left_out {
        if let Some(edge) = observation.edges.get(*number) {
            writeln!(
                out,
                "left out on purpose: {} (address {address}); allow it by a policy of your own",
                describe(edge)
            )?;
        }
    }
    for edge in replay.denied_by_decision.iter().filter_map(|number| observation.edges.get(*number)) {
        writeln!(out, "denied by decision: {}", describe(edge))?;
    }
    for edge in replay.not_denied.iter().filter_map(|number| observation.edges.get(*number)) {
        writeln!(out, "to be denied by decision, and let through: {}", describe(edge))?;
    }
    let Replay { established, allowed, never_established, .. } = replay;
    let denied_edges = denied_edges(replay);
    writeln!(
        out,
        "{established} established edges replayed against {} policies: {allowed} allowed, {denied_edges} denied, {} left out on purpose; {never_established} never established and not replayed",
        policies.policies().len(),
        established.saturating_sub(allowed + denied_edges)
    )
}

/// How many edges are denied at either end.
fn denied_edges(replay: &Replay) -> usize {
    let edges: std::collections::BTreeSet<usize> = replay.denied.iter().map(|denial| denial.edge).collect();
    edges.len()
}

fn isolating<'a>(policies: &'a PolicySet, denial: &'a Denial) -> impl Iterator<Item = &'a NetworkPolicy> {
    denial.isolated_by.iter().filter_map(|index| policies.policies().get(*index))
}

fn end(denial: &Denial) -> &'static str {
    match denial.end {
        Direction::Egress => "egress",
        Direction::Ingress => "ingress",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'a> {
    established: usize,
    allowed: usize,
    never_established: usize,
    denied: Vec<DenialReport<'a>>,
    left_out: Vec<LeftOutReport>,
    denied_by_decision: Vec<String>,
    not_denied: Vec<String>,
    ignored: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DenialReport<'a> {
    edge: String,
    client: &'a str,
    server: &'a str,
    pairs: usize,
    end: &'static str,
    isolated_by: Vec<PolicyReport<'a>>,
}

#[derive(Serialize)]
struct PolicyReport<'a> {
    namespace: &'a str,
    name: &'a str,
    file: &'a str,
    line: usize,
}

#[derive(Serialize)]
struct LeftOutReport {
    edge: String,
    address: std::net::IpAddr,
}

/// The replay for programs.
pub(super) fn report<'a>(observation: &Observation, policies: &'a PolicySet, replay: &'a Replay) -> Report<'a> {
    let edge = |number: usize| observation.edges.get(number).map(describe).unwrap_or_default();
    let denied = replay.denied.iter().map(|denial| DenialReport {
        edge: edge(denial.edge),
        client: &denial.client,
        server: &denial.server,
        pairs: denial.pairs,
        end: end(denial),
        isolated_by: isolating(policies, denial)
            .map(|policy| PolicyReport {
                namespace: &policy.namespace,
                name: &policy.name,
                file: &policy.origin.file,
                line: policy.origin.line,
            })
            .collect(),
    });
    let left_out = replay.left_out.iter();
    Report {
        established: replay.established,
        allowed: replay.allowed,
        never_established: replay.never_established,
        denied: denied.collect(),
        left_out: left_out.map(|(number, address)| LeftOutReport { edge: edge(*number), address: *address }).collect(),
        denied_by_decision: replay.denied_by_decision.iter().map(|number| edge(*number)).collect(),
        not_denied: replay.not_denied.iter().map(|number| edge(*number)).collect(),
        ignored: replay.ignored,
    }
}
