//! What is known of this node's pods. Pure: fed with objects and cgroups, asked for records.
//!
//! A pod holds its addresses from the making of its first container's cgroup, the sandbox's, until the last one is removed. If its
//! sandbox is made anew, that is a second stay, with addresses of its own.

use netwright_record::inventory::{HeldAddress, Pod};
use netwright_record::{Name, Time};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

/// How long the API server may go on listing an earlier stay's addresses.
const STALE: Duration = Duration::from_secs(5);
/// How many pods that are gone are remembered until the collector has acknowledged them. The segments they stand in are on disk,
/// and tell of them again should they be dropped.
const MOST_GONE: usize = 2000;
/// How many pods that the API server has not told of are remembered.
const MOST_UNNAMED: usize = 2000;

/// A pod as the API server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its record, without addresses.
    pub pod: Pod,
    /// The addresses it has now.
    pub addresses: Vec<IpAddr>,
    /// `status.startTime`.
    pub started: Option<Time>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Pods {
    known: HashMap<Name, Known>,
    /// Records of pods that are not known any more, to be told once more.
    carried: Vec<Pod>,
    /// Counts what happens: the order in which pods went.
    clock: u64,
}

#[derive(Debug, Default)]
struct Known {
    listed: Option<Listed>,
    /// The API server has it no more.
    deleted: bool,
    containers: HashSet<String>,
    stays: Vec<Stay>,
    /// To be told in the next segment.
    changed: bool,
    /// The number of the last segment that told of it.
    written: Option<u64>,
    /// When it went, by [`Pods::clock`].
    went: u64,
}

/// A time in which a pod held addresses.
#[derive(Debug, Default)]
struct Stay {
    from: Option<Time>,
    until: Option<Time>,
    listed: Vec<IpAddr>,
    sockets: BTreeSet<IpAddr>,
}

impl Pods {
    /// Takes in a pod's object, received `now`.
    pub fn apply(&mut self, listed: Listed, now: Time) {
        let known = self.known.entry(listed.pod.uid.clone()).or_default();
        known.deleted = false;
        if known.listed.as_ref() != Some(&listed) {
            known.changed = true;
            known.listed = Some(listed);
        }
        known.settle(now);
    }

    /// The API server has the pod no more.
    pub fn delete(&mut self, uid: &str) {
        self.clock += 1;
        if let Some(known) = self.known.get_mut(uid) {
            known.deleted = true;
            known.went = self.clock;
            if known.is_gone() && known.stays.is_empty() {
                self.known.remove(uid);
            }
        }
        self.bound();
    }

    /// The API server has these pods and no others.
    pub fn relist(&mut self, uids: &HashSet<Name>) {
        let gone: Vec<Name> = self
            .known
            .iter()
            .filter(|(uid, known)| known.listed.is_some() && !known.deleted && !uids.contains(*uid))
            .map(|(uid, _)| uid.clone())
            .collect();
        gone.iter().for_each(|uid| self.delete(uid));
    }

    /// A container's cgroup was made `at`; no time if it was there before anyone looked.
    pub fn made(&mut self, uid: &Name, container: String, at: Option<Time>) {
        let known = self.known.entry(uid.clone()).or_default();
        if known.containers.is_empty() {
            known.stays.push(Stay { from: at, ..Stay::default() });
            known.changed = true;
            known.adopt_listed();
        }
        known.containers.insert(container);
        self.bound();
    }

    /// A container's cgroup was removed `at`.
    pub fn removed(&mut self, uid: &str, container: &str, at: Time) {
        self.clock += 1;
        let Some(known) = self.known.get_mut(uid) else { return };
        if known.containers.remove(container) && known.containers.is_empty() {
            known.end_stay(at, self.clock);
        }
    }

    /// A pod's cgroup was removed `at`, with whatever was in it.
    pub fn pod_removed(&mut self, uid: &str, at: Time) {
        self.clock += 1;
        let Some(known) = self.known.get_mut(uid) else { return };
        if !known.containers.is_empty() {
            known.containers.clear();
            known.end_stay(at, self.clock);
        }
    }

