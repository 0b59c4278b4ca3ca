//! Which segments of the inbox may be merged now.
//!
//! The two ends of a connection, and the pods behind an address, are told by different agents. A segment is merged once every agent
//! that reports at all has reported somewhat past its end; an agent that is silent for longer than a limit is not waited for.
//!
//! Where there is much to merge, the segments of a node are gathered for a while and then merged together: an edge is written
//! once for all of them. That is what most of the time of merging goes to.

use jiff::SignedDuration;
use netwright_record::Time;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How long is waited for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settling {
    /// How far all agents must have reported past the end of a segment.
    pub margin: SignedDuration,
    /// For how long a silent agent is waited for, and the longest time a segment rests until it is settled.
    pub limit: SignedDuration,
    /// For how long settled segments of a node are gathered, where there are more than few flows to merge.
    pub gather: SignedDuration,
}

/// So few flows are merged as soon as they are settled.
const FEW_FLOWS: u64 = 20_000;
/// If settled segments have more bytes than this, none is waited for: merging is behind.
const MANY_BYTES: u64 = 256 << 20;

impl Default for Settling {
    fn default() -> Self {
        Self {
            margin: SignedDuration::from_secs(15),
            limit: SignedDuration::from_secs(120),
            gather: SignedDuration::from_secs(60),
        }
    }
}

/// A segment that rests in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resting {
    pub(super) node: Arc<str>,
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
    agents: HashMap<Arc<str>, Reported>,
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
    pub(super) fn add(&mut self, id: i64, mut resting: Resting) {
        self.seen = self.seen.max(id);
        let reported = Reported { until: resting.until, received: resting.received };
        match self.agents.get_key_value(&resting.node) {
            Some((known, _)) => resting.node = known.clone(),
            None => _ = self.agents.insert(resting.node.clone(), reported),
        }
        let known = self.agents.entry(resting.node.clone()).or_insert(reported);
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

    /// The rows that may be merged at `now`: as many as have together at most so many flows and bytes, but one at least.
    pub(super) fn ready(&mut self, now: Time, flows: u64, bytes: u64) -> Vec<i64> {
        if self.started.saturating_add(self.settling.margin).unwrap_or(self.started) > now {
            return Vec::new();
        }
        // An agent that has been silent for long may be gone for good.
        let forgotten = now.saturating_sub(self.settling.limit.saturating_mul(10)).unwrap_or(Time::MIN);
        self.agents.retain(|_, agent| agent.received >= forgotten);
        let settled = self.settled(now);
        let mut room = Room { flows, bytes, rows: Vec::new() };
        for rows in self.gathered(settled, now) {
            if !rows.into_iter().all(|(id, resting)| room.take(id, resting)) {
                break;
            }
        }
        room.rows
    }

    /// The rows for which all agents were heard that are heard at all, in order.
    fn settled(&self, now: Time) -> Vec<(i64, &Resting)> {
        let silent = now.saturating_sub(self.settling.limit).unwrap_or(Time::MIN);
        let slowest = self.agents.values().filter(|agent| agent.received >= silent).map(|agent| agent.until).min();
        let settled = slowest.map_or(now, |slowest| slowest.saturating_sub(self.settling.margin).unwrap_or(slowest));
        let is_settled = |resting: &Resting| resting.until <= settled || resting.received <= silent;
        self.resting.iter().filter(|(_, resting)| is_settled(resting)).map(|(id, resting)| (*id, resting)).collect()
    }

    /// What of it is merged now, in portions that belong together: those that wait for longest first.
    fn gathered<'a>(&self, settled: Vec<(i64, &'a Resting)>, now: Time) -> Vec<Vec<(i64, &'a Resting)>> {
        let (flows, bytes) = settled.iter().fold((0_u64, 0_u64), |(flows, bytes), (_, resting)| {
            (flows.saturating_add(resting.flows), bytes.saturating_add(resting.bytes))
        });
        if flows <= FEW_FLOWS {
            return vec![settled];
        }
        let since = now.saturating_sub(self.settling.gather).unwrap_or(Time::MIN);
        let mut nodes: HashMap<&str, Vec<(i64, &Resting)>> = HashMap::new();
        for (id, resting) in settled {
            nodes.entry(&resting.node).or_default().push((id, resting));
        }
        let oldest = |rows: &[(i64, &Resting)]| rows.iter().map(|(id, resting)| (resting.received, *id)).min();
        let mut portions: Vec<_> = nodes.into_values().map(|rows| (oldest(&rows), rows)).collect();
        portions.retain(|(oldest, _)| bytes > MANY_BYTES || oldest.is_some_and(|(received, _)| received <= since));
        portions.sort_unstable_by_key(|(oldest, _)| *oldest);
        portions.into_iter().map(|(_, rows)| rows).collect()
    }
}

