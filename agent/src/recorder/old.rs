//! What exists when the agent starts: connections, and servers.

use super::Recorder;
use crate::address;
use crate::clock::Clock;
use crate::identity::Owner;
use crate::sockets::{self, Namespace, OpenSocket, State};
use netwright_abi::FlowKey;
use netwright_record::{Activity, Direction, FlatSet, Flow, Local, Protocol, Time};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The lowest port that the kernel gives out by default (`net.ipv4.ip_local_port_range`).
const FIRST_EPHEMERAL: u16 = 32768;

impl Recorder {
    /// Watches the servers that exist already.
    pub(super) fn watch_old(&mut self, before: &[Namespace]) {
        for namespace in before {
            self.learn_addresses(namespace);
            self.watch_old_servers(namespace);
        }
    }

    /// Takes in the sockets that were there before the programs were attached, and those that came while they were being attached.
    pub(super) fn take_old(&mut self, before: &[Namespace]) -> anyhow::Result<()> {
        let now = Clock::read().now();
        for namespace in before {
            let flows = self.open_flows(namespace, now, 1);
            self.sighted.extend(flows);
        }
        self.take_between(before, now)
    }

    /// Connections that are there now and were not before: hooks have seen them, or they were just too early for it. Of those that
    /// share a key, hooks have seen as many as they have counted.
    fn take_between(&mut self, before: &[Namespace], now: Time) -> anyhow::Result<()> {
        let known: HashSet<&OpenSocket> = before.iter().flat_map(|namespace| &namespace.sockets).collect();
        let after = sockets::read(&self.proc, &self.cgroups, &self.mount, |_| true);
        let mut seen: HashMap<FlowKey, u64> = HashMap::new();
        for (key, value) in self.probe.flows()? {
            *seen.entry(anonymous(key)).or_default() += value.connections;
        }
        for mut namespace in after {
            self.watch_old_servers(&namespace);
            let listening = namespace.listening();
            namespace.sockets.retain(|socket| {
                let is_new = crosses(socket) && !known.contains(socket);
                socket.state == State::Waiting || (is_new && !take_one(&mut seen, &key(socket, &listening)))
            });
            let flows = self.open_flows(&namespace, now, 1);
            self.sighted.extend(flows);
        }
        Ok(())
    }

    /// The connected sockets of a namespace as flows, each with `connections` (0: only seen to be open still).
    pub(super) fn open_flows(&mut self, namespace: &Namespace, now: Time, connections: u64) -> Vec<Flow> {
        let listening = namespace.listening();
        let connected: Vec<_> = namespace.sockets.iter().filter(|socket| crosses(socket)).cloned().collect();
        connected.iter().map(|socket| self.open_flow(namespace, socket, &listening, now, connections)).collect()
    }

    fn open_flow(
        &mut self,
        namespace: &Namespace,
        socket: &OpenSocket,
        listening: &BTreeSet<u16>,
        now: Time,
        connections: u64,
    ) -> Flow {
        let local = match &namespace.owner {
            Owner::Pod { uid } => Local::Pod { uid: uid.clone(), ip: Some(socket.local) },
            Owner::Host => Local::Host { ip: Some(socket.local) },
        };
        let direction = direction(socket, listening);
        let names = if direction == Direction::Egress { self.names_of(&local, socket.remote) } else { FlatSet::new() };
        Flow {
            node: self.node.clone(),
            direction,
            protocol: socket.protocol,
            local,
            remote: socket.remote,
            port: if direction == Direction::Egress { socket.remote_port } else { socket.local_port },
            remote_port: (direction == Direction::Ambiguous).then_some(socket.remote_port),
            names,
            activity: Activity { connections, ..Activity::once(now) },
        }
    }

    fn watch_old_servers(&mut self, namespace: &Namespace) {
        let waiting = |socket: &&OpenSocket| socket.state == State::Waiting && !socket.local.is_loopback();
        let is_dns = |socket: &OpenSocket| socket.local_port == 53;
        let is_udp_server =
            |socket: &OpenSocket| socket.protocol == Protocol::Udp && socket.local_port < FIRST_EPHEMERAL;
        let waiting: Vec<_> = namespace.sockets.iter().filter(waiting).collect();
        for cgroup in &namespace.cgroups {
            if waiting.iter().any(|socket| is_dns(socket)) {
                self.watch_dns_server(cgroup);
            }
            if waiting.iter().any(|socket| is_udp_server(socket)) {
                self.watch_udp_server(cgroup);
            }
        }
    }
}

