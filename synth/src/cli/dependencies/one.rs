//! The report on one workload: who would notice if it failed, and what it needs.

use crate::graph::Vertex;
use crate::graph::analysis::Dependencies;
use crate::text::visible;
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// The report. Names are from outside, escaped.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    workload: String,
    /// In which wave it is locked down, from 1, and how many there are.
    wave: usize,
    waves: usize,
    /// Who depends on each other with it.
    group: Vec<String>,
    /// All that depend on it.
    blast_radius: Closure,
    /// All that it needs.
    needs: Closure,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Closure {
    /// By one connection.
    directly: Vec<String>,
    /// By way of others only.
    by_way_of_others: Vec<String>,
}

impl Report {
    pub(super) fn new(dependencies: &Dependencies, vertex: usize) -> Self {
        let names = |numbers: &BTreeSet<usize>| names(dependencies, numbers.iter().copied());
        let closure = |directly: &BTreeSet<usize>, all: &BTreeSet<usize>| Closure {
            directly: names(directly),
            by_way_of_others: names(&all.difference(directly).copied().collect()),
        };
        let waves = dependencies.waves(&BTreeSet::new(), &dependencies.blast_radii());
        let holds = |wave: &crate::graph::lockdown::Wave| wave.groups.iter().flatten().any(|member| *member == vertex);
        let group = dependencies.groups().into_iter().find(|group| group.contains(&vertex)).unwrap_or_default();
        Self {
            workload: dependencies.vertex(vertex).map(ToString::to_string).unwrap_or_default(),
            wave: waves.iter().position(holds).map_or(0, |wave| wave + 1),
            waves: waves.len(),
            group: self::names(dependencies, group.iter().copied().filter(|member| *member != vertex)),
            blast_radius: closure(&dependencies.clients(vertex), &dependencies.dependents(vertex)),
            needs: closure(&dependencies.servers(vertex), &dependencies.needs(vertex)),
        }
    }
}

pub(super) fn names(dependencies: &Dependencies, numbers: impl Iterator<Item = usize>) -> Vec<String> {
    numbers.filter_map(|number| dependencies.vertex(number)).map(Vertex::to_string).collect()
}

pub(super) fn write(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    writeln!(out, "{}: wave {} of {} to lock down", visible(&report.workload), report.wave, report.waves)?;
    for (title, names) in [
        ("depends on each other with", &report.group),
        ("is called by", &report.blast_radius.directly),
        ("and so carries too", &report.blast_radius.by_way_of_others),
        ("calls", &report.needs.directly),
        ("and so needs too", &report.needs.by_way_of_others),
    ] {
        if !names.is_empty() {
            writeln!(out, "\n{title} ({})", names.len())?;
        }
        names.iter().try_for_each(|name| writeln!(out, "  {}", visible(name)))?;
    }
    Ok(())
}
