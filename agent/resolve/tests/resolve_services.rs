//! Through Services: cluster IPs, external addresses, node ports, and what is behind them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod world;

use netwright_record::inventory::{Backend, ContainerPort, HeldAddress};
use netwright_record::{Edge, Endpoint, Local, Protocol, ServiceRef};
use netwright_resolve::resolve::resolve;
use world::*;

fn service(name: &str, port: u16) -> ServiceRef {
    ServiceRef { namespace: "shop".into(), name: name.into(), port }
}

fn assert_is_cart(edge: &Edge) {
    assert_eq!(brief(edge), "shop/Deployment/front -> shop/Deployment/cart:8080/TCP");
    assert_eq!(edge.services, [service("cart", 80)].into());
}

#[test]
fn a_cluster_ip_leads_to_the_workload_and_its_target_port() {
    assert_is_cart(&edge(&[egress("n1", pod("front-1"), "10.96.0.20", 80)]));
    assert_is_cart(&edge(&[egress("n1", pod("front-1"), "fd00:96::20", 80)]));
}

#[test]
fn the_external_address_of_a_service_leads_there_too() {
    assert_is_cart(&edge(&[egress("n1", pod("front-1"), "198.18.0.7", 80)]));
}

#[test]
fn a_node_port_leads_there_too_from_pods_and_from_the_node_itself() {
    assert_is_cart(&edge(&[egress("n1", pod("front-1"), "192.0.2.11", 30080)]));
    let edge = edge(&[egress("n1", host(), "192.0.2.11", 30080)]);
    assert_eq!((edge.client, edge.server, edge.port), (node("n1", None), workload("cart"), 8080));
}

/// The address is translated on the node that was hit, after the client's egress policy has seen it.
#[test]
fn a_node_port_of_another_node_is_reached_at_that_node_as_well() {
    let edges = resolve(&[egress("n1", pod("front-1"), "192.0.2.12", 30080)], &world()).edges;
    let [at_pods, at_node] = edges.as_slice() else { panic!("{edges:?}") };
    assert_is_cart(at_pods);
    assert_eq!((&at_node.client, &at_node.server), (&workload("front"), &node("n2", None)));
    assert_eq!((at_node.port, &at_node.services), (30080, &at_pods.services));
    assert_eq!(at_node.server_addresses, ["192.0.2.12".parse().unwrap()].into());
}

#[test]
fn pods_of_a_headless_service_are_reached_directly_and_need_no_service() {
    assert!(edge(&[egress("n1", pod("front-1"), "10.244.2.20", 8080)]).services.is_empty());
}

#[test]
fn a_service_without_endpoints_is_no_edge() {
    let reason = reason(egress("n1", pod("front-1"), "10.96.0.40", 80).times(1, 1));
    assert!(reason.starts_with("Service has no endpoints: shop/empty port 80"), "{reason}");
}

#[test]
fn a_port_that_a_service_does_not_have_is_no_edge() {
    for ip in ["10.96.0.20", "198.18.0.7"] {
        assert_eq!(reason(egress("n1", pod("front-1"), ip, 81)), "Service shop/cart has no port 81/TCP");
    }
    let udp = reason(egress("n1", pod("front-1"), "10.96.0.20", 80).udp());
    assert_eq!(udp, "Service shop/cart has no port 80/UDP");
}

#[test]
fn backends_that_are_gone_are_said_to_be() {
    let mut inventory = world();
    inventory.services[0].backends = vec![Backend {
        address: HeldAddress { ip: "10.244.2.77".parse().unwrap(), from: None, until: None },
        pod_uid: Some("gone".into()),
        ports: vec![ContainerPort { name: Some("web".into()), protocol: Protocol::Tcp, port: 8080 }],
    }];
    let reason = reason_in(egress("n1", pod("front-1"), "10.96.0.20", 80), &inventory);
    assert!(reason.starts_with("backends not in the inventory"), "{reason}");
}

#[test]
fn backends_are_those_at_the_time_of_the_flow() {
    let mut inventory = world();
    inventory.services[1].backends[0].address.until = Some(at(10));
    inventory.services[1].backends[1].address.from = Some(at(20));
    let flow = egress("n1", pod("front-1"), "10.96.0.30", 90);
    assert_eq!(edge_in(&[flow.clone().during(5, 6)], &inventory).server, workload("cart"));
    assert_eq!(edge_in(&[flow.clone().during(25, 26)], &inventory).server, workload("db"));
    assert!(reason_in(flow.during(12, 13), &inventory).starts_with("Service has no endpoints"));
}

