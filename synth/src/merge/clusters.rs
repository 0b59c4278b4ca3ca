//! Which files are of one cluster, and which of these saw the same time.

use super::{MergeError, Options, Source};
use netwright_record::{Coverage, Name, Observation};
use std::collections::{BTreeMap, BTreeSet};

/// Whether the files may be merged.
pub(super) fn check(sources: &[Source], options: &Options) -> Result<(), MergeError> {
    let cluster = |source: &Source| source.observation.header.cluster.clone();
    let unnamed = sources.iter().find(|source| cluster(source).is_none());
    let named = sources.iter().find_map(|source| Some((source, cluster(source)?)));
    if let (Some((named, cluster)), Some(unnamed)) = (named, unnamed) {
        let (named, unnamed) = (named.name.clone(), unnamed.name.clone());
        return Err(MergeError::Unnamed { named, cluster, unnamed });
    }
    let clusters: BTreeSet<String> = sources.iter().filter_map(cluster).collect();
    if clusters.len() > 1 && !options.across_clusters {
        let clusters: Vec<String> = clusters.iter().map(|cluster| format!("{cluster:?}")).collect();
        return Err(MergeError::Clusters(clusters.join(", ")));
    }
    if clusters.is_empty() { strangers(sources) } else { Ok(()) }
}

/// Two files without a cluster's name that cannot be of one, as far as that can be told.
fn strangers(sources: &[Source]) -> Result<(), MergeError> {
    let nodes = |source: &Source| -> BTreeSet<Name> {
        source.observation.inventory.nodes.iter().map(|node| node.name.clone()).collect()
    };
    for (index, one) in sources.iter().enumerate() {
        for other in sources.iter().skip(index + 1) {
            let (ones, others) = (nodes(one), nodes(other));
            let known = !ones.is_empty() && !others.is_empty();
            if known && ones.is_disjoint(&others) && windows_overlap(&one.observation, &other.observation) {
                return Err(MergeError::Strangers { one: one.name.clone(), other: other.name.clone() });
            }
        }
    }
    Ok(())
}

/// The files by number, those together that saw the same time of the same cluster, directly or by way of others. Groups and
/// their members ascend.
pub(super) fn overlapping(sources: &[Source]) -> Vec<Vec<usize>> {
    let mut group: Vec<usize> = (0..sources.len()).collect();
    for (index, one) in sources.iter().enumerate() {
        for (before, other) in sources.iter().enumerate().take(index) {
            if overlap(&one.observation, &other.observation) {
                let (Some(&mine), Some(&theirs)) = (group.get(index), group.get(before)) else { continue };
                let (low, high) = (mine.min(theirs), mine.max(theirs));
                group.iter_mut().filter(|it| **it == high).for_each(|it| *it = low);
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    group.into_iter().enumerate().for_each(|(index, group)| groups.entry(group).or_default().push(index));
    groups.into_values().collect()
}

fn overlap(one: &Observation, other: &Observation) -> bool {
    one.header.cluster == other.header.cluster && (windows_overlap(one, other) || stretches_overlap(one, other))
}

fn windows_overlap(one: &Observation, other: &Observation) -> bool {
    let (one, other) = (one.header.window, other.header.window);
    (one.from < other.until && other.from < one.until) || one == other
}

/// Whether both hold the same stretch of a run of an agent, which a header may not tell.
fn stretches_overlap(one: &Observation, other: &Observation) -> bool {
    let mut runs: BTreeMap<(&Name, &str), Vec<&Coverage>> = BTreeMap::new();
    one.coverage.iter().for_each(|it| runs.entry((&it.node, &it.run)).or_default().push(it));
    other.coverage.iter().any(|theirs| {
        let mine = runs.get(&(&theirs.node, theirs.run.as_str()));
        mine.into_iter().flatten().any(|mine| mine.from < theirs.to && theirs.from < mine.to)
    })
}
