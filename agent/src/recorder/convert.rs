//! A flow of the kernel's map as a record.

use super::Recorder;
use crate::address;
use crate::clock::Clock;
use crate::flows::Delta;
use crate::identity::{Owner, addresses};
use crate::sockets::{self, Namespace};
use netwright_abi::{FlowKey, direction, protocol};
use netwright_record::activity::{Hours, hour_of};
use netwright_record::{Activity, Direction, FlatSet, Flow, Local, Name, Protocol};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// How often the processes of a pod are looked for, to learn its addresses: it may be gone, or its network not there yet.
const LOOKS: u8 = 5;

impl Recorder {
    /// Names a delta by what is known now.
    pub(super) fn flow(&mut self, delta: &Delta, clock: &Clock) -> Flow {
        let key = &delta.key;
        let owner = self.owner(delta.cgroup);
        let local = self.identities.local(owner.as_ref(), key.netns_cookie, &key.local);
        let remote = address::ip(&key.remote);
        let direction = direction_of(key);
        let names = if direction == Direction::Egress { self.names_of(&local, remote) } else { FlatSet::new() };
        Flow {
            node: self.node.clone(),
            direction,
            protocol: protocol_of(key),
            local,
            remote,
            port: key.port,
            remote_port: (direction == Direction::Ambiguous).then_some(key.remote_port),
            names,
            activity: activity(delta, clock),
        }
    }

    /// The names by which the local end knows `remote`. A pod asks from any of its addresses: over IPv4 for an IPv6 one too.
    pub(super) fn names_of(&mut self, local: &Local, remote: IpAddr) -> FlatSet<Name> {
        let mut clients: BTreeSet<IpAddr> = local.ip().into_iter().collect();
        if let Local::Pod { uid, .. } = local {
            clients.extend(self.pod_addresses(&uid.clone()));
        }
        self.names.of(clients, remote)
    }

    /// The addresses of a pod: those its sockets had, and all of its namespace, which is looked at until it was found once.
    pub(super) fn pod_addresses(&mut self, uid: &str) -> Vec<IpAddr> {
        let looks = self.address_looks.entry(uid.into()).or_default();
        if *looks < LOOKS {
            *looks += 1;
            self.look_for_addresses(uid);
        }
        self.identities.addresses(uid).collect()
    }

    fn look_for_addresses(&mut self, uid: &str) {
        let wanted = |owner: &Owner| matches!(owner, Owner::Pod { uid: of } if of == uid);
        for namespace in sockets::read(&self.proc, &self.cgroups, &self.mount, wanted) {
            self.learn_addresses(&namespace);
        }
    }

    /// Notes the addresses of a pod's namespace.
    pub(super) fn learn_addresses(&mut self, namespace: &Namespace) {
        let Owner::Pod { uid } = &namespace.owner else { return };
        for ip in addresses::of_process(&self.proc, namespace.pid) {
            self.identities.note_address(uid, ip);
            self.address_looks.insert(uid.clone(), LOOKS);
        }
    }
}

fn activity(delta: &Delta, clock: &Clock) -> Activity {
    let (first, last) = (clock.at(delta.first), clock.at(delta.last));
    Activity {
        first: first.min(last),
        last,
        connections: delta.connections,
        failed: delta.connections.saturating_sub(delta.established),
        bytes: (delta.bytes > 0).then_some(delta.bytes),
        hours: Hours::from_iter([hour_of(first), hour_of(last)]),
    }
}

fn direction_of(key: &FlowKey) -> Direction {
    match key.direction {
        direction::EGRESS => Direction::Egress,
        direction::INGRESS => Direction::Ingress,
        _ => Direction::Ambiguous,
    }
}

fn protocol_of(key: &FlowKey) -> Protocol {
    match key.protocol {
        protocol::UDP => Protocol::Udp,
        protocol::SCTP => Protocol::Sctp,
        _ => Protocol::Tcp,
    }
}
