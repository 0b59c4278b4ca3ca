//! How long to wait before the next attempt at something that failed, so that thousands who lost the same server do not return
//! to it at the same moment.

use std::time::Duration;

/// Doubles from `base` to `cap` with each failure, and draws the wait evenly from nothing to that ("full jitter", M. Brooker,
/// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits of `0..=base` after the first failure, of `0..=cap` in the end.
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, failures: 0 }
    }

    /// Counts a failure and says how long to wait now.
    pub fn next_wait(&mut self) -> Duration {
        let most = self.base.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(self.cap);
        self.failures = self.failures.saturating_add(1);
        most.mul_f64(fastrand::f64())
    }

    /// Begins anew, after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many failures there were in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_longest_wait_doubles_up_to_the_cap() {
        let mut longest = [Duration::ZERO; 80];
        for _ in 0..200 {
            let mut backoff = Backoff::new(SECOND, 60 * SECOND);
            longest.iter_mut().for_each(|longest| *longest = (*longest).max(backoff.next_wait()));
        }
        for (failures, longest) in longest.into_iter().enumerate() {
            let most = SECOND.saturating_mul(1 << failures.min(6)).min(60 * SECOND);
            assert!(longest <= most && longest > most / 2, "{failures}: {longest:?} of {most:?}");
        }
    }

    #[test]
    fn waits_differ() {
        let mut backoff = Backoff::new(60 * SECOND, 60 * SECOND);
        assert_ne!(backoff.next_wait(), backoff.next_wait());
    }

    #[test]
    fn a_success_begins_anew() {
        let mut backoff = Backoff::new(SECOND, 60 * SECOND);
        for _ in 0..10 {
            backoff.next_wait();
        }
        backoff.reset();
        assert_eq!(backoff.failures(), 0);
        assert!(backoff.next_wait() <= SECOND);
    }
}
