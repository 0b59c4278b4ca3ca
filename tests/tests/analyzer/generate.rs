//! Random clusters and policies, the same for the same seed: small pools of names, labels, ports and blocks, so that what
//! is drawn meets.

use netwright_policy::{Labels, METADATA_NAME, NamedPort, Pod, Protocol};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The labels of pods, each key with all the values that anything here has or asks for.
pub(super) const POD_LABELS: [(&str, &[&str]); 3] =
    [("app", &["front", "api", "db", "ghost"]), ("tier", &["back", "front"]), ("canary", &["", "yes"])];

/// The labels of namespaces, likewise.
const NAMESPACE_LABELS: [(&str, &[&str]); 3] =
    [("team", &["money", "science"]), ("canary", &["", "yes"]), (METADATA_NAME, &["shop", "bank", "lab"])];

const NAMESPACES: [(&str, &[(&str, &str)]); 3] =
    [("shop", &[]), ("bank", &[("team", "money"), ("canary", "")]), ("lab", &[("team", "science")])];

/// Blocks with what may be excepted from them, one pair with host bits.
const BLOCKS: [(&str, &[&str]); 13] = [
    ("0.0.0.0/0", &["10.0.0.0/8", "198.18.0.0/16", "10.244.0.4/32"]),
    ("10.0.0.0/8", &["10.244.0.0/16", "10.244.0.0/30", "10.255.255.255/32"]),
    ("10.244.0.0/16", &["10.244.0.0/30", "10.244.0.4/31"]),
    ("10.244.0.0/29", &["10.244.0.2/32", "10.244.0.6/31"]),
    ("10.244.0.2/32", &[]),
    ("198.18.0.0/15", &["198.18.1.0/24", "198.19.0.0/16"]),
    ("198.18.7.7/15", &["198.18.1.9/24"]),
    ("192.0.2.128/25", &["192.0.2.128/26"]),
    ("::/0", &["fd00:244::/64", "2001:db8::/32"]),
    ("fd00:244::/64", &["fd00:244::4/126"]),
    ("fd00:244::2/127", &[]),
    ("2001:db8::/32", &["2001:db8:1::/48", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128"]),
    ("2001:db8:1::/48", &[]),
];

const PORTS: [u16; 8] = [1, 53, 80, 443, 8080, 8443, 9000, 65535];
const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

/// One question: a cluster, and the policies in it.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// Each namespace with its labels.
    pub(super) namespaces: BTreeMap<String, Labels>,
    /// The pods, no two of one name.
    pub(super) pods: Vec<Pod>,
    /// NetworkPolicies as one would write them.
    pub(super) policies: Vec<Value>,
}

/// The first `count` cases of a seed.
pub(super) fn cases(seed: u64, count: usize) -> Vec<Case> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let case = (prop::collection::vec(pod(), 4..=7), prop::collection::vec(policy(), 1..=6));
    let mut draw = || case.new_tree(&mut runner).unwrap().current();
    (0..count).map(|_| draw()).map(|(pods, policies)| number(pods, policies)).collect()
}

/// Gives pods and policies their names and addresses, which have to differ.
fn number(drawn: Vec<(Pod, [bool; 2])>, mut policies: Vec<Value>) -> Case {
    let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let namespaces = NAMESPACES.map(|(name, pairs)| (name.to_owned(), labels(pairs))).into();
    let pods = (1_u8..).zip(drawn).map(|(index, (mut pod, [four, six]))| {
        pod.name = format!("p{index}");
        let four = four.then(|| IpAddr::V4(Ipv4Addr::new(10, 244, 0, index)));
        let six = six.then(|| IpAddr::V6(Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, index.into())));
        pod.addresses = four.into_iter().chain(six).collect();
        pod
    });
    for (index, policy) in policies.iter_mut().enumerate() {
        policy["metadata"]["name"] = json!(format!("n{index}"));
    }
    Case { namespaces, pods: pods.collect(), policies }
}

