//! Addresses as blocks: exactly, or within a budget of blocks and then with as few other addresses as possible.
//! Serves rules about what is outside the cluster, and `--cidr-budget N`.
//!
//! # What is best
//!
//! Without a budget nothing is added, and of all covers that add nothing it is the one with the fewest blocks: addresses
//! that fill a block become that block.
//!
//! With a budget, the addresses that are allowed and were not seen are as few as that number of blocks permits. Where both
//! families occur they share the budget, and *fewest* is meant of IPv4 first and of IPv6 among equals. Their counts cannot
//! be added up: one IPv6 subnet (/64) has more addresses than there are in IPv4 four billion times over, so a sum would
//! give every block to IPv6 and let IPv4 grow to whole provider networks. An IPv4 address that is added is likely to
//! be a host of somebody else; nearly all of what is added in IPv6 is empty. So IPv6 gets what it cannot do without,
//! IPv4 what it can use, and IPv6 the rest. An IPv6 block is never wider than /32, the least that a registry gives to
//! a provider: wider ones would hold networks of several.
//!
//! # Complexity
//!
//! With n addresses and b blocks O(n log n + n min(n, b)) time, O(n min(n, b)) memory: a knapsack over the trie, in which
//! no table is longer than the addresses below its node. 4,096 addresses take milliseconds.

use super::special::Forbidden;
use super::trie::{Block, Node, tries};
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroUsize;

/// No IPv6 block is wider.
const WIDEST_IPV6: u32 = 32;
/// What no number of blocks below the least possible costs. Real costs stay below 2^97.
const IMPOSSIBLE: u128 = u128::MAX;

/// Blocks that hold a set of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cover {
    /// The blocks: disjoint, without bits behind the prefix, IPv4 before IPv6, ascending.
    pub blocks: Vec<IpNet>,
    /// How many addresses were to be covered; an IPv4-mapped one and the IPv4 address it stands for are the same.
    pub seen: u64,
    /// How many addresses the blocks hold, those that were seen included.
    pub allowed: u128,
    /// There are more blocks than the budget permits, since fewer would touch what is forbidden: these are the fewest.
    pub over_budget: bool,
}

impl Cover {
    /// How many addresses are allowed that were not seen.
    pub fn unseen(&self) -> u128 {
        self.allowed.saturating_sub(u128::from(self.seen))
    }
}

/// Covers `addresses` with blocks: exactly without a `budget`, else with at most so many blocks as long as that is
/// possible. See the module for what is best. Of equally good covers it is the one with fewer blocks at low addresses.
///
/// No block of more than one address touches `forbidden`: what was seen in there stays a single address.
pub fn cover(addresses: &BTreeSet<IpAddr>, budget: Option<NonZeroUsize>, forbidden: &Forbidden) -> Cover {
    let tries = tries(addresses);
    let plans: Vec<Plan> = tries.iter().map(|trie| Plan::new(trie, forbidden)).collect();
    let most = budget.map_or(usize::MAX, NonZeroUsize::get);
    let mut blocks = Vec::new();
    let shares = shares(&plans, most);
    for (plan, share) in plans.into_iter().zip(shares) {
        plan.take(share, &mut blocks);
    }
    Cover {
        seen: tries.iter().map(|trie| trie.addresses).sum(),
        allowed: blocks.iter().fold(0, |sum: u128, block: &Block| sum.saturating_add(block.size())),
        over_budget: blocks.len() > most,
        blocks: blocks.into_iter().filter_map(Block::net).collect(),
    }
}

/// How many of `most` blocks each family gets, in order: what it can use after those that come later have what they
/// cannot do without.
fn shares(plans: &[Plan], most: usize) -> Vec<usize> {
    let mut left = most;
    let mut kept: usize = plans.iter().map(|plan| plan.least).sum();
    plans
        .iter()
        .map(|plan| {
            kept = kept.saturating_sub(plan.least);
            let share = left.saturating_sub(kept).clamp(plan.least, plan.exact);
            left = left.saturating_sub(share);
            share
        })
        .collect()
}

