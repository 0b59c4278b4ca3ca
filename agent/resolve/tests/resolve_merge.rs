//! Both ends of one connection become one edge, ambiguous conversations find theirs, and the order changes nothing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod world;

use netwright_record::{Direction, Endpoint, Flow, Header, Local, Observation, Protocol, Window};
use netwright_resolve::resolve::{DroppedCounts, Reason, Resolver, Statement, Statements, Subject, apply};
use proptest::prelude::*;
use world::*;

#[test]
fn both_ends_of_a_connection_are_one_edge_with_the_larger_count() {
    let flows = [
        egress("n1", pod("front-1"), "10.96.0.20", 80).times(5, 2).during(0, 9),
        egress("n1", pod("front-1"), "10.96.0.20", 80).times(1, 0).during(70, 71),
        ingress("n1", pod("cart-1"), "10.244.1.10", 8080).times(3, 0).during(1, 2),
        ingress("n2", pod("cart-2"), "10.244.1.10", 8080).times(4, 0).during(3, 80),
    ];
    let edge = edge(&flows);
    assert_eq!((edge.activity.connections, edge.activity.failed), (7, 2));
    assert_eq!((edge.activity.first, edge.activity.last), (at(0), at(80)));
    assert_eq!(edge.activity.hours.count(), 2);
    assert_eq!(edge.nodes, ["n1".into(), "n2".into()].into());
    assert_eq!(edge.services.len(), 1);
}

#[test]
fn what_the_server_saw_arrive_is_established_though_the_client_took_it_for_failed() {
    for (remote, port) in [("10.244.2.20", 8080), ("10.96.0.20", 80)] {
        let flows = [
            egress("n1", pod("front-1"), remote, port).times(5, 5),
            ingress("n2", pod("cart-2"), "10.244.1.10", 8080).times(5, 0),
        ];
        assert!(edge(&flows).activity.established(), "{remote}");
    }
}

#[test]
fn an_edge_that_only_the_server_saw_is_an_edge() {
    let edge = edge(&[ingress("n2", pod("db-1"), "10.244.1.10", 5432)]);
    assert_eq!((edge.client, edge.server), (workload("front"), workload("db")));
}

#[test]
fn a_client_on_the_host_network_and_what_its_server_saw_are_one_edge() {
    let flows = [
        egress("n1", pod("exporter-1"), "10.244.2.30", 5432).times(4, 1),
        ingress("n2", pod("db-1"), "192.0.2.11", 5432).times(3, 0),
    ];
    let edge = edge(&flows);
    assert_eq!((&edge.client, edge.activity.connections), (&node("n1", Some("exporter")), 4));
    assert_eq!(edge.client_addresses, ["192.0.2.11".parse().unwrap()].into());
}

#[test]
fn several_clients_on_one_node_share_what_their_server_saw() {
    let mut inventory = world();
    add_host_pod(&mut inventory, "agent-1", "agent", "n1", 1);
    let seen = |seen| {
        let flows = [
            egress("n1", pod("exporter-1"), "10.244.2.30", 5432).times(4, 0),
            egress("n1", pod("agent-1"), "10.244.2.30", 5432).times(2, 0),
            egress("n1", host(), "10.244.2.30", 5432).times(1, 0),
            ingress("n2", pod("db-1"), "192.0.2.11", 5432).times(seen, 0),
        ];
        let edges = Resolver::new(&inventory).resolve(&flows).edges;
        edges.iter().map(|edge| edge.activity.connections).collect::<Vec<_>>()
    };
    assert_eq!(seen(7), [1, 2, 4]);
    assert_eq!(seen(9), [3, 2, 4]);
}

#[test]
fn a_client_behind_a_node_port_stays_the_node() {
    let edge = edge(&[ingress("n2", pod("cart-2"), "192.0.2.11", 8080)]);
    assert_eq!((edge.client, edge.server), (node("n1", None), workload("cart")));
}