/// The UDP ports in use, in any namespace.
pub(super) fn udp_ports(namespaces: &[Namespace]) -> BTreeSet<u16> {
    namespaces
        .iter()
        .flat_map(|namespace| &namespace.sockets)
        .filter(|socket| socket.protocol == Protocol::Udp)
        .map(|socket| socket.local_port)
        .collect()
}

/// Whether a connected UDP socket of this flow is open.
pub(super) fn has_open(namespace: &Namespace, key: &FlowKey) -> bool {
    namespace.sockets.iter().any(|socket| {
        socket.protocol == Protocol::Udp
            && socket.state == State::Connected
            && socket.remote_port == key.port
            && address::mapped(socket.remote) == key.remote
    })
}

/// Connected, and to somewhere else.
fn crosses(socket: &OpenSocket) -> bool {
    socket.state == State::Connected && !socket.remote.is_loopback() && socket.remote != socket.local
}

/// A TCP port that somebody listens on is the server's. A connected UDP socket on a port that the kernel chose is a client's; on
/// another port, it is a server's if the peer's port is the kernel's choice.
fn direction(socket: &OpenSocket, listening: &BTreeSet<u16>) -> Direction {
    match socket.protocol {
        Protocol::Udp => match (socket.local_port < FIRST_EPHEMERAL, socket.remote_port < FIRST_EPHEMERAL) {
            (false, _) => Direction::Egress,
            (true, false) => Direction::Ingress,
            (true, true) => Direction::Ambiguous,
        },
        _ if listening.contains(&socket.local_port) => Direction::Ingress,
        _ => Direction::Egress,
    }
}

/// The key that a hook would make for the socket, without the namespace, which `/proc` does not tell.
fn key(socket: &OpenSocket, listening: &BTreeSet<u16>) -> FlowKey {
    use netwright_abi::{direction, protocol};
    let egress = self::direction(socket, listening) == Direction::Egress;
    let udp = socket.protocol == Protocol::Udp;
    FlowKey {
        local: if udp { netwright_abi::UNSPECIFIED } else { address::mapped(socket.local) },
        remote: address::mapped(socket.remote),
        port: if egress { socket.remote_port } else { socket.local_port },
        protocol: if udp { protocol::UDP } else { protocol::TCP },
        direction: if egress { direction::EGRESS } else { direction::INGRESS },
        ..FlowKey::default()
    }
}

/// Takes one away from what is counted for the key. False if nothing is left.
fn take_one(counted: &mut HashMap<FlowKey, u64>, key: &FlowKey) -> bool {
    let Some(left) = counted.get_mut(key).filter(|left| **left > 0) else { return false };
    *left -= 1;
    true
}

fn anonymous(key: FlowKey) -> FlowKey {
    FlowKey { netns_cookie: 0, ..key }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(protocol: Protocol, local_port: u16, remote_port: u16) -> OpenSocket {
        OpenSocket {
            protocol,
            state: State::Connected,
            local: "10.244.0.1".parse().unwrap(),
            local_port,
            remote: "10.244.0.2".parse().unwrap(),
            remote_port,
        }
    }

    #[test]
    fn the_listening_side_of_an_old_connection_is_the_server() {
        let listening = BTreeSet::from([5432]);
        assert_eq!(direction(&socket(Protocol::Tcp, 5432, 40000), &listening), Direction::Ingress);
        assert_eq!(direction(&socket(Protocol::Tcp, 40000, 5432), &BTreeSet::new()), Direction::Egress);
    }

    #[test]
    fn old_udp_between_two_chosen_ports_is_ambiguous() {
        let none = BTreeSet::new();
        assert_eq!(direction(&socket(Protocol::Udp, 7946, 7946), &none), Direction::Ambiguous);
        assert_eq!(direction(&socket(Protocol::Udp, 53, 50000), &none), Direction::Ingress);
        assert_eq!(direction(&socket(Protocol::Udp, 50000, 123), &none), Direction::Egress);
        assert_eq!(direction(&socket(Protocol::Udp, 50000, 40000), &none), Direction::Egress);
    }

    #[test]
    fn what_stays_on_the_machine_does_not_cross() {
        let mut local = socket(Protocol::Tcp, 1, 2);
        assert!(crosses(&local));
        local.remote = local.local;
        assert!(!crosses(&local));
    }
}