/// What a batch has room for.
struct Room {
    flows: u64,
    bytes: u64,
    rows: Vec<i64>,
}

impl Room {
    /// Takes a row, if it is the first or there is room for it.
    fn take(&mut self, id: i64, resting: &Resting) -> bool {
        if !self.rows.is_empty() && (resting.flows > self.flows || resting.bytes > self.bytes) {
            return false;
        }
        self.flows = self.flows.saturating_sub(resting.flows);
        self.bytes = self.bytes.saturating_sub(resting.bytes);
        self.rows.push(id);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time::from_second(1_800_000_000 + second).unwrap()
    }

    fn resting(node: &str, until: i64, received: i64) -> Resting {
        Resting { node: node.into(), until: at(until), received: at(received), flows: 10, bytes: 100 }
    }

    fn waiting() -> Waiting {
        Waiting::new(Settling::default(), at(-1000))
    }

    #[test]
    fn a_segment_rests_until_all_agents_have_reported_past_it() {
        let mut waiting = waiting();
        waiting.add(1, resting("n1", 10, 11));
        waiting.add(2, resting("n2", 12, 12));
        assert_eq!(waiting.ready(at(13), 100, 1000), [] as [i64; 0]);
        waiting.add(3, resting("n1", 30, 31));
        assert_eq!(waiting.ready(at(31), 100, 1000), [] as [i64; 0], "the other one is behind");
        waiting.add(4, resting("n2", 26, 31));
        assert_eq!(waiting.ready(at(31), 100, 1000), [1]);
        waiting.done(&[1]);
        assert_eq!((waiting.len(), waiting.seen()), (3, 4));
    }

    #[test]
    fn a_silent_agent_is_not_waited_for_beyond_the_limit() {
        let mut waiting = waiting();
        waiting.add(1, resting("n1", 10, 11));
        waiting.add(2, resting("silent", 0, 0));
        waiting.add(3, resting("n1", 100, 100));
        assert_eq!(waiting.ready(at(119), 100, 1000), [] as [i64; 0]);
        assert_eq!(waiting.ready(at(121), 100, 1000), [1, 2]);
    }

    #[test]
    fn nothing_rests_for_longer_than_the_limit() {
        let mut waiting = waiting();
        waiting.add(1, resting("n1", 10_000, 11));
        assert_eq!(waiting.ready(at(130), 100, 1000), [] as [i64; 0]);
        assert_eq!(waiting.ready(at(132), 100, 1000), [1], "even where a clock is ahead");
    }

    #[test]
    fn after_a_start_it_is_not_known_yet_who_reports() {
        let mut waiting = Waiting::new(Settling::default(), at(0));
        waiting.add(1, resting("n1", -500, 1));
        waiting.add(2, resting("n1", 0, 1));
        assert_eq!(waiting.ready(at(14), 100, 1000), [] as [i64; 0]);
        assert_eq!(waiting.ready(at(15), 100, 1000), [1]);
    }

    #[test]
    fn a_batch_is_bounded_but_never_empty() {
        let mut waiting = waiting();
        for id in 1..=5 {
            waiting.add(id, resting("n1", 0, 1));
        }
        assert_eq!(waiting.ready(at(500), 25, 1000), [1, 2]);
        assert_eq!(waiting.ready(at(500), 100, 350), [1, 2, 3]);
        assert_eq!(waiting.ready(at(500), 1, 1), [1]);
    }

    #[test]
    fn where_there_is_much_the_segments_of_a_node_are_merged_together() {
        let settling = Settling { margin: SignedDuration::ZERO, ..Settling::default() };
        let mut waiting = Waiting::new(settling, at(-1000));
        let large = |node, received| Resting { flows: FEW_FLOWS / 2, ..resting(node, 0, received) };
        for (id, (node, received)) in (1..).zip([("n1", 1), ("n2", 2), ("n1", 3), ("n2", 4), ("n1", 70)]) {
            waiting.add(id, large(node, received));
        }
        let all = FEW_FLOWS * 10;
        assert_eq!(waiting.ready(at(60), all, all), [] as [i64; 0], "the oldest waits for 59 seconds");
        assert_eq!(waiting.ready(at(61), all, all), [1, 3, 5]);
        assert_eq!(waiting.ready(at(62), all, all), [1, 3, 5, 2, 4]);
        assert_eq!(waiting.ready(at(62), FEW_FLOWS, all), [1, 3], "no more than there is room for");
        waiting.done(&[1, 3, 5]);
        assert_eq!(waiting.ready(at(61), all, all), [2, 4], "few flows are left");
        waiting.add(6, Resting { bytes: MANY_BYTES, flows: all, ..resting("n3", 0, 60) });
        assert_eq!(waiting.ready(at(61), all * 2, MANY_BYTES * 2), [2, 4, 6], "it is behind");
    }
}
