//! The kernel's monotonic time as the time of day.

use crate::probe::monotonic_now;
use netwright_record::Time;

/// A pair of readings of both clocks, taken together. Taken anew at each drain, so that a step of the time of day
/// shifts only what is drained afterwards.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    now: Time,
    monotonic: u64,
}

impl Clock {
    /// Reads both clocks.
    pub fn read() -> Self {
        Self { now: Time::now(), monotonic: monotonic_now() }
    }

    /// The time of day now, to the millisecond: what records carry.
    pub fn now(&self) -> Time {
        milliseconds(self.now)
    }

    /// The monotonic clock now, nanoseconds.
    pub fn monotonic(&self) -> u64 {
        self.monotonic
    }

    /// By how much the time of day was set since `earlier`: milliseconds, negative if back. (A correction by slewing is in it, and so is
    /// the time that the machine slept, when the monotonic clock stands still.)
    pub fn step_since(&self, earlier: &Clock) -> i64 {
        let passed = i64::try_from(self.monotonic.saturating_sub(earlier.monotonic) / 1_000_000).unwrap_or(i64::MAX);
        self.now.as_millisecond().saturating_sub(earlier.now.as_millisecond()).saturating_sub(passed)
    }

    /// The time of day at `monotonic`, which is not after now.
    pub fn at(&self, monotonic: u64) -> Time {
        let ago = self.monotonic.saturating_sub(monotonic);
        let ago = std::time::Duration::from_nanos(ago);
        milliseconds(self.now.checked_sub(ago).unwrap_or(Time::UNIX_EPOCH))
    }
}

fn milliseconds(time: Time) -> Time {
    Time::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_what_the_monotonic_clock_did_not_see() {
        let at = |milliseconds, monotonic| Clock { now: Time::from_millisecond(milliseconds).unwrap(), monotonic };
        assert_eq!(at(15_000, 10_000_000_000).step_since(&at(5000, 0)), 0);
        assert_eq!(at(20_000, 10_000_000_000).step_since(&at(5000, 0)), 5000);
        assert_eq!(at(5000, 10_000_000_000).step_since(&at(5000, 0)), -10_000);
    }
}
