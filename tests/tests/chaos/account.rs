//! What the agents noted against what the collector hands out.

use crate::worker::{DESTINATIONS, STEP, address, all_connections, connections};
use netwright_record::collector::Status;
use netwright_record::{Coverage, Edge, Ended, Endpoint, Observation};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::fs;
use std::net::IpAddr;
use std::path::Path;

/// What was done to them, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Harm {
    pub(crate) agent_kills: u64,
    pub(crate) collector_kills: u64,
    /// Starts of the collector that failed, for want of a disk or a database.
    pub(crate) collector_ends: u64,
    pub(crate) restarts: u64,
    pub(crate) spool_full: u64,
    pub(crate) store_full: u64,
    pub(crate) cuts: u64,
    written: usize,
    failed: usize,
    acknowledged: usize,
    merged: u64,
    lost: u64,
    lost_segments: usize,
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "kills: {} of agents, {} of the collector ({} starts failed); database restarts: {}; disk full: {} times a spool, \
             {} times the store; network cuts: {}; segments: {} written, {} writes failed, {} acknowledgements noted, {} dropped; \
             connections: {} merged, {} told as lost; acknowledged and lost: 0, counted twice: 0, lost and not told: 0",
            self.agent_kills,
            self.collector_kills,
            self.collector_ends,
            self.restarts,
            self.spool_full,
            self.store_full,
            self.cuts,
            self.written,
            self.failed,
            self.acknowledged,
            self.lost_segments,
            self.merged,
            self.lost
        )
    }
}

/// Node, run, number.
type Segment = (String, String, u64);

/// What is known without asking the collector.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Begin of each run, in milliseconds, by node and run.
    runs: BTreeMap<(String, String), i64>,
    written: BTreeSet<Segment>,
    acknowledged: BTreeSet<Segment>,
    /// Dropped after they may have been sent, and acknowledged as that: they need not be missing.
    told: BTreeSet<Segment>,
    failed: usize,
}

impl Account {
    /// Reads an agent's notes; `left` are segments that were seen in its spool.
    pub(crate) fn add(&mut self, node: &str, folder: &Path, left: &BTreeSet<(String, u64)>) {
        let segment = |run: &str, number: &str| (node.to_owned(), run.to_owned(), number.parse().unwrap());
        for line in fs::read_to_string(folder.join("notes")).unwrap().lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["run", run, start] => {
                    self.runs.insert((node.to_owned(), run.to_owned()), start.parse().unwrap());
                }
                ["written", run, number] => drop(self.written.insert(segment(run, number))),
                ["acknowledged", run, number] => drop(self.acknowledged.insert(segment(run, number))),
                ["told", run, number] => drop(self.told.insert(segment(run, number))),
                ["failed", ..] => self.failed += 1,
                _ => panic!("{node} noted {line}"),
            }
        }
        self.written.extend(left.iter().map(|(run, number)| (node.to_owned(), run.clone(), *number)));
    }

    /// See the module `main` for what is asserted.
    pub(crate) fn check(mut self, status: &Status, export: &Observation, harm: &mut Harm) {
        let merged = self.merged(&export.coverage);
        let forgotten: Vec<&Segment> = self.acknowledged.difference(&merged).collect();
        assert!(forgotten.is_empty(), "acknowledged and lost: {forgotten:?}");
        // One that was shipped before it could be noted.
        self.written.extend(merged.iter().cloned());
        check_edges(&merged, export);
        let lost: BTreeSet<&Segment> = self.written.difference(&merged).collect();
        let told: u64 = export.coverage.iter().map(|stretch| stretch.losses.spool_full).sum();
        let dropped: u64 = lost.iter().map(|(_, _, number)| all_connections(*number)).sum();
        assert_eq!(told, dropped, "connections told as lost, and lost: {}", by_run(&lost, &self.told, export));
        self.check_numbers(&merged, export, status);
        check_ends(&merged, export);
        assert!(!lost.is_empty() && self.failed > 0 && self.acknowledged.len() > 100, "too little happened: {harm}");
        harm.written = self.written.len();
        (harm.failed, harm.acknowledged) = (self.failed, self.acknowledged.len());
        (harm.merged, harm.lost) = (export.edges.iter().map(|edge| edge.activity.connections).sum(), told);
        harm.lost_segments = lost.len();
    }

    /// The segments that coverage speaks of: each of its own stretch of time, once.
    fn merged(&self, coverage: &[Coverage]) -> BTreeSet<Segment> {
        let mut merged = BTreeSet::new();
        for stretch in coverage {
            let (node, run) = (stretch.node.to_string(), stretch.run.clone());
            let start = self.runs.get(&(node.clone(), run.clone())).expect("a run that an agent has noted");
            let number = |milliseconds: i64| u64::try_from((milliseconds - start) / STEP).unwrap();
            for sequence in number(stretch.from.as_millisecond())..number(stretch.to.as_millisecond()) {
                let segment = (node.clone(), run.clone(), sequence);
                assert!(!merged.contains(&segment), "covered twice: {segment:?}");
                merged.insert(segment);
            }
        }
        merged
    }

    /// A run counts from 0, so that what is missing below the highest number that came is known.
    fn check_numbers(&self, merged: &BTreeSet<Segment>, export: &Observation, status: &Status) {
        let stubs =
            export.coverage.iter().filter(|stretch| stretch.from == stretch.to).map(|stretch| self.stub(stretch));
        let arrived: BTreeSet<Segment> = merged.iter().cloned().chain(stubs).collect();
        let mut runs: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
        for (node, run, number) in &arrived {
            let (count, next) = runs.entry((node, run)).or_default();
            (*count, *next) = (*count + 1, (*next).max(number + 1));
        }
        let mut missing: BTreeMap<&str, u64> = BTreeMap::new();
        for ((node, _), (count, next)) in runs {
            *missing.entry(node).or_default() += next - count;
        }
        let told: BTreeMap<&str, u64> =
            status.agents.iter().map(|agent| (&*agent.node, agent.missing_segments)).collect();
        assert_eq!(told, missing, "segments told as missing, and those that are");
    }

    /// The segment that tells of itself that it was dropped.
    fn stub(&self, stretch: &Coverage) -> Segment {
        let start = self.runs[&(stretch.node.to_string(), stretch.run.clone())];
        let number = (stretch.from.as_millisecond() - start) / STEP;
        (stretch.node.to_string(), stretch.run.clone(), u64::try_from(number).unwrap())
    }
}

