//! Where two policy sets differ: by what they allow, not by what they say.

use super::rows::Row;
use super::table::Relation;
use crate::PortSet;
use std::borrow::Cow;

/// One end of a connection in a relation, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// The pods of a class.
    Class(usize),
    /// The addresses of a range.
    Range(usize),
}

/// Two ends for which two relations differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Who connects.
    pub from: End,
    /// To whom.
    pub to: End,
    /// The ports that only the later relation allows.
    pub gained: PortSet,
    /// The ports that only the earlier one allows.
    pub lost: PortSet,
}

impl<'c> Relation<'c> {
    /// All pairs of ends for which this relation and a later one over the same classes differ, in the order of the
    /// sources and of the destinations; first those between classes, then those with ranges. Empty if and only if both
    /// sets allow the same.
    ///
    /// Looks only at the classes whose rows differ: linear in these times all classes. Of relations over different
    /// classes it says nothing of use.
    pub fn differences<'r>(&'r self, later: &'r Relation<'c>) -> impl Iterator<Item = Difference> + use<'r, 'c> {
        let sources = self.changed(later, Relation::egress_row);
        let destinations = self.changed(later, Relation::ingress_row);
        let (from_ranges, to_ranges) = (destinations.clone(), sources.clone());
        let classes = self.classes().len();
        let ranges = self.classes().ranges().len();
        let is_changed = move |class: usize| sources.get(class).copied().unwrap_or_default();
        let changed: Vec<usize> = numbers(&destinations).collect();
        let between = (0..classes).flat_map(move |from| {
            let all = if is_changed(from) { 0..classes } else { 0..0 };
            let some = if is_changed(from) { Vec::new() } else { changed.clone() };
            all.chain(some).filter_map(move |to| {
                difference(End::Class(from), End::Class(to), self.between(from, to), later.between(from, to))
            })
        });
        let to = numbers(&to_ranges).collect::<Vec<_>>().into_iter().flat_map(move |from| {
            (0..ranges).filter_map(move |range| {
                let both = [self, later].map(|relation| Cow::Borrowed(relation.to_range(from, range)));
                let [before, after] = both;
                difference(End::Class(from), End::Range(range), before, after)
            })
        });
        let from = numbers(&from_ranges).collect::<Vec<_>>().into_iter().flat_map(move |to| {
            (0..ranges).filter_map(move |range| {
                let both = [self, later].map(|relation| Cow::Borrowed(relation.from_range(range, to)));
                let [before, after] = both;
                difference(End::Range(range), End::Class(to), before, after)
            })
        });
        between.chain(to).chain(from)
    }

    /// For each class, whether its rows in the two relations differ.
    fn changed(&self, later: &Self, row: for<'r> fn(&'r Self, u32) -> Option<Row<'r>>) -> Vec<bool> {
        let classes = 0..super::number(self.classes().len());
        classes.map(|class| !same(self, row(self, class), later, row(later, class))).collect()
    }
}

fn numbers(changed: &[bool]) -> impl Iterator<Item = usize> {
    changed.iter().enumerate().filter(|(_, changed)| **changed).map(|(class, _)| class)
}

fn difference(from: End, to: End, before: Cow<PortSet>, after: Cow<PortSet>) -> Option<Difference> {
    (before != after).then(|| Difference {
        from,
        to,
        gained: after.difference(&before),
        lost: before.difference(&after),
    })
}

/// Whether two rows of two relations say the same. Numbers of port sets are each relation's own.
fn same(one: &Relation, row: Option<Row>, other: &Relation, other_row: Option<Row>) -> bool {
    let (Some(row), Some(other_row)) = (row, other_row) else { return row.is_none() && other_row.is_none() };
    let lists = [(row.classes, other_row.classes), (row.ranges, other_row.ranges)];
    one.set(row.base) == other.set(other_row.base)
        && lists.into_iter().all(|(list, other_list)| {
            list.len() == other_list.len()
                && list.iter().zip(other_list).all(|(a, b)| a.run == b.run && one.set(a.ports) == other.set(b.ports))
        })
}
