//! UDP: who spoke first, when everything is younger than the agent.

use crate::scene::{OUTSIDE, Scene};
use crate::watch::Watch;

#[test]
fn whoever_speaks_first_is_the_client() {
    let Some(scene) = Scene::open("udp-first") else { return };
    let (connected, unconnected, server) = (scene.pod("connected"), scene.pod("unconnected"), scene.pod("server"));
    let mut watch = Watch::start(&scene);
    let bound = server.udp_server(7000);
    watch.poll();
    let client = connected.udp_client(server.at(7000));
    for _ in 0..3 {
        client.send(b"request");
        bound.echo();
        assert_eq!(client.receive(), b"request");
    }
    client.close();
    let client = unconnected.udp();
    for _ in 0..3 {
        client.send_to(server.at(7000), b"request");
        bound.echo();
        assert_eq!(client.receive_from(), (server.at(7000), b"request".to_vec()));
    }
    watch.finish().assert(
        &[&connected, &unconnected, &server],
        &[
            "connected -> server UDP 7000: 1",
            "unconnected -> server UDP 7000: 1",
            "server <- connected UDP 7000: 1",
            "server <- unconnected UDP 7000: 1",
        ],
    );
}

#[test]
fn each_new_connected_socket_is_a_conversation() {
    let Some(scene) = Scene::open("udp-sockets") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let mut watch = Watch::start(&scene);
    let bound = server.udp_server(7000);
    watch.poll();
    for _ in 0..3 {
        let socket = client.udp_client(server.at(7000));
        socket.send(b"request");
        bound.echo();
        socket.receive();
        socket.close();
    }
    let recorded = watch.finish();
    let flows = recorded.flows(&[&client, &server]);
    assert!(flows.contains(&"client -> server UDP 7000: 3".to_owned()), "{flows:?}");
    // At the server all sockets of a client share a key, of which one conversation a second is counted.
    assert!(flows.iter().any(|flow| flow.starts_with("server <- client UDP 7000: ")), "{flows:?}");
    assert_eq!(flows.len(), 2, "{flows:?}");
}

#[test]
fn a_server_that_never_answers_is_the_server() {
    let Some(scene) = Scene::open("udp-statsd") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let mut watch = Watch::start(&scene);
    let bound = server.udp_server(8125);
    watch.poll();
    let socket = client.udp();
    for _ in 0..4 {
        socket.send_to(server.at(8125), b"orders:1|c");
        // recv, which takes no address.
        assert_eq!(bound.receive(), b"orders:1|c");
    }
    let expected = ["client -> server UDP 8125: 1", "server <- client UDP 8125: 1"];
    watch.finish().assert(&[&client, &server], &expected);
}

#[test]
fn a_search_for_a_source_address_establishes_nothing() {
    let Some(scene) = Scene::open("udp-getaddrinfo") else { return };
    let client = scene.pod("client");
    let watch = Watch::start(&scene);
    // As glibc does: one socket, connected to each address in turn, and never used.
    let socket = client.udp();
    for address in OUTSIDE {
        socket.connect((address, 443).into());
        assert_eq!(socket.address().ip(), client.v4);
        socket.disconnect();
    }
    socket.close();
    // As Go does: a socket for each.
    for address in OUTSIDE {
        client.udp_client((address, 443).into()).close();
    }
    client.tcp_fails((OUTSIDE[0], 443).into(), std::time::Duration::from_secs(2));
    watch.finish().assert(
        &[&client],
        &[
            "client -> 198.18.0.10 TCP 443: 1 failed 1",
            "client -> 198.18.0.11 UDP 443: 2 failed 2",
            "client -> 198.18.0.53 UDP 443: 2 failed 2",
        ],
    );
}

#[test]
fn a_server_that_connects_a_socket_to_its_client_stays_the_server() {
    let Some(scene) = Scene::open("udp-dtls") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let mut watch = Watch::start(&scene);
    let bound = server.udp_server(5684);
    watch.poll();
    let session = client.udp_client(server.at(5684));
    session.send(b"hello");
    let (peer, _) = bound.receive_from();
    let own = server.udp_server(5684);
    own.connect(peer);
    own.send(b"hello back");
    assert_eq!(session.receive(), b"hello back");
    session.send(b"data");
    assert_eq!(own.receive(), b"data");
    own.close();
    session.close();
    let expected = ["client -> server UDP 5684: 1", "server <- client UDP 5684: 1"];
    watch.finish().assert(&[&client, &server], &expected);
}

