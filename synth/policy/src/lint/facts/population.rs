//! The pods in groups, and what a selector selects among them without asking every pod. For [`Facts`](super::Facts).

use super::groups::{Group, Groups, has_ipv6, mentioned};
use crate::labelled::{Compiled, Labelled, Last, Vocabulary};
use crate::lint::input::{Input, Subject};
use crate::shorthand::{Map, ShortPeer, Shorthand};
use crate::{Cluster, Labels, METADATA_NAME, NamedPort, Operator, Selector, Values};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

/// Groups of pods, sorted by namespace and workload.
pub(in crate::lint) struct Population<'a> {
    pub(in crate::lint) groups: Vec<Group<'a>>,
    cluster: &'a Cluster,
    /// The parts of the policies, by number.
    parts: &'a Shorthand,
    /// The groups of each namespace, also of those without any.
    namespaces: BTreeMap<&'a str, Range<u32>>,
    in_namespace: Map<(&'a str, &'a str, &'a str), Vec<u32>>,
    labelled: Labelled,
    /// The selectors of pods, by number.
    selectors: Vec<Compiled>,
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
        let parts = input.policies.shorthand();
        let vocabulary = Vocabulary::new(parts.pod_selectors.iter());
        let labelled = labelled(&groups, &vocabulary);
        let mut population = Self {
            cluster: input.cluster,
            parts,
            namespaces: ranges(&groups, namespaces),
            groups,
            in_namespace: Map::default(),
            labelled,
            selectors: parts.pod_selectors.iter().map(|selector| vocabulary.compile(selector)).collect(),
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
            }
        }
    }

    /// The names of the namespaces with their groups.
    pub(in crate::lint) fn namespaces(&self) -> impl Iterator<Item = (&'a str, Groups)> + '_ {
        self.namespaces.iter().map(|(name, range)| (*name, Groups::of([range.clone()].into_iter())))
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
        let groups = Rc::new(match pod_selector(peer).map(|number| self.selectors.get(number as usize)) {
            Some(selector) => self.among(&places.groups, selector),
            None => places.groups.clone(),
        });
        self.selected.borrow_mut().insert(peer, Rc::clone(&groups));
        groups
    }

    fn among(&self, groups: &Groups, selector: Option<&Compiled>) -> Groups {
        let mut found = Vec::new();
        selector.into_iter().for_each(|selector| self.labelled.select_among(selector, groups.runs(), &mut found));
        found.into()
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

    /// The namespaces that the selector with a number selects.
    fn choose(&self, number: u32) -> Rc<Chosen<'a>> {
        if let Some(known) = self.chosen.borrow().get(&number) {
            return Rc::clone(known);
        }
        let Some(selector) = self.parts.namespace_selectors.get(number as usize) else { return Rc::default() };
        let matches = |name: &&str| selector.matches(|key| self.cluster.namespace_label(name, key));
        let chosen = match named(selector) {
            Some(names) => {
                let known = names.iter().filter_map(|name| self.namespaces.get_key_value(name));
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
        let groups = Groups::of(names.iter().filter_map(|name| self.namespaces.get(name)).cloned());
        Chosen { names, groups }
    }
}

/// The number of the podSelector of a peer, where there is one.
fn pod_selector(peer: ShortPeer) -> Option<u32> {
    match peer {
        ShortPeer::Own { pods, .. } | ShortPeer::Selected { pods, .. } => pods,
        ShortPeer::Block(_) => None,
    }
}

/// What selectors can see of each group's labels.
fn labelled(groups: &[Group], vocabulary: &Vocabulary) -> Labelled {
    let labels = groups.iter().map(|group| {
        let pairs = group.labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let (labels, mut seen): (Labels, _) = (pairs.collect(), Vec::new());
        vocabulary.see(&labels, &mut Last::default(), &mut seen);
        seen.into()
    });
    Labelled::new(labels.collect())
}

/// The only names of namespaces that a selector can match, where it says so.
fn named(selector: &Selector) -> Option<&Values> {
    selector.requirements.iter().find_map(|requirement| match &requirement.operator {
        Operator::In(names) if *requirement.key == *METADATA_NAME => Some(names),
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
