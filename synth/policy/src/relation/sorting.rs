//! Sorts pods into classes, one pod after the other.

use super::classes::{NamedPort, Seen};
use super::{Map, number};
use crate::Pod;
use crate::labelled::Last;
use std::collections::BTreeMap;

/// A class while pods are being sorted, all in numbers: namespace, port table, how many ranges, those ranges, and the
/// labels as key and value by turns.
type Traits = Box<[u32]>;

/// Sorts pods, one after the other. What the last one was is tried first: pods often come namespace by namespace and
/// workload by workload.
pub(super) struct Sorting<'a, 'p> {
    seen: &'a Seen,
    /// Names to numbers in the order in which they were met.
    namespaces: Map<&'p str, u32>,
    port_tables: Map<Vec<NamedPort>, u32>,
    classes: Map<Traits, u32>,
    sizes: Vec<u32>,
    of_pod: Vec<u32>,
    last_namespace: Option<(&'p str, u32)>,
    last_labels: Last<'p>,
    last_class: Option<(Traits, u32)>,
    /// Room that is used again for each pod.
    traits: Vec<u32>,
    ranges: Vec<u32>,
    labels: Vec<(u32, u32)>,
}

impl<'a, 'p> Sorting<'a, 'p> {
    pub(super) fn new(seen: &'a Seen) -> Self {
        Self {
            seen,
            namespaces: Map::default(),
            port_tables: Map::default(),
            classes: Map::default(),
            sizes: Vec::new(),
            of_pod: Vec::new(),
            last_namespace: None,
            last_labels: Last::default(),
            last_class: None,
            traits: Vec::new(),
            ranges: Vec::new(),
            labels: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, pod: &'p Pod) {
        self.describe(pod);
        let class = self.class();
        if let Some(size) = self.sizes.get_mut(class as usize) {
            *size += 1;
        }
        self.of_pod.push(class);
    }

    /// The classes, once all pods are in.
    pub(super) fn finish(self) -> Sorted<'p> {
        let Self { namespaces, port_tables, classes, sizes, of_pod, .. } = self;
        let mut tables: Vec<(Vec<NamedPort>, u32)> = port_tables.into_iter().collect();
        tables.sort_unstable_by_key(|(_, id)| *id);
        let port_tables = tables.into_iter().map(|(table, _)| table).collect();
        Sorted::new(namespaces, port_tables, classes, &sizes, of_pod)
    }

    /// The class of `traits`.
    fn class(&mut self) -> u32 {
        if let Some((traits, class)) = &self.last_class
            && **traits == *self.traits
        {
            return *class;
        }
        let traits: Traits = self.traits.as_slice().into();
        let next = number(self.sizes.len());
        let class = *self.classes.entry(traits.clone()).or_insert(next);
        if class == next {
            self.sizes.push(0);
        }
        self.last_class = Some((traits, class));
        class
    }

    /// Leaves in `traits` all that policies can see of a pod.
    fn describe(&mut self, pod: &'p Pod) {
        let namespace = self.namespace(&pod.namespace);
        let port_table = self.port_table(pod);
        self.ranges.clear();
        self.ranges.extend(pod.addresses.iter().map(|address| self.seen.ranges.of(*address)));
        self.ranges.sort_unstable();
        self.ranges.dedup();
        self.labels.clear();
        self.seen.pod_labels.see(&pod.labels, &mut self.last_labels, &mut self.labels);
        self.traits.clear();
        self.traits.extend([namespace, port_table, number(self.ranges.len())]);
        self.traits.extend(&self.ranges);
        self.traits.extend(self.labels.iter().flat_map(|(key, value)| [*key, *value]));
    }

    fn namespace(&mut self, name: &'p str) -> u32 {
        if let Some((last, namespace)) = self.last_namespace
            && last == name
        {
            return namespace;
        }
        let next = number(self.namespaces.len());
        let namespace = *self.namespaces.entry(name).or_insert(next);
        self.last_namespace = Some((name, namespace));
        namespace
    }

    fn port_table(&mut self, pod: &Pod) -> u32 {
        let names = &self.seen.port_names;
        if names.is_empty() {
            return 0;
        }
        let mut table: Vec<NamedPort> =
            pod.ports.iter().filter_map(|port| Some((*names.get(&port.name)?, port.protocol, port.port))).collect();
        table.sort_unstable();
        table.dedup();
        let next = number(self.port_tables.len());
        *self.port_tables.entry(table).or_insert(next)
    }
}

/// The classes in the order of their namespaces, so that a namespace is a run of them.
pub(super) struct Sorted<'p> {
    pub(super) of_pod: Vec<u32>,
    pub(super) sizes: Vec<u32>,
    /// The number of each namespace.
    pub(super) numbers: Map<&'p str, u32>,
    /// The number of each class's namespace.
    pub(super) namespaces: Vec<u32>,
    /// The number of each class's port table.
    pub(super) port_table: Vec<u32>,
    pub(super) port_tables: Vec<Vec<NamedPort>>,
    pub(super) labels: Vec<Box<[(u32, u32)]>>,
    pub(super) at_range: BTreeMap<u32, Vec<u32>>,
}

impl<'p> Sorted<'p> {
    fn new(
        numbers: Map<&'p str, u32>,
        port_tables: Vec<Vec<NamedPort>>,
        classes: Map<Traits, u32>,
        sizes: &[u32],
        mut of_pod: Vec<u32>,
    ) -> Self {
        let mut classes: Vec<(Traits, u32)> = classes.into_iter().collect();
        classes.sort_unstable_by_key(|(traits, class)| (traits.first().copied(), *class));
        let mut place = vec![0; classes.len()];
        let mut sorted = Self {
            of_pod: Vec::new(),
            sizes: Vec::with_capacity(classes.len()),
            numbers,
            port_tables,
            namespaces: Vec::with_capacity(classes.len()),
            port_table: Vec::with_capacity(classes.len()),
            labels: Vec::with_capacity(classes.len()),
            at_range: BTreeMap::new(),
        };
        for (index, (traits, class)) in classes.iter().enumerate() {
            if let Some(place) = place.get_mut(*class as usize) {
                *place = number(index);
            }
            sorted.sizes.push(sizes.get(*class as usize).copied().unwrap_or_default());
            sorted.class(number(index), traits);
        }
        of_pod.iter_mut().for_each(|class| *class = place.get(*class as usize).copied().unwrap_or_default());
        Self { of_pod, ..sorted }
    }

    fn class(&mut self, class: u32, traits: &[u32]) {
        let [namespace, port_table, ranges, rest @ ..] = traits else { return };
        self.namespaces.push(*namespace);
        self.port_table.push(*port_table);
        let (ranges, labels) = rest.split_at_checked(*ranges as usize).unwrap_or((&[], rest));
        for range in ranges {
            self.at_range.entry(*range).or_default().push(class);
        }
        let pairs = labels.as_chunks::<2>().0.iter();
        self.labels.push(pairs.map(|[key, value]| (*key, *value)).collect());
    }
}
