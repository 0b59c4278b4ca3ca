//! What is not a workload: names and addresses outside, clients from there, nodes, the API server, cloud metadata.

use super::Random;
use super::members::Member;
use super::population::API_SERVER;
use netwright_record::{Endpoint, FlatSet};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// How many names outside there are. Some are asked for by many, most by few.
pub(super) const NAMES: usize = 600;
const METADATA: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254));

/// An endpoint that is no workload, with the port that is used there and the addresses that were seen.
pub(super) struct Other {
    pub(super) endpoint: Endpoint,
    pub(super) port: u16,
    pub(super) addresses: BTreeSet<IpAddr>,
}

/// The name of that number: a handful of addresses; of every fiftieth, an object store, dozens.
pub(super) fn name(number: usize) -> Other {
    let count = if number.is_multiple_of(50) { 40 } else { 1 + number % 5 };
    let addresses = (0..count).map(|place| address(number * 64 + place * 7)).collect();
    let names = FlatSet::from([format!("service-{number}.example").into()]);
    Other {
        endpoint: Endpoint::ExternalName { names },
        port: if number.is_multiple_of(9) { 587 } else { 443 },
        addresses,
    }
}

/// An address that nobody asked a name for.
pub(super) fn bare(random: &mut Random) -> Other {
    let address = address(1 << 16 | random.below(1 << 14));
    Other { endpoint: Endpoint::External { address }, port: 443, addresses: BTreeSet::from([address]) }
}

pub(super) fn api_server() -> Other {
    Other { endpoint: Endpoint::ApiServer, port: 6443, addresses: API_SERVER.into() }
}

pub(super) fn metadata() -> Other {
    Other { endpoint: Endpoint::LinkLocal { address: METADATA }, port: 80, addresses: BTreeSet::from([METADATA]) }
}

/// Clients from outside, a few of them kept.
pub(super) fn internet(random: &mut Random) -> (Endpoint, BTreeSet<IpAddr>) {
    let count = 1 + random.below(16);
    (Endpoint::Internet, (0..count).map(|_| address(1 << 16 | 1 << 15 | random.below(1 << 14))).collect())
}

/// The node of that number, or its pod of a workload on the host's network.
pub(super) fn node(number: usize, member: Option<&Member>) -> (Endpoint, BTreeSet<IpAddr>) {
    let [high, low] = [(number >> 8) as u8, number as u8];
    let workload = member.map(|member| member.workload.clone());
    let endpoint = Endpoint::Node { name: format!("node-{number:04}").into(), workload };
    (endpoint, BTreeSet::from([IpAddr::from([172, 16 + high, low, 10])]))
}

/// One of 198.18.0.0/15, which is kept for measurements.
fn address(number: usize) -> IpAddr {
    IpAddr::from([198, 18 + (number >> 16 & 1) as u8, (number >> 8) as u8, number as u8])
}
