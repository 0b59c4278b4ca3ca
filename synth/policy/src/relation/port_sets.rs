//! Sets of ports, each kept once and known by its number, so that equal sets are equal numbers.

use super::{Map, number};
use crate::PortSet;

/// The number of a set.
pub(crate) type PortSetId = u32;

/// The set without ports.
pub(crate) const NONE: PortSetId = 0;
/// The set of all ports.
pub(crate) const ALL: PortSetId = 1;

/// The sets met so far.
#[derive(Debug)]
pub(crate) struct PortSets {
    sets: Vec<PortSet>,
    ids: Map<PortSet, PortSetId>,
    /// Of two numbers, the lower first.
    unions: Map<(PortSetId, PortSetId), PortSetId>,
}

impl PortSets {
    pub(crate) fn new() -> Self {
        let mut sets = Self { sets: Vec::new(), ids: Map::default(), unions: Map::default() };
        sets.id(PortSet::default());
        sets.id(PortSet::all());
        sets
    }

    pub(crate) fn id(&mut self, set: PortSet) -> PortSetId {
        if let Some(id) = self.ids.get(&set) {
            return *id;
        }
        let id = number(self.sets.len());
        self.sets.push(set.clone());
        self.ids.insert(set, id);
        id
    }

    pub(crate) fn union(&mut self, one: PortSetId, other: PortSetId) -> PortSetId {
        match (one.min(other), one.max(other)) {
            (NONE, other) => other,
            (ALL, _) => ALL,
            (one, other) if one == other => one,
            pair => {
                if let Some(known) = self.unions.get(&pair) {
                    return *known;
                }
                let get = |id| self.sets.get(id as usize).cloned().unwrap_or_default();
                let id = self.id(get(pair.0).union(&get(pair.1)));
                self.unions.insert(pair, id);
                id
            }
        }
    }

    /// The union of several. Those of the first two, three and so on of them are not kept: of thousands that would be
    /// far more than all that the policies wrote.
    pub(crate) fn union_of(&mut self, ids: &mut Vec<PortSetId>) -> PortSetId {
        ids.sort_unstable();
        ids.dedup();
        match ids.as_slice() {
            [] => NONE,
            [one] => *one,
            [one, other] => self.union(*one, *other),
            several if several.contains(&ALL) => ALL,
            several => {
                let union = PortSet::union_of(several.iter().filter_map(|id| self.sets.get(*id as usize)));
                self.id(union)
            }
        }
    }

    /// The sets, by number.
    pub(crate) fn into_sets(self) -> Vec<PortSet> {
        self.sets
    }
}
