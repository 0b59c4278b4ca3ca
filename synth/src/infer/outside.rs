//! What is outside the cluster as a peer: addresses, with the names they were reached by, and clients whoever they are.

use super::link_local::needs_decision;
use super::peers::Naming;
use super::rules::{Target, Whom};
use crate::index::Index;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Addresses outside the cluster's own, some of which may need a decision. `whom` has one member for each name.
pub fn addresses(seen: BTreeSet<IpAddr>, port: u16, whom: &[Whom]) -> Naming {
    let (left_out, allowed): (BTreeSet<_>, BTreeSet<_>) =
        seen.into_iter().partition(|address| needs_decision(*address, port));
    if allowed.is_empty() && !left_out.is_empty() {
        return Naming { left_out, ..Naming::default() };
    }
    let mut naming = Naming { impossible: allowed.is_empty(), left_out, ..Naming::default() };
    for whom in whom {
        naming.peers.extend(Naming::blocks(allowed.clone(), whom).peers);
    }
    naming
}

/// The names of an outside endpoint.
pub fn names(names: &BTreeSet<String>) -> Vec<Whom> {
    let names: Vec<Whom> = names.iter().map(|name| Whom::Name(name.as_str().into())).collect();
    if names.is_empty() { vec![Whom::Address] } else { names }
}

/// Every address outside the cluster, of each family in which clients came (of both, unless `all_kept`: the lowest
/// addresses are kept, which are those of IPv4). Pods are not meant, so the pod ranges are excepted: but never a range from
/// which a client came.
pub fn internet(index: &Index, seen: &BTreeSet<IpAddr>, all_kept: bool) -> Naming {
    let families: BTreeSet<bool> = seen.iter().map(|address| address.to_canonical().is_ipv6()).collect();
    let families = if families.is_empty() || !all_kept { BTreeSet::from([false, true]) } else { families };
    let peers = families.into_iter().map(|ipv6| (everywhere(index, ipv6, seen), Whom::Internet));
    Naming { peers: peers.collect(), exposed: true, ..Naming::default() }
}

fn everywhere(index: &Index, ipv6: bool, clients: &BTreeSet<IpAddr>) -> Target {
    let unspecified: IpAddr = if ipv6 { [0u16; 8].into() } else { [0u8; 4].into() };
    let except = index
        .pod_ranges()
        .iter()
        .filter(|range| range.addr().is_ipv6() == ipv6 && range.prefix_len() > 0)
        .filter(|range| !clients.iter().any(|client| range.contains(&client.to_canonical())))
        .copied()
        .collect();
    Target::Block { cidr: IpNet::new_assert(unspecified, 0), except }
}
