//! How far one rule is from admitting a connection. For whoever shows the nearest rules first.

use super::unmet::Unmet;

/// One rule, and all that keeps it from admitting the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The policy: its index in [`PolicySet::policies`](crate::PolicySet::policies).
    pub policy: usize,
    /// The rule: its index in the policy's `ingress` or `egress`.
    pub rule: usize,
    /// The entry of `from` or `to` that comes nearest; `None` where the rule is for every peer.
    pub peer: Option<Entry>,
    /// The entry of `ports` that comes nearest; `None` where the rule is for every port.
    pub port: Option<Entry>,
    /// Why the policy does not apply to this end; empty where it does.
    pub selection: Vec<Unmet>,
}

/// One entry of a list of alternatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its index in the list.
    pub index: usize,
    /// What it lacks: all of this and nothing else. Empty where it fits.
    pub unmet: Vec<Unmet>,
}

impl Gap {
    /// All that is missing.
    pub fn unmet(&self) -> impl Iterator<Item = &Unmet> {
        let entries = self.peer.iter().chain(&self.port).flat_map(|entry| &entry.unmet);
        self.selection.iter().chain(entries)
    }

    /// Whether nothing is missing.
    pub fn admits(&self) -> bool {
        self.unmet().next().is_none()
    }

    /// For ordering, the nearest first: how much is missing, then how unlike, then the place.
    pub fn distance(&self) -> impl Ord + use<> {
        (distance(self.unmet()), self.policy, self.rule)
    }
}

impl Entry {
    /// For ordering, the nearest first.
    pub(super) fn distance(&self) -> (usize, usize, usize) {
        let (count, unlike) = distance(self.unmet.iter());
        (count, unlike, self.index)
    }
}

fn distance<'a>(unmet: impl Iterator<Item = &'a Unmet>) -> (usize, usize) {
    unmet.fold((0, 0), |(count, unlike), unmet| (count + 1, unlike + unmet.unlikeness()))
}