/// For whoever has to find out why: what was lost of each run, what of it tells of itself, and each stretch that tells something.
fn by_run(lost: &BTreeSet<&Segment>, told: &BTreeSet<Segment>, export: &Observation) -> String {
    let mut lines: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for segment @ (node, run, number) in lost {
        let mark = if told.contains(segment) { "t" } else { "" };
        lines.entry((node, run)).or_default().push(format!("{number}{mark}={}", all_connections(*number)));
    }
    let mut text = String::new();
    for ((node, run), lost) in lines {
        let _ = writeln!(text, "{node} {run} lost {}", lost.join(" "));
    }
    for stretch in export.coverage.iter().filter(|stretch| stretch.losses.spool_full > 0) {
        let (from, to) = (stretch.from.as_millisecond(), stretch.to.as_millisecond());
        let _ = writeln!(text, "{} {} {from} {to} told {}", stretch.node, stretch.run, stretch.losses.spool_full);
    }
    text
}

fn check_edges(merged: &BTreeSet<Segment>, export: &Observation) {
    assert!(export.unresolved.is_empty(), "{:?}", export.unresolved);
    let mut expected: BTreeMap<(String, IpAddr), u64> = BTreeMap::new();
    for (node, _, number) in merged {
        for destination in 0..DESTINATIONS {
            *expected.entry((node.clone(), address(destination))).or_default() += connections(*number, destination);
        }
    }
    let ends = |edge: &Edge| match (&edge.client, &edge.server) {
        (Endpoint::Node { name, .. }, Endpoint::External { address }) => (name.to_string(), *address),
        other => panic!("an edge that nobody reported: {other:?}"),
    };
    let counted: BTreeMap<_, u64> = export.edges.iter().map(|edge| (ends(edge), edge.activity.connections)).collect();
    assert_eq!(counted, expected, "connections by edge: counted, and those of all segments that were merged");
    assert_eq!(counted.len(), export.edges.len(), "one edge for each pair");
}

/// The last run of each node ended well, and no other.
fn check_ends(merged: &BTreeSet<Segment>, export: &Observation) {
    let last: BTreeMap<&str, &str> = merged.iter().map(|(node, run, _)| (node.as_str(), run.as_str())).collect();
    let runs: BTreeSet<(&str, &str)> = merged.iter().map(|(node, run, _)| (node.as_str(), run.as_str())).collect();
    for (node, run) in runs {
        let of_run = export.coverage.iter().filter(|stretch| (&*stretch.node, &*stretch.run) == (node, run));
        let latest = of_run.max_by_key(|stretch| stretch.to).unwrap();
        let expected = if last.get(node) == Some(&run) { Ended::Clean } else { Ended::CutOff };
        assert_eq!(latest.ended, expected, "{latest:?}");
    }
}
