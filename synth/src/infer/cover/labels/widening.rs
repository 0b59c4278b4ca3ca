//! Which candidates are used: first as few as let in nobody, then fewer for workloads let in, as far as the budget goes.

use super::candidates::{Candidate, Who, candidates};
use super::set_cover::fewest;
use super::vocabulary::{Room, Vocabulary};
use super::{LabelCover, Limits, Selector};
use fixedbitset::FixedBitSet;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Covers each of `rules`, with one budget for all of them.
pub(super) fn cover_all(vocabulary: &Vocabulary, rules: &[BTreeSet<usize>], limits: Limits) -> Vec<LabelCover> {
    let mut covers: Vec<LabelCover> = rules.iter().map(|_| LabelCover::default()).collect();
    let parts = rules.iter().enumerate().flat_map(|(rule, wanted)| {
        let rooms = vocabulary.by_room(wanted).into_iter();
        rooms.filter_map(move |(room, wanted)| Part::new(rule, vocabulary.room(room)?, wanted, limits))
    });
    if limits.over_permitted == 0 {
        parts.for_each(|part| part.finish(&mut covers));
    } else {
        // Only here does one rule depend on the others, and are all kept at once.
        let mut parts: Vec<Part> = parts.collect();
        spend(&mut parts, limits.over_permitted);
        parts.into_iter().for_each(|part| part.finish(&mut covers));
    }
    for cover in &mut covers {
        cover.selectors.sort_unstable();
    }
    covers
}

/// Takes the best step of any part, as long as one is left that the budget pays.
fn spend(parts: &mut [Part], budget: usize) {
    let mut left = budget;
    let mut steps: BinaryHeap<Step> =
        parts.iter().enumerate().filter_map(|(number, part)| part.best_step(number, left)).collect();
    while let Some(step) = steps.pop() {
        let Some(part) = parts.get_mut(step.part) else { continue };
        if step.pairs <= left {
            left = left.saturating_sub(step.pairs);
            part.chosen = part.with(step.candidate);
        }
        steps.extend(part.best_step(step.part, left));
    }
}

/// One candidate more in one part, and those dropped that it makes superfluous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    part: usize,
    candidate: usize,
    /// How many selectors fewer; at least one.
    saving: usize,
    /// How many workloads more are let in.
    pairs: usize,
}

/// The greater saves more selectors a pair; of equal ones the one that saves more, then the first.
impl Ord for Step {
    fn cmp(&self, other: &Self) -> Ordering {
        let rate = self.saving.saturating_mul(other.pairs).cmp(&other.saving.saturating_mul(self.pairs));
        let place = |step: &Self| (step.part, step.candidate);
        rate.then(self.saving.cmp(&other.saving)).then_with(|| place(other).cmp(&place(self)))
    }
}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What one rule wants of one namespace.
struct Part<'r, 'a> {
    rule: usize,
    room: &'r Room<'a>,
    /// Places, ascending.
    wanted: Vec<usize>,
    candidates: Vec<Candidate<'a>>,
    /// Numbers of candidates that together cover all that can be covered.
    chosen: Vec<usize>,
}

impl<'r, 'a> Part<'r, 'a> {
    fn new(rule: usize, room: &'r Room<'a>, wanted: Vec<usize>, limits: Limits) -> Option<Self> {
        if wanted.is_empty() {
            return None;
        }
        let whole = limits.whole_namespaces && wanted.len() > 1 && room.is_all(&wanted);
        let candidates =
            if whole { vec![everybody(&wanted)] } else { candidates(room, &wanted, limits.over_permitted) };
        // Those that let somebody in have to be paid for.
        let sets: Vec<FixedBitSet> = candidates
            .iter()
            .map(|candidate| if candidate.over.is_empty() { candidate.covers.clone() } else { FixedBitSet::new() })
            .collect();
        let chosen = fewest(&sets);
        Some(Self { rule, room, wanted, candidates, chosen })
    }

    /// The step that saves most a pair within `left` pairs; none where none saves a selector. O(candidates), each with
    /// the chosen that stand for some of the same workloads.
    fn best_step(&self, part: usize, left: usize) -> Option<Step> {
        let tally = Tally::new(self);
        let step = |(candidate, new): (usize, &Candidate)| {
            let dropped = self.dropped_for(candidate, &tally);
            let saving = dropped.len().checked_sub(1).filter(|saving| *saving > 0)?;
            let refunded = self.let_in(&dropped).into_iter().filter(|place| {
                let letting_in = dropped.iter().filter(|number| self.lets_in(**number, *place)).count();
                tally.admitted.get(place) == Some(&letting_in) && !new.over.contains(place)
            });
            let added = new.over.iter().filter(|place| !tally.admitted.contains_key(place)).count();
            Some(Step { part, candidate, saving, pairs: added.saturating_sub(refunded.count()) })
        };
        let paid = self.candidates.iter().enumerate().filter(|(_, candidate)| !candidate.over.is_empty());
        paid.filter_map(step).filter(|step| step.pairs <= left).max()
    }

    /// What is chosen with `candidate` and without those that it makes superfluous.
    fn with(&self, candidate: usize) -> Vec<usize> {
        let dropped = self.dropped_for(candidate, &Tally::new(self));
        let kept = self.chosen.iter().copied().filter(|number| !dropped.contains(number));
        kept.chain([candidate]).collect::<BTreeSet<usize>>().into_iter().collect()
    }