/// What a node of the trie costs, by the number of blocks spent on what is below it.
#[derive(Debug)]
struct Plan<'a> {
    node: &'a Node,
    /// Whether its block may be used.
    permitted: bool,
    /// The fewest blocks that will do.
    least: usize,
    /// As many blocks as add nothing. From `least` to here each further block adds less than the one before: any block
    /// that is not full can be replaced by the two nodes below it, which together hold less.
    exact: usize,
    /// Addresses allowed and not seen with so many blocks, beginning with none; empty until [`Plan::weigh`].
    costs: Vec<u128>,
    halves: Option<Box<(Plan<'a>, Plan<'a>)>>,
}

impl<'a> Plan<'a> {
    fn new(node: &'a Node, forbidden: &Forbidden) -> Self {
        let block = node.block;
        let Some((lower, upper)) = node.halves.as_deref() else {
            return Self { node, permitted: true, least: 1, exact: 1, costs: Vec::new(), halves: None };
        };
        let permitted = !forbidden.touches_block(block) && (!block.is_ipv6() || block.prefix() >= WIDEST_IPV6);
        let (lower, upper) = (Self::new(lower, forbidden), Self::new(upper, forbidden));
        let full = permitted && u128::from(node.addresses) == block.size();
        Self {
            node,
            permitted,
            least: if permitted { 1 } else { lower.least.saturating_add(upper.least) },
            exact: if full { 1 } else { lower.exact.saturating_add(upper.exact) },
            costs: Vec::new(),
            halves: Some(Box::new((lower, upper))),
        }
    }

    /// Adds the best `share` blocks to `blocks`, ascending. `share` is between [`Plan::least`] and [`Plan::exact`].
    fn take(mut self, share: usize, blocks: &mut Vec<Block>) {
        // Without this a set that is covered exactly would fill tables as long as itself.
        if share < self.exact {
            self.weigh(share);
        }
        self.collect(share, blocks);
    }

    /// Fills the tables up to `most` blocks.
    fn weigh(&mut self, most: usize) {
        let longest = most.min(self.exact);
        self.costs = vec![IMPOSSIBLE; longest.saturating_add(1)];
        if let Some((lower, upper)) = self.halves.as_deref_mut().filter(|_| self.exact > 1) {
            lower.weigh(most);
            upper.weigh(most);
            join(&lower.costs, &upper.costs, &mut self.costs);
        }
        if let Some(one) = self.costs.get_mut(1).filter(|_| self.permitted) {
            *one = self.node.block.size().saturating_sub(u128::from(self.node.addresses));
        }
    }

    fn collect(&self, share: usize, blocks: &mut Vec<Block>) {
        match self.halves.as_deref() {
            Some((lower, upper)) if share > 1 => {
                let low = self.low_share(lower, upper, share);
                lower.collect(low, blocks);
                upper.collect(share.saturating_sub(low), blocks);
            }
            _ => blocks.push(self.node.block),
        }
    }

    /// How many of `share` blocks the lower half gets.
    fn low_share(&self, lower: &Plan, upper: &Plan, share: usize) -> usize {
        if share >= self.exact {
            return lower.exact;
        }
        let best = self.costs.get(share).copied().unwrap_or(IMPOSSIBLE);
        let reaches_best = |low: &usize| sum(lower.cost(*low), upper.cost(share.saturating_sub(*low))) == best;
        (1..share).find(reaches_best).unwrap_or(lower.least)
    }

    fn cost(&self, blocks: usize) -> u128 {
        self.costs.get(blocks).copied().unwrap_or(IMPOSSIBLE)
    }
}

/// For each number of blocks the cheapest way to spend them on two halves. O(product of the lengths).
fn join(lower: &[u128], upper: &[u128], costs: &mut [u128]) {
    for (low, cost) in lower.iter().enumerate().filter(|(_, cost)| **cost != IMPOSSIBLE) {
        for (best, other) in costs.iter_mut().skip(low).zip(upper) {
            *best = (*best).min(sum(*cost, *other));
        }
    }
}

/// The cost of both; what is impossible stays so.
fn sum(one: u128, other: u128) -> u128 {
    one.saturating_add(other)
}

#[cfg(test)]
mod tests;
