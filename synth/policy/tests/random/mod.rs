//! Random policies that use every field there is, and random pods that these can tell apart: for tests that compare two
//! ways to one answer.

use netwright_policy::{Cluster, Labels, NamedPort, Pod, Protocol};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use std::net::IpAddr;

const NAMESPACES: [&str; 3] = ["bank", "mail", "shop"];
/// Each boundary of a port in the policies below, and a port beside it.
pub(crate) const PORTS: [u16; 12] = [1, 79, 80, 81, 99, 100, 101, 8079, 8080, 8081, 9000, 65535];

fn selector() -> impl Strategy<Value = Value> {
    let value = || select(vec!["a", "b", "c", ""]);
    let expression =
        (select(vec!["app", "tier"]), select(vec!["In", "NotIn", "Exists", "DoesNotExist"]), value(), value())
            .prop_map(|(key, operator, one, two)| match operator {
                "In" | "NotIn" => json!({"key": key, "operator": operator, "values": [one, two]}),
                _ => json!({"key": key, "operator": operator}),
            });
    prop_oneof![
        2 => Just(json!({})),
        3 => value().prop_map(|app| json!({"matchLabels": {"app": app}})),
        1 => (value(), value()).prop_map(|(app, tier)| json!({"matchLabels": {"app": app, "tier": tier}})),
        3 => prop::collection::vec(expression, 1..3).prop_map(|list| json!({"matchExpressions": list})),
    ]
}

fn namespace_selector() -> impl Strategy<Value = Value> {
    let name = || select(&NAMESPACES);
    prop_oneof![
        Just(json!({})),
        name().prop_map(|name| json!({"matchLabels": {"kubernetes.io/metadata.name": name}})),
        Just(json!({"matchLabels": {"team": "money"}})),
        select(vec!["Exists", "DoesNotExist"])
            .prop_map(|operator| json!({"matchExpressions": [{"key": "team", "operator": operator}]})),
        name().prop_map(
            |name| json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [name]}]})
        ),
    ]
}

fn peer() -> impl Strategy<Value = Value> {
    let blocks = vec![
        json!({"cidr": "0.0.0.0/0"}),
        json!({"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "198.18.0.1/32"]}),
        json!({"cidr": "10.244.0.0/29", "except": ["10.244.0.0/31"]}),
        json!({"cidr": "255.255.255.255/32"}),
        json!({"cidr": "::/0", "except": ["fd00::/8"]}),
        json!({"cidr": "fd00:244::/124"}),
    ];
    prop_oneof![
        3 => selector().prop_map(|pods| json!({"podSelector": pods})),
        1 => namespace_selector().prop_map(|namespaces| json!({"namespaceSelector": namespaces})),
        3 => (selector(), namespace_selector())
            .prop_map(|(pods, namespaces)| json!({"podSelector": pods, "namespaceSelector": namespaces})),
        2 => select(blocks).prop_map(|block| json!({"ipBlock": block})),
    ]
}

fn port() -> impl Strategy<Value = Value> {
    let protocol = || select(vec!["TCP", "UDP", "SCTP"]);
    prop_oneof![
        protocol().prop_map(|protocol| json!({"protocol": protocol})),
        (protocol(), select(vec![json!(80), json!(8080), json!(65535), json!("web"), json!("dns"), json!("none")]))
            .prop_map(|(protocol, port)| json!({"protocol": protocol, "port": port})),
        protocol().prop_map(|protocol| json!({"protocol": protocol, "port": 80, "endPort": 100})),
        Just(json!({"port": 1, "endPort": 8080})),
    ]
}

fn rules(peers: &'static str) -> impl Strategy<Value = Vec<Value>> {
    let rule = (prop::collection::vec(peer(), 0..3), prop::collection::vec(port(), 0..3));
    prop::collection::vec(rule.prop_map(move |(list, ports)| json!({peers: list, "ports": ports})), 0..3)
}

/// Fewer than `count` NetworkPolicies, as the API has them.
pub(crate) fn policies(count: usize) -> impl Strategy<Value = Vec<Value>> {
    let types = select(vec![json!([]), json!(["Ingress"]), json!(["Egress"]), json!(["Ingress", "Egress"])]);
    let policy = (select(&NAMESPACES), selector(), types, rules("from"), rules("to"));
    prop::collection::vec(policy, 0..count).prop_map(|policies| {
        let items = policies.into_iter().enumerate().map(|(index, (namespace, pods, types, ingress, egress))| {
            json!({
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"namespace": namespace, "name": format!("p{index}")},
                "spec": {"podSelector": pods, "policyTypes": types, "ingress": ingress, "egress": egress},
            })
        });
        items.collect()
    })
}

fn pod() -> impl Strategy<Value = Pod> {
    let labels =
        (subsequence(vec!["app", "tier", "other"], 0..=3), select(vec!["a", "b", "c", ""]), select(vec!["a", ""]));
    let ports = vec![
        ("web", Protocol::Tcp, 8080),
        ("web", Protocol::Tcp, 80),
        ("web", Protocol::Udp, 9000),
        ("dns", Protocol::Udp, 100),
        ("unused", Protocol::Tcp, 1),
    ];
    let ports = subsequence(ports, 0..=3).prop_map(|ports| {
        let named = ports.into_iter().map(|(name, protocol, port)| NamedPort { name: name.into(), protocol, port });
        named.collect::<Vec<_>>()
    });
    let addresses =
        prop::option::of(0_u8..16).prop_flat_map(|last| (Just(last), any::<bool>())).prop_map(|(last, dual)| {
            let v4 = last.map(|last| IpAddr::from([10, 244, 0, last]));
            let v6 = last.filter(|_| dual).map(|last| IpAddr::from([0xfd00, 0x244, 0, 0, 0, 0, 0, u16::from(last)]));
            v4.into_iter().chain(v6).collect::<Vec<_>>()
        });
    (select(&NAMESPACES), labels, ports, addresses).prop_map(|(namespace, (keys, app, tier), ports, addresses)| {
        let value = |key| if key == "tier" { tier } else { app };
        Pod {
            namespace: namespace.into(),
            name: String::new(),
            labels: keys.into_iter().map(|key| (key.into(), value(key).into())).collect(),
            addresses,
            node_addresses: Vec::new(),
            ports,
        }
    })
}

/// Some pods, several of them alike.
pub(crate) fn pods() -> impl Strategy<Value = Vec<Pod>> {
    prop::collection::vec((pod(), 1_usize..3), 0..6).prop_map(|kinds| {
        // Some pods twice, so that classes have several.
        let mut pods: Vec<Pod> = kinds.into_iter().flat_map(|(pod, times)| vec![pod; times]).collect();
        for (index, pod) in pods.iter_mut().enumerate() {
            pod.name = format!("pod{index}");
        }
        pods
    })
}

/// Their namespaces.
pub(crate) fn cluster() -> Cluster {
    let labels = Labels::from([("team".into(), "money".into())]);
    Cluster { namespaces: [("bank".into(), labels)].into(), ..Cluster::default() }
}