    /// These are all the containers there are `at` this time; what is new of a pod was made no sooner than `since` says. What went
    /// unseen is taken to have lasted as long as it may.
    pub fn look(&mut self, present: &HashMap<Name, HashSet<String>>, since: impl Fn(&Name) -> Option<Time>, at: Time) {
        let none = HashSet::new();
        let gone: Vec<(Name, String)> = self
            .known
            .iter()
            .flat_map(|(uid, known)| {
                let there = present.get(uid).unwrap_or(&none);
                known.containers.difference(there).map(|container| (uid.clone(), container.clone()))
            })
            .collect();
        for (uid, container) in present.iter().flat_map(|(uid, all)| all.iter().map(move |one| (uid, one))) {
            self.made(uid, container.clone(), since(uid));
        }
        for (uid, container) in gone {
            self.removed(&uid, &container, at);
        }
    }

    /// A socket of the pod has this local address.
    pub fn learned(&mut self, uid: &str, address: IpAddr) {
        let could_be_its_own = !address.is_loopback() && !address.is_unspecified() && !address.is_multicast();
        let Some(known) = self.known.get_mut(uid).filter(|_| could_be_its_own) else { return };
        if let Some(stay) = known.stays.last_mut()
            && stay.sockets.insert(address)
            && stay.listed.is_empty()
        {
            known.changed = true;
        }
    }

    /// The records of the pods that have changed since the last call, or of `all` of them, as of `now`. What comes of it is told
    /// by [`Pods::written`] or [`Pods::again`].
    pub fn take(&mut self, all: bool, now: Time) -> Vec<Pod> {
        self.known.values_mut().for_each(|known| known.settle(now));
        let mut pods = std::mem::take(&mut self.carried);
        pods.retain(|pod| self.known.get(&pod.uid).is_none_or(|known| known.listed.is_none()));
        for known in self.known.values_mut().filter(|known| all || known.changed) {
            if let Some(pod) = known.record() {
                known.changed = false;
                pods.push(pod);
            }
        }
        pods
    }

    /// The segment with this number tells of them.
    pub fn written<'a>(&mut self, pods: impl IntoIterator<Item = &'a Pod>, sequence: u64) {
        for pod in pods {
            if let Some(known) = self.known.get_mut(&pod.uid) {
                known.written = Some(sequence);
            }
        }
    }

    /// The segment that told of them will never arrive: the next one tells of them again.
    pub fn again(&mut self, pods: Vec<Pod>) {
        for pod in pods {
            match self.known.get_mut(&pod.uid).filter(|known| known.listed.is_some()) {
                Some(known) => known.changed = true,
                None => self.carry(pod),
            }
        }
    }

    /// The collector has all segments of this run up to and with this one, or this one at least. What is gone and stands in it is
    /// forgotten. Returns which pods.
    pub fn acknowledged(&mut self, sequence: u64) -> Vec<Name> {
        let done = |known: &Known| known.is_gone() && !known.changed && known.written == Some(sequence);
        let uids: Vec<Name> = self.known.iter().filter(|(_, known)| done(known)).map(|(uid, _)| uid.clone()).collect();
        uids.iter().for_each(|uid| _ = self.known.remove(uid));
        uids
    }

    /// Whether any container of the pod is there.
    pub fn is_running(&self, uid: &str) -> bool {
        self.known.get(uid).is_some_and(|known| !known.containers.is_empty())
    }

    /// The addresses that are held now.
    pub fn held(&self) -> HashSet<IpAddr> {
        let present = self.known.values().filter_map(|known| known.stays.last().filter(|stay| stay.until.is_none()));
        present.flat_map(|stay| stay.listed.iter().chain(&stay.sockets)).copied().collect()
    }

    /// How many pods the API server has told of, and of how many that run it has not.
    pub fn count(&self) -> (usize, usize) {
        let named = self.known.values().filter(|known| known.listed.is_some() && !known.deleted).count();
        let unnamed =
            self.known.values().filter(|known| known.listed.is_none() && !known.containers.is_empty()).count();
        (named, unnamed)
    }

    fn carry(&mut self, pod: Pod) {
        let room = self.carried.len() < MOST_GONE;
        match self.carried.iter_mut().find(|carried| carried.uid == pod.uid) {
            Some(carried) => *carried = pod,
            None if room => self.carried.push(pod),
            None => {}
        }
    }

    /// Forgets the oldest of what is gone, beyond what is remembered.
    fn bound(&mut self) {
        if self.known.len() <= MOST_GONE + MOST_UNNAMED {
            return;
        }
        self.forget_oldest(MOST_GONE, |known| known.is_gone() && !known.changed);
        // Those that no segment could be written for in a long time: the disk is full.
        self.forget_oldest(2 * MOST_GONE, Known::is_gone);
        self.forget_oldest(MOST_UNNAMED, |known| known.listed.is_none() && known.containers.is_empty());
    }

    fn forget_oldest(&mut self, most: usize, is_gone: impl Fn(&Known) -> bool) {
        let mut gone: Vec<(u64, Name)> = self
            .known
            .iter()
            .filter(|(_, known)| is_gone(known))
            .map(|(uid, known)| (known.went, uid.clone()))
            .collect();
        if gone.len() > most {
            gone.sort_unstable();
            for (_, uid) in gone.iter().take(gone.len() - most / 2) {
                self.known.remove(uid);
            }
        }
    }
}

