//! The pods in groups, and what a selector selects among them without asking every pod. For [`Facts`](super::Facts).

use super::groups::{Group, Groups, has_ipv6, mentioned};
use crate::lint::input::{Input, Subject};
use crate::shorthand::{Map, ShortPeer, Shorthand};
use crate::{Cluster, Labels, METADATA_NAME, NamedPort, Operator, Selector};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

/// Up to this many namespaces a label is looked up in each of them, above it in all at once.
const FEW_NAMESPACES: usize = 16;

/// Groups of pods, sorted by namespace and workload.
pub(in crate::lint) struct Population<'a> {
    pub(in crate::lint) groups: Vec<Group<'a>>,
    cluster: &'a Cluster,
    /// The selectors, by number.
    parts: &'a Shorthand,
    /// The groups of each namespace, also of those without any.
    namespaces: BTreeMap<&'a str, Range<u32>>,
    in_namespace: Map<(&'a str, &'a str, &'a str), Vec<u32>>,
    anywhere: Map<(&'a str, &'a str), Vec<u32>>,
    selected: RefCell<Map<ShortPeer, Rc<Groups>>>,
    /// By the number of the selector of namespaces.
    chosen: RefCell<Map<u32, Rc<Chosen<'a>>>>,
}

/// The namespaces that a selector selects.
#[derive(Default)]
pub(super) struct Chosen<'a> {
    pub(super) names: BTreeSet<&'a str>,
    groups: Groups,
}

impl<'a> Population<'a> {
    pub(super) fn new<'i>(
        input: &Input<'a>,
        namespaces: &BTreeSet<&'a str>,
        subjects: impl Iterator<Item = &'i Subject<'a>>,
        keys: &BTreeSet<&str>,
    ) -> Self
    where
        'a: 'i,
    {
        let groups = grouped(subjects, keys);
        let mut population = Self {
            cluster: input.cluster,
            parts: input.policies.shorthand(),
            namespaces: ranges(&groups, namespaces),
            groups,
            in_namespace: Map::default(),
            anywhere: Map::default(),
            selected: RefCell::default(),
            chosen: RefCell::default(),
        };
        population.index();
        population
    }

    fn index(&mut self) {
        for (number, group) in (0_u32..).zip(&self.groups) {
            for (key, value) in &group.labels {
                self.in_namespace.entry((group.namespace, key, value)).or_default().push(number);
                self.anywhere.entry((key, value)).or_default().push(number);
            }
        }
    }

    /// The names of the namespaces with their groups.
    pub(in crate::lint) fn namespaces(&self) -> impl Iterator<Item = (&'a str, Groups)> + '_ {
        self.namespaces.iter().map(|(name, range)| (*name, Groups::range(range.clone())))
    }

    /// All groups.
    pub(in crate::lint) fn all(&self) -> Groups {
        (0_u32..).zip(&self.groups).map(|(number, _)| number).collect()
    }

    /// The groups of a set.
    pub(in crate::lint) fn members<'s>(&'s self, groups: &'s Groups) -> impl Iterator<Item = &'s Group<'a>> {
        groups.iter().filter_map(|number| self.groups.get(number))
    }

    /// Whether there is no pod in a namespace.
    pub(in crate::lint) fn is_empty(&self, namespace: &str) -> bool {
        self.namespaces.get(namespace).is_none_or(Range::is_empty)
    }

    /// The pods of a peer; none for a block.
    pub(in crate::lint) fn select(&self, peer: ShortPeer) -> Rc<Groups> {
        if let Some(known) = self.selected.borrow().get(&peer) {
            return Rc::clone(known);
        }
        let places = self.places(peer);
        let groups = Rc::new(match self.pod_selector(peer) {
            Some(selector) => self.filter(&places, selector),
            None => places.groups.clone(),
        });
        self.selected.borrow_mut().insert(peer, Rc::clone(&groups));
        groups
    }

    /// The podSelector of a peer, if it says anything.
    fn pod_selector(&self, peer: ShortPeer) -> Option<&'a Selector> {
        let (ShortPeer::Own { pods, .. } | ShortPeer::Selected { pods, .. }) = peer else { return None };
        let selector = self.parts.pod_selectors.get(pods? as usize)?;
        (!selector.requirements.is_empty()).then_some(selector)
    }

    /// Where the pods of a peer may be; nowhere for a block.
    pub(super) fn places(&self, peer: ShortPeer) -> Rc<Chosen<'a>> {
        match peer {
            ShortPeer::Own { namespace, .. } => {
                let own = self.parts.namespaces.get(namespace as usize).map(String::as_str);
                Rc::new(self.chosen_of(own.into_iter()))
            }
            ShortPeer::Selected { namespaces, .. } => self.choose(namespaces),
            ShortPeer::Block(_) => Rc::default(),
        }
    }

    /// The groups of a namespace that have all of some labels, of which there is at least one; `has` checks it.
    pub(in crate::lint) fn with_labels(
        &self,
        namespace: &'a str,
        labels: &'a Labels,
        has: impl Fn(&Group<'a>) -> bool,
    ) -> Groups {
        let lists = labels.iter().map(|(key, value)| {
            self.in_namespace.get(&(namespace, key.as_str(), value.as_str())).map(Vec::as_slice).unwrap_or_default()
        });
        let rarest = lists.min_by_key(|list| list.len()).unwrap_or_default();
        let holds = |number: &&u32| self.groups.get(**number as usize).is_some_and(&has);
        rarest.iter().filter(holds).copied().collect()
    }

    fn filter(&self, chosen: &Chosen<'_>, selector: &Selector) -> Groups {
        let is_in = |number: &u32| {
            self.groups
                .get(*number as usize)
                .is_some_and(|group| chosen.names.contains(group.namespace) && selector.matches(|key| group.label(key)))
        };
        match self.candidates(chosen, selector) {
            Some(candidates) => candidates.into_iter().filter(is_in).collect(),
            None => chosen.groups.iter().filter_map(|number| u32::try_from(number).ok()).filter(is_in).collect(),
        }
    }

    /// The groups that have the rarest label a selector requires, in ascending order; `None` if it requires none.
    fn candidates(&self, chosen: &Chosen<'_>, selector: &Selector) -> Option<Vec<u32>> {
        let required = selector.requirements.iter().filter_map(|requirement| match &requirement.operator {
            Operator::In(values) => Some(self.with_label(chosen, &requirement.key, values)),
            Operator::NotIn(_) | Operator::Exists | Operator::DoesNotExist => None,
        });
        let lists = required.min_by_key(|lists| lists.iter().map(|list| list.len()).sum::<usize>())?;
        let mut numbers = lists.concat();
        numbers.sort_unstable();
        Some(numbers)
    }

    fn with_label<'s>(&'s self, chosen: &'s Chosen<'s>, key: &'s str, values: &'s BTreeSet<String>) -> Vec<&'s [u32]> {
        if chosen.names.len() > FEW_NAMESPACES {
            return values
                .iter()
                .filter_map(|value| self.anywhere.get(&(key, value.as_str())))
                .map(Vec::as_slice)
                .collect();
        }
        let places = chosen.names.iter().flat_map(|name| values.iter().map(move |value| (*name, key, value.as_str())));
        places.filter_map(|place| self.in_namespace.get(&place)).map(Vec::as_slice).collect()
    }

    /// The namespaces that the selector with a number selects.
    fn choose(&self, number: u32) -> Rc<Chosen<'a>> {
        if let Some(known) = self.chosen.borrow().get(&number) {
            return Rc::clone(known);
        }
        let Some(selector) = self.parts.namespace_selectors.get(number as usize) else { return Rc::default() };
        let matches = |name: &&str| selector.matches(|key| self.cluster.namespace_label(name, key));
        let chosen = match named(selector) {
            Some(names) => {
                let known = names.iter().filter_map(|name| self.namespaces.get_key_value(name.as_str()));
                self.chosen_of(known.map(|(name, _)| *name).filter(matches))
            }
            None => self.chosen_of(self.namespaces.keys().copied().filter(matches)),
        };
        let chosen = Rc::new(chosen);
        self.chosen.borrow_mut().insert(number, Rc::clone(&chosen));
        chosen
    }

    /// `names` in ascending order.
    fn chosen_of(&self, names: impl Iterator<Item = &'a str>) -> Chosen<'a> {
        let names: BTreeSet<&str> = names.collect();
        let mut groups = Groups::default();
        names.iter().filter_map(|name| self.namespaces.get(name)).for_each(|range| groups.push(range.clone()));
        Chosen { names, groups }
    }
}

