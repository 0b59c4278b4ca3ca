//! The kernel's counters against what was read of them before: what is new since, and what is lost.
//!
//! The agent never deletes from the kernel's map, so nothing is counted between a read and a delete. Instead it
//! remembers what it has read of each entry and takes the difference. An entry that was evicted and made anew begins
//! at zero again, and is known by its time of making.

use netwright_abi::{Announcement, Counters, FlowKey, FlowValue, announcement, direction, protocol};
use netwright_record::Losses;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What one flow has done since it was last drained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// Which flow.
    pub key: FlowKey,
    /// The cgroup that its announcement named; 0 if none reached us.
    pub cgroup: u64,
    /// Since when; nanoseconds of the monotonic clock.
    pub first: u64,
    /// Until when.
    pub last: u64,
    /// New attempts or conversations.
    pub connections: u64,
    /// How many of those are known to have carried something.
    pub established: u64,
    /// New bytes; 0 where they are not counted.
    pub bytes: u64,
}

/// How long an attempt may wait for its answer before it is recorded as failed: nanoseconds. (A TCP connection that
/// takes longer is recorded once more, as established.)
const SETTLED: u64 = 10_000_000_000;

/// For how long after its last attempt a UDP socket is looked for among the open ones: nanoseconds.
const RECENT: u64 = 60_000_000_000;

/// What was read of an entry, and what of it stands in deltas.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    value: FlowValue,
    connections: u64,
    established: u64,
}

/// One life of a map entry: the key and when it was made.
type Life = (FlowKey, u64);

/// What was read of the kernel's map so far.
#[derive(Debug, Default)]
pub struct Table {
    read: HashMap<FlowKey, Known>,
    /// UDP attempts that the agent has found to be in use.
    confirmed: HashSet<FlowKey>,
    /// Announced and not yet looked for in the map, with the cgroup.
    announced: BTreeMap<Life, u64>,
    /// Announced before the map was read: those that it does not hold were evicted.
    due: BTreeMap<Life, u64>,
    cgroups: HashMap<FlowKey, u64>,
    /// Connections that were read, or known by their announcement.
    recorded: u64,
    /// Entries of the map that were seen alive.
    lives: u64,
    /// The kernel's counters at the last drain, and what seemed lost then.
    reported: Losses,
    suspected: u64,
}

impl Table {
    /// Takes note of a new key.
    pub fn announce(&mut self, announcement: &Announcement) {
        if announcement.kind == announcement::FLOW {
            self.announced.insert((announcement.key, announcement.time), announcement.cgroup);
            if announcement.cgroup != 0 {
                self.cgroups.insert(announcement.key, announcement.cgroup);
            }
        }
    }

    /// How many keys were announced since the last drain: when that nears the size of the map, entries are about to be evicted unread.
    pub fn pressure(&self) -> usize {
        self.announced.len()
    }

    /// Recent UDP attempts without a sign of use so far, each with its cgroup. Older ones have been looked at often enough.
    pub fn unconfirmed(&self, entries: &[(FlowKey, FlowValue)], now: u64) -> Vec<(FlowKey, u64)> {
        entries
            .iter()
            .filter(|(_, value)| value.established == 0 && now.saturating_sub(value.last) < RECENT)
            .filter(|(key, _)| is_udp_attempt(key) && !self.confirmed.contains(key))
            .map(|(key, _)| (*key, self.cgroups.get(key).copied().unwrap_or(0)))
            .collect()
    }

    /// Says that a UDP socket with this flow is in use: its attempts count as established from now on.
    pub fn confirm(&mut self, key: FlowKey) {
        self.confirmed.insert(key);
    }

    /// Says that the map is about to be read: what was announced so far has to be in it. (What is announced while it is read
    /// need not.) Announcements of entries that the last drain found are done with.
    pub fn begin_drain(&mut self) {
        let read = &self.read;
        let found = |(key, first): &Life| read.get(key).is_some_and(|known| known.value.first == *first);
        self.due = std::mem::take(&mut self.announced).into_iter().filter(|(life, _)| !found(life)).collect();
    }

