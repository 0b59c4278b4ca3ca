//! The report on the whole graph. Tables list the first of a kind; JSON and YAML have the same, and all waves.

use super::one::names;
use crate::cli::table;
use crate::graph::analysis::{Dependencies, Origin};
use crate::graph::views::By;
use crate::text::{some_of, visible};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// How many names stand in one cell.
const NAMES: usize = 6;

/// The report. Names are from outside, escaped.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    workloads: usize,
    entry_points: Vec<Entry>,
    /// Groups of which each member depends on each other.
    groups: Vec<Vec<String>>,
    talk_to_themselves: Vec<String>,
    articulation_points: Vec<Point>,
    /// Workloads that everything uses, which are not looked at for articulation points.
    used_by_everything: Vec<String>,
    blast_radii: Vec<Radius>,
    waves: Vec<Vec<Vec<String>>>,
    #[serde(skip)]
    top: usize,
    /// What is counted.
    #[serde(skip)]
    what: &'static str,
}

#[derive(Debug, Serialize)]
struct Entry {
    workload: String,
    from: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Point {
    workload: String,
    /// The sizes of the parts into which the rest would fall, the largest first.
    parts: Vec<usize>,
}

#[derive(Debug, Serialize)]
struct Radius {
    workload: String,
    /// How many call it.
    clients: usize,
    /// How many workloads depend on it.
    dependents: usize,
}

impl Report {
    pub(super) fn new(dependencies: &Dependencies, by: By, top: usize) -> Self {
        let name = |number: usize| dependencies.vertex(number).map(ToString::to_string).unwrap_or_default();
        let radii = dependencies.blast_radii();
        let everything = dependencies.used_by_everything();
        let entry_points = dependencies.entry_points().into_iter();
        let waves = dependencies.waves(&BTreeSet::new(), &radii);
        let group = |group: &[usize]| names(dependencies, group.iter().copied());
        Self {
            workloads: dependencies.workloads().count(),
            entry_points: entry_points
                .map(|entry| Entry { workload: name(entry.vertex), from: entry.from.into_iter().map(origin).collect() })
                .collect(),
            groups: dependencies.groups().into_iter().map(group).collect(),
            talk_to_themselves: names(dependencies, dependencies.talk_to_themselves().into_iter()),
            articulation_points: points(dependencies, &everything, top),
            used_by_everything: names(dependencies, everything.into_iter()),
            blast_radii: largest(dependencies, &radii, top),
            waves: waves.iter().map(|wave| wave.groups.iter().map(|members| group(members)).collect()).collect(),
            top,
            what: what(by),
        }
    }
}

fn what(by: By) -> &'static str {
    match by {
        By::Endpoint | By::Workload => "workloads",
        By::Namespace => "namespaces",
        By::ServiceAccount => "service accounts",
    }
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Outside => "outside the cluster",
        Origin::Nodes => "nodes",
        Origin::ApiServer => "the API server",
        Origin::Nobody => "nobody",
    }
}

/// The articulation points with the most neighbours.
fn points(dependencies: &Dependencies, without: &BTreeSet<usize>, top: usize) -> Vec<Point> {
    let neighbours = |point: &usize| dependencies.clients(*point).len() + dependencies.servers(*point).len();
    let mut points: Vec<usize> = dependencies.articulation_points(without).into_iter().collect();
    points.sort_by_cached_key(|point| (Reverse(neighbours(point)), *point));
    points.truncate(top);
    let parts = dependencies.parts(points.iter().copied(), without);
    names(dependencies, points.into_iter())
        .into_iter()
        .zip(parts)
        .map(|(workload, parts)| Point { workload, parts })
        .collect()
}

fn largest(dependencies: &Dependencies, radii: &[usize], top: usize) -> Vec<Radius> {
    let radius = |number: usize| radii.get(number).copied().unwrap_or(0);
    let mut workloads: Vec<usize> = dependencies.workloads().filter(|number| radius(*number) > 0).collect();
    workloads.sort_by_key(|number| (Reverse(radius(*number)), *number));
    workloads.truncate(top);
    let of = |number: usize| Radius {
        workload: dependencies.vertex(number).map(ToString::to_string).unwrap_or_default(),
        clients: dependencies.clients(number).len(),
        dependents: radius(number),
    };
    workloads.into_iter().map(of).collect()
}

pub(super) fn write(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    writeln!(out, "{} {} that talk, to be locked down in {} waves", report.workloads, report.what, report.waves.len())?;
    let entries = report.entry_points.iter().map(|entry| [entry.workload.clone(), entry.from.join(", ")]);
    rows(out, ["entry point", "called from"], entries, report.top)?;
    let groups = report.groups.iter().map(|group| [some_of(group, NAMES), group.len().to_string()]);
    rows(out, ["depend on each other", "members"], groups, report.top)?;
    let points = report.articulation_points.iter().map(|point| [point.workload.clone(), some_of(&point.parts, NAMES)]);
    rows(out, ["holds together", "parts without it"], points, report.top)?;
    if !report.used_by_everything.is_empty() {
        writeln!(out, "not counting what everything uses: {}", visible(&some_of(&report.used_by_everything, NAMES)))?;
    }
    let radii = report.blast_radii.iter();
    let radii =
        radii.map(|radius| [radius.workload.clone(), radius.clients.to_string(), radius.dependents.to_string()]);
    rows(out, ["largest blast radius", "called by", "carries"], radii, report.top)?;
    let waves = report.waves.iter().enumerate().map(|(number, groups)| {
        let members: Vec<&String> = groups.iter().flatten().collect();
        [(number + 1).to_string(), members.len().to_string(), some_of(members, NAMES)]
    });
    rows(out, ["wave", "workloads", "which"], waves, usize::MAX)
}

/// A table of the first rows, and how many more there are; nothing where there is none.
fn rows<const COLUMNS: usize>(
    out: &mut dyn Write,
    headings: [&str; COLUMNS],
    rows: impl ExactSizeIterator<Item = [String; COLUMNS]>,
    top: usize,
) -> io::Result<()> {
    let all = rows.len();
    if all == 0 {
        return Ok(());
    }
    let mut table = table::new(&headings);
    rows.take(top).for_each(|cells| table::row(&mut table, cells));
    write!(out, "\n{}", table::render(&table))?;
    match all.saturating_sub(top) {
        0 => Ok(()),
        more => writeln!(out, "and {more} more"),
    }
}
