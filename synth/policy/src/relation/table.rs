//! The relation itself: a row for each class and direction.

use super::classes::Classes;
use super::port_sets::{ALL, NONE, PortSetId};
use super::rows::{Row, Rows, Segment};
use super::rules::Resolver;
use super::runs::Run;
use super::{Map, number};
use crate::shorthand::{ShortPeer, ShortPolicy, ShortRule, Shorthand};
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
    pub(crate) egress: Vec<u32>,
    pub(crate) ingress: Vec<u32>,
}

/// The row of whoever is not isolated.
const OPEN: u32 = 0;

impl<'c> Relation<'c> {
    /// Works out what `set` allows; it has to be one of the sets that the classes were made for.
    ///
    /// Time and memory grow with the classes that policies select, and with the runs of classes that their rules name;
    /// not with pods, and not with pairs.
    pub fn new(classes: &'c Classes, set: &PolicySet) -> Self {
        let parts = set.shorthand();
        let mut building = Building::new(classes, parts);
        let ingress = building.rows_of(|policy| policy.ingress.as_deref(), Building::ingress);
        let egress = building.rows_of(|policy| policy.egress.as_deref(), Building::egress);
        let Building { resolver, rows, .. } = building;
        Self { classes, sets: resolver.sets.into_sets(), rows, egress, ingress }
    }

    /// The classes it is over.
    pub fn classes(&self) -> &'c Classes {
        self.classes
    }

    /// The ports that a pod of one class may use towards another pod of another, or of the same: allowed by the egress
    /// of the one and the ingress of the other. None for a number that no class has.
    pub fn between(&self, from: usize, to: usize) -> Cow<'_, PortSet> {
        let (from, to) = (number(from), number(to));
        match (self.egress_row(from), self.ingress_row(to)) {
            (Some(egress), Some(ingress)) => self.both(egress.at_class(to), ingress.at_class(from)),
            _ => Cow::Owned(PortSet::default()),
        }
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

/// The policies that isolate a class, and its port table where their rules name ports.
type RowKey = (Box<[u32]>, Option<u32>);

/// Which policies' rules of a direction go into a row, and how.
type RulesOf<'c> = fn(&'c ShortPolicy) -> Option<&'c [ShortRule]>;
type Admit<'c> = fn(&mut Building<'c>, &'c ShortRule, Option<u32>);

/// Rows as they are made.
struct Building<'c> {
    classes: &'c Classes,
    parts: &'c Shorthand,
    resolver: Resolver<'c>,
    rows: Rows,
    /// What the rules of one row admit, piece after piece.
    row_classes: Vec<Segment>,
    row_ranges: Vec<Segment>,
    /// The classes that policies select, with the policy; by class, then by policy.
    selected: Vec<(u32, u32)>,
}

impl<'c> Building<'c> {
    fn new(classes: &'c Classes, parts: &'c Shorthand) -> Self {
        let mut building = Self {
            classes,
            parts,
            resolver: Resolver::new(classes, parts),
            rows: Rows::default(),
            row_classes: Vec::new(),
            row_ranges: Vec::new(),
            selected: Vec::new(),
        };
        building.open();
        building.select();
        building
    }

    /// The row that allows everything, at [`OPEN`].
    fn open(&mut self) {
        self.admit(None, ALL);
        self.finish();
    }

    fn select(&mut self) {
        let mut runs = Vec::new();
        for (index, policy) in (0..).zip(&self.parts.policies) {
            self.resolver.selected(policy, &mut runs);
            let classes = runs.drain(..).flat_map(Run::numbers);
            self.selected.extend(classes.map(|class| (class, index)));
        }
        self.selected.sort_unstable();
    }

    /// For each class its row.
    fn rows_of(&mut self, rules: RulesOf<'c>, admit: Admit<'c>) -> Vec<u32> {
        let mut known: Map<RowKey, u32> = Map::default();
        let mut found = vec![OPEN; self.classes.len()];
        let selected = std::mem::take(&mut self.selected);
        for of_class in selected.chunk_by(|one, next| one.0 == next.0) {
            let policies = || {
                of_class
                    .iter()
                    .filter_map(|(_, policy)| Some((*policy, rules(self.parts.policies.get(*policy as usize)?)?)))
            };
            let isolating: Box<[u32]> = policies().map(|(policy, _)| policy).collect();
            let Some((class, _)) = of_class.first().filter(|_| !isolating.is_empty()) else { continue };
            let named = |rule: &ShortRule| !self.resolver.ports(rule.ports).names.is_empty();
            let names = policies().any(|(_, rules)| rules.iter().any(named));
            let table = names.then(|| self.classes.port_table(*class));
            let row = match known.get(&(isolating.clone(), table)) {
                Some(row) => *row,
                None => {
                    let rules: Vec<&[ShortRule]> = policies().map(|(_, rules)| rules).collect();
                    rules.into_iter().flatten().for_each(|rule| admit(self, rule, table));
                    let row = self.finish();
                    known.insert((isolating, table), row);
                    row
                }
            };
            found.iter_mut().skip(*class as usize).take(1).for_each(|place| *place = row);
        }
        self.selected = selected;
        found
    }

    /// Named ports are those of the class itself.
    fn ingress(&mut self, rule: &'c ShortRule, table: Option<u32>) {
        let ports = self.resolver.ports_at(rule.ports, table.unwrap_or_default());
        self.admit(rule.peers.as_deref(), ports);
    }

    /// Named ports are those of each class that is reached; an address has none.
    fn egress(&mut self, rule: &'c ShortRule, _: Option<u32>) {
        let ports = self.resolver.ports(rule.ports);
        let (numbers, names) = (ports.numbers, !ports.names.is_empty());
        let before = self.row_classes.len();
        self.admit(rule.peers.as_deref(), numbers);
        if names {
            let runs: Vec<Run> = self.row_classes.iter().skip(before).map(|segment| segment.run).collect();
            for class in runs.into_iter().flat_map(Run::numbers) {
                let ports = self.resolver.ports_at(rule.ports, self.classes.port_table(class));
                self.row_classes.push(Segment { run: Run::new(class, class), ports });
            }
        }
    }

    /// Adds peers to the row that is being made; without a list, every peer.
    fn admit(&mut self, peers: Option<&[ShortPeer]>, ports: PortSetId) {
        let every = [None];
        let listed = peers.unwrap_or_default().iter().copied().map(Some);
        let every = every.into_iter().filter(|_| peers.is_none());
        for peer in listed.chain(every) {
            let (classes, ranges) = self.resolver.peer(peer, self.parts);
            self.row_classes.extend(classes.iter().map(|run| Segment { run: *run, ports }));
            self.row_ranges.extend(ranges.iter().map(|run| Segment { run: *run, ports }));
        }
    }

    /// Ends the row that is being made.
    fn finish(&mut self) -> u32 {
        let count = number(self.classes.len());
        self.rows.add(&mut self.row_classes, &mut self.row_ranges, count, &mut self.resolver.sets)
    }
}
