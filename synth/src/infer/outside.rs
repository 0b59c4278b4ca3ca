//! What is outside the cluster as a peer: addresses, with the names they were reached by, and clients whoever they are.

use super::link_local::needs_decision;
use super::peers::Naming;
use super::rules::{Target, Whom};
use crate::index::Index;
use crate::review::Decided;
use ipnet::IpNet;
use netwright_record::{Edge, FlatSet, Name};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Addresses outside the cluster's own, of the edge at `number`. Some may need a decision, and of others people may have
/// decided that they are not to be allowed. `whom` has one member for each name.
pub fn addresses(decided: &Decided, number: usize, edge: &Edge, seen: FlatSet<IpAddr>, whom: &[Whom]) -> Naming {
    let before = seen.len();
    let wanted = seen.into_iter().filter(|address| !decided.closes(number, *address));
    let (left_out, allowed): (BTreeSet<_>, BTreeSet<_>) =
        wanted.partition(|address| needs_decision(*address, edge.port) && decided.opened(number, *address).is_none());
    if allowed.is_empty() && (before > 0 || !left_out.is_empty()) {
        return Naming { left_out, ..Naming::default() };
    }
    let mut naming = Naming { impossible: allowed.is_empty(), left_out, ..Naming::default() };
    for whom in whom {
        naming.peers.extend(Naming::blocks(allowed.clone(), whom).peers);
    }
    naming
}

/// The names of an outside endpoint.
pub fn names(names: &FlatSet<Name>) -> Vec<Whom> {
    let names: Vec<Whom> = names.iter().map(|name| Whom::Name(name.as_str().into())).collect();
    if names.is_empty() { vec![Whom::Address] } else { names }
}

/// Every address outside the cluster, of each family in which clients came (of both, unless `all_kept`: the lowest
/// addresses are kept, which are those of IPv4). Pods are not meant, so the pod ranges are excepted: but never a range from
/// which a client came. What people closed of it is excepted too.
pub fn internet(index: &Index, decided: &Decided, number: usize, edge: &Edge) -> Naming {
    let (seen, all_kept) = (&edge.client_addresses, edge.addresses_dropped == 0);
    let families: BTreeSet<bool> = seen.iter().map(|address| address.to_canonical().is_ipv6()).collect();
    let families = if families.is_empty() || !all_kept { BTreeSet::from([false, true]) } else { families };
    let peers =
        families.into_iter().map(|ipv6| (everywhere(index, ipv6, seen, decided.excepted(number)), Whom::Internet));
    Naming { peers: peers.collect(), exposed: true, ..Naming::default() }
}

fn everywhere(index: &Index, ipv6: bool, clients: &FlatSet<IpAddr>, closed: impl Iterator<Item = IpNet>) -> Target {
    let unspecified: IpAddr = if ipv6 { [0u16; 8].into() } else { [0u8; 4].into() };
    let pods = index.pod_blocks(ipv6, clients);
    let closed: Vec<IpNet> = closed.filter(|block| block.addr().is_ipv6() == ipv6 && block.prefix_len() > 0).collect();
    let except = if closed.is_empty() {
        pods
    } else {
        pods.iter().copied().chain(closed).collect::<BTreeSet<IpNet>>().into_iter().collect()
    };
    Target::Block { cidr: IpNet::new_assert(unspecified, 0), except }
}
