//! DNS: the name that was asked for stands at the flows of the pod that asked for it.

use crate::pod::{Pod, Socket};
use crate::scene::{OUTSIDE, Scene};
use crate::watch::{Recorded, Watch};
use simple_dns::rdata::{A, AAAA, CNAME, OPT, RData};
use simple_dns::{CLASS, Name, Packet, Question, ResourceRecord, TYPE};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Longer answers are copied in part.
const COPIED: usize = 1472;
const HTTPS: u16 = 443;

fn question(name: &str) -> Vec<u8> {
    let mut query = Packet::new_query(7);
    query.questions.push(Question::new(Name::new(name).unwrap(), TYPE::A.into(), CLASS::IN.into(), false));
    query.build_bytes_vec().unwrap()
}

fn answer(query: &[u8], records: &[(&str, RData<'static>)]) -> Vec<u8> {
    let mut reply = Packet::parse(query).unwrap().into_reply();
    reply.answers = records
        .iter()
        .map(|(name, data)| ResourceRecord::new(Name::new(name).unwrap(), CLASS::IN, 60, data.clone()))
        .collect();
    *reply.opt_mut() = Some(OPT { opt_codes: Vec::new(), udp_packet_size: 4096, version: 0 });
    reply.build_bytes_vec_compressed().unwrap()
}

fn address(ip: impl Into<IpAddr>) -> RData<'static> {
    match ip.into() {
        IpAddr::V4(ip) => RData::A(A::from(ip)),
        IpAddr::V6(ip) => RData::AAAA(AAAA::from(ip)),
    }
}

fn alias(name: &'static str) -> RData<'static> {
    RData::CNAME(CNAME(Name::new_unchecked(name)))
}

/// One question and its answer over UDP, as a stub resolver does; returns how long the answer was.
fn resolve(client: &Pod, server: (&Socket<'_>, SocketAddr), name: &str, records: &[(&str, RData<'static>)]) -> usize {
    let asking = client.udp_client(server.1);
    asking.send(&question(name));
    let (from, query) = server.0.receive_from();
    let message = answer(&query, records);
    server.0.send_to(from, &message);
    assert_eq!(asking.receive(), message);
    asking.close();
    message.len()
}

/// A connection that is refused, which is enough for a flow with a name.
fn connect(pod: &Pod, ip: impl Into<IpAddr>) {
    pod.tcp_fails((ip.into(), HTTPS).into(), Duration::from_secs(2));
}

/// The flows to where [`connect`] goes.
fn named(recorded: &Recorded, pods: &[&Pod]) -> Vec<String> {
    let mut flows = recorded.flows(pods);
    flows.retain(|flow| flow.contains("TCP 443:"));
    flows
}

#[test]
fn a_name_belongs_to_the_pod_that_asked() {
    let Some(scene) = Scene::open("dns-asked") else { return };
    let (asks, other, target) = (scene.pod("asks"), scene.pod("other"), scene.pod("target"));
    let (old, new) = (scene.pod("old-server"), scene.pod("new-server"));
    let old_bound = old.udp_server(53);
    let mut watch = Watch::start(&scene);
    let new_bound = new.udp_server(53);
    watch.poll();
    resolve(&asks, (&old_bound, old.at(53)), "API.Example", &[("API.Example", address(OUTSIDE[0]))]);
    resolve(&asks, (&new_bound, new.at(53)), "v6.example", &[("v6.example", address(target.v6))]);
    let chain = [
        ("cdn.example", alias("edge.example")),
        ("edge.example", alias("pop.example")),
        ("pop.example", address(OUTSIDE[1])),
    ];
    resolve(&asks, (&new_bound, new.at(53)), "cdn.example", &chain);
    for pod in [&asks, &other] {
        connect(pod, OUTSIDE[0]);
        connect(pod, OUTSIDE[1]);
        connect(pod, target.v6);
    }
    watch.poll_patiently();
    let recorded = watch.finish();
    let expected = [
        "asks -> 198.18.0.10 TCP 443: 1 failed 1 as api.example",
        "asks -> 198.18.0.11 TCP 443: 1 failed 1 as cdn.example",
        "asks -> target/6 TCP 443: 1 failed 1 as v6.example",
        "other -> 198.18.0.10 TCP 443: 1 failed 1",
        "other -> 198.18.0.11 TCP 443: 1 failed 1",
        "other -> target/6 TCP 443: 1 failed 1",
    ];
    assert_eq!(named(&recorded, &[&asks, &other, &target]), expected);
    assert!(recorded.losses().is_empty(), "{:?}", recorded.losses());
}

#[test]
fn answers_over_tcp_are_read() {
    let Some(scene) = Scene::open("dns-tcp") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let mut watch = Watch::start(&scene);
    let listener = server.listen("0.0.0.0:53");
    watch.poll();
    let with_length = |message: &[u8]| [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat();
    let asking = client.tcp(server.at(53));
    let asked = listener.accept();
    asking.send(&with_length(&question("tcp.example")));
    let query = asked.receive();
    asked.send(&with_length(&answer(&query[2..], &[("tcp.example", address(OUTSIDE[0]))])));
    asking.receive();
    connect(&client, OUTSIDE[0]);
    let recorded = watch.finish();
    let expected = ["client -> 198.18.0.10 TCP 443: 1 failed 1 as tcp.example"];
    assert_eq!(named(&recorded, &[&client]), expected);
    assert!(recorded.losses().is_empty(), "{:?}", recorded.losses());
}

/// As many addresses of one name as make an answer of about `length` bytes; `at` is the first and `end` the last of them.
fn many(name: &'static str, length: usize, first: Ipv4Addr, last: Ipv4Addr) -> Vec<(&'static str, RData<'static>)> {
    // A compressed record with an IPv4 address takes 16 bytes.
    let between = (0..length / 16 - 6).map(|number| (name, address(Ipv4Addr::from(0x0a01_0000 + number as u32))));
    std::iter::once((name, address(first))).chain(between).chain([(name, address(last))]).collect()
}

#[test]
fn a_long_answer_is_read_to_its_end() {
    let Some(scene) = Scene::open("dns-long") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let mut watch = Watch::start(&scene);
    let bound = server.udp_server(53);
    watch.poll();
    let records = many("long.example", 1400, OUTSIDE[0], OUTSIDE[1]);
    let length = resolve(&client, (&bound, server.at(53)), "long.example", &records);
    assert!((1350..=1400).contains(&length), "{length}");
    connect(&client, OUTSIDE[1]);
    let recorded = watch.finish();
    let expected = ["client -> 198.18.0.11 TCP 443: 1 failed 1 as long.example"];
    assert_eq!(named(&recorded, &[&client]), expected);
    assert!(recorded.losses().is_empty(), "{:?}", recorded.losses());
}

#[test]
fn a_clipped_answer_is_counted_and_read_as_far_as_it_goes() {
    let Some(scene) = Scene::open("dns-clipped") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let mut watch = Watch::start(&scene);
    let bound = server.udp_server(53);
    watch.poll();
    let records = many("huge.example", 2000, OUTSIDE[0], OUTSIDE[1]);
    let length = resolve(&client, (&bound, server.at(53)), "huge.example", &records);
    assert!(length > COPIED, "{length}");
    connect(&client, OUTSIDE[0]);
    connect(&client, OUTSIDE[1]);
    let recorded = watch.finish();
    let expected =
        ["client -> 198.18.0.10 TCP 443: 1 failed 1 as huge.example", "client -> 198.18.0.11 TCP 443: 1 failed 1"];
    assert_eq!(named(&recorded, &[&client]), expected);
    let losses = recorded.losses();
    assert_eq!((losses.dns_clipped, losses.dns_malformed), (1, 0));
}

#[test]
fn a_malformed_answer_is_counted() {
    let Some(scene) = Scene::open("dns-malformed") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let mut watch = Watch::start(&scene);
    let bound = server.udp_server(53);
    watch.poll();
    let asking = client.udp_client(server.at(53));
    asking.send(&question("bad.example"));
    let (from, _) = bound.receive_from();
    bound.send_to(from, &[0xff; 40]);
    asking.receive();
    let losses = watch.finish().losses();
    assert_eq!((losses.dns_malformed, losses.dns_clipped), (1, 0));
}

#[test]
fn a_pod_that_asks_elsewhere_is_noticed_and_watched() {
    let Some(scene) = Scene::open("dns-elsewhere") else { return };
    let client = scene.pod("client");
    let resolver = scene.outside("resolver", OUTSIDE[2]);
    let bound = resolver.udp();
    let server = SocketAddr::from((OUTSIDE[2], 53));
    bound.bind_to(&server.to_string());
    let mut watch = Watch::start(&scene);
    resolve(&client, (&bound, server), "early.example", &[("early.example", address(OUTSIDE[0]))]);
    watch.poll_patiently();
    resolve(&client, (&bound, server), "late.example", &[("late.example", address(OUTSIDE[1]))]);
    connect(&client, OUTSIDE[0]);
    connect(&client, OUTSIDE[1]);
    let recorded = watch.finish();
    let expected = [
        // Nobody saw that answer: that is what is counted.
        "client -> 198.18.0.10 TCP 443: 1 failed 1",
        "client -> 198.18.0.11 TCP 443: 1 failed 1 as late.example",
    ];
    assert_eq!(named(&recorded, &[&client]), expected);
    let losses = recorded.losses();
    assert_eq!((losses.dns_unwatched, losses.dns_malformed, losses.connections), (1, 0, 0));
}
