//! Which addresses a block holds, without looking at all of them. For checks on ipBlocks.

use crate::IpBlock;
use ipnet::IpNet;
use std::net::IpAddr;
use std::ops::Range;

/// Addresses, sorted, each with something it belongs to.
pub(in crate::lint) struct Addresses<T> {
    sorted: Vec<(IpAddr, T)>,
}

impl<T: Copy + Ord> Addresses<T> {
    pub(super) fn new(addresses: impl Iterator<Item = (IpAddr, T)>) -> Self {
        let mut sorted: Vec<_> = addresses.map(|(address, owner)| (address.to_canonical(), owner)).collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self { sorted }
    }

    pub(in crate::lint) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Those in the block and in none of its exceptions, in ascending order. Steps over an exception as a whole.
    pub(in crate::lint) fn within<'s>(&'s self, block: &IpBlock) -> impl Iterator<Item = &'s (IpAddr, T)> + use<'s, T> {
        self.parts(block).into_iter().filter_map(|part| self.sorted.get(part)).flatten()
    }

    /// How many those are, without going through them.
    pub(in crate::lint) fn count(&self, block: &IpBlock) -> usize {
        self.parts(block).into_iter().map(|part| part.len()).sum()
    }

    fn parts(&self, block: &IpBlock) -> Vec<Range<usize>> {
        let mut parts = Vec::new();
        let (mut from, end) = self.bounds(&block.cidr);
        let mut except: Vec<IpNet> = block.except.clone();
        except.sort_unstable_by_key(IpNet::network);
        for hole in except {
            let (start, after) = self.bounds(&hole);
            parts.push(from..start);
            from = from.max(after);
        }
        parts.push(from..end);
        parts
    }

    fn bounds(&self, net: &IpNet) -> (usize, usize) {
        let start = self.sorted.partition_point(|(address, _)| *address < net.network());
        let end = self.sorted.partition_point(|(address, _)| *address <= net.broadcast());
        (start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_stepped_over() {
        let addresses = Addresses::new((0..=255).map(|last| (IpAddr::from([192, 0, 2, last]), 0)));
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        let block = IpBlock {
            cidr: net("192.0.2.0/28"),
            except: vec![net("192.0.2.8/30"), net("192.0.2.1/32"), net("192.0.2.8/32")],
        };
        let last: Vec<u8> = addresses
            .within(&block)
            .filter_map(|(address, _)| match address {
                IpAddr::V4(address) => address.octets().last().copied(),
                IpAddr::V6(_) => None,
            })
            .collect();
        assert_eq!(addresses.count(&block), last.len());
        assert_eq!(last, [0, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15]);
    }
}
