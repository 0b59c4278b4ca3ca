//! What was watched, of all files: a stretch that several files hold is one stretch.

use netwright_record::{Coverage, Ended, Losses, Name};
use std::collections::BTreeMap;

/// The stretches of all runs. Those of one run that overlap become one, with the larger of what each says was lost.
pub(super) fn merge<'a>(all: impl Iterator<Item = &'a Coverage>) -> Vec<Coverage> {
    let mut runs: BTreeMap<(&Name, &str), Vec<&Coverage>> = BTreeMap::new();
    all.for_each(|stretch| runs.entry((&stretch.node, &stretch.run)).or_default().push(stretch));
    runs.into_values().flat_map(of_run).collect()
}

fn of_run(mut stretches: Vec<&Coverage>) -> Vec<Coverage> {
    stretches.sort_by_key(|stretch| (stretch.from, stretch.to));
    let mut merged: Vec<Coverage> = Vec::new();
    for stretch in stretches {
        match merged.last_mut() {
            Some(last) if stretch.from < last.to || *last == *stretch => unite(last, stretch),
            Some(last) => {
                // A file that ended here could not know that the run went on.
                last.ended = Ended::Continues;
                merged.push(stretch.clone());
            }
            None => merged.push(stretch.clone()),
        }
    }
    merged
}

fn unite(mine: &mut Coverage, theirs: &Coverage) {
    mine.ended = match theirs.to.cmp(&mine.to) {
        std::cmp::Ordering::Less => mine.ended,
        std::cmp::Ordering::Equal => told(mine.ended, theirs.ended),
        std::cmp::Ordering::Greater => theirs.ended,
    };
    mine.to = mine.to.max(theirs.to);
    mine.losses = larger(&mine.losses, &theirs.losses);
    mine.notes.extend(theirs.notes.iter().cloned());
    mine.notes.sort();
    mine.notes.dedup();
}

/// Who says that it ended knows more than who says that it goes on.
fn told(one: Ended, other: Ended) -> Ended {
    match (one, other) {
        (Ended::Clean, _) | (_, Ended::Clean) => Ended::Clean,
        (Ended::CutOff, _) | (_, Ended::CutOff) => Ended::CutOff,
        _ => Ended::Continues,
    }
}

fn larger(one: &Losses, other: &Losses) -> Losses {
    Losses {
        connections: one.connections.max(other.connections),
        ring_full: one.ring_full.max(other.ring_full),
        map_full: one.map_full.max(other.map_full),
        evicted: one.evicted.max(other.evicted),
        dns_ring_full: one.dns_ring_full.max(other.dns_ring_full),
        dns_clipped: one.dns_clipped.max(other.dns_clipped),
        dns_malformed: one.dns_malformed.max(other.dns_malformed),
        dns_unwatched: one.dns_unwatched.max(other.dns_unwatched),
        dns_names_full: one.dns_names_full.max(other.dns_names_full),
        spool_full: one.spool_full.max(other.spool_full),
    }
}
