//! Pods, put together where no policy tells them apart.

use super::ranges::{AddressRange, Ranges};
use super::sorting::Sorting;
use super::{Map, number};
use crate::labelled::{Compiled, Labelled, Last, Vocabulary};
use crate::model::Ports;
use crate::runs::{Run, Runs};
use crate::{Cluster, METADATA_NAME, Pod, PolicySet, Protocol, Selector};
use std::collections::BTreeMap;

/// Classes of pods that none of some policy sets tells apart, and ranges of addresses likewise.
///
/// Two pods of a class are in the same namespace, agree in all that selectors look at and in the named ports that rules
/// mention, and their addresses lie in the same blocks. Relations over the same classes can be compared.
#[derive(Debug)]
pub struct Classes {
    pub(crate) seen: Seen,
    of_pod: Vec<u32>,
    sizes: Vec<u32>,
    /// Names to the run of their classes, where they have any.
    namespaces: Map<String, Run>,
    /// By namespace number, to select by namespace labels.
    namespace_labels: Labelled,
    /// The classes of each namespace number.
    namespace_runs: Vec<Option<Run>>,
    labels: Labelled,
    /// Which named ports the pods of a class have: a number of `port_tables`.
    port_table: Vec<u32>,
    port_tables: Vec<Vec<NamedPort>>,
    /// The classes with an address in a range, for the ranges that have some.
    at_range: BTreeMap<u32, Runs>,
    ends: Vec<AddressRange>,
}

/// The number of a port's name, and what it stands for on some pod.
pub(super) type NamedPort = (u32, Protocol, u16);

/// All that policies look at.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) pod_labels: Vocabulary,
    pub(crate) namespace_labels: Vocabulary,
    pub(crate) port_names: Map<String, u32>,
    pub(crate) ranges: Ranges,
}

impl Seen {
    fn new(sets: &[&PolicySet]) -> Self {
        let parts = || sets.iter().map(|set| set.shorthand());
        let mut port_names = Map::default();
        for range in parts().flat_map(|part| &part.port_lists).flatten() {
            if let Ports::Name(name) = &range.ports
                && !port_names.contains_key(name)
            {
                port_names.insert(name.clone(), number(port_names.len()));
            }
        }
        Self {
            pod_labels: Vocabulary::new(parts().flat_map(|part| &part.pod_selectors)),
            namespace_labels: Vocabulary::new(parts().flat_map(|part| &part.namespace_selectors)),
            port_names,
            ranges: Ranges::new(parts().flat_map(|part| &part.blocks)),
        }
    }
}

