//! All workloads of a cluster by label. Built once; asked for the workloads that a selector selects.

use super::{LabelCover, Limits, Member, Selector, may_select};
use crate::infer::names::valid_label;
use crate::infer::selectors::selects;
use netwright_record::inventory::Labels;
use std::collections::{BTreeMap, BTreeSet};

/// The index over a population: workloads are known by their position in it.
#[derive(Debug)]
pub struct Vocabulary<'a> {
    rooms: Vec<Room<'a>>,
    /// For each workload its room and its place there.
    places: Vec<(usize, usize)>,
}

impl<'a> Vocabulary<'a> {
    /// Indexes `population`, which must hold every workload that a selector could let in, wanted or not.
    pub fn new(population: &[Member<'a>]) -> Self {
        let mut namespaces: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (position, member) in population.iter().enumerate() {
            namespaces.entry(member.namespace).or_default().push(position);
        }
        let mut places = vec![(0, 0); population.len()];
        for (room, positions) in namespaces.values().enumerate() {
            for (place, position) in positions.iter().enumerate() {
                if let Some(known) = places.get_mut(*position) {
                    *known = (room, place);
                }
            }
        }
        let rooms =
            namespaces.into_iter().map(|(namespace, positions)| Room::new(namespace, positions, population)).collect();
        Self { rooms, places }
    }

    /// Selectors for the workloads at the positions `wanted`. Positions behind the end of the population are ignored.
    pub fn cover(&self, wanted: &BTreeSet<usize>, limits: Limits) -> LabelCover {
        self.cover_all(std::slice::from_ref(wanted), limits).pop().unwrap_or_default()
    }

    /// Selectors for each of the sets `rules`, in their order, with one budget for all.
    pub fn cover_all(&self, rules: &[BTreeSet<usize>], limits: Limits) -> Vec<LabelCover> {
        super::widening::cover_all(self, rules, limits)
    }

    /// The places that `wanted` has in each room where it has any.
    pub(super) fn by_room(&self, wanted: &BTreeSet<usize>) -> BTreeMap<usize, Vec<usize>> {
        let mut rooms: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (room, place) in wanted.iter().filter_map(|position| self.places.get(*position)) {
            rooms.entry(*room).or_default().push(*place);
        }
        rooms
    }

    pub(super) fn room(&self, number: usize) -> Option<&Room<'a>> {
        self.rooms.get(number)
    }
}

/// One namespace. A *place* is a workload's position in it, a *set* the position of a label set.
#[derive(Debug)]
pub(super) struct Room<'a> {
    namespace: &'a str,
    positions: Vec<usize>,
    /// The label sets, those of one workload next to each other.
    sets: Vec<LabelSet<'a>>,
    /// For each label that occurs, ascending: which sets have it.
    labels: BTreeMap<(&'a str, &'a str), Vec<usize>>,
    residents: Vec<Resident<'a>>,
}

/// What one workload's pods carry.
#[derive(Debug, Clone, Copy)]
struct LabelSet<'a> {
    place: usize,
    labels: &'a Labels,
}

/// What is known of one workload.
#[derive(Debug, Default)]
struct Resident<'a> {
    sets: usize,
    /// Labels that all its pods carry and that may select several workloads.
    shared: Vec<(&'a str, &'a str)>,
    own: Option<Reach<'a>>,
}

/// Whom a selector reaches, by place.
#[derive(Debug, Clone, Default)]
pub(super) struct Reach<'a> {
    pub(super) labels: Vec<(&'a str, &'a str)>,
    /// All pods of these are selected.
    pub(super) whole: BTreeSet<usize>,
    /// At least one pod of these is.
    pub(super) any: BTreeSet<usize>,
}