#[test]
fn among_peers_on_one_port_each_may_be_the_client() {
    let Some(scene) = Scene::open("udp-gossip") else { return };
    let (a, b, c) = (scene.pod("a"), scene.pod("b"), scene.pod("c"));
    let mut watch = Watch::start(&scene);
    let sockets = [&a, &b, &c].map(|pod| pod.udp_server(7946));
    watch.poll();
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        let peer = [&a, &b, &c][to].at(7946);
        sockets[from].send_to(peer, b"ping");
        sockets[to].echo();
        assert_eq!(sockets[from].receive(), b"ping");
    }
    // Within a conversation nobody begins another by speaking first in it.
    sockets[1].send_to(a.at(7946), b"ping");
    sockets[0].receive();
    watch.finish().assert(
        &[&a, &b, &c],
        &[
            "a -> b UDP 7946: 1",
            "a <- c UDP 7946: 1",
            "b -> c UDP 7946: 1",
            "b <- a UDP 7946: 1",
            "c -> a UDP 7946: 1",
            "c <- b UDP 7946: 1",
        ],
    );
}

#[test]
fn a_client_on_the_servers_own_port_is_still_the_client() {
    let Some(scene) = Scene::open("udp-ntp") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let mut watch = Watch::start(&scene);
    let bound = server.udp_server(123);
    let socket = client.udp_server(123);
    watch.poll();
    socket.connect(server.at(123));
    socket.send(b"mode 3");
    bound.echo();
    assert_eq!(socket.receive(), b"mode 3");
    socket.close();
    let expected = ["client -> server UDP 123: 1", "server <- client UDP 123: 1"];
    watch.finish().assert(&[&client, &server], &expected);
}

#[test]
fn a_socket_that_only_sends_is_in_use_while_it_is_open() {
    let Some(scene) = Scene::open("udp-send-only") else { return };
    let (open, closed) = (scene.pod("open"), scene.pod("closed"));
    let mut watch = Watch::start(&scene);
    let kept = open.udp_client((OUTSIDE[0], 514).into());
    kept.send(b"a log line");
    let gone = closed.udp_client((OUTSIDE[0], 514).into());
    gone.send(b"a log line");
    gone.close();
    watch.drain();
    kept.close();
    watch.finish().assert(
        &[&open, &closed],
        // Of the closed one nothing tells whether it ever sent.
        &["open -> 198.18.0.10 UDP 514: 1", "closed -> 198.18.0.10 UDP 514: 1 failed 1"],
    );
}

#[test]
fn both_families_of_udp_are_told_apart() {
    let Some(scene) = Scene::open("udp-families") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let mut watch = Watch::start(&scene);
    let bound = server.udp6();
    bound.bind_to("[::]:7000");
    watch.poll();
    let (v4, v6) = (client.udp_client(server.at(7000)), client.udp6());
    v6.connect(server.at6(7000));
    for socket in [v4, v6] {
        socket.send(b"request");
        bound.echo();
        socket.receive();
        socket.close();
    }
    watch.finish().assert(
        &[&client, &server],
        &[
            "client -> server UDP 7000: 1",
            "client -> server/6 UDP 7000: 1",
            "server <- client UDP 7000: 1",
            "server <- client/6 UDP 7000: 1",
        ],
    );
}

#[test]
fn datagrams_over_loopback_are_no_flow() {
    let Some(scene) = Scene::open("udp-loopback") else { return };
    let pod = scene.pod("pod");
    let mut watch = Watch::start(&scene);
    let bound = pod.udp_server(7000);
    watch.poll();
    let socket = pod.udp_client("127.0.0.1:7000".parse().unwrap());
    socket.send(b"x");
    bound.echo();
    socket.receive();
    watch.finish().assert(&[&pod], &[]);
}

#[test]
fn a_conversation_with_a_server_not_yet_watched_is_ambiguous_there() {
    let Some(scene) = Scene::open("udp-deaf") else { return };
    let (client, other, server) = (scene.pod("client"), scene.pod("other"), scene.pod("server"));
    let mut watch = Watch::start(&scene);
    let bound = server.udp_server(7000);
    let socket = client.udp();
    let port = {
        socket.send_to(server.at(7000), b"too early");
        bound.echo();
        socket.receive();
        socket.address().port()
    };
    watch.poll();
    for socket in [socket, other.udp()] {
        socket.send_to(server.at(7000), b"seen");
        bound.echo();
        socket.receive();
    }
    watch.finish().assert(
        &[&client, &other, &server],
        &[
            "client -> server UDP 7000: 1",
            &format!("server <> client UDP 7000/{port}: 1"),
            // The next conversation.
            "server <- other UDP 7000: 1",
            "other -> server UDP 7000: 1",
        ],
    );
}
