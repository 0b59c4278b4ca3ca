//! Something that goes wrong each second is worth a line each minute.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Says of an event whether it is time to tell it.
#[derive(Debug)]
pub(crate) struct Seldom {
    pause: Duration,
    told: Mutex<Option<Instant>>,
}

impl Seldom {
    /// At most one event in each `pause` is told, the first one at once.
    pub(crate) fn new(pause: Duration) -> Self {
        Self { pause, told: Mutex::new(None) }
    }

    /// Whether to tell it now; then the pause begins.
    pub(crate) fn is_due(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told.is_none_or(|told| told.elapsed() >= self.pause);
        if is_due {
            *told = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_in_each_pause_is_told() {
        let seldom = Seldom::new(Duration::from_millis(40));
        assert!(seldom.is_due());
        assert!(!seldom.is_due());
        std::thread::sleep(Duration::from_millis(50));
        assert!(seldom.is_due());
    }
}
