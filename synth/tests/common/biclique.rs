//! A plain greedy biclique cover, to hold the cover by labels against: how many selectors somebody would need who takes,
//! again and again, the labels that most of the rest share and nobody else has.
//!
//! It needs nothing but the standard library, shares no code with what it judges, and takes its time: every conjunction
//! of up to three labels of every workload is tried. Other test crates include it by path.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use std::collections::{BTreeMap, BTreeSet};

/// The labels of one pod.
pub type Labels = BTreeMap<String, String>;

/// A workload: its namespace and the label sets of its pods.
pub type Workload = (String, Vec<Labels>);

/// The number of selectors that a greedy cover of `wanted` (positions in `population`) takes. Every conjunction of one to
/// three labels that `may_select` takes is in the vocabulary; one is used where it selects all pods of several wanted
/// workloads of a namespace, and no pod of anyone else there. Each workload that is left takes a selector of its own.
pub fn greedy(population: &[Workload], wanted: &BTreeSet<usize>, may_select: impl Fn(&str) -> bool) -> usize {
    let groups = groups(population, wanted, may_select);
    let mut left = wanted.clone();
    let mut selectors = 0;
    while let Some(best) = groups.iter().max_by_key(|group| group.intersection(&left).count()) {
        if best.intersection(&left).count() < 2 {
            break;
        }
        left.retain(|workload| !best.contains(workload));
        selectors += 1;
    }
    selectors + left.len()
}

/// The sets of wanted workloads that some conjunction selects, and nobody else.
fn groups(
    population: &[Workload],
    wanted: &BTreeSet<usize>,
    may_select: impl Fn(&str) -> bool,
) -> BTreeSet<BTreeSet<usize>> {
    let mut tried: BTreeSet<(String, Vec<(String, String)>)> = BTreeSet::new();
    for workload in wanted {
        let (namespace, pods) = &population[*workload];
        for labels in pods {
            let usable: Vec<(String, String)> = labels
                .iter()
                .filter(|(key, _)| may_select(key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            tried.extend(conjunctions(&usable).into_iter().map(|labels| (namespace.clone(), labels)));
        }
    }
    let group = |(namespace, labels): &(String, Vec<(String, String)>)| selected(population, wanted, namespace, labels);
    tried.iter().filter_map(group).collect()
}

/// All choices of one, two and three.
fn conjunctions(labels: &[(String, String)]) -> Vec<Vec<(String, String)>> {
    let mut all: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for label in labels {
        let longer: Vec<Vec<(String, String)>> = all
            .iter()
            .filter(|shorter| shorter.len() < 3)
            .map(|shorter| shorter.iter().cloned().chain([label.clone()]).collect())
            .collect();
        all.extend(longer);
    }
    all.retain(|labels| !labels.is_empty());
    all
}

/// The wanted workloads all of whose pods have `labels`; none if anyone else has a pod with them.
fn selected(
    population: &[Workload],
    wanted: &BTreeSet<usize>,
    namespace: &str,
    labels: &[(String, String)],
) -> Option<BTreeSet<usize>> {
    let matches = |pod: &Labels| labels.iter().all(|(key, value)| pod.get(key) == Some(value));
    let mut group = BTreeSet::new();
    for (position, (home, pods)) in population.iter().enumerate().filter(|(_, (home, _))| home == namespace) {
        debug_assert_eq!(home, namespace);
        if pods.iter().any(matches) && !wanted.contains(&position) {
            return None;
        }
        if !pods.is_empty() && pods.iter().all(matches) {
            group.insert(position);
        }
    }
    group.retain(|position| wanted.contains(position));
    Some(group)
}
