//! Sets of groups of pods. For checks, which compare what selectors select.

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

/// A set of groups, as sorted ranges of their numbers that do not touch: "all pods" is one range, however many they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::lint) struct Groups(Vec<(u32, u32)>);

impl Groups {
    pub(super) fn range(range: Range<u32>) -> Self {
        let mut groups = Self::default();
        groups.push(range);
        groups
    }

    /// Adds numbers that are not below any that is held.
    pub(super) fn push(&mut self, range: Range<u32>) {
        if range.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some((_, end)) if *end >= range.start => *end = range.end.max(*end),
            _ => self.0.push((range.start, range.end)),
        }
    }

    pub(in crate::lint) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::lint) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        // A number of a group is an index of a vector in memory, so it fits.
        self.0.iter().flat_map(|(start, end)| *start as usize..*end as usize)
    }

    pub(in crate::lint) fn first(&self) -> Option<usize> {
        self.iter().next()
    }

    pub(in crate::lint) fn intersects(&self, other: &Self) -> bool {
        let (few, many) = if self.0.len() <= other.0.len() { (self, other) } else { (other, self) };
        few.0.iter().any(|(start, end)| {
            let next = many.0.partition_point(|(_, other_end)| other_end <= start);
            many.0.get(next).is_some_and(|(other_start, _)| other_start < end)
        })
    }

    pub(in crate::lint) fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().all(|(start, end)| {
            let next = other.0.partition_point(|(_, other_end)| other_end <= start);
            other.0.get(next).is_some_and(|(other_start, other_end)| other_start <= start && end <= other_end)
        })
    }
}

/// The numbers have to be in ascending order.
impl FromIterator<u32> for Groups {
    fn from_iter<T: IntoIterator<Item = u32>>(numbers: T) -> Self {
        let mut groups = Self::default();
        numbers.into_iter().for_each(|number| groups.push(number..number + 1));
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(numbers: &[u32]) -> Groups {
        numbers.iter().copied().collect()
    }

    #[test]
    fn sets_behave_like_sets_of_numbers() {
        for left in 0_u32..64 {
            for right in 0_u32..64 {
                let members = |bits: u32| (0..6).filter(|bit| bits >> bit & 1 == 1).collect::<Vec<u32>>();
                let (a, b) = (groups(&members(left)), groups(&members(right)));
                assert_eq!(a.intersects(&b), left & right != 0);
                assert_eq!(a.is_subset(&b), left & right == left);
                assert_eq!(a.iter().count(), left.count_ones() as usize);
            }
        }
    }
}
