//! UDP where more goes on at once than the programs remember: a conversation that is met again is still the same one.

use crate::scene::{OUTSIDE, Scene};
use crate::watch::Watch;
use std::time::Instant;

#[test]
fn among_many_conversations_none_is_counted_for_each_datagram() {
    let Some(scene) = Scene::open("crowd-many") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let watch = Watch::start(&scene);
    let socket = client.udp();
    let (began, ports, rounds) = (Instant::now(), 300, 10);
    for _ in 0..rounds {
        for port in 0..ports {
            socket.send_to(server.at(2000 + port), b"x");
        }
    }
    // One that lost its place among those remembered may be counted once more, a second later.
    let most = 1 + began.elapsed().as_secs();
    let flows = watch.finish().0.flows;
    assert_eq!(flows.len(), usize::from(ports));
    let wrong: Vec<_> = flows.iter().filter(|flow| !(1..=most).contains(&flow.activity.connections)).collect();
    assert!(wrong.is_empty(), "of at most {most}: {wrong:#?}");
}

#[test]
fn nobody_becomes_the_client_of_a_conversation_that_was_ambiguous() {
    let Some(scene) = Scene::open("crowd-ambiguous") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let mut watch = Watch::start(&scene);
    let bound = server.udp_server(7000);
    let socket = client.udp();
    socket.send_to(server.at(7000), b"before anyone watches the server");
    let (peer, _) = bound.receive_from();
    bound.send_to(peer, b"answer");
    socket.receive();
    watch.poll();
    // So many others that the conversation is no longer remembered.
    server.tell(&format!("spray-udp {} 1000 4000", OUTSIDE[0]));
    bound.send_to(peer, b"more of the answer");
    socket.receive();
    let mut flows = watch.finish().flows(&[&client, &server]);
    flows.retain(|flow| !flow.contains("-> 198.18.0.10"));
    let expected = ["client -> server UDP 7000: 1".to_owned(), format!("server <> client UDP 7000/{}: 1", peer.port())];
    assert_eq!(flows, expected);
}
