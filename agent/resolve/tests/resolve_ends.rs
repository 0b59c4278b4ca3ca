//! Who is at the other end: addresses, times, nodes, the outside.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod world;

use netwright_record::{Edge, Endpoint, Flow, Local};
use netwright_resolve::resolve::{DroppedCounts, resolve};
use std::net::{IpAddr, Ipv4Addr};
use world::*;

#[test]
fn a_pod_is_known_by_its_uid_and_its_peer_by_address() {
    let edge = edge(&[egress("n1", pod("front-1"), "10.244.2.30", 5432)]);
    assert_eq!(brief(&edge), "shop/Deployment/front -> shop/Deployment/db:5432/TCP");
    assert!(edge.services.is_empty() && edge.client_addresses.is_empty() && edge.server_addresses.is_empty());
    assert_eq!(edge.nodes, ["n1".into()].into());
}

#[test]
fn both_families_name_the_same_workload() {
    let flows = [
        egress("n1", pod("front-1"), "10.244.2.20", 8080),
        egress("n1", pod("front-1"), "fd00:244:0:2::20", 8080),
        egress("n1", pod("front-1"), "::ffff:10.244.2.20", 8080),
    ];
    assert_eq!(edge(&flows).activity.connections, 3);
}

#[test]
fn a_local_end_without_a_cgroup_is_found_by_its_address() {
    let local = |ip: &str| Local::Address { ip: ip.parse().unwrap() };
    assert_eq!(edge(&[egress("n1", local("10.244.1.10"), "10.244.2.30", 1)]).client, workload("front"));
    assert_eq!(edge(&[egress("n1", local("192.0.2.11"), "10.244.2.30", 1)]).client, node("n1", None));
    assert!(reason(egress("n1", local("198.18.9.9"), "10.244.2.30", 1)).contains("local address not in the inventory"));
}

#[test]
fn a_local_end_of_which_nothing_is_known_is_unresolved() {
    let reason = reason(egress("n1", Local::Unknown { netns_cookie: 7 }, "10.244.2.30", 1));
    assert!(reason.contains("local end is not known"), "{reason}");
}

#[test]
fn a_local_pod_that_is_not_in_the_inventory_is_unresolved_unless_it_had_the_nodes_address() {
    assert!(reason(egress("n1", pod_at("gone", "10.244.1.99"), "10.244.2.30", 1)).contains("local pod not in"));
    let edge = edge(&[egress("n1", pod_at("gone", "192.0.2.11"), "10.244.2.30", 1)]);
    assert_eq!(edge.client, node("n1", None));
}

#[test]
fn an_address_names_the_pod_that_held_it_at_the_time() {
    let mut inventory = world();
    add_pod(&mut inventory, "early", "front", "n2", &["10.244.2.40"], Some(0), Some(10));
    add_pod(&mut inventory, "late", "db", "n2", &["10.244.2.40"], Some(20), None);
    let server =
        |first, last| edge_in(&[egress("n1", pod("cart-1"), "10.244.2.40", 1).during(first, last)], &inventory).server;
    assert_eq!(server(5, 6), workload("front"));
    assert_eq!(server(25, 26), workload("db"));
    assert_eq!(server(15, 20), workload("db"));
    assert_eq!(server(9, 12), workload("front"));
    let reason = reason_in(egress("n1", pod("cart-1"), "10.244.2.40", 1).during(10, 19), &inventory);
    assert!(reason.contains("pod address not in the inventory"), "{reason}");
}

#[test]
fn an_address_that_changed_hands_within_the_flow_is_unresolved() {
    let mut inventory = world();
    add_pod(&mut inventory, "early", "front", "n2", &["10.244.2.40"], Some(0), Some(10));
    add_pod(&mut inventory, "late", "db", "n2", &["10.244.2.40"], Some(12), None);
    let flow = egress("n1", pod("cart-1"), "10.244.2.40", 1);
    assert!(reason_in(flow.clone().during(9, 13), &inventory).contains("changed hands"));
    let ingress = ingress("n1", pod("cart-1"), "10.244.2.40", 1).during(9, 13);
    assert!(reason_in(ingress, &inventory).contains("changed hands"));
}

#[test]
fn of_two_holders_the_one_that_held_it_throughout_is_meant() {
    let mut inventory = world();
    add_pod(&mut inventory, "early", "front", "n2", &["10.244.2.40"], None, Some(10));
    add_pod(&mut inventory, "late", "db", "n2", &["10.244.2.40"], Some(8), None);
    let server =
        |first, last| edge_in(&[egress("n1", pod("cart-1"), "10.244.2.40", 1).during(first, last)], &inventory).server;
    assert_eq!(server(7, 9), workload("front"));
    assert_eq!(server(9, 12), workload("db"));
    assert!(
        reason_in(egress("n1", pod("cart-1"), "10.244.2.40", 1).during(8, 9), &inventory).contains("changed hands")
    );
}

