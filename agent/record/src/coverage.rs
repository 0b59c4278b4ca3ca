//! What was watched, and what was lost: the part of an observation that says how far to trust the rest.

use crate::activity::is_zero;
use crate::{Name, Time};
use serde::{Deserialize, Serialize};

/// One stretch of time in which one agent watched one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The node's name.
    pub node: Name,
    /// Which run of the agent this was: unique a start, so that gaps between runs show.
    pub run: String,
    /// From when the hooks were attached, or the previous stretch of the same run ended.
    pub from: Time,
    /// Up to when everything counted in the kernel is contained in the records.
    pub to: Time,
    /// How the stretch ended.
    pub ended: Ended,
    /// What was not recorded although it happened.
    #[serde(default)]
    pub losses: Losses,
    /// Degradations in force, in words: which fallback a probe chose and what it costs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How a stretch of watching ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Another stretch of the same run should follow; if none does, the agent died and what
    /// happened after `to` is unknown.
    Continues,
    /// The agent was told to stop, and flushed everything first.
    Clean,
    /// The agent died: written when its segments are assembled without a clean end.
    CutOff,
}

/// Counters of what was lost. Each is a number of things that happened and are not in the records in full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    /// Connections and conversations that the kernel saw but whose count reached no record: evicted from the map
    /// before it was read, or not inserted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub connections: u64,
    /// Announcements of a new flow key that found the ring full. The flow itself is still
    /// found in the map unless it is evicted too.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ring_full: u64,
    /// Flow keys the kernel map refused to take.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub map_full: u64,
    /// Flow keys evicted from the kernel map before they were read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub evicted: u64,
    /// DNS answers that found their ring full.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dns_ring_full: u64,
    /// DNS answers longer than what is copied: names at their end may be missing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dns_clipped: u64,
    /// DNS answers that could not be parsed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dns_malformed: u64,
    /// Questions to a resolver whose answers were not watched yet (the first ones of a pod that asks an outside resolver).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dns_unwatched: u64,
    /// Names that were learned when the table of names was full, so that flows may lack theirs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dns_names_full: u64,
    /// Connections in records that were dropped on the node: the disk or the spool was full, or the collector refused them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spool_full: u64,
}

impl Losses {
    /// Adds `other` to this.
    pub fn add(&mut self, other: &Losses) {
        for (mine, theirs) in self.fields_mut().into_iter().zip(other.named()) {
            *mine = mine.saturating_add(theirs.1);
        }
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.named().iter().all(|(_, n)| *n == 0)
    }

    /// Every counter with its name in the file format, in the order of the fields.
    pub fn named(&self) -> [(&'static str, u64); 10] {
        [
            ("connections", self.connections),
            ("ring_full", self.ring_full),
            ("map_full", self.map_full),
            ("evicted", self.evicted),
            ("dns_ring_full", self.dns_ring_full),
            ("dns_clipped", self.dns_clipped),
            ("dns_malformed", self.dns_malformed),
            ("dns_unwatched", self.dns_unwatched),
            ("dns_names_full", self.dns_names_full),
            ("spool_full", self.spool_full),
        ]
    }

    fn fields_mut(&mut self) -> [&mut u64; 10] {
        [
            &mut self.connections,
            &mut self.ring_full,
            &mut self.map_full,
            &mut self.evicted,
            &mut self.dns_ring_full,
            &mut self.dns_clipped,
            &mut self.dns_malformed,
            &mut self.dns_unwatched,
            &mut self.dns_names_full,
            &mut self.spool_full,
        ]
    }
}
