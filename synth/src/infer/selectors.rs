//! By which labels each workload is selected, and which others those labels select as well.
//!
//! The owner's selector is right as long as no other pod of the namespace matches it. Where one does, stable labels of
//! the pod template are added until none does; what remains is reported as widened access. Where the selector misses a
//! pod that was seen, since the owner was deleted and made anew with other labels, what all pods shared stands for it.

use super::names::{valid_label, valid_namespace};
use super::rules::{Pods, Selection};
use crate::index::{Facts, Index};
use netwright_record::Name;
use netwright_record::inventory::{Labels, WorkloadRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The label sets that occur in one namespace, each with its workload.
type LabelSets<'a> = BTreeSet<(&'a WorkloadRef, &'a Labels)>;

/// The selections of all workloads that can be selected.
pub type Selections = BTreeMap<Arc<WorkloadRef>, Selection>;

/// The selection of every workload that can be selected.
pub fn select(index: &Index) -> Selections {
    let mut namespaces: BTreeMap<&str, LabelSets> = BTreeMap::new();
    for (workload, facts) in index.workloads() {
        if !facts.host_network() {
            namespaces.entry(&workload.namespace).or_default().extend(label_sets(workload, facts));
        }
    }
    let none = LabelSets::new();
    index
        .workloads()
        .filter(|(_, facts)| !facts.host_network())
        .filter_map(|(workload, facts)| {
            let neighbours = namespaces.get(workload.namespace.as_str()).unwrap_or(&none);
            Some((Arc::new(workload.clone()), selection(workload, facts, neighbours)?))
        })
        .collect()
}

/// The label sets of the workload's pods, and those of its template.
fn label_sets<'a>(workload: &'a WorkloadRef, facts: &Facts<'a>) -> LabelSets<'a> {
    let pods = facts.pods.iter().filter(|pod| !pod.host_network).map(|pod| &pod.labels);
    let template = facts.declared.map(|declared| &declared.labels).filter(|labels| !labels.is_empty());
    pods.chain(template).map(|labels| (workload, labels)).collect()
}

fn selection(workload: &WorkloadRef, facts: &Facts, neighbours: &LabelSets) -> Option<Selection> {
    let declared = facts.declared?;
    let usable = !declared.selector.is_empty() && declared.selector.iter().all(|(key, value)| valid_label(key, value));
    if !usable || !valid_namespace(&workload.namespace) {
        return None;
    }
    let mut candidates = stable_labels(facts);
    let common = !facts.pods.iter().filter(|pod| !pod.host_network).all(|pod| selects(&declared.selector, &pod.labels));
    let mut labels = if common { candidates.clone() } else { declared.selector.clone() };
    if labels.is_empty() {
        return None;
    }
    let mut others = overlapping(&labels, workload, neighbours);
    while !others.is_empty() {
        let Some((key, value)) = best_candidate(&candidates, &others) else { break };
        candidates.remove(&key);
        others.retain(|(_, labels)| labels.get(&key) == Some(&value));
        labels.insert(key, value);
    }
    let added = labels.keys().filter(|key| !common && !declared.selector.contains_key(key)).cloned().collect();
    let widened = others.into_iter().map(|(other, _)| other.clone()).collect();
    let pods = Arc::new(Pods { namespace: workload.namespace.clone(), labels });
    Some(Selection { pods, added, common, widened })
}

fn overlapping<'a>(labels: &Labels, workload: &WorkloadRef, neighbours: &LabelSets<'a>) -> LabelSets<'a> {
    neighbours.iter().filter(|(other, set)| *other != workload && selects(labels, set)).copied().collect()
}

