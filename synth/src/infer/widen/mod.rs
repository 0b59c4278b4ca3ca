//! Makes rules fewer at the price of allowing more than was seen, where the user asked for that; every rule says by how much.
//! Addresses outside that fill a block become that block unasked: it allows nothing more.
//!
//! The numbers are counted rule by rule. A pair of workloads can talk only if the rules at both its ends admit it, so what
//! all rules add up to is the most that can come of it.

mod addresses;
mod peers;

use super::Options;
use super::rules::WorkloadPolicy;
use super::selectors::Selections;
use crate::index::Index;
use crate::review::Decided;
use netwright_record::Observation;
use std::num::NonZeroUsize;

/// How wide peers in the cluster may be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PeerWidth {
    /// Each workload by its own selector.
    #[default]
    Workload,
    /// Workloads with the same ports by labels that they share, which lets in nobody else who is known today.
    Labels,
    /// Every pod of a peer's namespace.
    Namespace,
}

/// How much wider peers may become: the share of pairs that may be added to those seen, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverPermission(pub u32);

/// Widens `policies` as `options` ask, but never to what people `decided` to close, and returns how many groups of addresses need more blocks than they permit.
pub fn widen(
    policies: &mut [WorkloadPolicy],
    observation: &Observation,
    index: &Index,
    selections: &Selections,
    options: &Options,
    decided: &Decided,
) -> usize {
    if options.peers != PeerWidth::Workload {
        peers::widen(policies, index, selections, options, decided);
    }
    addresses::widen(policies, observation, index, decided, options.cidr_budget.and_then(NonZeroUsize::new))
}
