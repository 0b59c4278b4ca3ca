//! What an observation holds and how far it can be trusted, in figures. Serves `netwright inspect`.

use crate::render::evidence::{ambiguous, unresolved};
use netwright_record::{Coverage, Edge, Ended, Losses, Observation, Time, Window};
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// The figures.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection<'a> {
    /// From when was watched.
    pub from: Time,
    /// Until when.
    pub until: Time,
    /// The cluster's name, where one was given.
    pub cluster: &'a Option<String>,
    /// What wrote the observation.
    pub written_by: &'a str,
    /// The observation's digest.
    pub sha256: String,
    /// How many of each kind of record there are.
    pub contents: Vec<(&'static str, usize)>,
    /// How each node was watched.
    pub coverage: Vec<NodeCoverage<'a>>,
    /// The established edges with the most connections.
    pub top_talkers: Vec<Talker<'a>>,
    /// Edges of which no attempt got through, those with the most attempts first.
    pub never_established: Vec<Talker<'a>>,
    /// How many flows could not be named, by reason.
    pub unresolved: BTreeMap<&'a str, usize>,
    /// How many of the unresolved flows are so because either end may be the server.
    pub ambiguous: usize,
}

/// How one node was watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeCoverage<'a> {
    /// The node.
    pub node: &'a str,
    /// How long, in whole seconds, within the window.
    pub seconds: i64,
    /// The same as a share of the window, in whole per cent, rounded down.
    pub percent: i64,
    /// How many runs of the agent there were.
    pub runs: usize,
    /// How the last stretch ended.
    pub ended: &'static str,
    /// Where the node was not watched within the window.
    pub gaps: Vec<Gap>,
    /// What was lost, by the counter's name; zeros are left out.
    pub losses: BTreeMap<&'static str, u64>,
    /// Degradations that were in force.
    pub notes: BTreeSet<&'a str>,
}

/// A stretch of the window in which a node was not watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// From when.
    pub from: Time,
    /// Until when.
    pub until: Time,
}

/// An edge with its figures.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Talker<'a> {
    /// The edge, in JSON as `client -> server port/protocol`.
    #[serde(serialize_with = "as_text")]
    pub edge: &'a Edge,
    /// Attempts.
    pub connections: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// On how many days it was active.
    pub days_active: usize,
    /// When it was last seen.
    pub last: Time,
}

fn as_text<S: Serializer>(edge: &Edge, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&crate::cli::summary::describe(edge))
}

impl<'a> Inspection<'a> {
    /// The figures of `observation`, with at most `top` edges of each kind.
    pub fn of(observation: &'a Observation, top: usize) -> Self {
        let header = &observation.header;
        let (established, failed): (Vec<&Edge>, Vec<&Edge>) =
            observation.edges.iter().partition(|edge| edge.activity.established());
        Self {
            from: header.window.from,
            until: header.window.until,
            cluster: &header.cluster,
            written_by: &header.written_by,
            sha256: observation.digest(),
            contents: contents(observation),
            coverage: coverage(observation),
            top_talkers: busiest(established, top),
            never_established: busiest(failed, top),
            unresolved: unresolved(observation),
            ambiguous: ambiguous(observation),
        }
    }
}

fn contents(observation: &Observation) -> Vec<(&'static str, usize)> {
    let inventory = &observation.inventory;
    vec![
        ("edges", observation.edges.len()),
        ("flows", observation.flows.len()),
        ("unresolved", observation.unresolved.len()),
        ("namespaces", inventory.namespaces.len()),
        ("workloads", inventory.workloads.len()),
        ("pods", inventory.pods.len()),
        ("services", inventory.services.len()),
        ("nodes", inventory.nodes.len()),
    ]
}

fn busiest(mut edges: Vec<&Edge>, top: usize) -> Vec<Talker<'_>> {
    edges.sort_by(|a, b| {
        let key = |edge: &Edge| std::cmp::Reverse(edge.activity.connections);
        key(a)
            .cmp(&key(b))
            .then_with(|| (&a.client, &a.server, a.protocol, a.port).cmp(&(&b.client, &b.server, b.protocol, b.port)))
    });
    edges
        .into_iter()
        .take(top)
        .map(|edge| Talker {
            edge,
            connections: edge.activity.connections,
            failed: edge.activity.failed,
            days_active: edge.activity.hours.days(),
            last: edge.activity.last,
        })
        .collect()
}

