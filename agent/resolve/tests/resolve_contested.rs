//! Addresses that went from one pod to another while a flow lasted: the other end says who it was, or nobody does.

mod world;

use netwright_record::inventory::Inventory;
use netwright_record::{Edge, Flow};
use netwright_resolve::resolve::{Resolution, Resolver, resolve};
use world::{FlowExt, add_pod, brief, egress, ingress, pod, pod_at, world};

const CONTESTED: &str = "10.244.2.40";

/// A pod of `front`, and after it one of `db`, at one address of node n2.
fn handed_on() -> Inventory {
    let mut inventory = world();
    add_pod(&mut inventory, "early", "front", "n2", &[CONTESTED], Some(0), Some(10));
    add_pod(&mut inventory, "late", "db", "n2", &[CONTESTED], Some(12), None);
    inventory
}

fn resolved(flows: &[Flow]) -> Resolution {
    resolve(flows, &handed_on())
}

fn found(resolution: &Resolution) -> Vec<String> {
    resolution.edges.iter().map(|edge: &Edge| format!("{} x{}", brief(edge), edge.activity.connections)).collect()
}

fn client() -> Flow {
    egress("n1", pod_at("cart-1", "10.244.1.20"), CONTESTED, 5432).during(8, 14)
}

fn heard_by(uid: &str, minute: i64, times: u64) -> Flow {
    ingress("n2", pod_at(uid, CONTESTED), "10.244.1.20", 5432).during(minute, minute).times(times, 0)
}

#[test]
fn the_servers_say_which_of_them_the_client_reached() {
    let both = [client().times(5, 0), heard_by("early", 8, 2), heard_by("late", 14, 3)];
    let resolution = resolved(&both);
    let expected = [
        "shop/Deployment/cart -> shop/Deployment/db:5432/TCP x3",
        "shop/Deployment/cart -> shop/Deployment/front:5432/TCP x2",
    ];
    assert_eq!(found(&resolution), expected);
    assert_eq!(resolution.unresolved, []);
    let [flow, _, late] = both;
    let resolution = resolved(&[flow.times(3, 0), late]);
    assert_eq!(found(&resolution), expected[..1]);
    assert_eq!(resolution.unresolved, []);
}

#[test]
fn what_no_server_heard_stays_unresolved() {
    for heard in [
        vec![],
        // Not all of it.
        vec![heard_by("late", 14, 3)],
        // Long before, on another port, from another client.
        vec![heard_by("early", 1, 5)],
        vec![Flow { port: 80, ..heard_by("late", 14, 5) }],
        vec![Flow { remote: "10.244.1.10".parse().unwrap(), ..heard_by("late", 14, 5) }],
    ] {
        let flows: Vec<Flow> = [client().times(5, 0)].into_iter().chain(heard).collect();
        let resolution = resolved(&flows);
        let [unresolved] = resolution.unresolved.as_slice() else { panic!("{:?}", resolution.unresolved) };
        assert!(unresolved.reason.contains("changed hands"), "{}", unresolved.reason);
        assert_eq!(unresolved.flow.activity.connections, 5);
    }
}

#[test]
fn attempts_that_failed_while_nobody_was_there_are_said_to_be_nobodys() {
    let resolution = resolved(&[client().times(5, 2), heard_by("late", 14, 3)]);
    assert_eq!(found(&resolution), ["shop/Deployment/cart -> shop/Deployment/db:5432/TCP x3"]);
    let [unresolved] = resolution.unresolved.as_slice() else { panic!("{:?}", resolution.unresolved) };
    assert_eq!((unresolved.flow.activity.connections, unresolved.flow.activity.failed), (2, 2));
}

#[test]
fn the_clients_say_which_of_them_the_server_heard() {
    let server = ingress("n1", pod_at("cart-1", "10.244.1.20"), CONTESTED, 8080).during(8, 14).times(4, 0);
    let direct = egress("n2", pod_at("early", CONTESTED), "10.244.1.20", 8080).during(8, 8);
    let through_a_service = egress("n2", pod_at("late", CONTESTED), "10.96.0.20", 80).during(14, 14).times(3, 0);
    let resolution = resolved(&[server.clone(), direct.clone(), through_a_service]);
    let expected = [
        "shop/Deployment/db -> shop/Deployment/cart:8080/TCP x3",
        "shop/Deployment/front -> shop/Deployment/cart:8080/TCP x1",
    ];
    assert_eq!(found(&resolution), expected);
    assert_eq!(resolution.unresolved, []);
    // One of them is missing: its connections are nobody's.
    let resolution = resolved(&[server, direct]);
    assert_eq!(found(&resolution), expected[1..]);
    assert_eq!(resolution.unresolved.len(), 1);
}

#[test]
fn a_pod_that_never_had_the_address_is_no_witness() {
    let server = ingress("n1", pod("cart-1"), CONTESTED, 8080).during(8, 14);
    let elsewhere = egress("n2", pod_at("db-1", "10.244.2.30"), "10.244.1.20", 8080).during(8, 8);
    assert_eq!(resolved(&[server, elsewhere]).unresolved.len(), 1);
}

#[test]
fn a_witness_may_come_with_another_portion() {
    let inventory = handed_on();
    let resolver = Resolver::new(&inventory);
    let (client, witness) = (client().times(3, 0), heard_by("late", 14, 3));
    assert!(resolver.is_witness(&client) && resolver.is_witness(&witness));
    assert!(!resolver.is_witness(&client.clone().during(60, 61)), "long after");
    assert!(!resolver.is_witness(&egress("n1", pod("front-1"), "10.244.2.30", 1)), "never handed on");
    assert_eq!(resolver.sight(std::slice::from_ref(&client)).unresolved.len(), 1);
    let sighted = resolver.sight_beside(&[client], &[witness]);
    assert_eq!(sighted.unresolved, []);
    let edges: Vec<_> = resolver.finish(sighted.statements, []).edges;
    assert_eq!(edges, [], "what the server says is said once, with its own portion");
}
