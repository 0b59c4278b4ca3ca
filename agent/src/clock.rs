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