    /// The chosen that `candidate` makes superfluous, the smallest of them first; none if it is chosen already.
    fn dropped_for(&self, candidate: usize, tally: &Tally) -> Vec<usize> {
        let mut rivals: BTreeSet<(usize, usize)> = BTreeSet::new();
        let mut holders: BTreeMap<usize, usize> = BTreeMap::new();
        for number in self.covered_by(candidate).filter_map(|column| tally.holding.get(column)).flatten() {
            rivals.insert((self.covered_by(*number).count(), *number));
        }
        if rivals.iter().any(|(_, number)| *number == candidate) {
            return Vec::new();
        }
        self.covered_by(candidate).for_each(|column| *holders.entry(column).or_insert(tally.held(column)) += 1);
        let mut dropped = Vec::new();
        for (_, number) in rivals {
            let held = |column: usize| holders.get(&column).copied().unwrap_or_else(|| tally.held(column));
            if self.covered_by(number).all(|column| held(column) > 1) {
                for column in self.covered_by(number) {
                    let count = holders.entry(column).or_insert(tally.held(column));
                    *count = count.saturating_sub(1);
                }
                dropped.push(number);
            }
        }
        dropped
    }

    fn lets_in(&self, candidate: usize, place: usize) -> bool {
        self.candidates.get(candidate).is_some_and(|candidate| candidate.over.contains(&place))
    }

    fn covered_by(&self, candidate: usize) -> impl Iterator<Item = usize> {
        self.candidates.get(candidate).into_iter().flat_map(|candidate| candidate.covers.ones())
    }

    /// Whom the chosen let in who has to be paid for.
    fn let_in(&self, chosen: &[usize]) -> BTreeSet<usize> {
        let candidates = chosen.iter().filter_map(|number| self.candidates.get(*number));
        candidates.flat_map(|candidate| candidate.over.iter().copied()).collect()
    }

    /// Adds what this part has come to to the cover of its rule.
    fn finish(self, covers: &mut [LabelCover]) {
        let Some(cover) = covers.get_mut(self.rule) else { return };
        let mut left: FixedBitSet = (0..self.wanted.len()).collect();
        for number in &self.chosen {
            self.covered_by(*number).for_each(|column| left.set(column, false));
        }
        let places = left.ones().filter_map(|column| self.wanted.get(column));
        cover.left.extend(places.filter_map(|place| self.room.position(*place)));
        cover.selectors.extend(self.people_would_write().iter().filter_map(|who| self.selector(who)));
    }

    /// The chosen selectors, where one that stands for a single workload is the one that this workload is known by.
    fn people_would_write(&self) -> Vec<Who<'a>> {
        let mut holders = vec![0usize; self.wanted.len()];
        self.chosen.iter().flat_map(|number| self.covered_by(*number)).for_each(|column| add(&mut holders, column, 1));
        let mut written = Vec::new();
        for number in &self.chosen {
            let Some(candidate) = self.candidates.get(*number) else { continue };
            let alone: Vec<usize> =
                self.covered_by(*number).filter(|column| holders.get(*column) == Some(&1)).collect();
            let known_by = match alone.as_slice() {
                [column] => self.wanted.get(*column).filter(|place| self.room.own_reach(**place).is_some()),
                _ => None,
            };
            if known_by.is_some() {
                let others = self.covered_by(*number).filter(|column| !alone.contains(column));
                others.for_each(|column| add(&mut holders, column, -1));
            }
            written.push(known_by.map_or_else(|| candidate.who.clone(), |place| Who::Own(*place)));
        }
        written
    }

    fn selector(&self, who: &Who<'a>) -> Option<Selector> {
        match who {
            Who::Own(place) => Some(self.room.selector(self.room.own_reach(*place)?, &self.wanted)),
            Who::Labels(labels) if labels.is_empty() => Some(self.room.everybody()),
            Who::Labels(labels) => Some(self.room.selector(&self.room.reach(labels.clone()), &self.wanted)),
        }
    }
}

/// What the chosen of a part do.
struct Tally {
    /// By workload: which of the chosen stand for it.
    holding: Vec<Vec<usize>>,
    /// Who is let in that has to be paid for, and by how many.
    admitted: BTreeMap<usize, usize>,
}

impl Tally {
    fn new(part: &Part) -> Self {
        let mut holding = vec![Vec::new(); part.wanted.len()];
        let mut admitted = BTreeMap::new();
        for number in &part.chosen {
            for column in part.covered_by(*number) {
                if let Some(holding) = holding.get_mut(column) {
                    holding.push(*number);
                }
            }
            for place in part.candidates.get(*number).into_iter().flat_map(|candidate| &candidate.over) {
                *admitted.entry(*place).or_insert(0usize) += 1;
            }
        }
        Self { holding, admitted }
    }

    /// How many of the chosen stand for the workload.
    fn held(&self, column: usize) -> usize {
        self.holding.get(column).map_or(0, Vec::len)
    }
}

/// The whole namespace.
fn everybody<'a>(wanted: &[usize]) -> Candidate<'a> {
    Candidate { who: Who::Labels(Vec::new()), covers: (0..wanted.len()).collect(), over: BTreeSet::new() }
}

fn add(counts: &mut [usize], at: usize, change: isize) {
    if let Some(count) = counts.get_mut(at) {
        *count = count.saturating_add_signed(change);
    }
}