#[test]
fn attempts_that_all_failed_still_are_an_edge() {
    let edge = edge(&[egress("n1", pod("front-1"), "10.96.0.20", 80).times(4, 4)]);
    assert_is_cart(&edge);
    assert_eq!((edge.activity.connections, edge.activity.failed), (4, 4));
}

#[test]
fn the_api_server_is_known_by_its_service_and_by_its_endpoints() {
    for flow in [egress("n1", pod("front-1"), "10.96.0.1", 443), egress("n1", pod("front-1"), "192.0.2.10", 6443)] {
        let edge = edge(&[flow]);
        assert_eq!((&edge.server, edge.port), (&Endpoint::ApiServer, 6443));
        assert_eq!(edge.server_addresses, ["192.0.2.10".parse().unwrap()].into());
    }
    assert_eq!(edge(&[egress("n1", pod("front-1"), "192.0.2.10", 10250)]).server, node("cp", None));
}

#[test]
fn the_api_server_seen_from_its_own_node_is_the_same_server() {
    let mut inventory = world();
    add_host_pod(&mut inventory, "apiserver", "apiserver", "cp", 6443);
    let flows = [
        egress("n1", pod("front-1"), "10.96.0.1", 443),
        ingress("cp", pod("apiserver"), "10.244.1.10", 6443),
        ingress("cp", Local::Host { ip: Some("192.0.2.10".parse().unwrap()) }, "10.244.1.10", 6443),
    ];
    let edge = edge_in(&flows, &inventory);
    assert_eq!((&edge.client, &edge.server), (&workload("front"), &Endpoint::ApiServer));
    assert_eq!(edge.activity.connections, 2);
}

#[test]
fn an_api_server_outside_the_nodes_is_known_as_a_client() {
    let mut inventory = world();
    inventory.nodes.retain(|node| node.name != "cp");
    let edge = edge_in(&[ingress("n1", pod("front-1"), "192.0.2.10", 9443)], &inventory);
    assert_eq!(edge.client, Endpoint::ApiServer);
}

#[test]
fn a_service_for_something_outside_leads_outside() {
    let edge = edge(&[egress("n1", pod("front-1"), "10.96.0.60", 443)]);
    assert_eq!(edge.server, Endpoint::External { address: "198.18.0.50".parse().unwrap() });
    assert_eq!((edge.port, edge.server_addresses.len()), (8443, 1));
}

#[test]
fn a_service_of_host_network_pods_leads_to_the_nodes_that_answered() {
    let flows = [
        egress("n1", pod("front-1"), "10.96.0.50", 9100).times(3, 0),
        ingress("n2", pod("exporter-2"), "10.244.1.10", 9100).times(3, 0),
        ingress("n1", pod("exporter-1"), "10.244.2.30", 9100),
    ];
    let expected = [
        "shop/Deployment/db -> shop/Deployment/exporter on node n1:9100/TCP",
        "shop/Deployment/front -> shop/Deployment/exporter on node n2:9100/TCP",
    ];
    assert_eq!(edges(&flows), expected);
}

#[test]
fn of_several_workloads_behind_a_service_those_that_answered_are_kept() {
    let flows = [
        egress("n1", pod("front-1"), "10.96.0.30", 90).times(10, 2),
        ingress("n2", pod("db-1"), "10.244.1.10", 7000).times(8, 0),
        ingress("n1", pod("cart-1"), "10.244.2.30", 7000),
    ];
    let resolution = resolved(&flows);
    let to_db = resolution.edges.iter().find(|edge| edge.client == workload("front")).unwrap();
    assert_eq!((&to_db.server, to_db.port), (&workload("db"), 7000));
    assert_eq!((to_db.activity.connections, to_db.activity.failed), (10, 2));
    assert_eq!(resolution.edges.len(), 2);
}