#[test]
fn an_ambiguous_conversation_is_part_of_the_edge_that_the_other_end_shows() {
    let unclear = ambiguous("n1", pod_at("front-1", "10.244.1.10"), 4000, "10.244.2.30", 5000).during(5, 6);
    let as_server = egress("n2", pod("db-1"), "10.244.1.10", 4000).udp().times(2, 0);
    let edge_to_front = edge(&[unclear.clone(), as_server]);
    assert_eq!((&edge_to_front.server, edge_to_front.port), (&workload("front"), 4000));
    assert_eq!((edge_to_front.activity.connections, edge_to_front.activity.last), (2, at(6)));
    assert_eq!(edge_to_front.nodes.len(), 2);

    let as_client = ingress("n2", pod("db-1"), "10.244.1.10", 5000).udp();
    let edge_to_db = edge(&[as_client, unclear]);
    assert_eq!((edge_to_db.server, edge_to_db.port), (workload("db"), 5000));
}

#[test]
fn an_ambiguous_conversation_is_part_of_the_edge_that_its_own_end_showed_before() {
    let unclear = ambiguous("n1", pod_at("front-1", "10.244.1.10"), 4000, "10.244.2.30", 5000);
    let before = ingress("n1", pod("front-1"), "10.244.2.30", 4000).udp();
    assert_eq!(edge(&[unclear, before]).server, workload("front"));
}

#[test]
fn an_ambiguous_conversation_that_nothing_explains_is_unresolved() {
    let unclear = ambiguous("n1", pod_at("front-1", "10.244.1.10"), 4000, "10.244.2.30", 5000);
    assert!(reason(unclear.clone()).starts_with("ambiguous: "));
    let other_port = egress("n2", pod("db-1"), "10.244.1.10", 4001).udp();
    assert_eq!(resolved(&[unclear, other_port]).unresolved.len(), 1);
}

#[test]
fn an_ambiguous_conversation_with_a_service_was_opened_by_the_pod() {
    let mut inventory = world();
    inventory.services[0].ports[0].protocol = Protocol::Udp;
    for backend in &mut inventory.services[0].backends {
        backend.ports[0].protocol = Protocol::Udp;
    }
    let edge = edge_in(&[ambiguous("n1", pod("front-1"), 4000, "10.96.0.20", 80)], &inventory);
    assert_eq!(brief(&edge), "shop/Deployment/front -> shop/Deployment/cart:8080/UDP");
}

#[test]
fn gossip_on_one_port_within_a_workload_is_one_edge_whoever_began() {
    let flows = [
        ambiguous("n1", pod_at("cart-1", "10.244.1.20"), 7946, "10.244.2.20", 7946).times(3, 0),
        ambiguous("n2", pod_at("cart-2", "10.244.2.20"), 7946, "10.244.1.20", 7946).times(2, 0),
    ];
    let edge = edge(&flows);
    assert_eq!(brief(&edge), "shop/Deployment/cart -> shop/Deployment/cart:7946/UDP");
    assert_eq!(edge.activity.connections, 3);
}

#[test]
fn unresolved_flows_that_differ_in_their_activity_alone_are_one() {
    let flow = egress("n1", pod("front-1"), "10.244.2.99", 80);
    let resolution = resolved(&[flow.clone().during(0, 1).times(2, 0), flow.during(5, 6)]);
    let [one] = resolution.unresolved.as_slice() else { panic!("{resolution:?}") };
    assert_eq!((one.flow.activity.connections, one.flow.activity.last), (3, at(6)));
}

