//! What the clusters consisted of, of all files: the latest file that knows a thing describes it.

use super::error::Conflict;
use super::{MergeError, Source};
use netwright_record::inventory::{HeldAddress, Inventory, Pod, Workload};
use netwright_record::{Labels, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Of files from the earliest window to the latest.
pub(super) fn merge(sources: &[Source]) -> Result<Inventory, MergeError> {
    let all = || sources.iter().map(|source| &source.observation.inventory);
    let mut merged = Inventory {
        namespaces: latest(all().flat_map(|it| &it.namespaces), |it| it.name.clone()),
        workloads: workloads(sources)?,
        pods: pods(sources),
        services: latest(all().flat_map(|it| &it.services), |it| (it.namespace.clone(), it.name.clone())),
        nodes: latest(all().flat_map(|it| &it.nodes), |it| it.name.clone()),
        cron_jobs: latest(all().flat_map(|it| &it.cron_jobs), |it| (it.namespace.clone(), it.name.clone())),
        policies: Vec::new(),
        api_extensions: Vec::new(),
    };
    across(&mut merged, sources);
    // What is no longer there admits and calls nothing, so the latest file of each cluster says all of these.
    for inventory in latest_of_each(sources) {
        merged
            .policies
            .extend(inventory.policies.iter().filter(|it| !merged.policies.contains(it)).cloned().collect::<Vec<_>>());
        merged.api_extensions.extend(inventory.api_extensions.iter().cloned());
    }
    merged.api_extensions.sort();
    merged.api_extensions.dedup();
    Ok(merged)
}

fn latest<'a, T: Clone + 'a, K: Ord>(all: impl Iterator<Item = &'a T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let latest: BTreeMap<K, &T> = all.map(|one| (key(one), one)).collect();
    latest.into_values().cloned().collect()
}

/// Where clusters differ, labels are those that all of them have, and a node's addresses those of all nodes of its name.
fn across(merged: &mut Inventory, sources: &[Source]) {
    let each = latest_of_each(sources);
    if each.len() < 2 {
        return;
    }
    for namespace in &mut merged.namespaces {
        let known = each.iter().flat_map(|it| &it.namespaces).filter(|it| it.name == namespace.name);
        known.for_each(|known| keep_common(&mut namespace.labels, &known.labels));
    }
    for node in &mut merged.nodes {
        let mut addresses: BTreeSet<IpAddr> = node.addresses.iter().copied().collect();
        for known in each.iter().flat_map(|it| &it.nodes).filter(|it| it.name == node.name) {
            keep_common(&mut node.labels, &known.labels);
            addresses.extend(&known.addresses);
        }
        node.addresses = addresses.into_iter().collect();
    }
}

/// For each cluster the inventory of its latest file that has one.
fn latest_of_each(sources: &[Source]) -> Vec<&Inventory> {
    let known = |inventory: &Inventory| !inventory.namespaces.is_empty() || !inventory.workloads.is_empty();
    let with = sources.iter().filter(|source| known(&source.observation.inventory));
    let latest: BTreeMap<_, &Inventory> =
        with.map(|source| (&source.observation.header.cluster, &source.observation.inventory)).collect();
    latest.into_values().collect()
}

/// The latest description of each, with the labels that were there all the time.
fn workloads(sources: &[Source]) -> Result<Vec<Workload>, MergeError> {
    let mut merged: BTreeMap<_, (Workload, &Source)> = BTreeMap::new();
    for source in sources {
        for workload in &source.observation.inventory.workloads {
            let mut next = workload.clone();
            if let Some((known, before)) = merged.get(&workload.workload) {
                agree(known, before, workload, source)?;
                keep_common(&mut next.labels, &known.labels);
            }
            merged.insert(workload.workload.clone(), (next, source));
        }
    }
    let whole = |(mut workload, _): (Workload, &Source)| {
        workload.labels.extend(workload.selector.clone());
        workload
    };
    Ok(merged.into_values().map(whole).collect())
}

/// In time a workload may be made anew with another selector. At the same time in two clusters it has to be the same.
fn agree(known: &Workload, before: &Source, next: &Workload, source: &Source) -> Result<(), MergeError> {
    if before.observation.header.cluster == source.observation.header.cluster {
        return Ok(());
    }
    let conflict = |field, one: String, other: String| {
        let (one, other) = ((one, before.name.clone()), (other, source.name.clone()));
        MergeError::Conflict(Box::new(Conflict { what: known.workload.to_string(), field, one, other }))
    };
    if known.selector != next.selector {
        return Err(conflict("its selector", format!("{:?}", known.selector), format!("{:?}", next.selector)));
    }
    if known.host_network != next.host_network {
        return Err(conflict("hostNetwork", known.host_network.to_string(), next.host_network.to_string()));
    }
    Ok(())
}

fn keep_common(labels: &mut Labels, other: &Labels) {
    labels.retain(|key, value| other.get(key) == Some(value));
}

/// An address, and from when to when the file that says so could see it held.
type Seen = (Time, Time, HeldAddress);

/// The latest description of each pod, with all times at which it held an address.
fn pods(sources: &[Source]) -> Vec<Pod> {
    let mut merged: BTreeMap<_, (&Pod, Vec<Seen>)> = BTreeMap::new();
    for Source { observation, .. } in sources {
        let window = observation.header.window;
        for pod in &observation.inventory.pods {
            let (latest, held) =
                merged.entry((&pod.namespace, &pod.name, &pod.uid)).or_insert_with(|| (pod, Vec::new()));
            *latest = pod;
            let seen =
                |one: &HeldAddress| (one.from.unwrap_or(window.from), one.until.unwrap_or(window.until), one.clone());
            held.extend(pod.addresses.iter().map(seen));
        }
    }
    let whole = |(pod, held): (&Pod, Vec<Seen>)| Pod { addresses: addresses(held), ..pod.clone() };
    merged.into_values().map(whole).collect()
}

/// Each address with its times: those that overlap are one. What one file knows of an end, another that did not see it takes over.
fn addresses(held: Vec<Seen>) -> Vec<HeldAddress> {
    let mut by_address: BTreeMap<IpAddr, Vec<Seen>> = BTreeMap::new();
    held.into_iter().for_each(|seen| by_address.entry(seen.2.ip).or_default().push(seen));
    by_address.into_values().flat_map(stretches).collect()
}

fn stretches(mut held: Vec<Seen>) -> Vec<HeldAddress> {
    held.sort_by_key(|(begin, end, one)| (*begin, *end, one.from, one.until));
    let mut merged: Vec<(Time, HeldAddress)> = Vec::new();
    for (begin, end, one) in held {
        match merged.last_mut() {
            // Nobody saw it given up: it is the same time.
            Some((until, last)) if begin <= *until || last.until.is_none() => {
                *until = (*until).max(end);
                last.from = last.from.into_iter().chain(one.from).min();
                last.until = last.until.into_iter().chain(one.until).max();
            }
            _ => merged.push((end, one)),
        }
    }
    merged.into_iter().map(|(_, one)| one).collect()
}
