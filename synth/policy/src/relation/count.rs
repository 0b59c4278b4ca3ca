//! How many pairs of pods may talk: counted by classes and by stretches of them.

use super::Map;
use super::port_sets::{ALL, NONE, PortSetId};
use super::rows::Row;
use super::table::Relation;

/// Pairs of pods, ordered: who connects, and to whom. A pod and itself are no pair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// All there are.
    pub pairs: u64,
    /// Those where some port may be used.
    pub allowed: u64,
    /// Those where every port may be used.
    pub unrestricted: u64,
}

impl Relation<'_> {
    /// Counts the pairs of pods.
    ///
    /// Takes as long as the stretches are long in which rows differ from what holds for most: linear in classes where
    /// policies name few peers or nearly all, up to classes times classes where they name, say, a third, or where each
    /// class has ports of its own that it opens to nearly all. Memory is linear in classes always.
    pub fn count(&self) -> Count {
        let mut counting = Counting { relation: self, known: Map::default(), found: Found::default() };
        counting.bases();
        counting.exceptions_of_egress();
        counting.exceptions_of_ingress();
        counting.pods_and_themselves();
        counting.result()
    }
}

/// Allowed and unrestricted pairs. What is counted too often on the way is taken off again.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    allowed: i128,
    unrestricted: i128,
}

/// Of sets with fewer ranges than this it takes no longer to compare them than to look up what was found.
const FEW_RANGES: usize = 8;

/// Where each class has ports of its own there are as many pairs of sets as of classes: not all of them are kept.
const MOST_KNOWN: usize = 1 << 20;

struct Counting<'r, 'c> {
    relation: &'r Relation<'c>,
    /// Whether two sets have ports in common. The lower number first.
    known: Map<(PortSetId, PortSetId), bool>,
    found: Found,
}

impl Counting<'_, '_> {
    fn size(&self, class: u32) -> i128 {
        self.relation.classes().size(class as usize) as i128
    }

    fn classes(&self) -> std::ops::Range<u32> {
        0..super::number(self.relation.classes().len())
    }

    /// Counts `pairs` pairs for which the two ends allow these ports.
    fn add(&mut self, egress: PortSetId, ingress: PortSetId, pairs: i128) {
        if self.meet(egress, ingress) {
            self.found.allowed += pairs;
        }
        if (egress, ingress) == (ALL, ALL) {
            self.found.unrestricted += pairs;
        }
    }

    fn meet(&mut self, one: PortSetId, other: PortSetId) -> bool {
        match (one.min(other), one.max(other)) {
            (NONE, _) => false,
            (ALL, _) => true,
            (one, other) if one == other => true,
            pair => self.compare(pair),
        }
    }

    fn compare(&mut self, pair: (PortSetId, PortSetId)) -> bool {
        let (one, other) = (self.relation.set(pair.0), self.relation.set(pair.1));
        let is_quick = one.range_count() + other.range_count() < FEW_RANGES;
        if !is_quick && let Some(known) = self.known.get(&pair) {
            return *known;
        }
        let meet = one.meets(other);
        if !is_quick && self.known.len() < MOST_KNOWN {
            self.known.insert(pair, meet);
        }
        meet
    }

    /// As if every row were nothing but its base.
    fn bases(&mut self) {
        let (mut egress, mut ingress) = (Vec::new(), Vec::new());
        for class in self.classes() {
            let bases = |row: Option<Row>| row.map_or(NONE, |row| row.base);
            egress.push((bases(self.relation.egress_row(class)), self.size(class)));
            ingress.push((bases(self.relation.ingress_row(class)), self.size(class)));
        }
        let (egress, ingress) = (grouped(egress), grouped(ingress));
        for (from, sources) in &egress {
            for (to, destinations) in &ingress {
                self.add(*from, *to, sources * destinations);
            }
        }
    }

    /// Corrects the pairs for which the row of the source has something else.
    fn exceptions_of_egress(&mut self) {
        for from in self.classes() {
            let Some(egress) = self.relation.egress_row(from) else { continue };
            for segment in egress.classes {
                for to in segment.run.numbers() {
                    let Some(ingress) = self.relation.ingress_row(to) else { continue };
                    let pairs = self.size(from) * self.size(to);
                    self.add(egress.base, ingress.base, -pairs);
                    self.add(segment.ports, ingress.at_class(from), pairs);
                }
            }
        }
    }

    /// Corrects those for which only the row of the destination has something else.
    fn exceptions_of_ingress(&mut self) {
        for to in self.classes() {
            let Some(ingress) = self.relation.ingress_row(to) else { continue };
            for segment in ingress.classes {
                for from in segment.run.numbers() {
                    let Some(egress) = self.relation.egress_row(from).filter(|row| !row.is_exception(to)) else {
                        continue;
                    };
                    let pairs = self.size(from) * self.size(to);
                    self.add(egress.base, ingress.base, -pairs);
                    self.add(egress.base, segment.ports, pairs);
                }
            }
        }
    }

    fn pods_and_themselves(&mut self) {
        for class in self.classes() {
            if let (Some(egress), Some(ingress)) = (self.relation.egress_row(class), self.relation.ingress_row(class)) {
                self.add(egress.at_class(class), ingress.at_class(class), -self.size(class));
            }
        }
    }

    fn result(&self) -> Count {
        let pods: i128 = self.classes().map(|class| self.size(class)).sum();
        let count = |pairs: i128| u64::try_from(pairs).unwrap_or(u64::MAX);
        Count {
            pairs: count(pods * (pods - 1).max(0)),
            allowed: count(self.found.allowed),
            unrestricted: count(self.found.unrestricted),
        }
    }
}

/// The numbers of pods summed for each set of ports.
fn grouped(mut counts: Vec<(PortSetId, i128)>) -> Vec<(PortSetId, i128)> {
    counts.sort_unstable();
    counts.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    counts
}