    /// What is new since the last drain, given all entries of the map, read after [`Table::begin_drain`]. `now` is of the clock of the entries; `last` says that
    /// nothing will follow, so that attempts without an answer have failed.
    ///
    /// A key that was announced and is not in the map any more was evicted before it was read: it was one connection at
    /// least, and stands in the deltas as one.
    pub fn drain(&mut self, entries: &[(FlowKey, FlowValue)], now: u64, last: bool) -> Vec<Delta> {
        let settled = |value: &FlowValue| last || now.saturating_sub(value.last) >= SETTLED;
        let mut deltas: Vec<Delta> =
            entries.iter().filter_map(|(key, value)| self.difference(key, value, settled(value))).collect();
        let evicted = std::mem::take(&mut self.due);
        self.recorded += evicted.len() as u64;
        deltas.extend(evicted.into_iter().map(|((key, first), cgroup)| Delta {
            key,
            cgroup,
            first,
            last: first,
            connections: 1,
            // Nobody knows whether an attempt of our own was answered; were it taken for granted, a scan that overflows
            // the map would white-list itself.
            established: u64::from(key.direction != direction::EGRESS),
            bytes: 0,
        }));
        self.forget_evicted(entries, &mut deltas);
        deltas
    }

    /// What was lost since the last call, by the kernel's counters from *before* the drain. What only seems lost (it was
    /// under way while the map was read) is not reported unless it still is at the next call or `last` is set.
    pub fn losses(&mut self, counts: &Counters, last: bool) -> Losses {
        let missing = counts.counted.saturating_sub(self.recorded);
        let certain = if last { missing } else { missing.min(self.suspected) };
        self.suspected = missing;
        let total = Losses {
            connections: certain.max(self.reported.connections),
            ring_full: counts.ring_full,
            map_full: counts.map_full,
            evicted: counts.inserted.saturating_sub(self.lives).max(self.reported.evicted),
            dns_ring_full: counts.dns_ring_full,
            dns_clipped: counts.dns_clipped,
            ..Losses::default()
        };
        let new = Losses {
            connections: total.connections - self.reported.connections,
            ring_full: total.ring_full.saturating_sub(self.reported.ring_full),
            map_full: total.map_full.saturating_sub(self.reported.map_full),
            evicted: total.evicted - self.reported.evicted,
            dns_ring_full: total.dns_ring_full.saturating_sub(self.reported.dns_ring_full),
            dns_clipped: total.dns_clipped.saturating_sub(self.reported.dns_clipped),
            ..Losses::default()
        };
        self.reported = total;
        new
    }

    fn difference(&mut self, key: &FlowKey, value: &FlowValue, settled: bool) -> Option<Delta> {
        self.due.remove(&(*key, value.first));
        let before = self.read.get(key).copied();
        let same_life = before.filter(|known| known.value.first == value.first);
        let known = same_life.unwrap_or_default();
        // What the entry's last life left unanswered will never be answered now.
        let unanswered = if same_life.is_none() { before.map_or(0, |known| known.waiting()) } else { 0 };
        self.recorded += value.connections.saturating_sub(known.value.connections);
        self.lives += u64::from(same_life.is_none());
        let in_use = self.confirmed.contains(key);
        let answered = if in_use { value.connections } else { value.established.min(value.connections) };
        let established = answered.saturating_sub(known.established);
        let attempts = value.connections.saturating_sub(known.connections);
        // Unanswered ones wait for the next drain; an answer to one that was recorded before counts as one of its own.
        let connections = if settled { attempts } else { attempts.min(established) };
        let now_known = Known {
            value: *value,
            connections: known.connections + connections,
            established: known.established + established,
        };
        self.read.insert(*key, now_known);
        let delta = Delta {
            key: *key,
            cgroup: self.cgroups.get(key).copied().unwrap_or(0),
            first: if same_life.is_some() { value.first.max(known.value.last) } else { value.first },
            last: value.last,
            connections: connections.max(established) + unanswered,
            established,
            bytes: value.bytes.saturating_sub(known.value.bytes),
        };
        let active = value.last != known.value.last && (connections > 0 || attempts == 0);
        (delta.connections > 0 || active).then_some(delta)
    }