#[test]
fn apply_replaces_inventory_edges_and_unresolved_and_nothing_else() {
    let header = Header::new("test", Window { from: at(0), until: at(60) });
    let mut observation = Observation::new(header);
    let flows = [
        egress("n1", pod("front-1"), "10.96.0.20", 80),
        egress("n1", pod("front-1"), "10.96.0.40", 80),
        egress("n1", pod("front-1"), "127.0.0.1", 80),
    ];
    let dropped = apply(&mut observation, &flows, world());
    assert_eq!((observation.edges.len(), observation.unresolved.len(), observation.flows.len()), (1, 1, 0));
    assert_eq!(observation.inventory, world());
    assert_eq!(dropped, DroppedCounts { loopback: 1, ..DroppedCounts::default() });
}

fn any_local() -> impl Strategy<Value = Local> {
    prop_oneof![
        prop::sample::select(vec!["front-1", "cart-1", "cart-2", "db-1", "exporter-1", "gone"]).prop_map(pod),
        Just(host()),
        prop::sample::select(vec!["10.244.1.10", "192.0.2.11", "10.244.2.20"])
            .prop_map(|ip| Local::Address { ip: ip.parse().unwrap() }),
    ]
}

/// Few values for everything, so that flows meet.
fn any_flow() -> impl Strategy<Value = Flow> {
    let remotes = vec![
        "10.244.1.10",
        "10.244.1.20",
        "10.244.2.20",
        "10.244.2.30",
        "10.244.2.40",
        "10.244.2.99",
        "192.0.2.10",
        "192.0.2.11",
        "192.0.2.12",
        "10.96.0.20",
        "10.96.0.30",
        "10.96.0.50",
        "10.96.0.1",
        "198.18.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "224.0.0.1",
    ];
    let direction = prop::sample::select(vec![Direction::Egress, Direction::Ingress, Direction::Ambiguous]);
    let ports = vec![80u16, 90, 443, 6443, 7000, 8080, 9100, 15006, 30080];
    let ports = (prop::sample::select(ports.clone()), prop::sample::select(ports));
    let nodes = prop::sample::select(vec!["n1", "n2"]);
    let counts = (0i64..40, 0i64..10, 1u64..20, 0u64..3);
    let protocol = prop::sample::select(vec![Protocol::Tcp, Protocol::Udp]);
    (nodes, any_local(), prop::sample::select(remotes), ports, direction, counts, any::<bool>(), protocol).prop_map(
        |(node, local, remote, (port, other), direction, (first, length, connections, failed), named, protocol)| {
            let flow = egress(node, local, remote, port).during(first, first + length);
            let flow = flow.times(connections, failed.min(connections)).named(if named { &["a.example"] } else { &[] });
            match direction {
                Direction::Ambiguous => Flow { direction, protocol: Protocol::Udp, remote_port: Some(other), ..flow },
                _ => Flow { direction, protocol, ..flow },
            }
        },
    )
}

