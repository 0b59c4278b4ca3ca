//! Several observations as one: windows of a cluster after one another, or clusters that run the same.
//!
//! Nothing counts twice. Files of one cluster whose windows overlap have seen the same connections, and of two totals it cannot be told
//! which part they share; so each count is the larger of the two, which is never too much. First and last times, active hours,
//! addresses and Services are unions, which is exact. Files whose windows do not overlap are added up.
//!
//! The order of the files changes nothing, and a file merged with itself is that file.

mod activity;
mod clusters;
mod coverage;
mod error;
mod inventory;

#[cfg(test)]
mod tests;

pub use error::{Conflict, MergeError};

use activity::Counted;
use netwright_record::{Edge, FlatSet, Flow, Header, Observation, Unresolved, Window};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A file, and what it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// How messages call it.
    pub name: String,
    /// What it holds.
    pub observation: Observation,
}

/// How to merge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The cluster of files that name none.
    pub cluster: Option<String>,
    /// Take what has the same namespace, kind and name in different clusters for one.
    pub across_clusters: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// All in one, in canonical order.
    pub observation: Observation,
    /// The names of files that have seen the same time of the same cluster, group by group: counts are the larger ones.
    pub overlapping: Vec<Vec<String>>,
    /// The names of files left out, since another has the same content.
    pub same: Vec<String>,
}

/// Merges. O(n log n) in records; all of them are in memory.
///
/// # Errors
/// There is no file, or they are of clusters that cannot be one.
pub fn merge(sources: Vec<Source>, options: &Options, written_by: &str) -> Result<Merged, MergeError> {
    let (sources, same) = in_order(sources, options);
    clusters::check(&sources, options)?;
    let Some(first) = sources.first() else { return Err(MergeError::Nothing) };
    if sources.len() == 1 {
        let mut observation = first.observation.clone();
        observation.sort();
        return Ok(Merged { observation, overlapping: Vec::new(), same });
    }
    let groups = clusters::overlapping(&sources);
    let mut observation = Observation::new(header(&sources, first, written_by));
    observation.coverage = coverage::merge(sources.iter().flat_map(|source| &source.observation.coverage));
    observation.inventory = inventory::merge(&sources)?;
    let observations = |group: &'_ [usize]| -> Vec<&Observation> {
        group.iter().filter_map(|index| Some(&sources.get(*index)?.observation)).collect()
    };
    let groups_of_observations: Vec<Vec<&Observation>> = groups.iter().map(|group| observations(group)).collect();
    observation.edges = collect(&groups_of_observations, |it| &it.edges).into_iter().map(capped).collect();
    observation.flows = collect::<Flow>(&groups_of_observations, |it| &it.flows);
    observation.unresolved = collect::<Unresolved>(&groups_of_observations, |it| &it.unresolved);
    observation.sort();
    let name = |index: &usize| sources.get(*index).map(|source| source.name.clone());
    let overlapping =
        groups.iter().filter(|group| group.len() > 1).map(|group| group.iter().filter_map(name).collect());
    Ok(Merged { observation, overlapping: overlapping.collect(), same })
}

/// Earlier windows first, whatever the order of the files; of files with the same content the first. The cluster's name is filled in.
fn in_order(sources: Vec<Source>, options: &Options) -> (Vec<Source>, Vec<String>) {
    let mut keyed: Vec<_> = sources
        .into_iter()
        .map(|mut source| {
            let header = &mut source.observation.header;
            header.cluster = header.cluster.take().or_else(|| options.cluster.clone());
            let window = header.window;
            ((window.until, window.from, source.observation.digest(), source.name.clone()), source)
        })
        .collect();
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (mut kept, mut same, mut latest) = (Vec::new(), Vec::new(), None);
    for ((_, _, digest, name), source) in keyed {
        if latest.as_ref() == Some(&digest) {
            same.push(name);
        } else {
            latest = Some(digest);
            kept.push(source);
        }
    }
    (kept, same)
}

