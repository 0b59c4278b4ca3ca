//! The selectors that could stand for some of the wanted workloads of one namespace.
//!
//! Conjunctions grow label by label, as item sets do in frequent-set mining. One that lets nobody in does not grow: a
//! further label could only lose workloads. Nor does a label stay that keeps nobody out.

use super::vocabulary::{Reach, Room};
use fixedbitset::FixedBitSet;
use std::collections::{BTreeMap, BTreeSet};

/// How many pairs, and how many triples, of labels are looked at. More occur only where dozens of labels are each shared
/// by some, but not all, of the wanted workloads; those that most of them share come first.
const MOST_STEPS: usize = 1 << 14;
/// A conjunction of labels stands for at least so many workloads: one alone has its own selector.
const FEWEST: usize = 2;

/// One label: key and value.
pub(super) type Label<'a> = (&'a str, &'a str);

/// A selector that may be used.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) who: Who<'a>,
    /// Which of the wanted workloads it stands for, by their position among the wanted.
    pub(super) covers: FixedBitSet,
    /// The places of workloads that it lets in, and that neither are wanted nor let in by an own selector of those that are.
    pub(super) over: BTreeSet<usize>,
}

/// How a candidate selects.
#[derive(Debug, Clone)]
pub(super) enum Who<'a> {
    /// By the own selector of the workload at this place.
    Own(usize),
    /// By these labels; by none for the whole namespace.
    Labels(Vec<Label<'a>>),
}

/// The candidates for the workloads at the places `wanted` (ascending) of `room`, those that people know best first: own
/// selectors, then single labels, pairs, triples. None lets in more than `most_over` others.
pub(super) fn candidates<'a>(room: &Room<'a>, wanted: &[usize], most_over: usize) -> Vec<Candidate<'a>> {
    let mut found: Vec<Candidate> = wanted
        .iter()
        .filter_map(|place| Some((place, room.own_reach(*place)?)))
        .map(|(place, reach)| Candidate {
            who: Who::Own(*place),
            covers: columns(&reach.whole, wanted),
            over: BTreeSet::new(),
        })
        .collect();
    if wanted.len() >= FEWEST {
        let mut growth = Growth::new(room, wanted, most_over);
        growth.singles();
        growth.pairs();
        growth.triples();
        found.extend(growth.found);
    }
    found
}

/// Which of `wanted` are in `places`.
fn columns(places: &BTreeSet<usize>, wanted: &[usize]) -> FixedBitSet {
    let mut columns = FixedBitSet::with_capacity(wanted.len());
    columns.extend(places.iter().filter_map(|place| wanted.binary_search(place).ok()));
    columns
}

/// A label or a conjunction of some.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Conjunction {
    /// The wanted workloads all of whose pods it selects.
    covers: FixedBitSet,
    /// The label sets of outsiders that it selects.
    over: FixedBitSet,
}

impl Conjunction {
    /// Both together; none if that stands for too few, or if one of the two keeps nobody out that the other lets in.
    fn with(&self, other: &Self) -> Option<Self> {
        if self.covers.intersection_count(&other.covers) < FEWEST {
            return None;
        }
        let mut over = self.over.clone();
        over.intersect_with(&other.over);
        if over == self.over || over == other.over {
            return None;
        }
        let mut covers = self.covers.clone();
        covers.intersect_with(&other.covers);
        Some(Self { covers, over })
    }

    fn lets_somebody_in(&self) -> bool {
        !self.over.is_clear()
    }
}

struct Growth<'r, 'a> {
    room: &'r Room<'a>,
    most_over: usize,
    /// Single labels, no two of which select the same; those that most share first.
    labels: Vec<(Label<'a>, Conjunction)>,
    found: Vec<Candidate<'a>>,
    /// For what has been found: the fewest that are let in, by whom it stands for.
    fewest_over: BTreeMap<FixedBitSet, usize>,
}

impl<'r, 'a> Growth<'r, 'a> {
    fn new(room: &'r Room<'a>, wanted: &[usize], most_over: usize) -> Self {
        let outsiders = outsiders(room, wanted);
        let mut labels: BTreeMap<Conjunction, Label> = BTreeMap::new();
        for (label, covers) in shared_labels(room, wanted) {
            let mut over = FixedBitSet::with_capacity(room.set_count());
            over.extend(room.having(&label).iter().copied().filter(|set| outsiders.contains(*set)));
            labels.entry(Conjunction { covers, over }).or_insert(label);
        }
        let mut labels: Vec<(Label, Conjunction)> = labels.into_iter().map(|(both, label)| (label, both)).collect();
        labels.sort_by_key(|(label, conjunction)| (std::cmp::Reverse(conjunction.covers.count_ones(..)), *label));
        Self { room, most_over, labels, found: Vec::new(), fewest_over: BTreeMap::new() }
    }

