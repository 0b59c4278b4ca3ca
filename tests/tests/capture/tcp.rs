//! TCP: who connected to whom, how often, and what became of it.

use crate::scene::{NOWHERE, OUTSIDE, Scene};
use crate::watch::Watch;
use std::time::Duration;

#[test]
fn a_connection_is_seen_at_both_ends() {
    let Some(scene) = Scene::open("tcp-both") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let watch = Watch::start(&scene);
    let _listener = server.listen("0.0.0.0:8080");
    client.tcp(server.at(8080)).close();
    client.tcp(server.at(8080)).close();
    watch.finish().assert(&[&client, &server], &["client -> server TCP 8080: 2", "server <- client TCP 8080: 2"]);
}

#[test]
fn attempts_that_come_to_nothing_have_failed() {
    let Some(scene) = Scene::open("tcp-failed") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let watch = Watch::start(&scene);
    assert!(client.tcp_fails(server.at(81), Duration::from_secs(2)).contains("refused"));
    // Longer than the first retransmission of the SYN takes.
    assert!(client.tcp_fails((NOWHERE, 82).into(), Duration::from_millis(1500)).contains("timed out"));
    assert!(client.tcp_fails((OUTSIDE[0], 83).into(), Duration::from_secs(2)).contains("refused"));
    watch.finish().assert(
        &[&client, &server],
        &[
            "client -> server TCP 81: 1 failed 1",
            "client -> 198.19.255.1 TCP 82: 1 failed 1",
            "client -> 198.18.0.10 TCP 83: 1 failed 1",
        ],
    );
}

#[test]
fn both_families_on_one_listener_are_told_apart() {
    let Some(scene) = Scene::open("tcp-families") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let watch = Watch::start(&scene);
    let _listener = server.listen("[::]:8080");
    client.tcp(server.at(8080)).close();
    client.tcp(server.at6(8080)).close();
    watch.finish().assert(
        &[&client, &server],
        &[
            "client -> server TCP 8080: 1",
            "client -> server/6 TCP 8080: 1",
            "server <- client TCP 8080: 1",
            "server <- client/6 TCP 8080: 1",
        ],
    );
}

#[test]
fn what_stays_in_the_pod_is_no_flow() {
    let Some(scene) = Scene::open("tcp-own") else { return };
    let pod = scene.pod("pod");
    let watch = Watch::start(&scene);
    let _listener = pod.listen("[::]:8080");
    for own in ["127.0.0.1:8080".parse().unwrap(), "[::1]:8080".parse().unwrap(), pod.at(8080), pod.at6(8080)] {
        pod.tcp(own).close();
    }
    watch.finish().assert(&[&pod], &[]);
}