impl Known {
    /// Neither the API server nor the kernel has it any more.
    fn is_gone(&self) -> bool {
        self.deleted && self.containers.is_empty()
    }

    fn end_stay(&mut self, at: Time, clock: u64) {
        if let Some(stay) = self.stays.last_mut() {
            stay.until = Some(stay.from.map_or(at, |from| from.max(at)));
        }
        self.changed = true;
        self.went = clock;
    }

    /// An API server that goes on listing the addresses of the stay before means the present one, too.
    fn settle(&mut self, now: Time) {
        let Some(listed) = self.listed.as_ref().map(|listed| listed.addresses.clone()) else { return };
        let addresses = self.listed_in_stay(&listed, now);
        if let (Some(stay), Some(addresses)) = (self.stays.last_mut(), addresses)
            && stay.takes(&addresses)
        {
            stay.listed = addresses;
            self.changed = true;
        }
    }

    /// The listed addresses that are those of the present stay: none while they may still be those of the one before.
    fn listed_in_stay(&self, addresses: &[IpAddr], now: Time) -> Option<Vec<IpAddr>> {
        let [.., before, present] = self.stays.as_slice() else { return Some(addresses.to_vec()) };
        let began = present.from.unwrap_or(now);
        let fresh = Duration::try_from(now.duration_since(began)).is_ok_and(|passed| passed >= STALE);
        let as_before = addresses.iter().any(|address| before.listed.contains(address));
        (fresh || !as_before).then(|| addresses.to_vec())
    }

    /// A first stay has the addresses that were listed before it was seen.
    fn adopt_listed(&mut self) {
        if let ([stay], Some(listed)) = (self.stays.as_mut_slice(), &self.listed) {
            stay.listed.clone_from(&listed.addresses);
        }
    }

    /// The record, once somebody has said who it is and it was seen to run. (Of one that was over before this run of the agent began,
    /// an earlier one has told more.)
    fn record(&self) -> Option<Pod> {
        let listed = self.listed.as_ref().filter(|listed| listed.pod.host_network || !self.stays.is_empty())?;
        let mut pod = listed.pod.clone();
        if !pod.host_network {
            pod.addresses = self.stays.iter().flat_map(|stay| stay.addresses(listed.started)).collect();
        }
        Some(pod)
    }
}

impl Stay {
    /// Whether these addresses are news. Once it is over they stay what they were.
    fn takes(&self, listed: &[IpAddr]) -> bool {
        let settled = self.until.is_some() && !self.listed.is_empty();
        !settled && !listed.is_empty() && self.listed != listed
    }

    /// What the API server lists counts; until it lists something, what sockets show.
    fn addresses(&self, started: Option<Time>) -> Vec<HeldAddress> {
        let held = |ip: &IpAddr| HeldAddress { ip: *ip, from: self.from.or(started), until: self.until };
        if self.listed.is_empty() {
            self.sockets.iter().map(held).collect()
        } else {
            self.listed.iter().map(held).collect()
        }
    }
}

#[cfg(test)]
mod tests;
