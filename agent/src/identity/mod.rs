//! Who on this node a socket belongs to, fixed when it is seen: by the cgroup's path, which carries the pod's UID.

pub mod addresses;
pub mod cgroups;
pub mod processes;

pub use cgroups::{Cgroups, Owner};

use netwright_abi::Address;
use netwright_record::{Local, Name};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use crate::address;

/// What is known of each network namespace and each pod. Fed by announcements; asked when flows are drained.
#[derive(Debug, Default)]
pub struct Identities {
    owners: HashMap<u64, BTreeSet<Owner>>,
    addresses: HashMap<Name, BTreeSet<IpAddr>>,
    /// What was added to these since it was last asked for.
    news: Vec<(Name, IpAddr)>,
}

impl Identities {
    /// Notes that a socket in the namespace belongs to `owner` and has the local address.
    pub fn note(&mut self, netns_cookie: u64, owner: &Owner, local: &Address) {
        self.owners.entry(netns_cookie).or_default().insert(owner.clone());
        if let Owner::Pod { uid } = owner
            && !address::is_unspecified(local)
        {
            self.note_address(uid, address::ip(local));
        }
    }

    /// Notes that a pod has an address.
    pub fn note_address(&mut self, uid: &str, ip: IpAddr) {
        let uid = Name::from(uid);
        if self.addresses.entry(uid.clone()).or_default().insert(ip) {
            self.news.push((uid, ip));
        }
    }

    /// The addresses of pods that were noted for the first time since the last call.
    pub fn take_news(&mut self) -> Vec<(Name, IpAddr)> {
        std::mem::take(&mut self.news)
    }

    /// Forgets pods that are gone: their addresses, and whose their namespaces were.
    pub fn forget(&mut self, uids: &HashSet<Name>) {
        self.addresses.retain(|uid, _| !uids.contains(uid));
        self.news.retain(|(uid, _)| !uids.contains(uid));
        for owners in self.owners.values_mut() {
            owners.retain(|owner| !matches!(owner, Owner::Pod { uid } if uids.contains(uid)));
        }
        self.owners.retain(|_, owners| !owners.is_empty());
    }

    /// The addresses a pod is known to have.
    pub fn addresses(&self, uid: &str) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.get(uid).into_iter().flatten().copied()
    }

    /// The local end of a flow: by its own cgroup's owner, else by what else is known of its namespace, else by address.
    pub fn local(&self, owner: Option<&Owner>, netns_cookie: u64, local: &Address) -> Local {
        let ip = (!address::is_unspecified(local)).then(|| address::ip(local));
        match owner.or_else(|| self.owner_of_namespace(netns_cookie)) {
            Some(Owner::Pod { uid }) => Local::Pod { uid: uid.clone(), ip: ip.or_else(|| self.only_address(uid)) },
            Some(Owner::Host) => Local::Host { ip },
            None => ip.map_or(Local::Unknown { netns_cookie }, |ip| Local::Address { ip }),
        }
    }

    /// The one owner of a namespace. The host's has many (host-network pods are in it): then it is the host.
    fn owner_of_namespace(&self, netns_cookie: u64) -> Option<&Owner> {
        let owners = self.owners.get(&netns_cookie)?;
        if owners.len() > 1 { Some(&Owner::Host) } else { owners.first() }
    }

    /// A pod's address, if it has just one of each family at most, and so cannot be mistaken.
    fn only_address(&self, uid: &str) -> Option<IpAddr> {
        let mut addresses = self.addresses(uid);
        addresses.next().filter(|_| addresses.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: u64 = 7;

    fn pod(uid: &str) -> Owner {
        Owner::Pod { uid: uid.into() }
    }

    #[test]
    fn the_flows_own_cgroup_comes_first() {
        let mut identities = Identities::default();
        identities.note(COOKIE, &pod("a"), &netwright_abi::UNSPECIFIED);
        let local = identities.local(Some(&pod("b")), COOKIE, &netwright_abi::UNSPECIFIED);
        assert_eq!(local, Local::Pod { uid: "b".into(), ip: None });
    }

    #[test]
    fn a_namespace_with_one_owner_names_its_flows() {
        let mut identities = Identities::default();
        let ip: Address = netwright_abi::mapped(u32::from_ne_bytes([10, 0, 0, 1]));
        identities.note(COOKIE, &pod("a"), &ip);
        let expected = Local::Pod { uid: "a".into(), ip: Some("10.0.0.1".parse().unwrap()) };
        assert_eq!(identities.local(None, COOKIE, &netwright_abi::UNSPECIFIED), expected);
    }

    #[test]
    fn a_namespace_with_several_owners_is_the_hosts() {
        let mut identities = Identities::default();
        identities.note(COOKIE, &pod("a"), &netwright_abi::UNSPECIFIED);
        identities.note(COOKIE, &pod("b"), &netwright_abi::UNSPECIFIED);
        assert_eq!(identities.local(None, COOKIE, &netwright_abi::UNSPECIFIED), Local::Host { ip: None });
    }

    #[test]
    fn a_pod_that_is_gone_is_forgotten() {
        let mut identities = Identities::default();
        let ip: Address = netwright_abi::mapped(u32::from_ne_bytes([10, 0, 0, 1]));
        identities.note(COOKIE, &pod("a"), &ip);
        identities.note(COOKIE + 1, &pod("b"), &ip);
        assert_eq!(identities.take_news().len(), 2);
        identities.forget(&HashSet::from(["a".into()]));
        assert_eq!(identities.addresses("a").count() + identities.take_news().len(), 0);
        assert_eq!(identities.owners.len(), 1);
    }

    #[test]
    fn without_an_owner_the_address_is_what_remains() {
        let identities = Identities::default();
        let ip: Address = netwright_abi::mapped(u32::from_ne_bytes([10, 0, 0, 1]));
        assert_eq!(identities.local(None, COOKIE, &ip), Local::Address { ip: "10.0.0.1".parse().unwrap() });
        assert_eq!(
            identities.local(None, COOKIE, &netwright_abi::UNSPECIFIED),
            Local::Unknown { netns_cookie: COOKIE }
        );
    }
}