    fn singles(&mut self) {
        for (label, conjunction) in self.labels.clone() {
            self.keep(&[label], &conjunction);
        }
        self.labels.retain(|(_, conjunction)| conjunction.lets_somebody_in());
    }

    fn pairs(&mut self) {
        let labels = std::mem::take(&mut self.labels);
        for ((one, first), (other, second)) in pairs(&labels).take(MOST_STEPS) {
            if let Some(both) = first.with(second) {
                self.keep(&[*one, *other], &both);
            }
        }
        self.labels = labels;
    }

    fn triples(&mut self) {
        let labels = std::mem::take(&mut self.labels);
        let mut steps = MOST_STEPS;
        for (number, ((one, first), (other, second))) in numbered_pairs(&labels) {
            if steps == 0 {
                break;
            }
            steps = steps.saturating_sub(1);
            let Some(both) = first.with(second).filter(Conjunction::lets_somebody_in) else { continue };
            for (another, third) in labels.iter().skip(number.saturating_add(1)).take(steps) {
                steps = steps.saturating_sub(1);
                if let Some(all) = both.with(third) {
                    self.keep(&[*one, *other, *another], &all);
                }
            }
        }
        self.labels = labels;
    }

    /// Keeps the conjunction as a candidate if it does not let in too many, nor more than one that stands for the same.
    fn keep(&mut self, labels: &[Label<'a>], conjunction: &Conjunction) {
        let over: BTreeSet<usize> = conjunction.over.ones().filter_map(|set| self.room.place_of(set)).collect();
        let most = self.most_over.min(conjunction.covers.count_ones(..));
        let known = self.fewest_over.get(&conjunction.covers).copied();
        if over.len() > most || known.is_some_and(|known| known <= over.len()) {
            return;
        }
        self.fewest_over.insert(conjunction.covers.clone(), over.len());
        let who = Who::Labels(labels.to_vec());
        self.found.push(Candidate { who, covers: conjunction.covers.clone(), over });
    }
}

/// Every two of `items`, in order.
fn pairs<T>(items: &[T]) -> impl Iterator<Item = (&T, &T)> {
    numbered_pairs(items).map(|(_, pair)| pair)
}

/// Every two of `items`, with the position of the second.
fn numbered_pairs<T>(items: &[T]) -> impl Iterator<Item = (usize, (&T, &T))> {
    items.iter().enumerate().flat_map(move |(number, one)| {
        let later = items.iter().enumerate().skip(number.saturating_add(1));
        later.map(move |(number, other)| (number, (one, other)))
    })
}

/// The label sets of workloads that are neither wanted nor let in by the own selector of one that is.
fn outsiders(room: &Room, wanted: &[usize]) -> FixedBitSet {
    let mut known: BTreeSet<usize> = wanted.iter().copied().collect();
    known.extend(wanted.iter().filter_map(|place| room.own_reach(*place)).flat_map(|reach: &Reach| &reach.any));
    let mut outsiders = FixedBitSet::with_capacity(room.set_count());
    let foreign = |set: &usize| room.place_of(*set).is_some_and(|place| !known.contains(&place));
    outsiders.extend((0..room.set_count()).filter(foreign));
    outsiders
}

/// The labels that several of `wanted` carry on all their pods, and which of them do.
fn shared_labels<'a>(room: &Room<'a>, wanted: &[usize]) -> BTreeMap<Label<'a>, FixedBitSet> {
    let mut shared: BTreeMap<Label, FixedBitSet> = BTreeMap::new();
    for (column, place) in wanted.iter().enumerate() {
        for label in room.shared_labels(*place) {
            shared.entry(*label).or_insert_with(|| FixedBitSet::with_capacity(wanted.len())).insert(column);
        }
    }
    shared.retain(|_, covers| covers.count_ones(..) >= FEWEST);
    shared
}