proptest! {
    #[test]
    fn the_order_of_flows_and_inventory_changes_nothing(
        (flows, shuffled) in prop::collection::vec(any_flow(), 0..60)
            .prop_flat_map(|flows| (Just(flows.clone()), Just(flows).prop_shuffle()))
    ) {
        let mut inventory = world();
        add_pod(&mut inventory, "early", "front", "n2", &["10.244.2.40"], Some(0), Some(20));
        add_pod(&mut inventory, "late", "db", "n2", &["10.244.2.40"], Some(15), None);
        let resolution = Resolver::new(&inventory).resolve(&flows);
        let mut reversed = inventory.clone();
        reversed.pods.reverse();
        reversed.services.reverse();
        reversed.nodes.reverse();
        prop_assert_eq!(&resolution, &Resolver::new(&reversed).resolve(&shuffled));

        // Each flow went somewhere, each key has one edge, and the counts make sense.
        for pair in resolution.edges.windows(2) {
            let key = |index: usize| (&pair[index].client, &pair[index].server, pair[index].protocol, pair[index].port);
            prop_assert!(key(0) < key(1));
        }
        for edge in &resolution.edges {
            prop_assert!(edge.activity.failed <= edge.activity.connections);
            prop_assert!(edge.activity.first <= edge.activity.last && !edge.nodes.is_empty());
            prop_assert!(!matches!(edge.server, Endpoint::Internet));
        }
        let dropped = resolution.dropped.loopback + resolution.dropped.own_address + resolution.dropped.sidecar;
        prop_assert!(flows.is_empty() || dropped > 0 || !resolution.edges.is_empty() || !resolution.unresolved.is_empty());
    }

    /// Activity moved between segments is the same activity, as long as nothing changed hands.
    #[test]
    fn a_flow_in_several_segments_is_the_flow_in_one(flows in prop::collection::vec(any_flow(), 0..30)) {
        let halves: Vec<Flow> = flows
            .iter()
            .flat_map(|flow| {
                let (half, failed) = (flow.activity.connections / 2, flow.activity.failed / 2);
                let (mut first, mut second) = (flow.clone(), flow.clone());
                (first.activity.connections, first.activity.failed) = (half, failed);
                second.activity.connections -= half;
                second.activity.failed -= failed;
                [first, second]
            })
            .collect();
        prop_assert_eq!(resolved(&flows), resolved(&halves));
    }

    /// What goes on is looked at once, but only as long as nobody came or went.
    #[test]
    fn flows_at_once_say_what_each_says_by_itself(
        few in prop::collection::vec(any_flow(), 1..8),
        times in prop::collection::vec((any::<prop::sample::Index>(), 0i64..40, 0i64..10), 0..60),
        from in 0i64..30,
    ) {
        let flows: Vec<Flow> =
            times.iter().map(|(which, first, length)| which.get(&few).clone().during(*first, first + length)).collect();
        let mut inventory = world();
        add_pod(&mut inventory, "brief", "front", "n2", &["10.244.2.99"], Some(from), Some(from + 15));
        for backend in inventory.services.iter_mut().flat_map(|service| &mut service.backends) {
            backend.address.from = Some(at(from));
        }
        let resolver = Resolver::new(&inventory);
        let at_once = resolver.sight(&flows);
        let (mut statements, mut unresolved) = (Statements::default(), Vec::new());
        for flow in &flows {
            let sighted = resolver.sight(std::slice::from_ref(flow));
            statements.merge(sighted.statements);
            unresolved.extend(sighted.unresolved);
        }
        let sorted = |mut unresolved: Vec<(Flow, Reason)>| {
            unresolved.sort_by_key(|one| format!("{one:?}"));
            unresolved
        };
        prop_assert_eq!(at_once.statements.into_sorted(), statements.into_sorted());
        prop_assert_eq!(sorted(at_once.unresolved), sorted(unresolved));
    }

    /// Portions are seen one by one, written down and read again, and added up in any order.
    #[test]
    fn flows_in_portions_are_the_flows_at_once(
        flows in prop::collection::vec(any_flow(), 0..40), size in 1usize..8, backwards in any::<bool>()
    ) {
        let inventory = world();
        let resolver = Resolver::new(&inventory);
        let mut portions: Vec<_> = flows.chunks(size).map(|portion| resolver.sight(portion)).collect();
        if backwards {
            portions.reverse();
        }
        let (mut statements, mut unresolved) = (Statements::default(), Vec::new());
        for portion in portions {
            for (subject, statement) in portion.statements.iter() {
                let written = serde_json::to_string(&(subject, statement)).unwrap();
                let (subject, statement): (Subject, Statement) = serde_json::from_str(&written).unwrap();
                statements.add(subject, statement);
            }
            unresolved.extend(portion.unresolved.into_iter().map(|(flow, reason)| (flow, reason.to_string())));
        }
        let at_once = resolver.resolve(&flows);
        let in_portions = resolver.finish(statements, unresolved);
        prop_assert_eq!(at_once.edges, in_portions.edges);
        prop_assert_eq!(at_once.unresolved, in_portions.unresolved);
    }
}
