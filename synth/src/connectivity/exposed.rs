//! What is open to anything: to every pod, or to every address outside.
//!
//! Only what a destination's own policies say counts: that some source is shut in today does not close the door.

use super::addresses::holds_public;
use super::units::Member;
use super::{Allowed, Connectivity, End, Entry, Unit};
use netwright_policy::PortSet;
use std::borrow::Cow;
use std::fmt;

/// Everyone of one or several kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Everyone {
    /// Every pod of every namespace, also of namespaces that are not there yet.
    pub pods: bool,
    /// Every public IPv4 address.
    pub ipv4: bool,
    /// Every public IPv6 address.
    pub ipv6: bool,
}

impl Everyone {
    const PODS: Self = Self { pods: true, ipv4: false, ipv6: false };
    const IPV4: Self = Self { pods: false, ipv4: true, ipv6: false };
    const IPV6: Self = Self { pods: false, ipv4: false, ipv6: true };

    fn and(self, other: Self) -> Self {
        Self { pods: self.pods || other.pods, ipv4: self.ipv4 || other.ipv4, ipv6: self.ipv6 || other.ipv6 }
    }

    /// What reports call the kinds.
    pub fn names(self) -> Vec<&'static str> {
        let all = [(self.pods, "pods"), (self.ipv4, "ipv4"), (self.ipv6, "ipv6")];
        all.into_iter().filter(|(is_meant, _)| *is_meant).map(|(_, name)| name).collect()
    }
}

/// For people.
impl fmt::Display for Everyone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.pods, self.ipv4, self.ipv6) {
            (true, true, true) => "everyone",
            (true, true, false) => "every pod and public IPv4 address",
            (true, false, true) => "every pod and public IPv6 address",
            (true, false, false) => "every pod",
            (false, true, true) => "every public address",
            (false, true, false) => "every public IPv4 address",
            (false, false, true) => "every public IPv6 address",
            (false, false, false) => "nobody",
        })
    }
}

impl<'a> Connectivity<'a> {
    /// What is open to everyone, by the name of the unit; kinds that may use the same are taken together.
    pub fn exposed(&self) -> impl Iterator<Item = Entry<'a>> {
        self.units.all().iter().flat_map(|unit| {
            let found = self.exposure(unit).into_iter();
            found.map(|(everyone, allowed)| Entry { from: End::Everyone(everyone), to: End::Unit(unit), allowed })
        })
    }

    fn exposure(&self, unit: &Unit) -> Vec<(Everyone, Allowed)> {
        let mut found: Vec<(Everyone, Allowed)> = Vec::new();
        for kind in [Everyone::PODS, Everyone::IPV4, Everyone::IPV6] {
            let members = unit.members.iter().map(|member| Cow::Owned(self.open(kind, member)));
            let Some(allowed) = super::combine(members) else { continue };
            match found.iter_mut().find(|(_, known)| *known == allowed) {
                Some((everyone, _)) => *everyone = everyone.and(kind),
                None => found.push((kind, allowed)),
            }
        }
        found
    }

    /// The ports of a member that everyone of one kind may use.
    fn open(&self, kind: Everyone, member: &Member) -> PortSet {
        let Member::Pods { class, .. } = member else { return PortSet::all() };
        let classes = self.units.classes();
        if !self.relation.isolates_ingress(*class) {
            return PortSet::all();
        }
        if kind.pods {
            // First the one whom the fewest let in.
            let everyone = [self.units.stranger()].into_iter().chain(0..classes.len());
            return common(everyone.map(|from| self.relation.admitted(from, *class)));
        }
        let ranges = classes.ranges().iter().enumerate();
        let of_kind = ranges.filter(|(_, range)| range.first.is_ipv4() == kind.ipv4 && holds_public(range));
        common(of_kind.map(|(range, _)| self.relation.from_range(range, *class)))
    }
}

fn common<'s>(sets: impl Iterator<Item = &'s PortSet>) -> PortSet {
    let mut common = PortSet::all();
    for ports in sets {
        if *ports == common {
            continue;
        }
        common = common.intersection(ports);
        if common.is_empty() {
            break;
        }
    }
    common
}
