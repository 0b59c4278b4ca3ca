//! The relation itself: a row for each class and direction.

use super::building::{Built, OPEN, build};
use super::classes::Classes;
use super::number;
use super::port_sets::{ALL, NONE, PortSetId};
use super::rows::{Row, Rows};
use crate::{PolicySet, PortSet};
use std::borrow::Cow;

/// What a policy set allows between all classes of pods, and between them and all addresses.
///
/// It leaves out what no policy can forbid, since that is no matter of classes: a pod to itself, and a pod's own node to
/// the pod.
#[derive(Debug)]
pub struct Relation<'c> {
    classes: &'c Classes,
    sets: Vec<PortSet>,
    rows: Rows,
    /// For each class, the number of its row.
    egress: Vec<u32>,
    ingress: Vec<u32>,
}

impl<'c> Relation<'c> {
    /// Works out what `set` allows; it has to be one of the sets that the classes were made for.
    ///
    /// Time and memory grow with the classes that policies select, and with the runs of classes that their rules name;
    /// not with pods, and not with pairs.
    pub fn new(classes: &'c Classes, set: &PolicySet) -> Self {
        let Built { sets, rows, egress, ingress } = build(classes, set.shorthand());
        Self { classes, sets, rows, egress, ingress }
    }

    /// The classes it is over.
    pub fn classes(&self) -> &'c Classes {
        self.classes
    }

    /// The ports that a pod of one class may use towards another pod of another, or of the same: allowed by the egress
    /// of the one and the ingress of the other. None for a number that no class has.
    pub fn between(&self, from: usize, to: usize) -> Cow<'_, PortSet> {
        let (from, to) = (number(from), number(to));
        let egress = self.egress_row(from).map_or(NONE, |row| row.at_class(to));
        // Where most egress is denied, that is all there is to look at.
        let ingress = if egress == NONE { None } else { self.ingress_row(to) };
        self.both(egress, ingress.map_or(NONE, |row| row.at_class(from)))
    }

    /// The ports of a pod of a class that its own policies let a pod of another class (or another one of the same) use,
    /// whatever the policies of that one say.
    pub fn admitted(&self, from: usize, to: usize) -> &PortSet {
        self.set(self.ingress_row(number(to)).map_or(NONE, |row| row.at_class(number(from))))
    }

    /// The ports that a pod of a class may use towards the addresses of a range.
    pub fn to_range(&self, from: usize, range: usize) -> &PortSet {
        let ports = self.egress_row(number(from)).map_or(NONE, |row| row.at_range(number(range)));
        self.set(ports)
    }

    /// The ports of a pod of a class that the addresses of a range may use.
    pub fn from_range(&self, range: usize, to: usize) -> &PortSet {
        let ports = self.ingress_row(number(to)).map_or(NONE, |row| row.at_range(number(range)));
        self.set(ports)
    }

    /// Whether some policy isolates the pods of a class for egress.
    pub fn isolates_egress(&self, class: usize) -> bool {
        self.egress.get(class).is_some_and(|row| *row != OPEN)
    }

    /// Whether some policy isolates the pods of a class for ingress.
    pub fn isolates_ingress(&self, class: usize) -> bool {
        self.ingress.get(class).is_some_and(|row| *row != OPEN)
    }

    pub(crate) fn set(&self, id: PortSetId) -> &PortSet {
        static EMPTY: std::sync::LazyLock<PortSet> = std::sync::LazyLock::new(PortSet::default);
        self.sets.get(id as usize).unwrap_or(&EMPTY)
    }

    pub(crate) fn both(&self, one: PortSetId, other: PortSetId) -> Cow<'_, PortSet> {
        match (one, other) {
            (NONE, _) | (_, NONE) => Cow::Borrowed(self.set(NONE)),
            (ALL, ports) | (ports, ALL) => Cow::Borrowed(self.set(ports)),
            (one, other) if one == other => Cow::Borrowed(self.set(one)),
            (one, other) => Cow::Owned(self.set(one).intersection(self.set(other))),
        }
    }

    pub(crate) fn egress_row(&self, class: u32) -> Option<Row<'_>> {
        self.rows.get(*self.egress.get(class as usize)?)
    }

    pub(crate) fn ingress_row(&self, class: u32) -> Option<Row<'_>> {
        self.rows.get(*self.ingress.get(class as usize)?)
    }
}
