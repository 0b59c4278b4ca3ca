//! Whose a flow is: the pod by its cgroup, whoever made the cgroup, and however soon it was gone.

use crate::agent::Agent;
use crate::scene::{NODE, Scene, next, uid};
use crate::watch::Watch;
use std::thread::sleep;
use std::time::Duration;

#[test]
fn cgroups_of_every_driver_name_their_pod_at_both_ends() {
    let Some(scene) = Scene::open("cgroups") else { return };
    let systemd = scene.pod_in("systemd", uid(next()), |uid| {
        let uid = uid.replace('-', "_");
        format!("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice/cri-containerd-1f.scope")
    });
    let guaranteed = scene.pod_in("guaranteed", uid(next()), |uid| {
        format!("kubepods.slice/kubepods-pod{}.slice/crio-1f.scope/container", uid.replace('-', "_"))
    });
    // The UID of a static pod is the hash of its manifest.
    let of_static = scene
        .pod_in("static", "d41d8cd98f00b204e9800998ecf8427e".into(), |uid| format!("kubepods/besteffort/pod{uid}/1f"));
    let pods = [&systemd, &guaranteed, &of_static];
    let mut watch = Watch::start(&scene);
    let _tcp = pods.map(|pod| pod.listen("0.0.0.0:8080"));
    let udp = pods.map(|pod| pod.udp_server(8125));
    watch.poll();
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        pods[from].tcp(pods[to].at(8080)).close();
        pods[from].udp().send_to(pods[to].at(8125), b"x");
        udp[to].receive();
    }
    let mut expected = Vec::new();
    for (from, to) in [("systemd", "guaranteed"), ("guaranteed", "static"), ("static", "systemd")] {
        for protocol in ["TCP 8080", "UDP 8125"] {
            expected.push(format!("{from} -> {to} {protocol}: 1"));
            expected.push(format!("{to} <- {from} {protocol}: 1"));
        }
    }
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    watch.finish().assert(&pods, &expected);
}

#[test]
fn what_is_in_no_pods_cgroup_is_the_node() {
    let Some(scene) = Scene::open("host") else { return };
    let (host, pod) = (scene.host("kubelet"), scene.pod("pod"));
    let watch = Watch::start(&scene);
    let _of_pod = pod.listen("0.0.0.0:8080");
    let _of_host = host.listen(&format!("{}:10250", NODE.v4));
    host.tcp(pod.at(8080)).close();
    pod.tcp(host.at(10250)).close();
    watch.finish().assert(
        &[&host, &pod],
        &[
            "host(172.30.0.10) -> pod TCP 8080: 1",
            "pod <- kubelet TCP 8080: 1",
            "pod -> kubelet TCP 10250: 1",
            "host(172.30.0.10) <- pod TCP 10250: 1",
        ],
    );
}

#[test]
fn a_pod_that_lived_for_an_instant_is_named() {
    let Some(scene) = Scene::open("short-lived") else { return };
    let server = scene.pod("server");
    let _listener = server.listen("0.0.0.0:8080");
    let agent = Agent::start(&scene, &[]);
    let mut pods = Vec::new();
    for name in ["first", "second"] {
        let pod = scene.pod(name);
        pod.tcp(server.at(8080)).close();
        pod.udp().send_to(server.at(9), b"x");
        sleep(Duration::from_millis(300));
        scene.remove(&pod);
        pods.push(pod);
    }
    agent.stop().assert(
        &[&server, &pods[0], &pods[1]],
        &[
            "first -> server TCP 8080: 1",
            "first -> server UDP 9: 1",
            "second -> server TCP 8080: 1",
            "second -> server UDP 9: 1",
            "server <- first TCP 8080: 1",
            "server <- second TCP 8080: 1",
        ],
    );
}

#[test]
fn a_server_that_starts_again_at_the_same_path_is_watched_again() {
    let Some(scene) = Scene::open("again") else { return };
    let (client, uid) = (scene.pod("client"), uid(next()));
    let path = |uid: &str| format!("kubepods/besteffort/pod{uid}/1f");
    let mut watch = Watch::start(&scene);
    let first = scene.pod_in("first", uid.clone(), path);
    first.udp_server(8125).close();
    watch.poll();
    scene.remove(&first);
    watch.drain();
    let again = scene.pod_in("again", uid, path);
    let server = again.udp_server(8125);
    watch.poll();
    client.udp().send_to(again.at(8125), b"x");
    server.receive();
    watch.finish().assert(&[&client, &again], &["client -> again UDP 8125: 1", "again <- client UDP 8125: 1"]);
}