#[test]
fn a_workload_on_a_node_that_nobody_watches_cannot_be_ruled_out() {
    // n1 reports what arrives there, n2 reports nothing.
    let flows = [
        egress("n1", pod("front-1"), "10.96.0.30", 90).times(10, 0),
        ingress("n1", pod("cart-1"), "10.244.1.10", 7000).times(4, 0),
    ];
    let resolution = resolved(&flows);
    let counts: Vec<_> = resolution.edges.iter().map(|e| (e.server.clone(), e.activity.connections)).collect();
    assert_eq!(counts, [(workload("cart"), 4), (workload("db"), 6)]);
    assert!(resolution.edges.iter().all(|edge| edge.services == [service("split", 90)].into()));
}

#[test]
fn several_workloads_of_which_none_was_seen_to_answer_are_all_kept() {
    let flows = [
        egress("n1", pod("front-1"), "10.96.0.30", 90).times(3, 3),
        ingress("n1", pod("cart-1"), "10.244.2.30", 7000),
        ingress("n2", pod("db-1"), "10.244.2.20", 7000),
    ];
    let resolution = resolved(&flows);
    let from_front: Vec<_> = resolution.edges.iter().filter(|edge| edge.client == workload("front")).collect();
    assert_eq!(from_front.len(), 2);
    assert!(from_front.iter().all(|edge| edge.activity.failed == 3));
}

#[test]
fn the_counts_of_all_servers_together_are_not_more_than_the_clients() {
    let flows = [
        egress("n1", pod("front-1"), "10.96.0.30", 90).times(12, 2),
        ingress("n1", pod("cart-1"), "10.244.1.10", 7000).times(4, 0),
        ingress("n2", pod("db-1"), "10.244.1.10", 7000).times(6, 0),
    ];
    let edges = resolved(&flows).edges;
    assert_eq!(edges.iter().map(|edge| edge.activity.connections).sum::<u64>(), 12);
    assert_eq!(edges.iter().map(|edge| edge.activity.failed).sum::<u64>(), 2);
}

#[test]
fn a_workload_that_was_reached_through_its_sidecar_did_answer() {
    let flows = [
        egress("n1", pod("front-1"), "10.96.0.30", 90),
        ingress("n2", pod("db-1"), "10.244.1.10", 15006),
        ingress("n1", pod("cart-1"), "10.244.2.30", 8080),
    ];
    let from_front: Vec<_> =
        resolved(&flows).edges.into_iter().filter(|edge| edge.client == workload("front")).collect();
    assert_eq!(
        from_front.iter().map(brief).collect::<Vec<_>>(),
        ["shop/Deployment/front -> shop/Deployment/db:7000/TCP"]
    );
}

#[test]
fn a_client_on_the_host_network_is_recognised_by_the_server_behind_a_service() {
    let flows = [
        egress("n1", pod("exporter-1"), "10.96.0.30", 90).times(5, 0),
        ingress("n2", pod("db-1"), "192.0.2.11", 7000).times(5, 0),
        ingress("n1", pod("cart-1"), "10.244.2.30", 7000),
    ];
    let resolution = resolved(&flows);
    let expected = [
        "shop/Deployment/db -> shop/Deployment/cart:7000/TCP",
        "shop/Deployment/exporter on node n1 -> shop/Deployment/db:7000/TCP",
    ];
    assert_eq!(resolution.edges.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!(resolution.edges[1].activity.connections, 5);
}

#[test]
fn a_named_target_port_that_differs_among_pods_is_told_by_who_answered() {
    let mut inventory = world();
    inventory.services[0].backends[1].ports[0].port = 9090;
    let flows = [
        egress("n1", pod("front-1"), "10.96.0.20", 80),
        ingress("n2", pod("cart-2"), "10.244.1.10", 9090),
        ingress("n1", pod("front-1"), "10.244.2.30", 1),
    ];
    let resolution = resolve(&flows, &inventory);
    let ports: Vec<_> =
        resolution.edges.iter().filter(|edge| edge.server == workload("cart")).map(|edge| edge.port).collect();
    assert_eq!(ports, [9090]);
}

#[test]
fn of_two_services_with_one_external_address_the_first_by_name_is_meant() {
    let mut inventory = world();
    inventory.services[1].external_ips = vec!["198.18.0.7".parse().unwrap()];
    inventory.services[1].ports[0].port = 80;
    let flow = egress("n1", pod("front-1"), "198.18.0.7", 80);
    assert_is_cart(&edge_in(std::slice::from_ref(&flow), &inventory));
    inventory.services.reverse();
    assert_is_cart(&edge_in(&[flow], &inventory));
}
