//! All addresses, cut into ranges that no ipBlock of some policies tells apart.

use super::number;
use crate::model::IpBlock;
use crate::runs::Runs;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses of one family that lie in the same blocks. Both ends are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    /// The lowest address.
    pub first: IpAddr,
    /// The highest address.
    pub last: IpAddr,
}

/// The ranges, by where each begins: those of IPv4 in ascending order, then those of IPv6. Together they are all addresses.
#[derive(Debug)]
pub(crate) struct Ranges {
    v4: Vec<u32>,
    v6: Vec<u128>,
}

impl Ranges {
    pub(crate) fn new<'a>(blocks: impl Iterator<Item = &'a IpBlock>) -> Self {
        let (mut v4, mut v6) = (vec![0], vec![0]);
        for block in blocks.flat_map(|block| block.except.iter().chain([&block.cidr])) {
            match block {
                IpNet::V4(block) => {
                    v4.push(block.network().to_bits());
                    v4.extend(block.broadcast().to_bits().checked_add(1));
                }
                IpNet::V6(block) => {
                    v6.push(block.network().to_bits());
                    v6.extend(block.broadcast().to_bits().checked_add(1));
                }
            }
        }
        v4.sort_unstable();
        v4.dedup();
        v6.sort_unstable();
        v6.dedup();
        Self { v4, v6 }
    }

    /// The range of an address.
    pub(crate) fn of(&self, address: IpAddr) -> u32 {
        match address.to_canonical() {
            IpAddr::V4(address) => index(&self.v4, address.to_bits()),
            IpAddr::V6(address) => number(self.v4.len()) + index(&self.v6, address.to_bits()),
        }
    }

    /// The ranges of a block.
    pub(crate) fn of_block(&self, block: &IpBlock) -> Runs {
        let holes = block.except.iter().flat_map(|except| self.of_cidr(except).as_slice().to_vec());
        self.of_cidr(&block.cidr).difference(&Runs::of(holes.collect()))
    }

    fn of_cidr(&self, cidr: &IpNet) -> Runs {
        match cidr {
            IpNet::V4(cidr) => {
                Runs::run(index(&self.v4, cidr.network().to_bits()), index(&self.v4, cidr.broadcast().to_bits()))
            }
            IpNet::V6(cidr) => {
                let before = number(self.v4.len());
                let (first, last) =
                    (index(&self.v6, cidr.network().to_bits()), index(&self.v6, cidr.broadcast().to_bits()));
                Runs::run(before + first, before + last)
            }
        }
    }

    /// Their ends, in order.
    pub(crate) fn ends(&self) -> Vec<AddressRange> {
        let after = |starts: &[u32], index: usize| starts.get(index + 1).map_or(u32::MAX, |next| next - 1);
        let v4 = self.v4.iter().enumerate().map(|(index, first)| AddressRange {
            first: Ipv4Addr::from_bits(*first).into(),
            last: Ipv4Addr::from_bits(after(&self.v4, index)).into(),
        });
        let after = |index: usize| self.v6.get(index + 1).map_or(u128::MAX, |next| next - 1);
        let v6 = self.v6.iter().enumerate().map(|(index, first)| AddressRange {
            first: Ipv6Addr::from_bits(*first).into(),
            last: Ipv6Addr::from_bits(after(index)).into(),
        });
        v4.chain(v6).collect()
    }
}

/// Which of the ranges that begin at `starts` holds an address; the first begins at 0.
fn index<T: Ord>(starts: &[T], address: T) -> u32 {
    number(starts.partition_point(|start| *start <= address).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(cidr: &str, except: &[&str]) -> IpBlock {
        IpBlock { cidr: cidr.parse().unwrap(), except: except.iter().map(|text| text.parse().unwrap()).collect() }
    }

    #[test]
    fn ranges_are_all_addresses_cut_at_the_ends_of_blocks() {
        let blocks = [block("10.0.0.0/8", &["10.1.0.0/16"]), block("255.255.255.255/32", &[]), block("::/0", &[])];
        let ranges = Ranges::new(blocks.iter());
        let ends: Vec<String> = ranges.ends().iter().map(|range| format!("{}-{}", range.first, range.last)).collect();
        assert_eq!(
            ends,
            [
                "0.0.0.0-9.255.255.255",
                "10.0.0.0-10.0.255.255",
                "10.1.0.0-10.1.255.255",
                "10.2.0.0-10.255.255.255",
                "11.0.0.0-255.255.255.254",
                "255.255.255.255-255.255.255.255",
                "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            ]
        );
        assert_eq!(ranges.of_block(&blocks[0]).numbers().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(ranges.of_block(&blocks[2]).numbers().collect::<Vec<_>>(), [6]);
        for (text, range) in [("10.0.255.255", 1), ("10.1.0.0", 2), ("::ffff:10.2.0.0", 3), ("2001:db8::1", 6)] {
            assert_eq!(ranges.of(text.parse().unwrap()), range, "{text}");
        }
    }
}
