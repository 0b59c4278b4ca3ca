//! Nothing is lost silently: what was opened is what was recorded and what is told as lost.

use crate::agent::{Agent, assemble};
use crate::pod::Pod;
use crate::scene::{OUTSIDE, Scene};
use crate::watch::Watch;
use netwright_record::Ended;
use std::thread;

const TINY: [&str; 6] = ["--flow-entries", "64", "--announcement-bytes", "4096", "--interval", "1s"];

/// Opens as many distinct flows, of both protocols; returns how many.
fn flood(pod: &Pod, first: u16, count: u16) -> u64 {
    let udp = pod.tell(&format!("spray-udp {} {first} {count}", OUTSIDE[0]));
    let tcp = pod.tell(&format!("spray-tcp {} {first} {count}", OUTSIDE[1]));
    udp.parse::<u64>().unwrap() + tcp.parse::<u64>().unwrap()
}

#[test]
fn what_did_not_fit_is_counted_to_the_last() {
    let Some(scene) = Scene::open("loss-tiny") else { return };
    let (one, two) = (scene.pod("one"), scene.pod("two"));
    let agent = Agent::start(&scene, &TINY);
    let sent: u64 = thread::scope(|scope| {
        [&one, &two]
            .map(|pod| scope.spawn(|| flood(pod, 1000, 4000)))
            .map(|flooding| flooding.join().unwrap())
            .iter()
            .sum()
    });
    assert_eq!(sent, 16_000);
    let recorded = agent.stop();
    let losses = recorded.losses();
    assert!(losses.connections > 0 && losses.evicted > 0 && losses.ring_full > 0, "this was to overflow: {losses:?}");
    assert_eq!(recorded.connections() + losses.connections, sent, "{losses:?}");
    // Each was one of a kind: what is recorded twice would hide what is lost.
    assert!(recorded.0.flows.iter().all(|flow| flow.activity.connections == 1));
}

#[test]
fn what_fits_is_recorded_once_however_often_it_is_read() {
    let Some(scene) = Scene::open("loss-none") else { return };
    let pod = scene.pod("pod");
    let mut watch = Watch::start(&scene);
    // The map is read all the time while flows are made.
    let sent = thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&pod, 1000, 3000));
        while !flooding.is_finished() {
            watch.drain();
        }
        flooding.join().unwrap()
    });
    let recorded = watch.finish();
    assert_eq!(recorded.connections(), sent);
    assert!(recorded.0.flows.iter().all(|flow| flow.activity.connections == 1));
    assert!(recorded.losses().is_empty(), "{:?}", recorded.losses());
}

#[test]
fn segments_of_a_killed_agent_are_whole_and_a_second_run_goes_on() {
    let Some(scene) = Scene::open("killed") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let _listener = server.listen("0.0.0.0:8080");
    let agent = Agent::labelled(&scene, "first", &["--interval", "200ms"]);
    for _ in 0..5 {
        client.tcp(server.at(8080)).close();
    }
    agent.wait_for_segments(10);
    agent.kill();
    let first = assemble(&scene).unwrap();
    first.assert(&[&client, &server], &["client -> server TCP 8080: 5", "server <- client TCP 8080: 5"]);
    let [run] = first.0.coverage.as_slice() else { panic!("{:?}", first.0.coverage) };
    assert_eq!(run.ended, Ended::CutOff);

    // Between the runs nobody watches.
    client.tcp(server.at(8080)).close();
    let agent = Agent::labelled(&scene, "second", &[]);
    client.tcp(server.at(8080)).close();
    let both = agent.stop();
    both.assert(&[&client, &server], &["client -> server TCP 8080: 6", "server <- client TCP 8080: 6"]);
    let ended: Vec<Ended> = both.0.coverage.iter().map(|run| run.ended).collect();
    assert_eq!(ended, [Ended::CutOff, Ended::Clean]);
    let runs: Vec<_> = both.0.coverage.iter().map(|run| (run.from, run.to)).collect();
    assert!(runs[0].1 < runs[1].0, "the gap does not show: {runs:?}");
}

#[test]
fn either_signal_flushes_everything() {
    let Some(scene) = Scene::open("signals") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let listener = server.listen("0.0.0.0:8080");
    for (label, signal, refused) in [("terminated", "TERM", 81), ("interrupted", "INT", 82)] {
        let agent = Agent::labelled(&scene, label, &["--interval", "1h"]);
        let open = client.tcp(server.at(8080));
        client.tcp_fails(server.at(refused), std::time::Duration::from_secs(1));
        // At once: nothing has been polled or drained.
        let recorded = agent.signal(signal);
        recorded.assert(
            &[&client, &server],
            &[
                "client -> server TCP 8080: 1",
                &format!("client -> server TCP {refused}: 1 failed 1"),
                "server <- client TCP 8080: 1",
            ],
        );
        let [run] = recorded.0.coverage.as_slice() else { panic!("{:?}", recorded.0.coverage) };
        assert_eq!(run.ended, Ended::Clean);
        open.close();
        listener.accept().close();
        // The next recording would refuse to write over this one.
        std::fs::remove_file(crate::agent::out(&scene)).unwrap();
    }
}
