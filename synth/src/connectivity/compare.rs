//! Where two policy sets differ: by what they allow over one inventory, not by what they say.

use super::addresses::stretches;
use super::{Allowed, Connectivity, End, Entry, Unit, combine};
use netwright_policy::{End as ClassEnd, PortSet};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What a later policy set allows differently.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison<'a> {
    /// What it allows and the earlier one does not.
    pub allowed: Vec<Entry<'a>>,
    /// What the earlier one allows and it does not.
    pub denied: Vec<Entry<'a>>,
}

impl Comparison<'_> {
    /// Whether both sets allow the same.
    pub fn is_equal(&self) -> bool {
        self.allowed.is_empty() && self.denied.is_empty()
    }
}

/// Units that are worth a look, by their place: all others have the same connections in both.
#[derive(Default)]
struct Changed {
    pairs: BTreeSet<(usize, usize)>,
    to_addresses: BTreeSet<usize>,
    from_addresses: BTreeSet<usize>,
}

impl<'a> Connectivity<'a> {
    /// Compares with a later policy set over the same units.
    pub fn compare(&self, later: &Connectivity<'a>) -> Comparison<'a> {
        let changed = self.changed(later);
        let mut comparison = Comparison::default();
        comparison.allowed.extend(self.pairs_gained(&changed, self, later));
        comparison.allowed.extend(self.addresses_gained(&changed, self, later));
        comparison.denied.extend(self.pairs_gained(&changed, later, self));
        comparison.denied.extend(self.addresses_gained(&changed, later, self));
        comparison
    }

    fn unit(&self, number: usize) -> Option<&'a Unit> {
        self.units.all().get(number)
    }

    fn changed(&self, later: &Connectivity<'a>) -> Changed {
        let mut of_class: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut on_nodes = Vec::new();
        for (number, unit) in self.units.all().iter().enumerate() {
            unit.classes().for_each(|class| of_class.entry(class).or_default().push(number));
            if unit.has_nodes() {
                on_nodes.push(number);
            }
        }
        let units = |class: usize| of_class.get(&class).into_iter().flatten().copied();
        let mut changed = Changed::default();
        for difference in self.relation.differences(&later.relation) {
            match (difference.from, difference.to) {
                (ClassEnd::Class(from), ClassEnd::Class(to)) => {
                    changed.pairs.extend(units(from).flat_map(|from| units(to).map(move |to| (from, to))));
                }
                (ClassEnd::Class(from), ClassEnd::Range(_)) => changed.to_addresses.extend(units(from)),
                (ClassEnd::Range(_), ClassEnd::Class(to)) => changed.from_addresses.extend(units(to)),
                (ClassEnd::Range(_), ClassEnd::Range(_)) => {}
            }
        }
        // What is on a node is seen by its addresses.
        for node in on_nodes {
            changed.pairs.extend(changed.to_addresses.iter().map(|from| (*from, node)));
            changed.pairs.extend(changed.from_addresses.iter().map(|to| (node, *to)));
        }
        changed
    }

    /// What `more` allows between units and `less` does not.
    fn pairs_gained(&self, changed: &Changed, less: &Self, more: &Self) -> Vec<Entry<'a>> {
        let gained = |(from, to): &(usize, usize)| {
            let (from, to) = (self.unit(*from)?, self.unit(*to)?);
            let allowed = gained(less.pairs(from, to), more.pairs(from, to))?;
            Some(Entry { from: End::Unit(from), to: End::Unit(to), allowed })
        };
        changed.pairs.iter().filter_map(gained).collect()
    }

    fn addresses_gained(&self, changed: &Changed, less: &Self, more: &Self) -> Vec<Entry<'a>> {
        let ranges = self.units.classes().ranges();
        let mut entries = Vec::new();
        for unit in changed.to_addresses.iter().filter_map(|number| self.unit(*number)) {
            let found = stretches(ranges, |range| gained(less.outbound(unit, range), more.outbound(unit, range)));
            entries.extend(found.map(|(range, allowed)| Entry {
                from: End::Unit(unit),
                to: End::Addresses(range),
                allowed,
            }));
        }
        for unit in changed.from_addresses.iter().filter_map(|number| self.unit(*number)) {
            let found = stretches(ranges, |range| gained(less.inbound(range, unit), more.inbound(range, unit)));
            entries.extend(found.map(|(range, allowed)| Entry {
                from: End::Addresses(range),
                to: End::Unit(unit),
                allowed,
            }));
        }
        entries
    }
}

/// What the same pairs of pods may use in the one and not in the other.
fn gained<'s>(
    less: impl Iterator<Item = Cow<'s, PortSet>>,
    more: impl Iterator<Item = Cow<'s, PortSet>>,
) -> Option<Allowed> {
    combine(less.zip(more).map(|(less, more)| Cow::Owned(more.difference(&less))))
}
