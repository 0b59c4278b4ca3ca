//! Addresses over which no block may be laid, whoever asks for fewer of them. Serves the cover by blocks.
//!
//! Sources: the IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890 and what came after it), the
//! multicast registries (RFC 5771, RFC 4291) and the IPv6 address space registry, by which nothing outside 2000::/3 is
//! delegated to anyone. Entries that are reachable are in as well: behind 64:ff9b::/96 and 2002::/16 lies the whole of
//! IPv4, metadata and private addresses included.

use super::trie::Block;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is not the internet at large, in IPv4.
const SPECIAL_IPV4: [(Ipv4Addr, u8); 19] = [
    // "This network", RFC 791.
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    // Private, RFC 1918.
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Shared by a provider and its customers, RFC 6598. Also Alibaba Cloud's metadata.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    // Loopback, RFC 1122.
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // What Azure's fabric answers on: DNS, health probes, the agent's metadata.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    // Link-local, RFC 3927. Metadata of most clouds.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Private, RFC 1918.
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    // Protocol assignments, RFC 6890. Also Oracle Cloud's platform services.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    // Documentation, RFC 5737.
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    // AS112, RFC 7535.
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    // Automatic multicast tunnelling, RFC 7450.
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    // 6to4 relays, RFC 7526.
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    // Private, RFC 1918.
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // AS112, RFC 7534.
    (Ipv4Addr::new(192, 175, 48, 0), 24),
    // Benchmarking, RFC 2544.
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // Documentation, RFC 5737.
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, RFC 5771.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    // Reserved, RFC 1112, and the limited broadcast, RFC 919.
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// What is not the internet at large, in IPv6.
const SPECIAL_IPV6: [(Ipv6Addr, u8); 8] = [
    // Outside 2000::/3: loopback, mapped and translated IPv4 (::/3), segment routing (RFC 9602), unique local (RFC 4193),
    // link-local, site-local, multicast (8000::/1).
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0), 3),
    (Ipv6Addr::new(0x4000, 0, 0, 0, 0, 0, 0, 0), 2),
    (Ipv6Addr::new(0x8000, 0, 0, 0, 0, 0, 0, 0), 1),
    // Protocol assignments, RFC 2928: Teredo, ORCHID and others.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation, RFC 3849 and RFC 9637.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    // 6to4, RFC 3056.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    // AS112, RFC 7534.
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48),
];

/// A set of ranges that no block of more than one address may touch.
///
/// Answers for one block in O(log n), n being the number of ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forbidden {
    ipv4: Ranges,
    ipv6: Ranges,
}

/// First and last address of each range: ascending, disjoint.
type Ranges = Vec<(u128, u128)>;

impl Forbidden {
    /// No ranges at all.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// The special-purpose ranges of both families, metadata and link-local, private and shared, loopback, multicast and
    /// reserved addresses among them.
    pub fn special_purpose() -> Self {
        let ipv4 = SPECIAL_IPV4.into_iter().map(|(address, length)| (IpAddr::V4(address), length));
        let ipv6 = SPECIAL_IPV6.into_iter().map(|(address, length)| (IpAddr::V6(address), length));
        let ranges = ipv4.chain(ipv6).filter_map(|(address, length)| IpNet::new(address, length).ok());
        Self::nothing().and(ranges)
    }

    /// These and `ranges`: what the cluster gives to its own pods, Services and nodes. IPv4-mapped ranges are read as
    /// the IPv4 they stand for.
    #[must_use]
    pub fn and(mut self, ranges: impl IntoIterator<Item = IpNet>) -> Self {
        for range in ranges {
            let block = Block::of(range);
            let family = if block.is_ipv6() { &mut self.ipv6 } else { &mut self.ipv4 };
            family.push((block.first(), block.last()));
        }
        self.ipv4 = merged(self.ipv4);
        self.ipv6 = merged(self.ipv6);
        self
    }

    /// Whether `block` has an address in common with one of the ranges.
    pub fn touches(&self, block: IpNet) -> bool {
        self.touches_block(Block::of(block))
    }

    pub(super) fn touches_block(&self, block: Block) -> bool {
        let ranges = if block.is_ipv6() { &self.ipv6 } else { &self.ipv4 };
        let next = ranges.partition_point(|(_, last)| *last < block.first());
        ranges.get(next).is_some_and(|(first, _)| *first <= block.last())
    }
}

/// The same addresses as disjoint ranges, ascending.
fn merged(mut ranges: Ranges) -> Ranges {
    ranges.sort_unstable();
    let mut merged = Ranges::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if first <= *end => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn a_block_that_lies_in_around_or_across_a_range_touches_it() {
        let forbidden = Forbidden::special_purpose();
        for inside in ["10.1.0.0/16", "169.254.169.254/32", "fe80::/64", "fd00:ec2::254/128", "64:ff9b::a9fe:a9fe/128"]
        {
            assert!(forbidden.touches(net(inside)), "{inside}");
        }
        for around in ["0.0.0.0/0", "8.0.0.0/6", "100.0.0.0/8", "168.63.128.0/23", "192.168.0.0/15", "2000::/3"] {
            assert!(forbidden.touches(net(around)), "{around}");
        }
        for outside in ["9.0.0.0/8", "11.0.0.0/8", "100.128.0.0/9", "172.32.0.0/11", "198.20.0.0/14", "2400::/7"] {
            assert!(!forbidden.touches(net(outside)), "{outside}");
        }
    }

    #[test]
    fn ranges_of_the_cluster_come_on_top_and_mapped_ones_are_ipv4() {
        let forbidden = Forbidden::nothing().and([net("44.0.0.0/9"), net("::ffff:44.128.0.0/105"), net("2600:1::/48")]);
        assert!(forbidden.touches(net("44.128.3.0/24")) && forbidden.touches(net("44.1.0.0/24")));
        assert!(forbidden.touches(net("2600::/16")) && !forbidden.touches(net("2600:1:1::/48")));
        assert!(!forbidden.touches(net("45.0.0.0/8")) && !forbidden.touches(net("::/96")));
    }

    #[test]
    fn a_range_inside_another_does_not_end_it() {
        let forbidden = Forbidden::nothing().and([net("44.0.0.0/8"), net("44.1.0.0/16")]);
        assert!(forbidden.touches(net("44.200.0.0/16")));
    }
}
