//! Which segments of the inbox may be merged now.
//!
//! The two ends of a connection, and the pods behind an address, are told by different agents. A segment is merged once every agent
//! that reports at all has reported somewhat past its end; an agent that is silent for longer than a limit is not waited for.

use jiff::SignedDuration;
use netwright_record::Time;
use std::collections::{BTreeMap, HashMap};

/// How long is waited for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settling {
    /// How far all agents must have reported past the end of a segment.
    pub margin: SignedDuration,
    /// For how long a silent agent is waited for, and the longest time a segment rests.
    pub limit: SignedDuration,
}

impl Default for Settling {
    fn default() -> Self {
        Self { margin: SignedDuration::from_secs(15), limit: SignedDuration::from_secs(120) }
    }
}

/// A segment that rests in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resting {
    pub(super) until: Time,
    pub(super) received: Time,
    pub(super) flows: u64,
    pub(super) bytes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Reported {
    until: Time,
    received: Time,
}

/// What is known of the segments in the inbox, and of how far each agent has reported.
#[derive(Debug)]
pub(super) struct Waiting {
    settling: Settling,
    /// Before this nothing is known of who reports.
    started: Time,
    resting: BTreeMap<i64, Resting>,
    agents: HashMap<String, Reported>,
    /// The highest row that was looked at.
    seen: i64,
}

impl Waiting {
    pub(super) fn new(settling: Settling, started: Time) -> Self {
        Self { settling, started, resting: BTreeMap::new(), agents: HashMap::new(), seen: 0 }
    }

    /// The highest row that was looked at: only what is above is new.
    pub(super) fn seen(&self) -> i64 {
        self.seen
    }

    /// How many segments rest.
    pub(super) fn len(&self) -> usize {
        self.resting.len()
    }

    /// When the oldest of them arrived.
    pub(super) fn oldest(&self) -> Option<Time> {
        self.resting.values().map(|resting| resting.received).min()
    }

    /// Takes note of a row and its segment.
    pub(super) fn add(&mut self, id: i64, node: &str, resting: Resting) {
        self.seen = self.seen.max(id);
        let reported = Reported { until: resting.until, received: resting.received };
        let known = self.agents.entry(node.to_owned()).or_insert(reported);
        known.until = known.until.max(reported.until);
        known.received = known.received.max(reported.received);
        self.resting.insert(id, resting);
    }

    /// Takes note that rows were merged.
    pub(super) fn done(&mut self, ids: &[i64]) {
        for id in ids {
            self.resting.remove(id);
        }
    }

    /// The rows that may be merged at `now`, in order: as many as have together at most so many flows and bytes, but one at least.
    pub(super) fn ready(&mut self, now: Time, flows: u64, bytes: u64) -> Vec<i64> {
        let silent = now.saturating_sub(self.settling.limit).unwrap_or(Time::MIN);
        if self.started.saturating_add(self.settling.margin).unwrap_or(self.started) > now {
            return Vec::new();
        }
        let slowest = self.agents.values().filter(|agent| agent.received >= silent).map(|agent| agent.until).min();
        let settled = slowest.map_or(now, |slowest| slowest.saturating_sub(self.settling.margin).unwrap_or(slowest));
        // An agent that has been silent for long may be gone for good.
        let forgotten = now.saturating_sub(self.settling.limit.saturating_mul(10)).unwrap_or(Time::MIN);
        self.agents.retain(|_, agent| agent.received >= forgotten);
        let (mut left_flows, mut left_bytes) = (flows, bytes);
        let mut ready = Vec::new();
        for (id, resting) in &self.resting {
            if resting.until > settled && resting.received > silent {
                continue;
            }
            if !ready.is_empty() && (resting.flows > left_flows || resting.bytes > left_bytes) {
                break;
            }
            left_flows = left_flows.saturating_sub(resting.flows);
            left_bytes = left_bytes.saturating_sub(resting.bytes);
            ready.push(*id);
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time::from_second(1_800_000_000 + second).unwrap()
    }

    fn resting(until: i64, received: i64) -> Resting {
        Resting { until: at(until), received: at(received), flows: 10, bytes: 100 }
    }

    fn waiting() -> Waiting {
        Waiting::new(Settling::default(), at(-1000))
    }

    #[test]
    fn a_segment_rests_until_all_agents_have_reported_past_it() {
        let mut waiting = waiting();
        waiting.add(1, "n1", resting(10, 11));
        waiting.add(2, "n2", resting(12, 12));
        assert_eq!(waiting.ready(at(13), 100, 1000), [] as [i64; 0]);
        waiting.add(3, "n1", resting(30, 31));
        assert_eq!(waiting.ready(at(31), 100, 1000), [] as [i64; 0], "the other one is behind");
        waiting.add(4, "n2", resting(26, 31));
        assert_eq!(waiting.ready(at(31), 100, 1000), [1]);
        waiting.done(&[1]);
        assert_eq!((waiting.len(), waiting.seen()), (3, 4));
    }

    #[test]
    fn a_silent_agent_is_not_waited_for_beyond_the_limit() {
        let mut waiting = waiting();
        waiting.add(1, "n1", resting(10, 11));
        waiting.add(2, "silent", resting(0, 0));
        waiting.add(3, "n1", resting(100, 100));
        assert_eq!(waiting.ready(at(119), 100, 1000), [] as [i64; 0]);
        assert_eq!(waiting.ready(at(121), 100, 1000), [1, 2]);
    }

    #[test]
    fn nothing_rests_for_longer_than_the_limit() {
        let mut waiting = waiting();
        waiting.add(1, "n1", resting(10_000, 11));
        assert_eq!(waiting.ready(at(130), 100, 1000), [] as [i64; 0]);
        assert_eq!(waiting.ready(at(132), 100, 1000), [1], "even where a clock is ahead");
    }

    #[test]
    fn after_a_start_it_is_not_known_yet_who_reports() {
        let mut waiting = Waiting::new(Settling::default(), at(0));
        waiting.add(1, "n1", resting(-500, 1));
        waiting.add(2, "n1", resting(0, 1));
        assert_eq!(waiting.ready(at(14), 100, 1000), [] as [i64; 0]);
        assert_eq!(waiting.ready(at(15), 100, 1000), [1]);
    }

    #[test]
    fn a_batch_is_bounded_but_never_empty() {
        let mut waiting = waiting();
        for id in 1..=5 {
            waiting.add(id, "n1", resting(0, 1));
        }
        assert_eq!(waiting.ready(at(500), 25, 1000), [1, 2]);
        assert_eq!(waiting.ready(at(500), 100, 350), [1, 2, 3]);
        assert_eq!(waiting.ready(at(500), 1, 1), [1]);
    }
}
