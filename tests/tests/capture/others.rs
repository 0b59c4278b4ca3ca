//! What is not the default: SCTP, and UDP seen on every packet.

use crate::scene::Scene;
use crate::watch::Watch;
use netwright_agent::probe::Config;
use std::net::SocketAddr;

/// The number of SCTP in the IP header.
const SCTP: u8 = 132;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;

/// The common header of SCTP and the head of one chunk (RFC 9260, 3): as much as tells what it is.
fn sctp(source: u16, destination: u16, chunk: u8) -> Vec<u8> {
    let [a, b] = source.to_be_bytes();
    let [c, d] = destination.to_be_bytes();
    vec![a, b, c, d, 0, 0, 0, 1, 0, 0, 0, 0, chunk, 0, 0, 20, 0, 0, 0, 2, 0, 0, 16, 0, 0, 1, 0, 1, 0, 0, 0, 1]
}

/// The port of a raw socket's peer, which means nothing there.
fn raw(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip(), 0)
}

#[test]
fn sctp_is_seen_by_its_handshake() {
    let Some(scene) = Scene::open("sctp") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let watch = Watch::with(Config { sctp: Some(true), ..Config::new(scene.cgroup()) });
    let (ours, theirs) = (client.raw(SCTP), server.raw(SCTP));
    ours.send_to(raw(server.at(0)), &sctp(40000, 3868, INIT));
    theirs.receive();
    theirs.send_to(raw(client.at(0)), &sctp(3868, 40000, INIT_ACK));
    ours.receive();
    // To another port, where nobody answers.
    ours.send_to(raw(server.at(0)), &sctp(40001, 3869, INIT));
    theirs.receive();
    watch.finish().assert(
        &[&client, &server],
        &[
            "client -> server SCTP 3868: 1",
            "client -> server SCTP 3869: 1 failed 1",
            "server <- client SCTP 3868: 1",
            "server <- client SCTP 3869: 1 failed 1",
        ],
    );
}

#[test]
fn on_packets_whoever_speaks_first_is_the_client_too() {
    let Some(scene) = Scene::open("packets") else { return };
    let (connected, unconnected, server) = (scene.pod("connected"), scene.pod("unconnected"), scene.pod("server"));
    let watch = Watch::packets(&scene);
    let bound = server.udp_server(7000);
    let client = connected.udp_client(server.at(7000));
    client.send(b"request");
    let (peer, _) = bound.receive_from();
    bound.send_to(peer, b"and answer");
    client.receive();
    let client = unconnected.udp();
    client.send_to(server.at(7000), b"one");
    client.send_to(server.at(7000), b"two");
    bound.receive();
    bound.receive();
    // Connected and closed without a word, which is nothing on the wire.
    connected.udp_client(server.at(7001)).close();
    watch.finish().assert(
        &[&connected, &unconnected, &server],
        &[
            "connected -> server UDP 7000: 1 bytes 17",
            "unconnected -> server UDP 7000: 1 bytes 6",
            "server <- connected UDP 7000: 1 bytes 17",
            "server <- unconnected UDP 7000: 1 bytes 6",
        ],
    );
}
