//! The recording of one node: owns the probe and everything that is remembered between two drains.
//!
//! Data goes one way: announcements and DNS answers are taken in at each [`Recorder::poll`] and change what is *known*
//! (who owns a namespace, which names an address has, where hooks are needed); counters are taken in at each
//! [`Recorder::drain`] and become flows, named by what is known then.

mod convert;
mod old;
mod watch;

use crate::clock::Clock;
use crate::flows::{Names, Table};
use crate::identity::{Cgroups, Identities, Owner, processes};
use crate::probe::{Config, Probe, ProbeError, monotonic_now};
use crate::sockets;
use anyhow::Context as _;
use netwright_abi::{Announcement, FlowKey, FlowValue, announcement};
use netwright_record::{Flow, Losses, Name, Time};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use watch::Watches;

/// What was recorded since the last drain.
#[derive(Debug, Default)]
pub struct Drained {
    /// The flows.
    pub flows: Vec<Flow>,
    /// What was lost.
    pub losses: Losses,
}

/// How many flows are kept in memory while segments cannot be written: about 50 MB.
const KEPT: usize = 100_000;

impl Drained {
    /// Gives up the oldest flows beyond what is kept, and counts their connections. Returns what was lost by that.
    pub fn bound(&mut self) -> Losses {
        let over = self.flows.len().saturating_sub(KEPT);
        let lost: u64 = self.flows.drain(..over).map(|flow| flow.activity.connections).sum();
        let losses = Losses { spool_full: lost, ..Losses::default() };
        self.losses.add(&losses);
        losses
    }
}

/// See the module.
pub struct Recorder {
    probe: Probe,
    node: Name,
    proc: PathBuf,
    mount: PathBuf,
    flow_entries: usize,
    cgroups: Cgroups,
    identities: Identities,
    /// How often each pod's addresses were looked for.
    address_looks: HashMap<Name, u8>,
    table: Table,
    names: Names,
    watches: Watches,
    /// Flows that did not come from the kernel's map: connections older than the agent, and ones seen to be open still.
    sighted: Vec<Flow>,
}

impl Recorder {
    /// Attaches the programs and reads what exists already. `mount` is where cgroup v2 is mounted.
    pub fn start(mut config: Config, node: Name, proc: &Path, mount: &Path) -> anyhow::Result<Self> {
        let cgroups = Cgroups::read(config.cgroup.clone())
            .with_context(|| format!("cannot read the cgroup {}", config.cgroup.display()))?;
        let before = sockets::read(proc, &cgroups, mount, |_| true);
        config.old_ports = old::udp_ports(&before);
        let mut recorder = Self {
            probe: Probe::load(&config)?,
            node,
            proc: proc.into(),
            mount: mount.into(),
            flow_entries: config.flow_entries as usize,
            cgroups,
            identities: Identities::default(),
            address_looks: HashMap::new(),
            table: Table::default(),
            names: Names::default(),
            watches: Watches::default(),
            sighted: Vec::new(),
        };
        recorder.watch_old(&before);
        recorder.probe.attach(&config.cgroup)?;
        recorder.take_old(&before)?;
        Ok(recorder)
    }

    /// Which fallbacks were taken, in words.
    pub fn notes(&self) -> &[String] {
        &self.probe.notes
    }

    /// Takes in announcements and DNS answers. Cheap when there are none: two reads of memory.
    pub fn poll(&mut self) -> Result<(), ProbeError> {
        for message in self.probe.dns()? {
            self.watches.answered(message.client, message.time);
            self.names.learn(&message);
        }
        let announcements = self.probe.announcements()?;
        self.learn_cgroups(&announcements);
        for announcement in &announcements {
            self.take(announcement);
        }
        self.watch_clients();
        Ok(())
    }

    /// Whether so many keys are new that entries may be evicted unread before the next interval: then drain now.
    pub fn is_pressed(&self) -> bool {
        self.table.pressure() > self.flow_entries / 4
    }

    /// Takes in the counters. `last` says that nothing follows: the programs are detached first, so that the accounts are exact.
    pub fn drain(&mut self, last: bool) -> Result<Drained, ProbeError> {
        if last {
            self.probe.detach();
        }
        self.probe.release_gone();
        self.poll()?;
        self.table.begin_drain();
        let counts = self.probe.counts()?;
        let entries = self.probe.flows()?;
        // Once more: whose the youngest entries are.
        self.poll()?;
        self.confirm_udp(&entries);
        let clock = Clock::read();
        let deltas = self.table.drain(&entries, clock.monotonic(), last);
        let mut losses = self.table.losses(&counts, last);
        losses.dns_malformed = std::mem::take(&mut self.names.malformed);
        losses.dns_names_full = std::mem::take(&mut self.names.dropped);
        losses.dns_unwatched = self.watches.take_unwatched();
        let mut flows = std::mem::take(&mut self.sighted);
        flows.extend(deltas.iter().map(|delta| self.flow(delta, &clock)));
        Ok(Drained { flows, losses })
    }

