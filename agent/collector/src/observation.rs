//! What is kept, as one observation: the content of an export.

use crate::merge::rows;
use crate::store::{Snapshot, StoreError};
use netwright_record::{Coverage, Ended, Flow, Header, Observation, Time, Window};
use netwright_resolve::live::Live;
use netwright_resolve::resolve::{Resolver, Statements};
use std::collections::BTreeMap;

/// Who writes the file.
const WRITTEN_BY: &str = concat!("netwright-collector ", env!("CARGO_PKG_VERSION"));

/// Draws the conclusions from everything in `snapshot`. What still waits for a name is unresolved, with the reason it waits for.
/// O(n log n) in what is kept, in time; in memory the whole of it.
///
/// # Errors
///
/// The store cannot be read, or holds what a later version wrote.
pub async fn observation(
    snapshot: &mut Snapshot,
    cluster: Option<String>,
    now: Time,
) -> Result<Observation, StoreError> {
    let coverage = read_coverage(snapshot).await?;
    let mut live = live(snapshot).await?;
    let mut statements = Statements::default();
    let mut odd = 0u64;
    snapshot
        .each_statement(|body| match rows::read_statement(body) {
            Ok((subject, statement)) => statements.add(subject, statement),
            Err(_) => odd += 1,
        })
        .await?;
    let mut unresolved: Vec<(Flow, String)> = Vec::new();
    snapshot
        .each_unresolved(|reason, body| match rows::read_flow(body) {
            Ok(flow) => unresolved.push((flow, reason.to_owned())),
            Err(_) => odd += 1,
        })
        .await?;
    if odd > 0 {
        return Err(StoreError::Odd { rows: odd });
    }
    let window = window(&coverage, now);
    let mut header = Header::new(WRITTEN_BY, window);
    header.cluster = cluster;
    let mut observation = Observation::new(header);
    observation.coverage = coverage;
    let resolution = Resolver::new(live.view()).finish(statements, unresolved);
    (observation.edges, observation.unresolved) = (resolution.edges, resolution.unresolved);
    observation.inventory = live.export();
    Ok(observation)
}

/// The inventory as it was written down.
///
/// # Errors
///
/// As [`observation`].
pub async fn live(snapshot: &mut Snapshot) -> Result<Live, StoreError> {
    let mut live = Live::default();
    let mut failed = None;
    snapshot
        .each_object(|kind, namespace, name, gone_at, body| {
            let gone = gone_at.map(rows::time);
            if let Err(why) = live.restore(kind, namespace, name, body, gone) {
                failed = Some(why);
            }
        })
        .await?;
    snapshot
        .each_pod(|uid, gone_at, body| {
            if let Err(why) = live.restore("Pod", "", uid, body, gone_at.map(rows::time)) {
                failed = Some(why);
            }
        })
        .await?;
    match failed {
        Some(why) => Err(StoreError::Inventory { why: why.to_string() }),
        None => Ok(live),
    }
}

/// A run of an agent that another one followed, and that never said it would stop, was cut off.
async fn read_coverage(snapshot: &mut Snapshot) -> Result<Vec<Coverage>, StoreError> {
    let rows = snapshot.coverage().await?;
    let mut coverage: Vec<Coverage> = rows
        .iter()
        .map(|row| rows::read_coverage(row).map_err(|why| StoreError::Unreadable { what: "coverage", why }))
        .collect::<Result<_, _>>()?;
    coverage.sort_by(|a, b| (&a.node, &a.run, a.from).cmp(&(&b.node, &b.run, b.from)));
    let mut last_run = BTreeMap::new();
    for stretch in &coverage {
        last_run.insert(stretch.node.clone(), stretch.run.clone());
    }
    let cut_off = |one: &Coverage, next: Option<&Coverage>| {
        let last_of_run = next.is_none_or(|next| (&next.node, &next.run) != (&one.node, &one.run));
        one.ended == Ended::Continues && last_of_run && last_run.get(&one.node) != Some(&one.run)
    };
    let ended: Vec<bool> =
        coverage.iter().enumerate().map(|(index, one)| cut_off(one, coverage.get(index + 1))).collect();
    for (stretch, cut_off) in coverage.iter_mut().zip(ended) {
        if cut_off {
            stretch.ended = Ended::CutOff;
        }
    }
    Ok(coverage)
}

/// From the first to the last moment that any agent watched.
fn window(coverage: &[Coverage], now: Time) -> Window {
    let from = coverage.iter().map(|stretch| stretch.from).min().unwrap_or(now);
    let until = coverage.iter().map(|stretch| stretch.to).max().unwrap_or(now);
    Window { from, until: until.max(from) }
}