#[test]
fn an_address_handed_on_within_one_workload_is_still_that_workload() {
    let mut inventory = world();
    add_pod(&mut inventory, "old", "db", "n2", &["10.244.2.40"], Some(0), Some(10));
    add_pod(&mut inventory, "new", "db", "n2", &["10.244.2.40"], Some(10), None);
    let edge = edge_in(&[egress("n1", pod("cart-1"), "10.244.2.40", 1).during(9, 11)], &inventory);
    assert_eq!(edge.server, workload("db"));
}

#[test]
fn many_holders_one_after_the_other_are_told_apart_beside_one_that_never_let_go() {
    let mut inventory = world();
    for round in 0..50 {
        let name = format!("run-{round}");
        add_pod(&mut inventory, &name, &name, "n2", &["10.244.2.40"], Some(round * 10), Some(round * 10 + 5));
    }
    for round in 0..50 {
        let flow = egress("n1", pod("cart-1"), "10.244.2.40", 1).during(round * 10 + 1, round * 10 + 2);
        assert_eq!(edge_in(&[flow], &inventory).server, workload(&format!("run-{round}")));
    }
    inventory.pods.reverse();
    add_pod(&mut inventory, "always", "always", "n2", &["10.244.2.40"], None, Some(1000));
    let flow = egress("n1", pod("cart-1"), "10.244.2.40", 1);
    assert_eq!(edge_in(&[flow.clone().during(496, 497)], &inventory).server, workload("always"));
    assert!(reason_in(flow.during(1, 2), &inventory).contains("changed hands"));
}

#[test]
fn the_same_flow_at_another_time_may_have_another_peer() {
    let mut inventory = world();
    add_pod(&mut inventory, "early", "front", "n2", &["10.244.2.40"], Some(0), Some(10));
    add_pod(&mut inventory, "late", "db", "n2", &["10.244.2.40"], Some(20), None);
    let flow = egress("n1", pod("cart-1"), "10.244.2.40", 1);
    let resolution = resolve(&[flow.clone().during(1, 2), flow.during(21, 22)], &inventory);
    let servers: Vec<_> = resolution.edges.iter().map(|edge| edge.server.clone()).collect();
    assert_eq!(servers, [workload("db"), workload("front")]);
}

#[test]
fn a_pod_address_that_nobody_held_is_never_taken_for_the_outside() {
    for (flow, family) in [
        (egress("n1", pod("front-1"), "10.244.2.99", 80), "IPv4"),
        (egress("n1", pod("front-1"), "fd00:244:0:2::99", 80).named(&["a.example"]), "IPv6"),
        (ingress("n1", pod("front-1"), "10.244.2.99", 80), "ingress"),
    ] {
        assert!(reason(flow).contains("pod address not in the inventory"), "{family}");
    }
}

#[test]
fn host_network_and_node_processes_are_the_node() {
    assert_eq!(edge(&[egress("n1", pod("exporter-1"), "10.244.2.30", 1)]).client, node("n1", Some("exporter")));
    assert_eq!(edge(&[egress("n1", host(), "10.244.2.30", 1)]).client, node("n1", None));
    let probe = edge(&[ingress("n1", pod("front-1"), "10.244.1.1", 8080)]);
    assert_eq!(probe.client, node("n1", None));
    assert_eq!(probe.client_addresses, ["10.244.1.1".parse().unwrap()].into());
}

#[test]
fn a_port_on_a_node_is_the_host_network_workload_that_declares_it() {
    let declared = edge(&[egress("n1", pod("front-1"), "192.0.2.12", 9100)]);
    assert_eq!(declared.server, node("n2", Some("exporter")));
    assert_eq!(declared.server_addresses, ["192.0.2.12".parse().unwrap()].into());
    assert_eq!(edge(&[egress("n1", pod("front-1"), "192.0.2.12", 10250)]).server, node("n2", None));
    let mut inventory = world();
    add_host_pod(&mut inventory, "rival", "rival", "n2", 9100);
    let edge = edge_in(&[egress("n1", pod("front-1"), "192.0.2.12", 9100)], &inventory);
    assert_eq!(edge.server, node("n2", None));
}

#[test]
fn what_was_seen_to_listen_on_a_node_is_better_than_what_declares_the_port() {
    let flows = [
        egress("n1", pod("front-1"), "192.0.2.12", 9200),
        ingress("n2", pod("exporter-2"), "10.244.1.10", 9200),
        egress("n1", pod("front-1"), "192.0.2.12", 9100),
        ingress("n2", host(), "10.244.1.10", 9100),
    ];
    let expected = [
        "shop/Deployment/front -> node n2:9100/TCP",
        "shop/Deployment/front -> shop/Deployment/exporter on node n2:9200/TCP",
    ];
    assert_eq!(edges(&flows), expected);
}

#[test]
fn link_local_addresses_are_a_class_of_their_own() {
    let metadata = edge(&[egress("n1", pod("front-1"), "169.254.169.254", 80).named(&["metadata.example"])]);
    assert_eq!(metadata.server, Endpoint::LinkLocal { address: "169.254.169.254".parse().unwrap() });
    let edge = edge(&[egress("n1", pod("front-1"), "fe80::1", 80)]);
    assert_eq!(edge.server, Endpoint::LinkLocal { address: "fe80::1".parse().unwrap() });
}

