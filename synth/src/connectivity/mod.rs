//! All that policies allow, for `netwright connectivity` and `netwright diff`: between the workloads of a cluster (or its
//! pods, one by one), and between them and all addresses.
//!
//! The answers are those of [`Relation`]; here classes get the names of workloads again, and ranges become blocks.
//! What no policy can forbid is left out: a pod to itself, and a node to its own pods.

mod addresses;
pub mod compare;
pub mod exposed;
pub mod report;
mod units;

pub use units::{By, Unit, Units};

use addresses::{split, stretches};
use exposed::Everyone;
use netwright_policy::{AddressRange, PolicySet, PortSet, Relation};
use std::borrow::Cow;
use units::Member;

/// What one policy set allows between units and addresses.
#[derive(Debug)]
pub struct Connectivity<'a> {
    units: &'a Units,
    relation: Relation<'a>,
}

/// Ports that some or all pods may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The ports that any of the pods may use.
    pub ports: PortSet,
    /// Whether only some of the pods, at either end, may use all of them.
    pub some: bool,
}

/// One end of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End<'a> {
    /// A workload or a pod.
    Unit(&'a Unit),
    /// Addresses.
    Addresses(AddressRange),
    /// Everyone of some kinds.
    Everyone(Everyone),
}

/// What one end may use towards another: never nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Who connects.
    pub from: End<'a>,
    /// To whom.
    pub to: End<'a>,
    /// What is allowed.
    pub allowed: Allowed,
}

impl<'a> Entry<'a> {
    /// The same with each range of addresses cut into blocks, for programs that know only those.
    pub fn by_block(&self) -> impl Iterator<Item = Entry<'a>> {
        let ends: Vec<(End<'a>, End<'a>)> = match (self.from, self.to) {
            (End::Addresses(range), to) => split(&range).map(|block| (End::Addresses(block), to)).collect(),
            (from, End::Addresses(range)) => split(&range).map(|block| (from, End::Addresses(block))).collect(),
            ends => vec![ends],
        };
        ends.into_iter().map(|(from, to)| Entry { from, to, allowed: self.allowed.clone() })
    }
}

impl<'a> Connectivity<'a> {
    /// Works out what `policies` allow; they have to be among those that `units` were made for.
    pub fn new(units: &'a Units, policies: &PolicySet) -> Self {
        Self { units, relation: Relation::new(units.classes(), policies) }
    }

    /// Shows all entries to `visit`, one after the other: sources by name, each with the destinations by name and then
    /// the addresses it may reach; at the end, by destination, the addresses that may reach units.
    ///
    /// Takes time proportional to the square of the units, and no memory beyond one entry.
    ///
    /// # Errors
    ///
    /// Those of `visit`, at once.
    pub fn visit<E>(&self, mut visit: impl FnMut(Entry<'a>) -> Result<(), E>) -> Result<(), E> {
        for from in self.units.all() {
            for to in self.units.all() {
                if let Some(allowed) = self.between(from, to) {
                    visit(Entry { from: End::Unit(from), to: End::Unit(to), allowed })?;
                }
            }
            for (range, allowed) in
                stretches(self.units.classes().ranges(), |range| combine(self.outbound(from, range)))
            {
                visit(Entry { from: End::Unit(from), to: End::Addresses(range), allowed })?;
            }
        }
        for to in self.units.all() {
            for (range, allowed) in stretches(self.units.classes().ranges(), |range| combine(self.inbound(range, to))) {
                visit(Entry { from: End::Addresses(range), to: End::Unit(to), allowed })?;
            }
        }
        Ok(())
    }

    /// What the pods of one unit may use towards those of another; `None` if it is nothing.
    fn between(&self, from: &Unit, to: &Unit) -> Option<Allowed> {
        // Most units are of one class.
        if let ([one], [other]) = (from.members.as_slice(), to.members.as_slice()) {
            let ports = is_pair(one, other).then(|| self.pair(one, other)).filter(|ports| !ports.is_empty());
            return ports.map(|ports| Allowed { ports: ports.into_owned(), some: false });
        }
        combine(self.pairs(from, to))
    }

    /// The ports for each pair of different pods of two units that policies tell apart, in an order of its own.
    fn pairs<'s>(&'s self, from: &'s Unit, to: &'s Unit) -> impl Iterator<Item = Cow<'s, PortSet>> {
        let pairs = from.members.iter().flat_map(move |one| to.members.iter().map(move |other| (one, other)));
        pairs.filter(|(one, other)| is_pair(one, other)).map(|(one, other)| self.pair(one, other))
    }

    fn pair(&self, from: &Member, to: &Member) -> Cow<'_, PortSet> {
        match (from, to) {
            (Member::Pods { class: from, .. }, Member::Pods { class: to, .. }) => self.relation.between(*from, *to),
            (Member::Pods { class, .. }, Member::Node { ranges, .. }) => {
                Cow::Owned(self.each(ranges, |range| self.relation.to_range(*class, range)))
            }
            (Member::Node { ranges, .. }, Member::Pods { class, .. }) => {
                Cow::Owned(self.each(ranges, |range| self.relation.from_range(range, *class)))
            }
            (Member::Node { .. }, Member::Node { .. }) => Cow::Owned(PortSet::all()),
        }
    }

    /// The ports that are open for each of some ranges: a connection uses one address of the node, and nobody knows
    /// beforehand which. Without any, those that are open for every address there is.
    fn each<'s>(&'s self, ranges: &[usize], ports: impl Fn(usize) -> &'s PortSet) -> PortSet {
        let all = 0..self.units.classes().ranges().len();
        let mut common = PortSet::all();
        let mut narrow = |range: usize| {
            common = common.intersection(ports(range));
            !common.is_empty()
        };
        let _ = if ranges.is_empty() { all.into_iter().all(&mut narrow) } else { ranges.iter().copied().all(narrow) };
        common
    }

    fn outbound<'s>(&'s self, from: &'s Unit, range: usize) -> impl Iterator<Item = Cow<'s, PortSet>> {
        from.members.iter().map(move |member| match member {
            Member::Pods { class, .. } => Cow::Borrowed(self.relation.to_range(*class, range)),
            Member::Node { .. } => Cow::Owned(PortSet::all()),
        })
    }

    fn inbound<'s>(&'s self, range: usize, to: &'s Unit) -> impl Iterator<Item = Cow<'s, PortSet>> {
        to.members.iter().map(move |member| match member {
            Member::Pods { class, .. } => Cow::Borrowed(self.relation.from_range(range, *class)),
            Member::Node { .. } => Cow::Owned(PortSet::all()),
        })
    }
}

/// Whether there can be two different pods, one of each of two members.
fn is_pair(one: &Member, other: &Member) -> bool {
    !std::ptr::eq(one, other) || one.repeats()
}

/// What several pairs of pods may use, put together; `None` if it is nothing.
fn combine<'s>(pairs: impl Iterator<Item = Cow<'s, PortSet>>) -> Option<Allowed> {
    let mut combined: Option<(Cow<'s, PortSet>, bool)> = None;
    for ports in pairs {
        combined = Some(match combined {
            None => (ports, false),
            Some((known, some)) if known == ports => (known, some),
            Some((known, _)) => (Cow::Owned(known.union(&ports)), true),
        });
    }
    combined.filter(|(ports, _)| !ports.is_empty()).map(|(ports, some)| Allowed { ports: ports.into_owned(), some })
}

#[cfg(test)]
mod tests;
