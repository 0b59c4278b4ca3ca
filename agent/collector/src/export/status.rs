//! How the recording stands.

use super::Export;
use crate::merge::rows;
use crate::store::{CoverageRow, StoreError};
use netwright_record::collector::{AgentStatus, NewEdges, Status};
use netwright_record::{Losses, Name, Time, Window};
use netwright_resolve::live::Live;
use std::collections::{BTreeMap, BTreeSet};

/// How many gaps are told of one agent.
const MOST_GAPS: usize = 100;

/// The status, from one moment of the store.
pub(super) async fn status(export: &Export, now: Time) -> Result<Status, StoreError> {
    let mut snapshot = export.store.snapshot().await?;
    let coverage = snapshot.coverage().await?;
    let (agents, missing) = (snapshot.agents().await?, snapshot.gaps().await?);
    let (totals, days) = (snapshot.totals().await?, snapshot.new_edges().await?);
    let collapsed = snapshot.counter("collapsed_destinations").await?;
    let collapsed = collapsed.saturating_add(snapshot.counter("uncounted_attempts").await?);
    let load = export.store.inbox_load().await?;
    let nodes = nodes(&mut crate::observation::live(&mut snapshot).await?);
    let mut stretches: BTreeMap<&str, Vec<&CoverageRow>> = BTreeMap::new();
    for row in &coverage {
        stretches.entry(&row.node).or_default().push(row);
    }
    let mut told = Vec::new();
    for agent in &agents {
        let rows = stretches.get(agent.node.as_str()).map(Vec::as_slice).unwrap_or_default();
        let missing = missing.iter().filter(|gap| gap.node == agent.node).map(|gap| gap.missing);
        told.push(AgentStatus {
            node: agent.node.as_str().into(),
            heard: rows::time(agent.received),
            watched_until: rows::time(agent.reported_until),
            watched_seconds: watched(rows),
            in_cluster: nodes.contains(agent.node.as_str()),
            missing_segments: missing.sum(),
            gaps: gaps(rows),
            losses: losses(rows),
        });
    }
    let reporting: BTreeSet<&str> = agents.iter().map(|agent| agent.node.as_str()).collect();
    let unwatched = nodes.iter().filter(|node| !reporting.contains(node.as_str())).cloned().collect();
    let first = coverage.iter().map(|row| row.since).min();
    let window = first.zip(coverage.iter().map(|row| row.until).max());
    Ok(Status {
        at: now,
        collector: concat!("netwright-collector ", env!("CARGO_PKG_VERSION")).to_owned(),
        cluster: export.cluster.clone(),
        window: window.map(|(from, until)| Window { from: rows::time(from), until: rows::time(until) }),
        agents: told,
        unwatched_nodes: unwatched,
        inbox_segments: load.segments,
        inbox_oldest: load.oldest.map(rows::time),
        pending_flows: totals.pending,
        edges: totals.edges,
        unresolved_flows: totals.unresolved,
        collapsed,
        new_edges: days.into_iter().map(|(day, edges)| NewEdges { day: rows::time(day), edges }).collect(),
    })
}

fn nodes(live: &mut Live) -> BTreeSet<Name> {
    live.view().nodes.iter().map(|node| node.name.clone()).collect()
}

/// Seconds in which somebody watched, whatever runs overlap.
fn watched(rows: &[&CoverageRow]) -> u64 {
    let milliseconds: i64 = united(rows).iter().map(|(since, until)| until.saturating_sub(*since)).sum();
    u64::try_from(milliseconds / 1000).unwrap_or(0)
}

fn gaps(rows: &[&CoverageRow]) -> Vec<Window> {
    let united = united(rows);
    let between = united.iter().zip(united.iter().skip(1));
    let gaps = between.map(|((_, from), (until, _))| Window { from: rows::time(*from), until: rows::time(*until) });
    gaps.take(MOST_GAPS).collect()
}

/// Stretches without those that lie in another, or go on where another ends.
fn united(rows: &[&CoverageRow]) -> Vec<(i64, i64)> {
    let mut sorted: Vec<(i64, i64)> = rows.iter().map(|row| (row.since, row.until)).collect();
    sorted.sort_unstable();
    let mut united: Vec<(i64, i64)> = Vec::new();
    for (since, until) in sorted {
        match united.last_mut() {
            Some((_, last)) if since <= *last => *last = (*last).max(until),
            _ => united.push((since, until)),
        }
    }
    united
}

fn losses(rows: &[&CoverageRow]) -> Losses {
    let mut all = Losses::default();
    for row in rows.iter().filter(|row| row.lost > 0) {
        if let Ok(losses) = serde_json::from_str(&row.losses) {
            all.add(&losses);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_unite_and_leave_gaps() {
        let row = |since, until| CoverageRow {
            node: "n1".into(),
            run: "r".into(),
            since,
            until,
            ended: "continues".into(),
            lost: 0,
            losses: "{}".into(),
            notes: "[]".into(),
            segments: 1,
        };
        let rows = [row(0, 10_000), row(5_000, 12_000), row(12_000, 15_000), row(20_000, 21_000), row(20_100, 20_200)];
        let rows: Vec<&CoverageRow> = rows.iter().collect();
        assert_eq!(watched(&rows), 16);
        let found: Vec<_> = gaps(&rows).iter().map(|gap| (gap.from.as_second(), gap.until.as_second())).collect();
        assert_eq!(found, [(15, 20)]);
    }
}
