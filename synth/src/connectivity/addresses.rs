//! Ranges of addresses as the blocks in which people write them.

use super::Allowed;
use ipnet::{IpNet, IpSubnets, Ipv4Subnets, Ipv6Subnets};
use netwright_policy::AddressRange;
use std::net::IpAddr;

/// A block of addresses, `198.18.0.0/15`.
pub type AddressBlock = IpNet;

/// The blocks for which something is allowed, in order: neighbours for which the same is allowed are one stretch, and
/// each stretch is as few blocks as it can be. `allowed` is asked about each range by its number.
pub(super) fn blocks(
    ranges: &[AddressRange],
    allowed: impl Fn(usize) -> Option<Allowed>,
) -> impl Iterator<Item = (AddressBlock, Allowed)> {
    let mut stretches: Vec<(IpAddr, IpAddr, Allowed)> = Vec::new();
    for (number, range) in ranges.iter().enumerate() {
        let Some(allowed) = allowed(number) else { continue };
        match stretches.last_mut() {
            Some((_, last, known)) if *known == allowed && follows(*last, range.first) => *last = range.last,
            _ => stretches.push((range.first, range.last, allowed)),
        }
    }
    stretches
        .into_iter()
        .flat_map(|(first, last, allowed)| subnets(first, last).map(move |block| (block, allowed.clone())))
}

/// Whether an address comes right after another of its family.
fn follows(last: IpAddr, next: IpAddr) -> bool {
    match (last, next) {
        (IpAddr::V4(last), IpAddr::V4(next)) => last.to_bits().checked_add(1) == Some(next.to_bits()),
        (IpAddr::V6(last), IpAddr::V6(next)) => last.to_bits().checked_add(1) == Some(next.to_bits()),
        _ => false,
    }
}

fn subnets(first: IpAddr, last: IpAddr) -> impl Iterator<Item = IpNet> {
    let subnets = match (first, last) {
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
        let ports = [Some(&all), Some(&all), Some(&all), None, Some(&all)];
        let allowed = |number: usize| Some(Allowed { ports: ports[number]?.clone(), some: false });
        let found: Vec<String> = blocks(&ranges, allowed).map(|(block, _)| block.to_string()).collect();
        assert_eq!(found, ["0.0.0.0/1", "::/0"]);

        let ports = [Some(&all), Some(&web), None, None, None];
        let allowed = |number: usize| Some(Allowed { ports: ports[number]?.clone(), some: false });
        let found: Vec<String> =
            blocks(&ranges, allowed).map(|(block, allowed)| format!("{block} {}", allowed.ports)).collect();
        assert_eq!(found, ["0.0.0.0/5 all", "8.0.0.0/7 all", "10.0.0.0/8 TCP 80"]);
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