#[test]
fn loopback_and_own_addresses_are_dropped_and_counted() {
    let flows = [
        egress("n1", pod("front-1"), "127.0.0.1", 80).times(3, 0),
        ingress("n1", pod("front-1"), "::1", 80),
        ingress("n1", Local::Unknown { netns_cookie: 1 }, "::ffff:127.0.0.1", 80),
        egress("n1", pod("front-1"), "10.244.1.10", 80).times(2, 0),
        egress("n1", pod_at("cart-1", "10.244.1.20"), "10.244.1.20", 80),
        egress("n1", host(), "192.0.2.11", 10250),
        egress("n1", pod("exporter-1"), "10.244.1.1", 80),
    ];
    let resolution = resolved(&flows);
    assert!(resolution.edges.is_empty() && resolution.unresolved.is_empty(), "{resolution:?}");
    assert_eq!(resolution.dropped, DroppedCounts { loopback: 5, own_address: 5, sidecar: 0 });
}

#[test]
fn a_pod_that_talks_to_its_own_node_is_an_edge() {
    assert_eq!(edge(&[egress("n1", pod("front-1"), "192.0.2.11", 10250)]).server, node("n1", None));
}

#[test]
fn pods_of_one_workload_that_talk_to_each_other_are_an_edge() {
    let edge = edge(&[egress("n1", pod("cart-1"), "10.244.2.20", 7946)]);
    assert_eq!((edge.client, edge.server), (workload("cart"), workload("cart")));
}

#[test]
fn addresses_that_name_nobody_are_unresolved() {
    for (ip, expected) in [
        ("224.0.0.251", "multicast"),
        ("ff02::fb", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
    ] {
        assert!(reason(egress("n1", pod("front-1"), ip, 5353).udp()).starts_with(expected), "{ip}");
    }
}

#[test]
fn outside_is_known_by_name_where_there_is_one() {
    let named = edge(&[egress("n1", pod("front-1"), "198.18.0.1", 443).named(&["api.example"])]);
    assert_eq!(named.server, Endpoint::ExternalName { names: ["api.example".into()].into() });
    assert_eq!(named.server_addresses, ["198.18.0.1".parse().unwrap()].into());
    let bare = edge(&[egress("n1", pod("front-1"), "198.18.0.1", 443)]);
    assert_eq!(bare.server, Endpoint::External { address: "198.18.0.1".parse().unwrap() });
    assert_eq!(bare.server_addresses, ["198.18.0.1".parse().unwrap()].into());
}

#[test]
fn one_name_with_many_addresses_is_one_edge() {
    let flow = |ip: &str| egress("n1", pod("front-1"), ip, 443).named(&["s3.example"]);
    let edge = edge(&[flow("198.18.0.1"), flow("198.18.0.2")]);
    assert_eq!((edge.server_addresses.len(), edge.activity.connections), (2, 2));
}

#[test]
fn clients_from_outside_are_one_endpoint_of_which_some_addresses_are_kept() {
    let more = 10;
    let flows: Vec<Flow> = (0..Edge::ADDRESSES_KEPT + more)
        .map(|index| {
            let ip = IpAddr::V4(Ipv4Addr::from_bits(0xc612_0000 + u32::try_from(index).unwrap()));
            ingress("n1", pod("front-1"), &ip.to_string(), 8080)
        })
        .collect();
    let edge = edge(&flows);
    assert_eq!(edge.client, Endpoint::Internet);
    assert_eq!((edge.client_addresses.len(), edge.addresses_dropped), (Edge::ADDRESSES_KEPT, more as u64));
    assert_eq!(edge.activity.connections, (Edge::ADDRESSES_KEPT + more) as u64);
}

#[test]
fn the_inner_legs_of_a_sidecar_are_dropped_and_the_port_on_the_wire_is_kept() {
    let flows = [
        egress("n1", pod("front-1"), "10.244.2.20", 8080),
        ingress("n1", pod("front-1"), "127.0.0.1", 15001),
        ingress("n2", pod("cart-2"), "10.244.1.10", 15006),
        ingress("n2", pod("cart-2"), "127.0.0.6", 8080),
    ];
    let resolution = resolved(&flows);
    assert_eq!(
        resolution.edges.iter().map(brief).collect::<Vec<_>>(),
        ["shop/Deployment/front -> shop/Deployment/cart:8080/TCP"]
    );
    assert_eq!(resolution.dropped, DroppedCounts { sidecar: 3, ..DroppedCounts::default() });
}

#[test]
fn the_ports_of_a_sidecar_anywhere_else_are_ports_like_any_other() {
    for (remote, port) in [("198.18.0.99", 15001), ("10.244.2.30", 15006)] {
        let edge = edge(&[egress("n1", pod("front-1"), remote, port)]);
        assert_eq!((edge.client, edge.port), (workload("front"), port));
    }
}