impl Classes {
    /// Sorts pods of a cluster into classes that none of `sets` tells apart. Linear in the pods and their labels, but
    /// for the search for each address among the blocks.
    ///
    /// Pods that are done hold no address and take no part in anything: leave them out, and those on the host network,
    /// which are their node to every policy.
    pub fn new<'p>(sets: &[&PolicySet], cluster: &Cluster, pods: impl IntoIterator<Item = &'p Pod>) -> Self {
        let seen = Seen::new(sets);
        let mut sorting = Sorting::new(&seen);
        pods.into_iter().for_each(|pod| sorting.add(pod));
        let sorted = sorting.finish();
        let (namespaces, namespace_labels, namespace_runs) = place(&seen, cluster, sorted.numbers, &sorted.namespaces);
        let at_range = sorted.at_range.into_iter();
        Self {
            of_pod: sorted.of_pod,
            sizes: sorted.sizes,
            namespaces,
            namespace_labels,
            namespace_runs,
            labels: Labelled::new(sorted.labels),
            port_table: sorted.port_table,
            port_tables: sorted.port_tables,
            at_range: at_range.map(|(range, list)| (range, Runs::of_ascending(list.into_iter()))).collect(),
            ends: seen.ranges.ends(),
            seen,
        }
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Whether there is no pod.
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// The class of a pod, by its place among those given; of one that was not given, a number that no class has.
    pub fn of_pod(&self, pod: usize) -> usize {
        self.of_pod.get(pod).map_or(usize::MAX, |class| *class as usize)
    }

    /// How many pods a class has.
    pub fn size(&self, class: usize) -> usize {
        self.sizes.get(class).map_or(0, |size| *size as usize)
    }

    /// All addresses of both families, IPv4 first, cut into ranges that no policy tells apart. A pod's addresses lie in
    /// them as well.
    pub fn ranges(&self) -> &[AddressRange] {
        &self.ends
    }

    /// The range in which an address lies.
    pub fn range_of(&self, address: std::net::IpAddr) -> usize {
        self.seen.ranges.of(address) as usize
    }

    /// The classes of a namespace; `None` where it has no pods.
    pub(crate) fn namespace(&self, name: &str) -> Option<Run> {
        self.namespaces.get(name).copied()
    }

    /// The classes of the namespaces that a selector selects.
    pub(crate) fn namespaces(&self, selector: &Selector) -> Runs {
        let Some(last) = number(self.namespace_runs.len()).checked_sub(1) else { return Runs::default() };
        let selector = self.seen.namespace_labels.compile(selector);
        let mut selected = Vec::new();
        self.namespace_labels.select(&selector, Run::new(0, last), &mut selected);
        let namespaces = selected.into_iter().flat_map(Run::numbers);
        Runs::of(namespaces.filter_map(|namespace| *self.namespace_runs.get(namespace as usize)?).collect())
    }

    /// Adds to `found`, in ascending runs, the classes that a selector of pods selects among some.
    pub(crate) fn select(&self, pods: &Compiled, among: &[Run], found: &mut Vec<Run>) {
        self.labels.select_among(pods, among, found);
    }

    /// The classes with an address in some ranges.
    pub(crate) fn with_address_in(&self, ranges: &Runs) -> Runs {
        let found = ranges.as_slice().iter().flat_map(|run| self.at_range.range(run.numbers()));
        Runs::of(found.flat_map(|(_, classes)| classes.as_slice()).copied().collect())
    }

    /// The table of named ports of a class.
    pub(crate) fn port_table(&self, class: u32) -> u32 {
        self.port_table.get(class as usize).copied().unwrap_or_default()
    }

    /// The ports that a name stands for in a table.
    pub(crate) fn named(&self, table: u32, name: u32, protocol: Protocol) -> impl Iterator<Item = u16> {
        let table = self.port_tables.get(table as usize).map(Vec::as_slice).unwrap_or_default();
        table.iter().filter(move |port| (port.0, port.1) == (name, protocol)).map(|port| port.2)
    }
}

/// Namespaces by name and by label, each with the run of its classes. Namespaces without pods are left out: nobody is there.
#[allow(clippy::type_complexity, reason = "three fields of one structure, built together")]
fn place(
    seen: &Seen,
    cluster: &Cluster,
    names: Map<&str, u32>,
    of_class: &[u32],
) -> (Map<String, Run>, Labelled, Vec<Option<Run>>) {
    let mut runs: Vec<Option<Run>> = vec![None; names.len()];
    for (class, namespace) in of_class.iter().enumerate() {
        let class = number(class);
        let Some(run) = runs.get_mut(*namespace as usize) else { continue };
        *run = Some(run.map_or(Run::new(class, class), |run| Run::new(run.first, class)));
    }
    let mut labels: Vec<Box<[(u32, u32)]>> = vec![Box::default(); names.len()];
    let mut by_name = Map::default();
    for (name, index) in names {
        by_name.extend(runs.get(index as usize).copied().flatten().map(|run| (name.to_owned(), run)));
        if let Some(place) = labels.get_mut(index as usize) {
            *place = visible(seen, cluster, name);
        }
    }
    (by_name, Labelled::new(labels), runs)
}

/// What selectors can see of a namespace's labels.
fn visible(seen: &Seen, cluster: &Cluster, name: &str) -> Box<[(u32, u32)]> {
    let mut labels = cluster.namespaces.get(name).cloned().unwrap_or_default();
    labels.insert(METADATA_NAME.to_owned(), name.to_owned());
    let mut seen_labels = Vec::new();
    seen.namespace_labels.see(&labels, &mut Last::default(), &mut seen_labels);
    seen_labels.into()
}