    /// Keeps the memory as small as the kernel's map. Attempts that still waited for an answer when their entry was evicted are
    /// recorded without one.
    fn forget_evicted(&mut self, entries: &[(FlowKey, FlowValue)], deltas: &mut Vec<Delta>) {
        if self.read.len() == entries.len() {
            return;
        }
        let alive: HashSet<&FlowKey> = entries.iter().map(|(key, _)| key).collect();
        let cgroups = &self.cgroups;
        deltas.extend(
            self.read.extract_if(|key, _| !alive.contains(key)).filter(|(_, known)| known.waiting() > 0).map(
                |(key, known)| Delta {
                    key,
                    cgroup: cgroups.get(&key).copied().unwrap_or(0),
                    first: known.value.last,
                    last: known.value.last,
                    connections: known.waiting(),
                    established: 0,
                    bytes: 0,
                },
            ),
        );
        let announced: HashSet<&FlowKey> = self.announced.keys().map(|(key, _)| key).collect();
        self.cgroups.retain(|key, _| alive.contains(key) || announced.contains(key));
        self.confirmed.retain(|key| alive.contains(key));
    }
}

impl Known {
    /// Attempts that were read and stand in no delta yet.
    fn waiting(&self) -> u64 {
        self.value.connections.saturating_sub(self.connections)
    }
}