/// A pod without name, and whether it has an address of either family.
fn pod() -> impl Strategy<Value = (Pod, [bool; 2])> {
    let label = |(key, values): (&'static str, &'static [&'static str])| {
        prop::option::weighted(0.8, select(values))
            .prop_map(move |value| value.map(|it| (key.to_owned(), it.to_owned())))
    };
    let web = (select(&[Protocol::Tcp, Protocol::Tcp, Protocol::Udp]), select(&[80, 8080, 8443]));
    let dns = (select(&[Protocol::Udp, Protocol::Sctp]), select(&[53, 5353]));
    let named = |name: &'static str| move |(protocol, port)| NamedPort { name: name.into(), protocol, port };
    let ports = (prop::option::of(web.prop_map(named("web"))), prop::option::of(dns.prop_map(named("dns"))));
    (select(&NAMESPACES), POD_LABELS.map(label), ports, any::<[bool; 2]>()).prop_map(
        |((namespace, _), labels, (web, dns), families)| {
            let pod = Pod {
                namespace: namespace.into(),
                name: String::new(),
                labels: labels.into_iter().flatten().collect(),
                addresses: Vec::new(),
                node_addresses: Vec::new(),
                ports: web.into_iter().chain(dns).collect(),
            };
            (pod, families)
        },
    )
}

fn policy() -> impl Strategy<Value = Value> {
    let types = prop_oneof![
        2 => Just(None),
        6 => select(vec![
            Value::Null,
            json!([]),
            json!(["Ingress"]),
            json!(["Egress"]),
            json!(["Ingress", "Egress"]),
            json!(["Egress", "Ingress"]),
        ])
        .prop_map(Some),
    ];
    let pods = prop_oneof![Just(json!({})), selector(&POD_LABELS)];
    let spec = (pods, types, field(rule("from")), field(rule("to")));
    (select(&NAMESPACES), spec).prop_map(|((namespace, _), (pods, types, ingress, egress))| {
        let spec = [("podSelector", Some(pods)), ("policyTypes", types), ("ingress", ingress), ("egress", egress)];
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"namespace": namespace},
            "spec": object(spec),
        })
    })
}

/// A list as a manifest may have it: not at all, null, empty, or with up to three items.
fn field(item: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(Value::Null)),
        1 => Just(Some(json!([]))),
        6 => prop::collection::vec(item, 1..=3).prop_map(|items| Some(Value::Array(items))),
    ]
}

fn rule(peers: &'static str) -> impl Strategy<Value = Value> {
    (field(peer()), field(port())).prop_map(move |(list, ports)| object([(peers, list), ("ports", ports)]))
}

fn peer() -> impl Strategy<Value = Value> {
    let block = select(&BLOCKS).prop_flat_map(|(cidr, holes)| {
        (Just(cidr), subsequence(holes, 0..=holes.len()), any::<bool>()).prop_map(|(cidr, holes, written)| {
            let except = (written || !holes.is_empty()).then(|| json!(holes));
            json!({"ipBlock": object([("cidr", Some(json!(cidr))), ("except", except)])})
        })
    });
    prop_oneof![
        selector(&POD_LABELS).prop_map(|pods| json!({"podSelector": pods})),
        selector(&NAMESPACE_LABELS).prop_map(|namespaces| json!({"namespaceSelector": namespaces})),
        (selector(&POD_LABELS), selector(&NAMESPACE_LABELS))
            .prop_map(|(pods, namespaces)| json!({"podSelector": pods, "namespaceSelector": namespaces})),
        block,
    ]
}

fn port() -> impl Strategy<Value = Value> {
    let number = || select(&PORTS);
    let port = prop_oneof![
        Just((None, None)),
        number().prop_map(|port| (Some(json!(port)), None)),
        (number(), select(&[0_u16, 1, 10, 1000, 65535]))
            .prop_map(|(port, more)| (Some(json!(port)), Some(json!(port.saturating_add(more))))),
        select(&["web", "dns", "nobody"]).prop_map(|name| (Some(json!(name)), None)),
    ];
    (prop::option::weighted(0.7, select(&PROTOCOLS)), port).prop_map(|(protocol, (port, end))| {
        object([("protocol", protocol.map(|it| json!(it))), ("port", port), ("endPort", end)])
    })
}

fn selector(labels: &'static [(&'static str, &'static [&'static str])]) -> impl Strategy<Value = Value> {
    let one = select(labels).prop_flat_map(|(key, values)| (Just(key), select(values)));
    let expression = select(labels).prop_flat_map(|(key, values)| {
        let some = (select(&["In", "NotIn"]), subsequence(values, 1..=values.len()));
        prop_oneof![
            3 => some.prop_map(move |(operator, values)| json!({"key": key, "operator": operator, "values": values})),
            1 => select(&["Exists", "DoesNotExist"]).prop_map(move |it| json!({"key": key, "operator": it})),
        ]
    });
    let labels = || prop::collection::vec(one.clone(), 1..=2).prop_map(pairs);
    let expressions = || prop::collection::vec(expression.clone(), 1..=2);
    prop_oneof![
        2 => Just(json!({})),
        4 => labels().prop_map(|labels| json!({"matchLabels": labels})),
        3 => expressions().prop_map(|it| json!({"matchExpressions": it})),
        1 => (labels(), expressions()).prop_map(|(one, other)| json!({"matchLabels": one, "matchExpressions": other})),
    ]
}

fn pairs(pairs: Vec<(&str, &str)>) -> Value {
    Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect())
}

/// An object of the fields that are there.
fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let there = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}
