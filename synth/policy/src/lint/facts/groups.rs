//! Sets of groups of pods. For checks, which compare what selectors select.

use crate::runs::{Run, Runs};
use crate::{Labels, NamedPort};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Range;

/// Pods of one workload that no selector tells apart.
#[derive(Debug)]
pub(in crate::lint) struct Group<'a> {
    pub(in crate::lint) namespace: &'a str,
    pub(in crate::lint) kind: &'a str,
    pub(in crate::lint) workload: &'a str,
    /// The labels whose keys some selector mentions, sorted.
    pub(in crate::lint) labels: Vec<(&'a str, &'a str)>,
    pub(in crate::lint) ports: &'a [NamedPort],
    /// How many pods.
    pub(in crate::lint) pods: usize,
    /// Whether one of them has an IPv6 address.
    pub(in crate::lint) ipv6: bool,
}

impl<'a> Group<'a> {
    pub(in crate::lint) fn label(&self, key: &str) -> Option<&'a str> {
        let found = self.labels.binary_search_by(|(own, _)| (*own).cmp(key)).ok()?;
        self.labels.get(found).map(|(_, value)| *value)
    }

    /// `shop/Deployment/cart`.
    pub(in crate::lint) fn name(&self) -> String {
        format!("{}/{}/{}", self.namespace, self.kind, self.workload)
    }
}

/// The labels with these keys.
pub(super) fn mentioned<'a>(labels: &'a Labels, keys: &BTreeSet<&str>) -> Vec<(&'a str, &'a str)> {
    let kept = labels.iter().filter(|(key, _)| keys.contains(key.as_str()));
    kept.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

pub(super) fn has_ipv6(addresses: &[IpAddr]) -> bool {
    addresses.iter().any(|address| address.to_canonical().is_ipv6())
}

/// A set of groups, by their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::lint) struct Groups(Runs);

impl Groups {
    /// All groups of some ranges of their numbers.
    pub(super) fn of(ranges: impl Iterator<Item = Range<u32>>) -> Self {
        let run = |range: Range<u32>| {
            Some(Run::new(range.start, range.end.checked_sub(1).filter(|last| range.start <= *last)?))
        };
        Self(Runs::of(ranges.filter_map(run).collect()))
    }

    pub(super) fn runs(&self) -> &[Run] {
        self.0.as_slice()
    }

    pub(in crate::lint) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::lint) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        // A number of a group is an index of a vector in memory, so it fits.
        self.0.numbers().map(|number| number as usize)
    }

    pub(in crate::lint) fn first(&self) -> Option<usize> {
        self.iter().next()
    }

    pub(in crate::lint) fn intersects(&self, other: &Self) -> bool {
        self.0.meets(&other.0)
    }

    pub(in crate::lint) fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }
}

impl From<Vec<Run>> for Groups {
    fn from(runs: Vec<Run>) -> Self {
        Self(Runs::of(runs))
    }
}

/// The numbers have to be in ascending order.
impl FromIterator<u32> for Groups {
    fn from_iter<T: IntoIterator<Item = u32>>(numbers: T) -> Self {
        Self(Runs::of_ascending(numbers.into_iter()))
    }
}