/// The whole time, and the clusters' names joined by `+`.
fn header(sources: &[Source], first: &Source, written_by: &str) -> Header {
    let headers = || sources.iter().map(|source| &source.observation.header);
    let mut window: Window = first.observation.header.window;
    for header in headers() {
        window.from = window.from.min(header.window.from);
        window.until = window.until.max(header.window.until);
    }
    let mut names: Vec<&str> = headers().filter_map(|header| header.cluster.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    let cluster = (!names.is_empty()).then(|| names.join("+"));
    Header { cluster, ..Header::new(written_by, window) }
}

/// Something that is seen again in other files, and counts.
trait Seen: Clone {
    type Key: Ord;
    /// What tells it from others.
    fn key(&self) -> Self::Key;
    /// Its counts.
    fn activity(&mut self) -> &mut netwright_record::Activity;
    /// Takes over all that is no count. `same` if both saw the same connections.
    fn unite(&mut self, other: &Self, same: bool);
}

/// Each thing once: within a file all it has is added up, of files in a group the larger counts, and groups are added up.
fn collect<T: Seen>(groups: &[Vec<&Observation>], of: fn(&Observation) -> &Vec<T>) -> Vec<T> {
    let mut whole: BTreeMap<T::Key, T> = BTreeMap::new();
    for group in groups {
        let mut larger: BTreeMap<T::Key, (T, Counted)> = BTreeMap::new();
        for observation in group {
            let mut one: BTreeMap<T::Key, T> = BTreeMap::new();
            of(observation).iter().for_each(|seen| add(&mut one, seen.clone()));
            for (key, mut seen) in one {
                let counted = Counted::of(seen.activity());
                match larger.get_mut(&key) {
                    Some((known, counts)) => {
                        known.unite(&seen, true);
                        counts.larger(&counted);
                    }
                    None => drop(larger.insert(key, (seen, counted))),
                }
            }
        }
        for (mut seen, counted) in larger.into_values() {
            *seen.activity() = counted.into();
            add(&mut whole, seen);
        }
    }
    whole.into_values().collect()
}

fn add<T: Seen>(known: &mut BTreeMap<T::Key, T>, mut seen: T) {
    let key = seen.key();
    match known.get_mut(&key) {
        Some(known) => {
            known.unite(&seen, false);
            let activity = seen.activity().clone();
            known.activity().merge(&activity);
        }
        None => drop(known.insert(key, seen)),
    }
}

impl Seen for Edge {
    type Key = (netwright_record::Endpoint, netwright_record::Endpoint, netwright_record::Protocol, u16);

    fn key(&self) -> Self::Key {
        (self.client.clone(), self.server.clone(), self.protocol, self.port)
    }

    fn activity(&mut self) -> &mut netwright_record::Activity {
        &mut self.activity
    }

    fn unite(&mut self, other: &Self, same: bool) {
        self.services.extend(other.services.iter().cloned());
        self.client_addresses.extend(&other.client_addresses);
        self.server_addresses.extend(&other.server_addresses);
        self.nodes.extend(other.nodes.iter().cloned());
        let (mine, theirs) = (self.addresses_dropped, other.addresses_dropped);
        self.addresses_dropped = if same { mine.max(theirs) } else { mine.saturating_add(theirs) };
    }
}

impl Seen for Flow {
    type Key = (
        (netwright_record::Name, netwright_record::Local, netwright_record::Direction, netwright_record::Protocol),
        (IpAddr, u16, Option<u16>),
    );

    fn key(&self) -> Self::Key {
        let ends = (self.node.clone(), self.local.clone(), self.direction, self.protocol);
        (ends, (self.remote, self.port, self.remote_port))
    }

    fn activity(&mut self) -> &mut netwright_record::Activity {
        &mut self.activity
    }

    fn unite(&mut self, other: &Self, _same: bool) {
        self.names.extend(other.names.iter().cloned());
    }
}

impl Seen for Unresolved {
    type Key = (<Flow as Seen>::Key, String);

    fn key(&self) -> Self::Key {
        (self.flow.key(), self.reason.clone())
    }

    fn activity(&mut self) -> &mut netwright_record::Activity {
        &mut self.flow.activity
    }

    fn unite(&mut self, other: &Self, same: bool) {
        self.flow.unite(&other.flow, same);
    }
}

/// The edge with no more addresses than one keeps; the others are counted.
fn capped(mut edge: Edge) -> Edge {
    for addresses in [&mut edge.client_addresses, &mut edge.server_addresses] {
        let more = addresses.len().saturating_sub(Edge::ADDRESSES_KEPT);
        if more > 0 {
            *addresses = addresses.iter().copied().take(Edge::ADDRESSES_KEPT).collect::<FlatSet<_>>();
            edge.addresses_dropped = edge.addresses_dropped.saturating_add(more as u64);
        }
    }
    edge
}