/// The only names of namespaces that a selector can match, where it says so.
fn named(selector: &Selector) -> Option<&BTreeSet<String>> {
    selector.requirements.iter().find_map(|requirement| match &requirement.operator {
        Operator::In(names) if requirement.key == METADATA_NAME => Some(names),
        _ => None,
    })
}

/// What makes a group: equal keys are alike to every check.
type Alike<'a> = (&'a str, &'a str, &'a str, Vec<(&'a str, &'a str)>, &'a [NamedPort]);

fn grouped<'i, 'a: 'i>(subjects: impl Iterator<Item = &'i Subject<'a>>, keys: &BTreeSet<&str>) -> Vec<Group<'a>> {
    let mut groups = BTreeMap::<Alike<'a>, (usize, bool)>::new();
    for Subject { pod, kind, workload, .. } in subjects {
        let alike = (pod.namespace.as_str(), *kind, *workload, mentioned(&pod.labels, keys), pod.ports.as_slice());
        let (pods, ipv6) = groups.entry(alike).or_default();
        *pods += 1;
        *ipv6 |= has_ipv6(&pod.addresses);
    }
    let group = |((namespace, kind, workload, labels, ports), (pods, ipv6))| Group {
        namespace,
        kind,
        workload,
        labels,
        ports,
        pods,
        ipv6,
    };
    groups.into_iter().map(group).collect()
}

/// The groups, sorted by namespace, cut at the namespaces.
fn ranges<'a>(groups: &[Group<'a>], namespaces: &BTreeSet<&'a str>) -> BTreeMap<&'a str, Range<u32>> {
    let mut ranges: BTreeMap<&str, Range<u32>> = namespaces.iter().map(|name| (*name, 0..0)).collect();
    for (number, group) in (0_u32..).zip(groups) {
        let range = ranges.entry(group.namespace).or_default();
        *range = if range.start >= range.end { number..number + 1 } else { range.start..number + 1 };
    }
    ranges
}
