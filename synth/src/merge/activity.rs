//! The larger of two counts of the same connections.

use netwright_record::{Activity, Hours, Time};

/// Counts of which the larger can be taken, one by one, in any order: `failed` alone cannot, as the larger total may have fewer
/// failures, so it is kept as what got through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    first: Time,
    last: Time,
    connections: u64,
    established: u64,
    bytes: Option<u64>,
    hours: Hours,
}

impl Counted {
    pub(super) fn of(activity: &Activity) -> Self {
        let Activity { first, last, connections, failed, bytes, hours } = activity.clone();
        Self { first, last, connections, established: connections.saturating_sub(failed), bytes, hours }
    }

    /// Takes the larger of each; times and hours are united.
    pub(super) fn larger(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.connections = self.connections.max(other.connections);
        self.established = self.established.max(other.established);
        self.bytes = self.bytes.max(other.bytes);
        self.hours.merge(&other.hours);
    }
}

impl From<Counted> for Activity {
    fn from(counted: Counted) -> Self {
        let Counted { first, last, connections, established, bytes, hours } = counted;
        Self { first, last, connections, failed: connections.saturating_sub(established), bytes, hours }
    }
}
