//! How the recording stands: `GET /v1/status`, read from the store as it is at one moment.

use crate::merge::rows;
use crate::store::{Gap, Snapshot, Store, StoreError};
use netwright_record::collector::{AgentStatus, NewEdges, Status};
use netwright_record::{Coverage, Name, Time, Window};
use std::collections::{BTreeMap, BTreeSet};

const COLLECTOR: &str = concat!("netwright-collector ", env!("CARGO_PKG_VERSION"));
/// How many stretches without a watch are told of each agent.
const GAPS: usize = 100;

/// The status at `now`. `watch_age` is in seconds.
///
/// # Errors
/// The store cannot be read.
pub(super) async fn status(
    store: &Store,
    cluster: Option<String>,
    watch_age: Option<u64>,
    now: Time,
) -> Result<Status, StoreError> {
    let inbox = store.inbox_load().await?;
    let mut snapshot = store.snapshot().await?;
    let coverage = coverage(&mut snapshot).await?;
    let nodes: BTreeSet<String> = snapshot.node_names().await?.into_iter().collect();
    let agents = agents(&mut snapshot, &coverage, &nodes).await?;
    let reported: BTreeSet<&str> = agents.iter().map(|agent| &*agent.node).collect();
    let unwatched_nodes =
        nodes.iter().filter(|node| !reported.contains(node.as_str())).map(|node| node.as_str().into());
    let totals = snapshot.totals().await?;
    let collapsed = snapshot.counter("collapsed_destinations").await?;
    let collapsed = collapsed.saturating_add(snapshot.counter("uncounted_attempts").await?);
    let new_edges = snapshot.new_edges().await?.into_iter();
    Ok(Status {
        at: now,
        collector: COLLECTOR.into(),
        cluster,
        window: window(&coverage),
        unwatched_nodes: unwatched_nodes.collect(),
        agents,
        inbox_segments: inbox.segments,
        inbox_oldest: inbox.oldest.map(rows::time),
        pending_flows: totals.pending,
        edges: totals.edges,
        unresolved_flows: totals.unresolved,
        collapsed,
        watch_age,
        new_edges: new_edges.map(|(day, edges)| NewEdges { day: rows::time(day), edges }).collect(),
    })
}

type ByNode = BTreeMap<Name, Vec<Coverage>>;

/// By node, each in order of time.
async fn coverage(snapshot: &mut Snapshot) -> Result<ByNode, StoreError> {
    let mut by_node = ByNode::new();
    for row in &snapshot.coverage().await? {
        let read = rows::read_coverage(row).map_err(|why| StoreError::Unreadable { what: "coverage", why })?;
        by_node.entry(read.node.clone()).or_default().push(read);
    }
    by_node.values_mut().for_each(|stretches| stretches.sort_by_key(|stretch| (stretch.from, stretch.to)));
    Ok(by_node)
}

fn window(coverage: &ByNode) -> Option<Window> {
    let stretches = || coverage.values().flatten();
    let from = stretches().map(|stretch| stretch.from).min()?;
    Some(Window { from, until: stretches().map(|stretch| stretch.to).max()? })
}

async fn agents(
    snapshot: &mut Snapshot,
    coverage: &ByNode,
    nodes: &BTreeSet<String>,
) -> Result<Vec<AgentStatus>, StoreError> {
    let mut missing: BTreeMap<String, u64> = BTreeMap::new();
    for Gap { node, missing: more, .. } in snapshot.gaps().await? {
        *missing.entry(node).or_default() += more;
    }
    let rows = snapshot.agents().await?;
    let agents = rows.into_iter().map(|row| {
        let node = Name::from(row.node.as_str());
        let mut agent = AgentStatus {
            heard: rows::time(row.received),
            watched_until: rows::time(row.reported_until),
            watched_seconds: 0,
            in_cluster: nodes.contains(&row.node),
            missing_segments: missing.get(&row.node).copied().unwrap_or(0),
            gaps: Vec::new(),
            losses: Default::default(),
            node,
        };
        let stretches = coverage.get(&agent.node).map_or(&[][..], Vec::as_slice);
        describe(&mut agent, stretches);
        agent
    });
    Ok(agents.collect())
}

/// What was watched, what not, and what was lost. Stretches may overlap, as two runs can.
fn describe(agent: &mut AgentStatus, stretches: &[Coverage]) {
    let mut until: Option<Time> = None;
    let mut milliseconds = 0_i128;
    for stretch in stretches {
        agent.losses.add(&stretch.losses);
        let from = until.map_or(stretch.from, |until| until.max(stretch.from));
        if let Some(until) = until.filter(|until| *until < stretch.from && agent.gaps.len() < GAPS) {
            agent.gaps.push(Window { from: until, until: stretch.from });
        }
        milliseconds += stretch.to.duration_since(from).as_millis().max(0);
        until = Some(until.map_or(stretch.to, |until| until.max(stretch.to)));
    }
    agent.watched_seconds = u64::try_from(milliseconds / 1000).unwrap_or(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use netwright_record::{Ended, Losses};

    fn time(second: i64) -> Time {
        Time::from_second(second).unwrap()
    }

    fn stretch(from: i64, to: i64, evicted: u64) -> Coverage {
        Coverage {
            node: "n1".into(),
            run: "r1".into(),
            from: time(from),
            to: time(to),
            ended: Ended::Continues,
            losses: Losses { evicted, ..Losses::default() },
            notes: Vec::new(),
        }
    }

    #[test]
    fn what_overlaps_counts_once_and_what_is_missing_is_a_gap() {
        let mut agent = AgentStatus {
            node: "n1".into(),
            heard: time(0),
            watched_until: time(0),
            watched_seconds: 0,
            in_cluster: true,
            missing_segments: 0,
            gaps: Vec::new(),
            losses: Losses::default(),
        };
        describe(&mut agent, &[stretch(0, 10, 1), stretch(10, 30, 0), stretch(20, 25, 2), stretch(40, 50, 0)]);
        assert_eq!((agent.watched_seconds, agent.losses.evicted), (40, 3));
        assert_eq!(agent.gaps, [Window { from: time(30), until: time(40) }]);
    }
}