/// Whether a flow is a UDP socket's attempt, which may turn out never to have sent anything.
pub fn is_udp_attempt(key: &FlowKey) -> bool {
    key.protocol == protocol::UDP && key.direction == direction::EGRESS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(port: u16) -> FlowKey {
        FlowKey { port, protocol: protocol::TCP, direction: direction::EGRESS, ..FlowKey::default() }
    }

    fn value(first: u64, last: u64, connections: u64) -> FlowValue {
        FlowValue { first, last, connections, established: connections, bytes: 0 }
    }

    fn announced(port: u16, time: u64) -> Announcement {
        Announcement { key: key(port), cgroup: 5, time, kind: announcement::FLOW, padding: 0 }
    }

    fn counts(counted: u64, inserted: u64) -> Counters {
        Counters { counted, inserted, ..Counters::default() }
    }

    #[test]
    fn only_what_is_new_is_drained() {
        let mut table = Table::default();
        assert_eq!(
            table.drain(&[(key(1), value(10, 20, 3))], 20, false).first().map(|delta| delta.connections),
            Some(3)
        );
        assert!(table.drain(&[(key(1), value(10, 20, 3))], 20, false).is_empty());
        let later = table.drain(&[(key(1), value(10, 30, 5))], 30, false);
        assert_eq!(later.first().map(|delta| (delta.first, delta.last, delta.connections)), Some((20, 30, 2)));
    }

    #[test]
    fn an_entry_made_anew_counts_from_zero() {
        let mut table = Table::default();
        table.drain(&[(key(1), value(10, 20, 3))], 20, false);
        let deltas = table.drain(&[(key(1), value(40, 50, 2))], 50, false);
        assert_eq!(deltas.first().map(|delta| delta.connections), Some(2));
    }

    #[test]
    fn an_evicted_key_is_known_by_its_announcement() {
        let mut table = Table::default();
        table.announce(&announced(7, 10));
        table.begin_drain();
        let deltas = table.drain(&[], 100, false);
        assert_eq!(deltas.first().map(|delta| (delta.key, delta.cgroup, delta.connections)), Some((key(7), 5, 1)));
        // The kernel had counted three: one is recorded.
        let losses = table.losses(&counts(3, 1), true);
        assert_eq!((losses.connections, losses.evicted), (2, 1));
    }

    #[test]
    fn what_is_announced_while_the_map_is_read_is_not_evicted() {
        let mut table = Table::default();
        table.begin_drain();
        table.announce(&announced(7, 10));
        assert!(table.drain(&[], 100, false).is_empty());
        table.begin_drain();
        assert_eq!(table.drain(&[(key(7), value(10, 20, 1))], 100, false).len(), 1);
        assert!(table.losses(&counts(1, 1), true).is_empty());
    }

    #[test]
    fn an_entry_read_before_its_announcement_is_counted_once() {
        let mut table = Table::default();
        table.begin_drain();
        assert_eq!(table.drain(&[(key(7), value(10, 20, 1))], 100, false).len(), 1);
        table.announce(&announced(7, 10));
        table.begin_drain();
        assert!(table.drain(&[], 100, false).is_empty());
    }

    #[test]
    fn attempts_of_an_evicted_entry_have_failed() {
        let attempt = |first| FlowValue { established: 0, ..value(first, first, 1) };
        let mut table = Table::default();
        table.drain(&[(key(1), attempt(10)), (key(2), attempt(10))], 11, false);
        // One is gone, the other was made anew.
        let deltas = table.drain(&[(key(2), attempt(12))], 13, true);
        let counted = |port| {
            deltas.iter().find(|delta| delta.key == key(port)).map(|delta| (delta.connections, delta.established))
        };
        assert_eq!((counted(1), counted(2)), (Some((1, 0)), Some((2, 0))));
        assert!(table.losses(&counts(3, 3), true).is_empty());
    }

    #[test]
    fn what_is_under_way_is_no_loss_until_it_stays_away() {
        let mut table = Table::default();
        table.drain(&[], 100, false);
        assert!(table.losses(&counts(1, 0), false).is_empty());
        table.drain(&[(key(1), value(1, 1, 1))], 100, false);
        assert!(table.losses(&counts(1, 1), false).is_empty());
        table.drain(&[], 100, false);
        assert!(table.losses(&counts(2, 1), false).is_empty());
        table.drain(&[], 100, false);
        assert_eq!(table.losses(&counts(2, 1), false).connections, 1);
        assert!(table.losses(&counts(2, 1), true).is_empty(), "a loss is reported once");
    }

    #[test]
    fn an_attempt_waits_for_its_answer() {
        let mut table = Table::default();
        let attempt = FlowValue { established: 0, ..value(10, 10, 1) };
        assert!(table.drain(&[(key(1), attempt)], 11, false).is_empty());
        let answered = table.drain(&[(key(1), value(10, 12, 1))], 13, false);
        assert_eq!(answered.first().map(|delta| (delta.connections, delta.established)), Some((1, 1)));
        assert!(table.losses(&counts(1, 1), true).is_empty());
    }

    #[test]
    fn an_attempt_without_an_answer_has_failed_in_the_end() {
        let attempt = FlowValue { established: 0, ..value(10, 10, 1) };
        let failed = |now, last| {
            let mut table = Table::default();
            table.drain(&[(key(1), attempt)], now, last).first().map(|delta| (delta.connections, delta.established))
        };
        assert_eq!(failed(11, true), Some((1, 0)));
        assert_eq!(failed(10 + SETTLED, false), Some((1, 0)));
    }

    #[test]
    fn a_late_answer_counts_all_the_same() {
        let mut table = Table::default();
        let attempt = FlowValue { established: 0, ..value(10, 10, 1) };
        table.drain(&[(key(1), attempt)], 10 + SETTLED, false);
        let late = table.drain(&[(key(1), value(10, 11 + SETTLED, 1))], 12 + SETTLED, false);
        assert_eq!(late.first().map(|delta| (delta.connections, delta.established)), Some((1, 1)));
        assert!(table.losses(&counts(1, 1), true).is_empty());
    }

    #[test]
    fn a_udp_socket_found_in_use_is_established() {
        let mut table = Table::default();
        let udp = FlowKey { protocol: protocol::UDP, ..key(1) };
        let entries = [(udp, FlowValue { established: 0, ..value(10, 10, 1) })];
        assert_eq!(table.unconfirmed(&entries, 11).len(), 1);
        assert_eq!(table.unconfirmed(&entries, 11 + RECENT).len(), 0);
        table.confirm(udp);
        assert_eq!(table.unconfirmed(&entries, 11).len(), 0);
        assert_eq!(table.drain(&entries, 11, false).first().map(|delta| delta.established), Some(1));
    }
}
