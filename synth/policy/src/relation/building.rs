//! Makes the rows of a relation from policies: who isolates each class, and what their rules admit together.

use super::classes::Classes;
use super::port_sets::{ALL, PortSetId};
use super::rows::{Rows, Segment};
use super::rules::Resolver;
use super::{Map, number};
use crate::PortSet;
use crate::runs::{Run, Runs};
use crate::shorthand::{ShortPeer, ShortPolicy, ShortRule, Shorthand};

/// The row of whoever is not isolated.
pub(super) const OPEN: u32 = 0;

/// Rows, for each class the number of its own, and the sets of ports by their numbers.
pub(super) struct Built {
    pub(super) sets: Vec<PortSet>,
    pub(super) rows: Rows,
    pub(super) egress: Vec<u32>,
    pub(super) ingress: Vec<u32>,
}

pub(super) fn build(classes: &Classes, parts: &Shorthand) -> Built {
    let mut building = Building::new(classes, parts);
    let ingress = building.rows_of(|policy| policy.ingress.as_deref(), Building::ingress);
    let egress = building.rows_of(|policy| policy.egress.as_deref(), Building::egress);
    let Building { resolver, rows, .. } = building;
    Built { sets: resolver.sets.into_sets(), rows, egress, ingress }
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
            let isolating = self.isolating(of_class, rules);
            let (Some((class, _)), false) = (of_class.first(), isolating.is_empty()) else { continue };
            let row = self.row(*class, isolating, admit, &mut known);
            if let Some(place) = found.get_mut(*class as usize) {
                *place = row;
            }
        }
        self.selected = selected;
        found
    }

    /// The policies that isolate a class, of those that select it, with their rules.
    fn isolating(&self, selected: &[(u32, u32)], rules: RulesOf<'c>) -> Vec<(u32, &'c [ShortRule])> {
        let rules = |policy: u32| rules(self.parts.policies.get(policy as usize)?);
        selected.iter().filter_map(|(_, policy)| Some((*policy, rules(*policy)?))).collect()
    }

    /// The row of a class; that of an earlier one where the same policies isolate both.
    fn row(
        &mut self,
        class: u32,
        isolating: Vec<(u32, &'c [ShortRule])>,
        admit: Admit<'c>,
        known: &mut Map<RowKey, u32>,
    ) -> u32 {
        let rules = || isolating.iter().flat_map(|(_, rules)| *rules);
        let names = rules().any(|rule| !self.resolver.ports(rule.ports).names.is_empty());
        let table = names.then(|| self.classes.port_table(class));
        let key = (isolating.iter().map(|(policy, _)| *policy).collect(), table);
        if let Some(row) = known.get(&key) {
            return *row;
        }
        for rule in rules() {
            admit(self, rule, table);
        }
        let row = self.finish();
        known.insert(key, row);
        row
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
            // Peers of one rule may overlap, and each class is asked about once. Its table gives the numbers, too.
            let runs = Runs::of(self.row_classes.drain(before..).map(|segment| segment.run).collect());
            for class in runs.as_slice().iter().flat_map(|run| run.numbers()) {
                let ports = self.resolver.ports_at(rule.ports, self.classes.port_table(class));
                self.row_classes.push(Segment { run: Run::new(class, class), ports });
            }
        }
    }

    /// Adds peers to the row that is being made; without a list, every peer.
    fn admit(&mut self, peers: Option<&[ShortPeer]>, ports: PortSetId) {
        let listed = peers.unwrap_or_default().iter().map(Some);
        for peer in listed.chain(peers.is_none().then_some(None)) {
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
