//! When something was active and how often: the part of a flow or an edge that grows.

use crate::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const SECONDS_PER_HOUR: i64 = 3600;

/// How often something happened, and when.
///
/// Merging is commutative and associative (property-tested), so that records may be
/// combined in any order; it is *not* idempotent, because counts add up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// When it was first seen.
    pub first: Time,
    /// When it was last seen; never before `first`.
    pub last: Time,
    /// Attempts for TCP (a SYN sent or an accepted connection), conversations for UDP.
    pub connections: u64,
    /// Attempts that had not been established when they were last counted: refused, timed out, or (for the
    /// youngest ones) still waiting. Never more than `connections`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// Payload bytes both ways, where the capture method yields them without extra cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The hours (UTC) in which it was seen.
    #[serde(default)]
    pub hours: Hours,
}

impl Activity {
    /// One successful connection at `at`.
    pub fn once(at: Time) -> Self {
        Self { first: at, last: at, connections: 1, failed: 0, bytes: None, hours: Hours::from_iter([hour_of(at)]) }
    }

    /// Adds what `other` counted to this.
    pub fn merge(&mut self, other: &Activity) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.connections = self.connections.saturating_add(other.connections);
        self.failed = self.failed.saturating_add(other.failed);
        self.bytes = match (self.bytes, other.bytes) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        self.hours.merge(&other.hours);
    }

    /// Whether at least one attempt got through. A scan or a dead destination never does.
    pub fn established(&self) -> bool {
        self.connections > self.failed
    }
}

/// The number of whole hours between the Unix epoch and `at` (UTC; negative before 1970).
pub fn hour_of(at: Time) -> i64 {
    at.as_second().div_euclid(SECONDS_PER_HOUR)
}

/// A set of hours since the Unix epoch, run-length coded.
///
/// Written as `[[first_hour, length], …]`, ascending and with gaps between the runs: an edge that is
/// always on costs one pair however long the window is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(i64, u32)>", into = "Vec<(i64, u32)>")]
pub struct Hours(BTreeSet<i64>);

/// A run longer than a century of hours is a damaged record, not an observation.
const LONGEST_RUN: u32 = 24 * 366 * 100;

impl Hours {
    /// Adds one hour (hours since the Unix epoch).
    pub fn insert(&mut self, hour: i64) {
        self.0.insert(hour);
    }

    /// Adds all hours of `other`.
    pub fn merge(&mut self, other: &Hours) {
        self.0.extend(&other.0);
    }

    /// How many distinct hours were active.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// How many distinct days (UTC) were active.
    pub fn days(&self) -> usize {
        self.0.iter().map(|hour| hour.div_euclid(24)).collect::<BTreeSet<_>>().len()
    }

    /// The hours, ascending.
    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<i64> for Hours {
    fn from_iter<I: IntoIterator<Item = i64>>(hours: I) -> Self {
        Self(hours.into_iter().collect())
    }
}

impl From<Vec<(i64, u32)>> for Hours {
    fn from(runs: Vec<(i64, u32)>) -> Self {
        Self(
            runs.into_iter()
                .flat_map(|(first, length)| first..first.saturating_add(i64::from(length.min(LONGEST_RUN))))
                .collect(),
        )
    }
}

impl From<Hours> for Vec<(i64, u32)> {
    fn from(hours: Hours) -> Self {
        let mut runs: Vec<(i64, u32)> = Vec::new();
        for hour in hours.0 {
            match runs.last_mut() {
                Some((first, length)) if *first + i64::from(*length) == hour => *length += 1,
                _ => runs.push((hour, 1)),
            }
        }
        runs
    }
}

pub(crate) fn is_zero(n: &u64) -> bool {
    *n == 0
}
