//! A set of workloads by few selectors: labels that they share and nobody else has. Serves the merging of peers.
//!
//! [`Vocabulary::new`] indexes all workloads by label once; [`Vocabulary::cover`] then answers for one rule, and
//! [`Vocabulary::cover_all`] for many under one budget.
//!
//! # What may stand in a selector
//!
//! Each workload's own selector, and conjunctions of up to three labels that [`may_select`] takes and that at least two of
//! the wanted workloads carry on all their pods. A selector stands for a workload if it selects all its pods, and
//! lets one in as soon as it selects one pod. Selectors keep to one namespace.
//!
//! # What is best
//!
//! The cost of a cover is its number of selectors + lambda x workloads let in that were not wanted. Lambda is infinite by
//! default: only selectors that let in nobody are used, save for those whom the wanted workloads' own selectors let in
//! anyway. The result is never longer than one selector a workload; it is the shortest there is wherever that can be
//! decided in a bounded number of steps (a few dozen workloads), and that of a greedy cover beyond.
//!
//! # A percentage as lambda
//!
//! `--over-permission PERCENT` lets P % of the pairs that were seen be added ([`budget`]): one amount for all rules, a
//! pair being a rule and a workload it lets in unasked. It is spent step by step. A step adds one selector to one rule
//! and drops those it makes superfluous; of all steps that still fit, the one that saves most selectors for each pair is
//! taken, until none saves any. So lambda is what the last step paid. No selector lets in more workloads than it stands
//! for: past that it names another group than the one that was seen.
//!
//! # Complexity
//!
//! Building: O(labels of all pods), and what own selectors match. A cover of n wanted workloads of a namespace with m
//! label sets that share l labels looks at up to l^2 pairs and l^3 triples, most frequent labels first, bounded by
//! `MOST_STEPS` each, in O((n + m) / 64) a step.

mod candidates;
mod set_cover;
mod vocabulary;
mod widening;

use netwright_record::inventory::Labels;
use netwright_resolve::inventory::is_stable_label;
use std::collections::BTreeSet;
pub use vocabulary::Vocabulary;

/// A workload as selectors see it.
#[derive(Debug, Clone, Default)]
pub struct Member<'a> {
    /// Where it is.
    pub namespace: &'a str,
    /// The label sets that its pods had. Without any, only its own selector stands for it, and none lets it in.
    pub label_sets: Vec<&'a Labels>,
    /// The selector it is known by on its own; an empty one counts as none. It stands for the workload, whatever the label sets say.
    pub own: Option<&'a Labels>,
}

/// What a cover may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many workloads may be let in that were not wanted, over all rules of one call; see [`budget`].
    pub over_permitted: usize,
    /// Whether all workloads of a namespace together become its empty selector. That lets in whatever comes to live
    /// there, so it is for those who ask for it.
    pub whole_namespaces: bool,
}

/// Selectors for a set of workloads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelCover {
    /// By namespace and labels.
    pub selectors: Vec<Selector>,
    /// Wanted workloads that no selector stands for: they have none of their own and share no label.
    pub left: BTreeSet<usize>,
}

impl LabelCover {
    /// The workloads that are let in and were not wanted.
    pub fn admitted(&self) -> BTreeSet<usize> {
        self.selectors.iter().flat_map(|selector| selector.admits.iter().copied()).collect()
    }
}

/// Pods of one namespace by their labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// The namespace.
    pub namespace: String,
    /// The labels; empty for the whole namespace.
    pub labels: Labels,
    /// The wanted workloads all of whose pods it selects, by their position in the population.
    pub stands_for: BTreeSet<usize>,
    /// The other workloads of which it selects pods.
    pub admits: BTreeSet<usize>,
}

/// Labels that name the tool which installed a workload. They last, and say nothing of whom it belongs with: everything
/// in a namespace has them, and so will whatever comes next.
const TOOLS: [&str; 2] = ["app.kubernetes.io/managed-by", "heritage"];

/// Whether a label with this key may stand for several workloads: it outlives their pods, and names a group of them.
pub fn may_select(key: &str) -> bool {
    is_stable_label(key) && !TOOLS.contains(&key)
}

/// How many workloads may be let in unasked where `seen` pairs were seen: `percent` of them, rounded down.
pub fn budget(percent: u32, seen: usize) -> usize {
    let percent = u128::from(percent);
    let pairs = u128::try_from(seen).unwrap_or(u128::MAX).saturating_mul(percent) / 100;
    usize::try_from(pairs).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
