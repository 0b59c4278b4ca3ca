//! Reads what the programs counted and announced.

use super::attach::{Probe, ProbeError};
use super::batch;
use crate::address::ip;
use aya::maps::{MapError, PerCpuArray, RingBuf};
use netwright_abi::{Announcement, Counters, DnsHead, FlowKey, FlowValue, protocol};
use std::mem::offset_of;
use std::net::IpAddr;
use std::os::fd::AsFd;

/// What the programs have counted since they were attached, over all CPUs.
pub type Counts = Counters;

/// A DNS message on its way to whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsMessage {
    /// Who asked.
    pub client: IpAddr,
    /// Who answered.
    pub server: IpAddr,
    /// When: nanoseconds of the monotonic clock.
    pub time: u64,
    /// The message, at most as much of it as is copied; without the length that precedes it over TCP.
    pub message: Vec<u8>,
    /// Whether the message was longer than that.
    pub is_clipped: bool,
}

impl Probe {
    /// The counters. Read them before the flows: then what they count and the flows lack was lost, and is not just under way.
    pub fn counts(&mut self) -> Result<Counts, ProbeError> {
        let map: PerCpuArray<_, [u64; 7]> = self.map("COUNTERS")?;
        let values = map.get(&0, 0).map_err(|error| ProbeError::Map { map: "COUNTERS", reason: error.to_string() })?;
        Ok(values.iter().fold(
            Counters::default(),
            |sum, [counted, inserted, map_full, ring_full, seen, dns_ring_full, clipped]| Counters {
                counted: sum.counted + counted,
                inserted: sum.inserted + inserted,
                map_full: sum.map_full + map_full,
                ring_full: sum.ring_full + ring_full,
                dns_seen: sum.dns_seen + seen,
                dns_ring_full: sum.dns_ring_full + dns_ring_full,
                dns_clipped: sum.dns_clipped + clipped,
            },
        ))
    }

    /// Every flow in the map.
    pub fn flows(&self) -> Result<Vec<(FlowKey, FlowValue)>, ProbeError> {
        let map = self.ebpf.map("FLOWS").ok_or_else(|| missing("FLOWS"))?;
        let aya::maps::Map::LruHashMap(data) = map else { return Err(missing("FLOWS")) };
        batch::entries(data.fd().as_fd()).map_err(|error| ProbeError::Map { map: "FLOWS", reason: error.to_string() })
    }

    /// What was announced since the last call.
    pub fn announcements(&mut self) -> Result<Vec<Announcement>, ProbeError> {
        let mut ring: RingBuf<_> = self.map("ANNOUNCEMENTS")?;
        let mut announcements = Vec::new();
        while let Some(entry) = ring.next() {
            announcements.extend(announcement(&entry));
        }
        Ok(announcements)
    }

    /// DNS answers since the last call.
    pub fn dns(&mut self) -> Result<Vec<DnsMessage>, ProbeError> {
        let mut ring: RingBuf<_> = self.map("DNS")?;
        let mut messages = Vec::new();
        while let Some(entry) = ring.next() {
            messages.extend(dns_message(&entry));
        }
        Ok(messages)
    }

    pub(super) fn map<'a, M>(&'a mut self, name: &'static str) -> Result<M, ProbeError>
    where
        M: TryFrom<&'a mut aya::maps::Map, Error = MapError>,
    {
        let map = self.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        M::try_from(map).map_err(|error| ProbeError::Map { map: name, reason: error.to_string() })
    }
}

fn missing(map: &'static str) -> ProbeError {
    ProbeError::Map { map, reason: "the object has no such map".into() }
}

/// Nanoseconds of the clock that the programs use.
pub fn monotonic_now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid to write. The clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

fn announcement(bytes: &[u8]) -> Option<Announcement> {
    let bytes = bytes.get(..size_of::<Announcement>())?;
    // SAFETY: as long as the type, which is integers only and asserted to have no hidden padding; read unaligned.
    Some(unsafe { bytes.as_ptr().cast::<Announcement>().read_unaligned() })
}

fn dns_message(bytes: &[u8]) -> Option<DnsMessage> {
    let head = bytes.get(..size_of::<DnsHead>())?;
    // SAFETY: as above.
    let head = unsafe { head.as_ptr().cast::<DnsHead>().read_unaligned() };
    let payload = bytes.get(offset_of!(netwright_abi::DnsAnswer, payload)..)?;
    let payload = payload.get(..head.length as usize)?;
    // Over TCP the length comes first (RFC 1035, 4.2.2).
    let message = if head.protocol == protocol::TCP { payload.get(2..)? } else { payload };
    Some(DnsMessage {
        client: ip(&head.client),
        server: ip(&head.server),
        time: head.time,
        message: message.to_vec(),
        is_clipped: head.original_length > head.length,
    })
}
