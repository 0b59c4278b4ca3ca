//! Ranges of addresses: neighbours put together, and cut into the blocks in which programs want them.

use super::Allowed;
use ipnet::{IpNet, IpSubnets, Ipv4Subnets, Ipv6Subnets};
use netwright_policy::AddressRange;
use std::net::IpAddr;

/// The stretches of addresses for which something is allowed, in order: neighbours for which the same is allowed are one.
/// `allowed` is asked about each range by its number.
pub(super) fn stretches(
    ranges: &[AddressRange],
    allowed: impl Fn(usize) -> Option<Allowed>,
) -> impl Iterator<Item = (AddressRange, Allowed)> {
    let mut stretches: Vec<(AddressRange, Allowed)> = Vec::new();
    for (number, range) in ranges.iter().enumerate() {
        let Some(allowed) = allowed(number) else { continue };
        match stretches.last_mut() {
            Some((stretch, known)) if *known == allowed && follows(stretch.last, range.first) => {
                stretch.last = range.last;
            }
            _ => stretches.push((*range, allowed)),
        }
    }
    stretches.into_iter()
}

/// A range as people write it: as a block if it is one, and else by its ends.
pub(super) fn written(range: &AddressRange) -> String {
    let mut blocks = blocks(range);
    match (blocks.next(), blocks.next()) {
        (Some(block), None) => block.to_string(),
        _ => format!("{}-{}", range.first, range.last),
    }
}

/// The fewest blocks that are the range together, each as a range.
pub(super) fn split(range: &AddressRange) -> impl Iterator<Item = AddressRange> + use<> {
    blocks(range).map(|block| AddressRange { first: block.network(), last: block.broadcast() })
}

/// Whether an address comes right after another of its family.
fn follows(last: IpAddr, next: IpAddr) -> bool {
    match (last, next) {
        (IpAddr::V4(last), IpAddr::V4(next)) => last.to_bits().checked_add(1) == Some(next.to_bits()),
        (IpAddr::V6(last), IpAddr::V6(next)) => last.to_bits().checked_add(1) == Some(next.to_bits()),
        _ => false,
    }
}

fn blocks(range: &AddressRange) -> impl Iterator<Item = IpNet> + use<> {
    let subnets = match (range.first, range.last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => Some(IpSubnets::from(Ipv4Subnets::new(first, last, 0))),
        (IpAddr::V6(first), IpAddr::V6(last)) => Some(IpSubnets::from(Ipv6Subnets::new(first, last, 0))),
        // A range is of one family.
        _ => None,
    };
    subnets.into_iter().flatten()
}

/// The blocks that nobody outside has: of special use (RFC 6890 and the registry it began), or private.
const NOT_PUBLIC: [([u8; 4], u8); 8] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
    ([224, 0, 0, 0], 3),
];

/// Whether a range holds a public address. Of IPv6 those are `2000::/3` (RFC 4291, section 2.4).
pub(super) fn holds_public(range: &AddressRange) -> bool {
    match (range.first, range.last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let (mut next, last) = (first.to_bits(), last.to_bits());
            loop {
                let Some(end) = NOT_PUBLIC.iter().find_map(|block| end_if_inside(*block, next)) else { return true };
                match end.checked_add(1).filter(|after| *after <= last) {
                    Some(after) => next = after,
                    None => return false,
                }
            }
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => first.to_bits() >> 125 <= 1 && last.to_bits() >> 125 >= 1,
        _ => false,
    }
}

/// The last address of a block, if `address` lies in it.
fn end_if_inside((network, prefix): ([u8; 4], u8), address: u32) -> Option<u32> {
    let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or_default();
    (address & !hosts == u32::from_be_bytes(network)).then_some(address | hosts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netwright_policy::{PortSet, Protocol};

    fn range(first: &str, last: &str) -> AddressRange {
        AddressRange { first: first.parse().unwrap(), last: last.parse().unwrap() }
    }

    #[test]
    fn neighbours_for_which_the_same_is_allowed_are_one_stretch() {
        let ranges = [
            range("0.0.0.0", "9.255.255.255"),
            range("10.0.0.0", "10.255.255.255"),
            range("11.0.0.0", "127.255.255.255"),
            range("128.0.0.0", "255.255.255.255"),
            range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ];
        let (all, web) = (PortSet::all(), PortSet::of(Protocol::Tcp, 80, 80));
        let found = |ports: [Option<&PortSet>; 5]| -> Vec<String> {
            let allowed = |number: usize| Some(Allowed { ports: ports[number]?.clone(), some: false });
            let stretches = stretches(&ranges, allowed);
            stretches.map(|(range, allowed)| format!("{} {}", written(&range), allowed.ports)).collect()
        };
        assert_eq!(found([Some(&all), Some(&all), Some(&all), None, Some(&all)]), ["0.0.0.0/1 all", "::/0 all"]);
        let apart = found([Some(&all), Some(&web), None, Some(&web), None]);
        assert_eq!(apart, ["0.0.0.0-9.255.255.255 all", "10.0.0.0/8 TCP 80", "128.0.0.0/1 TCP 80"]);
        let split: Vec<String> = split(&ranges[0]).map(|block| written(&block)).collect();
        assert_eq!(split, ["0.0.0.0/5", "8.0.0.0/7"]);
    }

    #[test]
    fn private_and_special_ranges_are_not_public() {
        for (first, last, public) in [
            ("10.0.0.0", "10.255.255.255", false),
            ("9.255.255.255", "10.0.0.0", true),
            ("10.255.255.255", "11.0.0.0", true),
            ("172.16.0.0", "172.31.255.255", false),
            ("172.32.0.0", "172.32.0.0", true),
            ("224.0.0.0", "255.255.255.255", false),
            ("0.0.0.0", "255.255.255.255", true),
            ("198.51.100.7", "198.51.100.7", true),
            ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
            ("fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false),
            ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false),
            ("2001:db8::", "2001:db8::1", true),
            ("4000::", "4000::1", false),
        ] {
            assert_eq!(holds_public(&range(first, last)), public, "{first} to {last}");
        }
    }
}