/// Whether `selector` (an AND of equalities) selects a pod with `labels`.
pub fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// The template's stable labels that each pod of the workload carried: adding one loses no pod.
fn stable_labels(facts: &Facts) -> Labels {
    let on_every_pod = |key: &Name, value: &Name| facts.pods.iter().all(|pod| pod.labels.get(key) == Some(value));
    let stable = facts.declared.into_iter().flat_map(|declared| &declared.labels);
    stable
        .filter(|(key, value)| valid_label(key, value) && on_every_pod(key, value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The label that most of `others` lack, the first by key among equals; none if it would tell nobody apart.
fn best_candidate(candidates: &Labels, others: &LabelSets) -> Option<(Name, Name)> {
    let excluded = |key: &str, value: &str| {
        others.iter().filter(|(_, labels)| labels.get(key).map(Name::as_str) != Some(value)).count()
    };
    let mut best: Option<(usize, (&Name, &Name))> = None;
    for (key, value) in candidates {
        let count = excluded(key, value);
        if count > best.map_or(0, |(most, _)| most) {
            best = Some((count, (key, value)));
        }
    }
    best.map(|(_, (key, value))| (key.clone(), value.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    fn selection_of(world: &World, workload: &WorkloadRef) -> Selection {
        let observation = world.build();
        select(&Index::new(&observation)).remove(workload).unwrap()
    }

    #[test]
    fn the_owners_selector_is_kept_where_it_is_unique() {
        let mut world = World::new();
        let cart = world.workload("shop", "Deployment", "cart", &[("app", "cart")]);
        world.workload("shop", "Deployment", "front", &[("app", "front")]);
        let selection = selection_of(&world, &cart);
        assert_eq!(selection.pods.labels, Labels::from([("app", "cart")]));
        assert!(selection.added.is_empty() && selection.widened.is_empty());
    }

    #[test]
    fn a_stable_label_tells_an_overlap_apart() {
        let mut world = World::new();
        let api = world.workload("shop", "Deployment", "api", &[("app", "shop")]);
        world.template(&api, &[("app", "shop"), ("tier", "api"), ("zone", "a")]);
        let web = world.workload("shop", "Deployment", "web", &[("app", "shop")]);
        world.template(&web, &[("app", "shop"), ("tier", "web"), ("zone", "a")]);
        let selection = selection_of(&world, &api);
        assert_eq!(selection.added, BTreeSet::from(["tier".into()]));
        assert!(selection.widened.is_empty());
    }

    #[test]
    fn an_overlap_that_no_label_ends_is_named() {
        let mut world = World::new();
        let api = world.workload("shop", "Deployment", "api", &[("app", "shop")]);
        let web = world.workload("shop", "Deployment", "web", &[("app", "shop")]);
        assert_eq!(selection_of(&world, &api).widened, BTreeSet::from([web]));
    }

    #[test]
    fn the_same_labels_in_another_namespace_do_not_overlap() {
        let mut world = World::new();
        let api = world.workload("shop", "Deployment", "api", &[("app", "x")]);
        world.workload("data", "Deployment", "api", &[("app", "x")]);
        assert!(selection_of(&world, &api).widened.is_empty());
    }

    #[test]
    fn a_label_that_an_older_pod_lacks_is_not_added() {
        let mut world = World::new();
        let api = world.workload("shop", "Deployment", "api", &[("app", "shop")]);
        world.pod(&api, "n1", &[("app", "shop")]);
        world.template(&api, &[("app", "shop"), ("tier", "api")]);
        let web = world.workload("shop", "Deployment", "web", &[("app", "shop")]);
        assert_eq!(selection_of(&world, &api).widened, BTreeSet::from([web]));
    }

    #[test]
    fn an_owner_made_anew_is_selected_by_what_all_its_pods_share() {
        let mut world = World::new();
        let api = world.workload("shop", "Deployment", "api", &[("app", "new")]);
        world.template(&api, &[("app", "new"), ("team", "shop")]);
        world.pod(&api, "n1", &[("app", "old"), ("team", "shop")]);
        let selection = selection_of(&world, &api);
        assert_eq!((&selection.pods.labels, selection.common), (&crate::testing::labels(&[("team", "shop")]), true));
    }

    #[test]
    fn an_owner_whose_pods_share_nothing_cannot_be_selected() {
        let mut world = World::new();
        let api = world.workload("shop", "Deployment", "api", &[("app", "new")]);
        world.pod(&api, "n1", &[("app", "old")]);
        let observation = world.build();
        assert_eq!(select(&Index::new(&observation)).get(&api), None);
    }
}