impl<'a> Room<'a> {
    fn new(namespace: &'a str, positions: Vec<usize>, population: &[Member<'a>]) -> Self {
        let mut room = Self { namespace, positions, sets: Vec::new(), labels: BTreeMap::new(), residents: Vec::new() };
        let members: Vec<&Member<'a>> =
            room.positions.iter().filter_map(|position| population.get(*position)).collect();
        for (place, member) in members.iter().enumerate() {
            room.add(place, member);
        }
        for (place, member) in members.iter().enumerate() {
            let own = member.own.filter(|own| !own.is_empty()).map(|own| room.own(place, own));
            if let Some(resident) = room.residents.get_mut(place) {
                resident.own = own;
            }
        }
        room
    }

    fn add(&mut self, place: usize, member: &Member<'a>) {
        let sets: BTreeSet<&'a Labels> = member.label_sets.iter().copied().collect();
        let shared = sets.first().into_iter().flat_map(|labels| labels.iter());
        let shared = shared
            .filter(|(key, value)| may_select(key) && valid_label(key, value))
            .filter(|(key, value)| sets.iter().all(|labels| labels.get(key) == Some(*value)))
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        self.residents.push(Resident { sets: sets.len(), shared, own: None });
        for labels in sets {
            let set = self.sets.len();
            self.sets.push(LabelSet { place, labels });
            for (key, value) in labels {
                self.labels.entry((key, value)).or_default().push(set);
            }
        }
    }

    fn own(&self, place: usize, labels: &'a Labels) -> Reach<'a> {
        let mut reach = self.reach(labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect());
        reach.whole.insert(place);
        reach.any.insert(place);
        reach
    }

    /// Whom the conjunction of `labels` selects. O(sets with the rarest of them).
    pub(super) fn reach(&self, labels: Vec<(&'a str, &'a str)>) -> Reach<'a> {
        let rarest = labels.iter().map(|label| self.having(label)).min_by_key(|sets| sets.len()).unwrap_or(&[]);
        let wanted: Labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut matched: BTreeMap<usize, usize> = BTreeMap::new();
        for set in rarest.iter().filter_map(|set| self.sets.get(*set)).filter(|set| selects(&wanted, set.labels)) {
            *matched.entry(set.place).or_default() += 1;
        }
        let whole = matched.iter().filter(|(place, count)| self.sets_of(**place) == **count);
        Reach { labels, whole: whole.map(|(place, _)| *place).collect(), any: matched.into_keys().collect() }
    }

    /// The sets with `label`, ascending.
    pub(super) fn having(&self, label: &(&'a str, &'a str)) -> &[usize] {
        self.labels.get(label).map_or(&[], Vec::as_slice)
    }

    fn sets_of(&self, place: usize) -> usize {
        self.residents.get(place).map_or(0, |resident| resident.sets)
    }

    /// Whose the label set is.
    pub(super) fn place_of(&self, set: usize) -> Option<usize> {
        self.sets.get(set).map(|set| set.place)
    }

    /// How many label sets there are.
    pub(super) fn set_count(&self) -> usize {
        self.sets.len()
    }

    /// Whether `places` (distinct) are all there are.
    pub(super) fn is_all(&self, places: &[usize]) -> bool {
        places.len() == self.residents.len()
    }

    /// The labels that all pods of the workload carry and that may select several workloads.
    pub(super) fn shared_labels(&self, place: usize) -> &[(&'a str, &'a str)] {
        self.residents.get(place).map_or(&[], |resident| resident.shared.as_slice())
    }

    /// Whom the workload's own selector reaches.
    pub(super) fn own_reach(&self, place: usize) -> Option<&Reach<'a>> {
        self.residents.get(place)?.own.as_ref()
    }

    /// The selector with this `reach`, where `wanted` is wanted.
    pub(super) fn selector(&self, reach: &Reach, wanted: &[usize]) -> Selector {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let is_wanted = |place: &&usize| wanted.binary_search(place).is_ok();
        let admits = reach.any.iter().filter(|place| !is_wanted(place));
        Selector {
            namespace: self.namespace.to_owned(),
            labels: reach.labels.iter().map(own).collect(),
            stands_for: reach.whole.iter().filter(is_wanted).filter_map(|place| self.position(*place)).collect(),
            admits: admits.filter_map(|place| self.position(*place)).collect(),
        }
    }

    /// The empty selector, where all are wanted.
    pub(super) fn everybody(&self) -> Selector {
        Selector {
            namespace: self.namespace.to_owned(),
            stands_for: self.positions.iter().copied().collect(),
            ..Selector::default()
        }
    }

    pub(super) fn position(&self, place: usize) -> Option<usize> {
        self.positions.get(place).copied()
    }
}
