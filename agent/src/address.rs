//! Addresses as the kernel programs write them.

use netwright_abi::Address;
use std::net::{IpAddr, Ipv6Addr};

/// The address in its own family.
pub fn ip(address: &Address) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from(netwright_abi::octets(*address))).to_canonical()
}

/// The one form that both families have in keys.
pub fn mapped(ip: IpAddr) -> Address {
    netwright_abi::address(match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    })
}

/// Whether an address is `::` or `0.0.0.0`: what a socket has before it has one.
pub fn is_unspecified(address: &Address) -> bool {
    ip(address).is_unspecified()
}
