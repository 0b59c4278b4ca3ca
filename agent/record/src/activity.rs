//! When something was active and how often: the part of a flow or an edge that grows.

use crate::Time;
pub use crate::hours::{Hours, hour_of};
use serde::{Deserialize, Serialize};

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

pub(crate) fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn activity() -> impl Strategy<Value = Activity> {
        let count = prop_oneof![0..100u64, Just(u64::MAX), u64::MAX - 100..u64::MAX];
        let bytes = prop::option::of(prop_oneof![0..100u64, Just(u64::MAX)]);
        (0..100_000i64, 0..100_000i64, count.clone(), count, bytes, prop::collection::vec(0..40i64, 0..9)).prop_map(
            |(first, length, connections, failed, bytes, hours)| Activity {
                first: Time::from_second(first).unwrap(),
                last: Time::from_second(first + length).unwrap(),
                connections,
                failed: failed.min(connections),
                bytes,
                hours: hours.into_iter().collect(),
            },
        )
    }

    fn merged(mut one: Activity, other: &Activity) -> Activity {
        one.merge(other);
        one
    }

    #[test]
    fn what_was_counted_is_added_up() {
        let mut activity = Activity { bytes: Some(7), ..Activity::once(Time::from_second(3600).unwrap()) };
        activity.merge(&Activity { failed: 1, ..Activity::once(Time::from_second(10_799).unwrap()) });
        assert_eq!((activity.first.as_second(), activity.last.as_second()), (3600, 10_799));
        assert_eq!((activity.connections, activity.failed, activity.bytes), (2, 1, Some(7)));
        assert_eq!(activity.hours.iter().collect::<Vec<_>>(), [1, 2]);
        assert!(activity.established());
    }

    #[test]
    fn attempts_that_all_failed_established_nothing() {
        assert!(!Activity { failed: 1, ..Activity::once(Time::UNIX_EPOCH) }.established());
    }

    proptest! {
        #[test]
        fn merging_is_commutative(one in activity(), other in activity()) {
            prop_assert_eq!(merged(one.clone(), &other), merged(other, &one));
        }

        #[test]
        fn merging_is_associative(one in activity(), other in activity(), third in activity()) {
            let left = merged(merged(one.clone(), &other), &third);
            prop_assert_eq!(left, merged(one, &merged(other, &third)));
        }

        #[test]
        fn merging_keeps_what_always_holds(one in activity(), other in activity()) {
            let merged = merged(one, &other);
            prop_assert!(merged.first <= merged.last && merged.failed <= merged.connections);
        }
    }
}