    /// The addresses that sockets have shown of pods since the last call.
    pub fn take_addresses(&mut self) -> Vec<(Name, IpAddr)> {
        self.identities.take_news()
    }

    /// Since when pods have been running, by the age of their processes. See [`processes::pods_started`].
    pub fn pods_started(&self) -> HashMap<Name, Time> {
        processes::pods_started(&self.proc, &self.cgroups, &self.mount)
    }

    /// Forgets pods whose cgroups have been gone for so long that nothing of theirs is left to drain. `held` are the addresses that
    /// others have by now: what these have learned stays.
    pub fn forget(&mut self, uids: &HashSet<Name>, held: &HashSet<IpAddr>) {
        for uid in uids {
            for address in self.identities.addresses(uid).filter(|address| !held.contains(address)) {
                self.names.forget(address);
                self.watches.forget(address);
            }
            self.address_looks.remove(uid);
        }
        self.identities.forget(uids);
        self.cgroups.forget(uids);
        let cgroups = &self.cgroups;
        self.watches.retain(|cgroup| cgroups.get(cgroup).is_some());
    }

    /// Records every connection that is open now as active: a long-lived one is announced only once.
    pub fn sight_open(&mut self) {
        self.cgroups.refresh();
        let now = Clock::read().now();
        for namespace in sockets::read(&self.proc, &self.cgroups, &self.mount, |_| true) {
            let flows = self.open_flows(&namespace, now, 0);
            self.sighted.extend(flows);
        }
    }

    fn take(&mut self, announcement: &Announcement) {
        if let Some(owner) = self.owner(announcement.cgroup) {
            self.identities.note(announcement.key.netns_cookie, &owner, &announcement.key.local);
        }
        self.table.announce(announcement);
        if announcement.kind == announcement::LISTEN {
            self.watch_server(announcement);
        } else {
            self.notice_question(announcement);
        }
    }

    /// Reads the hierarchy again if a cgroup in an announcement is new. At once, because that of a short-lived pod is soon gone.
    fn learn_cgroups(&mut self, announcements: &[Announcement]) {
        let unknown =
            |announcement: &Announcement| announcement.cgroup != 0 && self.cgroups.get(announcement.cgroup).is_none();
        if announcements.iter().any(unknown) {
            self.cgroups.refresh();
        }
    }

    fn owner(&self, cgroup: u64) -> Option<Owner> {
        self.cgroups.get(cgroup).map(|cgroup| cgroup.owner.clone())
    }

    /// UDP sockets that were connected, and have received nothing: those that are still open are in use.
    fn confirm_udp(&mut self, entries: &[(FlowKey, FlowValue)]) {
        let unconfirmed = self.table.unconfirmed(entries, monotonic_now());
        let owners: BTreeSet<Owner> = unconfirmed.iter().filter_map(|(_, cgroup)| self.owner(*cgroup)).collect();
        if owners.is_empty() {
            return;
        }
        let namespaces = sockets::read(&self.proc, &self.cgroups, &self.mount, |owner| owners.contains(owner));
        for (key, cgroup) in unconfirmed {
            let owner = self.owner(cgroup);
            if namespaces
                .iter()
                .filter(|namespace| Some(&namespace.owner) == owner.as_ref())
                .any(|namespace| old::has_open(namespace, &key))
            {
                self.table.confirm(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netwright_record::{Activity, Direction, FlatSet, Local, Protocol, Time};

    #[test]
    fn flows_that_cannot_be_kept_are_counted() {
        let flow = Flow {
            node: "n".into(),
            direction: Direction::Egress,
            protocol: Protocol::Tcp,
            local: Local::Host { ip: None },
            remote: "198.18.0.1".parse().unwrap(),
            port: 1,
            remote_port: None,
            names: FlatSet::new(),
            activity: Activity::once(Time::UNIX_EPOCH),
        };
        let mut drained = Drained { flows: vec![flow; KEPT + 3], losses: Losses::default() };
        drained.flows[1].activity.connections = 5;
        assert_eq!(drained.bound().spool_full, 7);
        assert_eq!((drained.flows.len(), drained.losses.spool_full), (KEPT, 7));
    }
}
