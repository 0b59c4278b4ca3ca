//! The relation over classes against the verdicts for single pairs: two ways to the same answers, on random clusters.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use netwright_policy::{
    Classes, Cluster, Difference, End, Labels, NamedPort, Party, Pod, PolicySet, PortSet, Protocol, Relation, Source,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;

const NAMESPACES: [&str; 3] = ["bank", "mail", "shop"];
/// Each boundary of a port in the policies below, and a port beside it.
const PORTS: [u16; 12] = [1, 79, 80, 81, 99, 100, 101, 8079, 8080, 8081, 9000, 65535];
const OUTSIDE: [&str; 7] =
    ["0.0.0.0", "10.244.0.1", "10.244.0.7", "198.18.0.1", "255.255.255.255", "2001:db8::1", "fd00:244::9"];

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

fn policies(count: usize) -> impl Strategy<Value = PolicySet> {
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
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items.collect::<Vec<_>>()});
        PolicySet::parse(&[Source { name: "p.json".into(), text: list.to_string() }]).unwrap().policies
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

fn pods() -> impl Strategy<Value = Vec<Pod>> {
    prop::collection::vec((pod(), 1_usize..3), 0..6).prop_map(|kinds| {
        // Some pods twice, so that classes have several.
        let mut pods: Vec<Pod> = kinds.into_iter().flat_map(|(pod, times)| vec![pod; times]).collect();
        for (index, pod) in pods.iter_mut().enumerate() {
            pod.name = format!("pod{index}");
        }
        pods
    })
}

fn cluster() -> Cluster {
    let labels = Labels::from([("team".into(), "money".into())]);
    Cluster { namespaces: [("bank".into(), labels)].into(), ..Cluster::default() }
}

/// The ports of those asked about that single verdicts allow.
fn asked(set: &PolicySet, from: Party, to: Party) -> BTreeSet<(Protocol, u16)> {
    let all = Protocol::ALL.into_iter().flat_map(|protocol| PORTS.map(|port| (protocol, port)));
    all.filter(|(protocol, port)| set.verdict(&cluster(), &from, &to, *protocol, *port).allowed()).collect()
}

/// Those of them that a set holds.
fn held(ports: &PortSet) -> BTreeSet<(Protocol, u16)> {
    let all = Protocol::ALL.into_iter().flat_map(|protocol| PORTS.map(|port| (protocol, port)));
    all.filter(|(protocol, port)| ports.contains(*protocol, *port)).collect()
}

