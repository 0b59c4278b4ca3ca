//! The relation itself: a row for each class and direction.

use super::classes::Classes;
use super::port_sets::{ALL, NONE, PortSetId};
use super::rows::{Row, Segment};
use super::rules::{Resolved, ResolvedPolicy, Resolver};
use super::runs::Run;
use super::{Map, number};
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
    pub(crate) rows: Vec<Row>,
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
        let mut resolver = Resolver::new(classes);
        let policies: Vec<ResolvedPolicy> = set.policies().iter().map(|policy| resolver.policy(policy)).collect();
        let mut building = Building { classes, resolver, policies: &policies, rows: Vec::new() };
        building.open();
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

    pub(crate) fn egress_row(&self, class: u32) -> Option<&Row> {
        self.rows.get(*self.egress.get(class as usize)? as usize)
    }

    pub(crate) fn ingress_row(&self, class: u32) -> Option<&Row> {
        self.rows.get(*self.ingress.get(class as usize)? as usize)
    }
}

/// The policies that isolate a class, and its port table where their rules name ports.
type RowKey = (Vec<u32>, Option<u32>);

/// Rows as they are made.
struct Building<'c, 'p> {
    classes: &'c Classes,
    resolver: Resolver<'p>,
    policies: &'p [ResolvedPolicy],
    rows: Vec<Row>,
}

impl<'c: 'p, 'p> Building<'c, 'p> {
    /// The row that allows everything, at [`OPEN`].
    fn open(&mut self) {
        let last = number(self.classes.ranges().len()).saturating_sub(1);
        let ranges = vec![Segment { run: Run::new(0, last), ports: ALL }];
        self.rows.push(Row { base: ALL, classes: Box::default(), ranges: ranges.into() });
    }

    /// For each class its row; `rules` gives those of a direction, `make` puts them together.
    fn rows_of(
        &mut self,
        rules: impl Fn(&'p ResolvedPolicy) -> Option<&'p [Resolved]>,
        make: fn(&mut Self, &[&'p Resolved], Option<u32>) -> Row,
    ) -> Vec<u32> {
        let mut isolating: Vec<Vec<u32>> = vec![Vec::new(); self.classes.len()];
        for (index, policy) in self.policies.iter().enumerate().filter(|(_, policy)| rules(policy).is_some()) {
            for class in policy.selected.numbers() {
                isolating.iter_mut().skip(class as usize).take(1).for_each(|list| list.push(number(index)));
            }
        }
        let mut known: Map<RowKey, u32> = Map::default();
        let row = |(class, isolating): (usize, Vec<u32>)| {
            if isolating.is_empty() {
                return OPEN;
            }
            let policies = isolating.iter().filter_map(|index| self.policies.get(*index as usize));
            let rules: Vec<&Resolved> = policies.filter_map(&rules).flatten().collect();
            let names = rules.iter().any(|rule| !rule.ports.names.is_empty());
            let table = names.then(|| self.classes.port_table(number(class)));
            *known.entry((isolating, table)).or_insert_with(|| {
                let row = make(self, &rules, table);
                self.rows.push(row);
                number(self.rows.len() - 1)
            })
        };
        isolating.into_iter().enumerate().map(row).collect()
    }

    /// Named ports are those of the class itself.
    fn ingress(&mut self, rules: &[&'p Resolved], table: Option<u32>) -> Row {
        let (mut classes, mut ranges) = (Vec::new(), Vec::new());
        for rule in rules {
            let ports = self.resolver.ports_at(&rule.ports, table.unwrap_or_default());
            classes.extend(rule.classes.as_slice().iter().map(|run| Segment { run: *run, ports }));
            ranges.extend(rule.ranges.as_slice().iter().map(|run| Segment { run: *run, ports }));
        }
        self.row(classes, ranges)
    }

    /// Named ports are those of each class that is reached; an address has none.
    fn egress(&mut self, rules: &[&'p Resolved], _: Option<u32>) -> Row {
        let (mut classes, mut ranges) = (Vec::new(), Vec::new());
        for rule in rules {
            let numbers = rule.ports.numbers;
            ranges.extend(rule.ranges.as_slice().iter().map(|run| Segment { run: *run, ports: numbers }));
            if rule.ports.names.is_empty() {
                classes.extend(rule.classes.as_slice().iter().map(|run| Segment { run: *run, ports: numbers }));
                continue;
            }
            for class in rule.classes.numbers() {
                let ports = self.resolver.ports_at(&rule.ports, self.classes.port_table(class));
                classes.push(Segment { run: Run::new(class, class), ports });
            }
        }
        self.row(classes, ranges)
    }

    fn row(&mut self, classes: Vec<Segment>, ranges: Vec<Segment>) -> Row {
        Row::new(classes, ranges, number(self.classes.len()), &mut self.resolver.sets)
    }
}