/// One entry a node: those that were watched, and those of the inventory that were not.
fn coverage(observation: &Observation) -> Vec<NodeCoverage<'_>> {
    let mut nodes: BTreeMap<&str, Vec<&Coverage>> =
        observation.inventory.nodes.iter().map(|node| (node.name.as_str(), Vec::new())).collect();
    for coverage in &observation.coverage {
        nodes.entry(&coverage.node).or_default().push(coverage);
    }
    if observation.coverage.is_empty() {
        return Vec::new();
    }
    nodes.into_iter().map(|(node, stretches)| node_coverage(node, stretches, observation.header.window)).collect()
}

fn node_coverage<'a>(node: &'a str, mut stretches: Vec<&'a Coverage>, window: Window) -> NodeCoverage<'a> {
    stretches.sort_by_key(|stretch| (stretch.from, stretch.to));
    let gaps = gaps(&stretches, window);
    let length = |from: Time, until: Time| until.as_second().saturating_sub(from.as_second()).max(0);
    let whole = length(window.from, window.until);
    let seconds = whole.saturating_sub(gaps.iter().map(|gap| length(gap.from, gap.until)).sum());
    let mut losses = Losses::default();
    stretches.iter().for_each(|stretch| losses.add(&stretch.losses));
    NodeCoverage {
        node,
        seconds,
        percent: if whole == 0 { 100 } else { seconds.saturating_mul(100) / whole },
        runs: stretches.iter().map(|stretch| &stretch.run).collect::<BTreeSet<_>>().len(),
        ended: stretches.last().map_or("never watched", |stretch| ended(stretch.ended)),
        gaps,
        losses: losses.named().into_iter().filter(|(_, count)| *count > 0).collect(),
        notes: stretches.iter().flat_map(|stretch| stretch.notes.iter().map(String::as_str)).collect(),
    }
}

fn ended(ended: Ended) -> &'static str {
    match ended {
        Ended::Continues => "unknown: no clean end was recorded",
        Ended::Clean => "clean",
        Ended::CutOff => "cut off",
    }
}

/// Shorter gaps are the time it takes an agent to start, or a clock that stepped.
const SHORTEST_GAP_SECONDS: i64 = 1;

/// Where no stretch lies within the window. `stretches` are sorted by their start and may overlap.
fn gaps(stretches: &[&Coverage], window: Window) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut watched_until = window.from;
    let ends = stretches.iter().map(|stretch| (stretch.from, stretch.to)).chain([(window.until, window.until)]);
    for (from, to) in ends {
        let from = from.min(window.until);
        if from.as_second().saturating_sub(watched_until.as_second()) > SHORTEST_GAP_SECONDS {
            gaps.push(Gap { from: watched_until, until: from });
        }
        watched_until = watched_until.max(to);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, at};

    fn stretch(node: &str, run: &str, from: i64, to: i64) -> Coverage {
        let losses = Losses { ring_full: 2, ..Losses::default() };
        let (node, run, ended) = (node.into(), run.into(), Ended::Continues);
        Coverage { node, run, from: at(from), to: at(to), ended, losses, notes: Vec::new() }
    }

    #[test]
    fn gaps_are_what_no_run_covers() {
        let mut world = World::new();
        world.node("n1", &[]).node("n2", &[]);
        world.observation.coverage =
            vec![stretch("n1", "b", 50_000, 80_000), stretch("n1", "a", 0, 10_000), stretch("n1", "a", 10_000, 40_000)];
        let observation = world.build();
        let coverage = coverage(&observation);
        let n1 = &coverage[0];
        let expected =
            [(40_000, 50_000), (80_000, 86_400)].map(|(from, until)| Gap { from: at(from), until: at(until) });
        assert_eq!(n1.gaps, expected);
        assert_eq!((n1.runs, n1.seconds, n1.percent), (2, 70_000, 81));
        assert_eq!(n1.losses, BTreeMap::from([("ring_full", 6)]));
        assert_eq!((coverage[1].seconds, coverage[1].ended), (0, "never watched"));
    }
}