fn ordered_pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |from| (0..count).map(move |to| (from, to))).filter(|(from, to)| from != to)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn classes_answer_as_pods_do(set in policies(5), pods in pods()) {
        let cluster = cluster();
        let classes = Classes::new(&[&set], &cluster, &pods);
        let relation = Relation::new(&classes, &set);
        for (from, to) in ordered_pairs(pods.len()) {
            let single = asked(&set, Party::Pod(&pods[from]), Party::Pod(&pods[to]));
            prop_assert_eq!(held(&relation.between(classes.of_pod(from), classes.of_pod(to))), single);
        }
        for (pod, address) in pods.iter().enumerate().flat_map(|(index, _)| OUTSIDE.map(|address| (index, address))) {
            let address: IpAddr = address.parse().unwrap();
            // Its own address is the pod itself.
            if pods[pod].addresses.contains(&address) {
                continue;
            }
            let (class, range) = (classes.of_pod(pod), classes.range_of(address));
            let (party, outside) = (Party::Pod(&pods[pod]), Party::Address(address));
            prop_assert_eq!(held(relation.to_range(class, range)), asked(&set, party, outside));
            prop_assert_eq!(held(relation.from_range(range, class)), asked(&set, outside, party));
        }
    }

    #[test]
    fn counts_are_those_of_the_pairs(set in policies(6), pods in pods()) {
        let cluster = cluster();
        let classes = Classes::new(&[&set], &cluster, &pods);
        let relation = Relation::new(&classes, &set);
        let between = |(from, to)| relation.between(classes.of_pod(from), classes.of_pod(to));
        let pairs: Vec<_> = ordered_pairs(pods.len()).map(between).collect();
        let count = relation.count();
        let expected = [pairs.len(), pairs.iter().filter(|ports| !ports.is_empty()).count(), pairs.iter().filter(|ports| ports.is_all()).count()];
        prop_assert_eq!([count.pairs, count.allowed, count.unrestricted], expected.map(|count| count as u64));
    }

    /// Every difference is one between single verdicts, and none is missing.
    #[test]
    fn differences_are_those_of_the_pairs(before in policies(4), after in policies(4), pods in pods()) {
        let cluster = cluster();
        let classes = Classes::new(&[&before, &after], &cluster, &pods);
        let relations = [&before, &after].map(|set| Relation::new(&classes, set));
        let differences: Vec<Difference> = relations[0].differences(&relations[1]).collect();
        let find = |from, to| differences.iter().filter(|found| (found.from, found.to) == (from, to)).collect::<Vec<_>>();
        for (from, to) in ordered_pairs(pods.len()) {
            let [old, new] = [&before, &after].map(|set| asked(set, Party::Pod(&pods[from]), Party::Pod(&pods[to])));
            let found = find(End::Class(classes.of_pod(from)), End::Class(classes.of_pod(to)));
            prop_assert!(found.len() <= 1);
            let [gained, lost] = found.first().map_or_else(Default::default, |found| [held(&found.gained), held(&found.lost)]);
            prop_assert_eq!((gained, lost), (&new - &old, &old - &new));
        }
        for (pod, address) in pods.iter().enumerate().flat_map(|(index, _)| OUTSIDE.map(|address| (index, address))) {
            let address: IpAddr = address.parse().unwrap();
            if pods[pod].addresses.contains(&address) {
                continue;
            }
            let [class, range] = [End::Class(classes.of_pod(pod)), End::Range(classes.range_of(address))];
            for (from, to, ends) in [
                (Party::Pod(&pods[pod]), Party::Address(address), (class, range)),
                (Party::Address(address), Party::Pod(&pods[pod]), (range, class)),
            ] {
                let [old, new] = [&before, &after].map(|set| asked(set, from, to));
                let found = find(ends.0, ends.1);
                let [gained, lost] = found.first().map_or_else(Default::default, |found| [held(&found.gained), held(&found.lost)]);
                prop_assert_eq!((gained, lost), (&new - &old, &old - &new));
            }
        }
        for difference in &differences {
            prop_assert!(!(difference.gained.is_empty() && difference.lost.is_empty()));
        }
    }
}

fn parse(spec: &str) -> PolicySet {
    let text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {spec}\n"
    );
    PolicySet::parse(&[Source { name: "p.yaml".into(), text }]).unwrap().policies
}

fn shop(app: &str, number: usize) -> Pod {
    Pod {
        namespace: "shop".into(),
        name: format!("{app}-{number}"),
        labels: [("app".into(), app.into()), ("pod-template-hash".into(), format!("h{number}"))].into(),
        addresses: vec![],
        node_addresses: vec![],
        ports: vec![],
    }
}

/// What makes large clusters cheap: labels and values that no policy looks at do not split classes.
#[test]
fn pods_that_policies_cannot_tell_apart_are_one_class() {
    let set = parse(
        "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: {matchLabels: {app: front}}}]}]}",
    );
    let pods: Vec<Pod> =
        ["api", "front", "mail", "news"].iter().flat_map(|app| (0..10).map(|n| shop(app, n))).collect();
    let classes = Classes::new(&[&set], &Cluster::default(), &pods);
    assert_eq!((classes.len(), classes.size(classes.of_pod(25))), (3, 20));
    let relation = Relation::new(&classes, &set);
    let count = relation.count();
    // Of 40 x 39 pairs all but those from api, mail and news to api: 9 + 20 sources for each of its 10 pods.
    assert_eq!((count.pairs, count.allowed, count.unrestricted), (1560, 1560 - 290, 1560 - 290));
}

#[test]
fn without_pods_there_is_nothing_to_relate() {
    let set = parse("{podSelector: {}, egress: [{}]}");
    let classes = Classes::new(&[&set], &Cluster::default(), []);
    let relation = Relation::new(&classes, &set);
    assert!(classes.is_empty() && relation.count().pairs == 0);
    assert!(relation.between(0, 0).is_empty() && relation.to_range(0, 0).is_empty());
    assert_eq!(relation.differences(&relation).count(), 0);
}
