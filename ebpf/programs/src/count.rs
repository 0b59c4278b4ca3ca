//! The one place that writes to the flow map.

use crate::maps::{ANNOUNCEMENTS, COUNTERS, FLOWS};
use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use core::intrinsics::{AtomicOrdering, atomic_xadd};
use netwright_abi::{Announcement, Counters, FlowKey, FlowValue, announcement};

const BPF_NOEXIST: u64 = 1;

/// What to add to a flow.
#[derive(Clone, Copy)]
pub(crate) struct Tally {
    /// Attempts or conversations.
    pub(crate) connections: u64,
    /// Answers to them.
    pub(crate) established: u64,
    /// Payload bytes.
    pub(crate) bytes: u64,
}

impl Tally {
    /// Nothing: for the time alone.
    pub(crate) const NONE: Self = Self { connections: 0, established: 0, bytes: 0 };
    /// An attempt.
    pub(crate) const ATTEMPT: Self = Self { connections: 1, established: 0, bytes: 0 };
    /// The answer to an attempt counted before.
    pub(crate) const ANSWER: Self = Self { connections: 0, established: 1, bytes: 0 };
    /// Both at once: an accepted connection, a conversation.
    pub(crate) const BOTH: Self = Self { connections: 1, established: 1, bytes: 0 };
}

/// The time of everything that is recorded: the monotonic clock at its last tick, a plain read of memory.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_coarse_ns() }
}

/// Adds `tally` to the flow `key`; makes and announces it if it is new.
#[inline(always)]
pub(crate) fn count(key: &FlowKey, tally: Tally, now: u64, cgroup: impl FnOnce() -> u64) {
    let Some(counters) = counters() else { return };
    counters.counted += tally.connections;
    if add(key, tally, now) {
        return;
    }
    let value = FlowValue {
        first: now,
        last: now,
        connections: tally.connections,
        established: tally.established,
        bytes: tally.bytes,
    };
    if FLOWS.insert(key, value, BPF_NOEXIST).is_err() {
        // Another CPU may have made it in between: then it can be added to.
        if !add(key, tally, now) {
            counters.map_full += tally.connections;
        }
        return;
    }
    counters.inserted += 1;
    announce(announcement::FLOW, key, now, cgroup(), counters);
}

/// Adds to an existing flow. False if there is none.
#[inline(always)]
pub(crate) fn add(key: &FlowKey, tally: Tally, now: u64) -> bool {
    let Some(value) = FLOWS.get_ptr_mut(key) else { return false };
    // SAFETY: the pointer is to a live map value (under RCU); other CPUs write it too, hence the atomic additions. A
    // torn `last` cannot be: it is one aligned store.
    unsafe {
        if tally.connections != 0 {
            atomic_add(&raw mut (*value).connections, tally.connections);
        }
        if tally.established != 0 {
            atomic_add(&raw mut (*value).established, tally.established);
        }
        if tally.bytes != 0 {
            atomic_add(&raw mut (*value).bytes, tally.bytes);
        }
        (&raw mut (*value).last).write_volatile(now);
    }
    true
}

/// Writes the time of an existing flow. False if there is none.
#[inline(always)]
pub(crate) fn touch(key: &FlowKey, now: u64) -> bool {
    add(key, Tally::NONE, now)
}

/// When the flow was last counted, if it is known.
#[inline(always)]
pub(crate) fn last_counted(key: &FlowKey) -> Option<u64> {
    // SAFETY: as in `add`.
    FLOWS.get_ptr(key).map(|value| unsafe { (&raw const (*value).last).read_volatile() })
}

/// The same for a flow that is known to have carried something: one that was only attempted still has to be counted.
#[inline(always)]
pub(crate) fn last_carried(key: &FlowKey) -> Option<u64> {
    // SAFETY: as in `add`.
    FLOWS.get_ptr(key).and_then(|value| unsafe {
        let has_carried = (&raw const (*value).established).read_volatile() != 0;
        has_carried.then(|| (&raw const (*value).last).read_volatile())
    })
}

/// Announces something without waking anyone: the agent looks on its own time.
#[inline(always)]
pub(crate) fn announce(kind: u32, key: &FlowKey, time: u64, cgroup: u64, counters: &mut Counters) {
    let announcement = Announcement { key: *key, cgroup, time, kind, padding: 0 };
    if ANNOUNCEMENTS.output(announcement, u64::from(BPF_RB_NO_WAKEUP)).is_err() {
        counters.ring_full += 1;
    }
}

/// This CPU's counters.
#[inline(always)]
pub(crate) fn counters() -> Option<&'static mut Counters> {
    // SAFETY: a per-CPU slot, written by the program that runs on this CPU. A program in interrupt context may come
    // between a read and a write of one in process context; the verifier knows no way to prevent it, and what can be
    // lost is one count of a counter.
    COUNTERS.get_ptr_mut(0).map(|counters| unsafe { &mut *counters })
}

/// `*target += n`, as one instruction: the BPF target has no `AtomicU64::fetch_add`.
///
/// # Safety
/// `target` is valid and aligned.
#[inline(always)]
unsafe fn atomic_add(target: *mut u64, n: u64) {
    // SAFETY: as the caller promises.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(target, n) };
}
