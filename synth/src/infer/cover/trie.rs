//! The binary trie over a set of addresses, with only the nodes at which addresses part. Serves the cover by blocks.
//!
//! Its leaves are the addresses, its inner nodes the smallest blocks that hold what is below them. Of all covers by
//! disjoint blocks only those of its nodes matter: a block that is no node holds the same addresses as a smaller one
//! that is.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses of one family. IPv4-mapped IPv6 does not occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    ipv6: bool,
    first: u128,
    /// How many bits are free: 0 to 32, or to 128.
    free: u32,
}

impl Block {
    /// The block of exactly one address.
    fn single(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self { ipv6: false, first: u128::from(address.to_bits()), free: 0 },
            IpAddr::V6(address) => Self { ipv6: true, first: address.to_bits(), free: 0 },
        }
    }

    /// The block that `range` stands for, without bits behind the prefix.
    pub(super) fn of(range: IpNet) -> Self {
        let free = u32::from(range.max_prefix_len().saturating_sub(range.prefix_len()));
        let single = Self::single(range.network());
        // A mapped range wider than all of IPv4 is a range of IPv6.
        match range.network() {
            IpAddr::V6(address) if !single.ipv6 && free > 32 => Self { ipv6: true, first: address.to_bits(), free },
            _ => Self { free, ..single },
        }
    }

    /// The smallest block with both in it.
    fn around(self, other: Self) -> Self {
        let free = u128::BITS.saturating_sub((self.first ^ other.first).leading_zeros());
        Self { first: self.first & !mask(free), free, ..self }
    }

    pub(super) fn is_ipv6(self) -> bool {
        self.ipv6
    }

    pub(super) fn first(self) -> u128 {
        self.first
    }

    pub(super) fn last(self) -> u128 {
        self.first | mask(self.free)
    }

    /// How many leading bits are fixed.
    pub(super) fn prefix(self) -> u32 {
        let width: u32 = if self.ipv6 { 128 } else { 32 };
        width.saturating_sub(self.free)
    }

    /// How many addresses it holds; of all of IPv6 one too few.
    pub(super) fn size(self) -> u128 {
        mask(self.free).saturating_add(1)
    }

    /// The block in the form that policies are written from.
    pub(super) fn net(self) -> Option<IpNet> {
        let prefix = u8::try_from(self.prefix()).ok()?;
        if self.ipv6 {
            return Ipv6Net::new(Ipv6Addr::from_bits(self.first), prefix).ok().map(IpNet::V6);
        }
        let bits = u32::try_from(self.first).ok()?;
        Ipv4Net::new(Ipv4Addr::from_bits(bits), prefix).ok().map(IpNet::V4)
    }
}

/// As many ones as `free` says, at the low end.
fn mask(free: u32) -> u128 {
    u128::MAX.checked_shr(u128::BITS.saturating_sub(free)).unwrap_or(0)
}

/// A node: what is below it, and the smallest block with all of it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) block: Block,
    /// How many addresses are below it, itself included if it is one.
    pub(super) addresses: u64,
    /// The lower and the upper half; none below a single address.
    pub(super) halves: Option<Box<(Node, Node)>>,
}

/// The tries over `addresses`: of IPv4, then of IPv6, as far as they occur. O(n log n); no deeper than an address has bits.
pub(super) fn tries(addresses: &BTreeSet<IpAddr>) -> Vec<Node> {
    let mut singles: Vec<Block> = addresses.iter().copied().map(Block::single).collect();
    singles.sort_unstable_by_key(|single| (single.ipv6, single.first));
    singles.dedup();
    let (ipv4, ipv6) = singles.split_at(singles.partition_point(|single| !single.ipv6));
    [ipv4, ipv6].into_iter().filter_map(node).collect()
}

/// The trie over single addresses of one family, ascending.
fn node(singles: &[Block]) -> Option<Node> {
    let (first, last) = (singles.first()?, singles.last()?);
    let block = first.around(*last);
    let addresses = u64::try_from(singles.len()).unwrap_or(u64::MAX);
    if block.free == 0 {
        return Some(Node { block, addresses, halves: None });
    }
    let middle = block.first | (mask(block.free) ^ mask(block.free.saturating_sub(1)));
    let (lower, upper) = singles.split_at(singles.partition_point(|single| single.first < middle));
    let halves = node(lower).zip(node(upper)).map(Box::new);
    Some(Node { block, addresses, halves })
}
