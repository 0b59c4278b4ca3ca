//! The relation over classes against the verdicts for single pairs: two ways to the same answers, on random clusters.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod random;

use netwright_policy::{
    Classes, Cluster, Difference, End, NamedPort, Party, Pod, PolicySet, PortSet, Protocol, Relation, Source,
};
use proptest::prelude::*;
use random::{PORTS, cluster, pods};
use serde_json::json;
use std::collections::BTreeSet;
use std::net::IpAddr;

const OUTSIDE: [&str; 7] =
    ["0.0.0.0", "10.244.0.1", "10.244.0.7", "198.18.0.1", "255.255.255.255", "2001:db8::1", "fd00:244::9"];

fn policies(count: usize) -> impl Strategy<Value = PolicySet> {
    random::policies(count).prop_map(|items| {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        PolicySet::parse(&[Source { name: "p.json".into(), text: list.to_string() }]).unwrap().policies
    })
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
    assert_eq!((classes.len(), classes.size(classes.of_pod(25)), classes.is_empty()), (3, 20, false));
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

/// A name is a port of the destination, in ingress and in egress, and stands for another one on the next pod.
#[test]
fn a_named_port_is_looked_up_on_each_class_of_destinations() {
    let named = |number: usize, port: u16| {
        let ports = vec![NamedPort { name: "web".into(), protocol: Protocol::Tcp, port }];
        Pod { ports, ..shop("api", number) }
    };
    let pods = [shop("front", 0), named(1, 8080), named(2, 80), shop("api", 3)];
    let ingress = parse("{podSelector: {matchLabels: {app: api}}, ingress: [{ports: [{port: web}]}]}");
    let egress = parse("{podSelector: {matchLabels: {app: front}}, egress: [{ports: [{port: web}]}]}");
    for set in [ingress, egress] {
        let classes = Classes::new(&[&set], &Cluster::default(), &pods);
        let relation = Relation::new(&classes, &set);
        let ports = |to| relation.between(classes.of_pod(0), classes.of_pod(to)).to_string();
        assert_eq!([1, 2, 3].map(ports), ["TCP 8080", "TCP 80", "none"]);
        let range = classes.range_of("198.18.0.1".parse().unwrap());
        assert_eq!(relation.to_range(classes.of_pod(0), range).is_empty(), relation.isolates_egress(classes.of_pod(0)));
    }
}

/// Ten pods each of `front`, `api` and seven other applications: most of them alike to most policies.
fn fleet() -> Vec<Pod> {
    let apps = ["front", "api", "a", "b", "c", "d", "e", "f", "g"];
    apps.iter().flat_map(|app| (0..10).map(|number| shop(app, number))).collect()
}

/// Ends that each allow something, and nothing in common, allow nothing.
#[test]
fn pairs_without_a_common_port_are_not_counted() {
    let set = parse(
        "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{ports: [{port: 443}]}], egress: [{ports: [{port: 80}]}]}",
    );
    let pods = fleet();
    let classes = Classes::new(&[&set], &Cluster::default(), &pods);
    assert_eq!(Relation::new(&classes, &set).count().allowed, 0);
}

/// Everyone reaches port 53 of api, front also port 80: each pair is counted once.
#[test]
fn pairs_with_something_more_than_most_are_counted_once() {
    let set = parse(
        "{podSelector: {matchExpressions: [{key: app, operator: In, values: [api, a, b, c]}]}, ingress: [{ports: [{port: 53}]}, {from: [{podSelector: {matchLabels: {app: front}}}], ports: [{port: 80}]}]}",
    );
    let egress = parse(
        "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53}]}, {to: [{podSelector: {matchLabels: {app: d}}}], ports: [{port: 80}]}]}",
    );
    let pods = fleet();
    let classes = Classes::new(&[&set], &Cluster::default(), &pods);
    let count = Relation::new(&classes, &set).count();
    assert_eq!((count.pairs, count.allowed, count.unrestricted), (90 * 89, 90 * 89, 50 * 89));
    let classes = Classes::new(&[&egress], &Cluster::default(), &pods);
    let count = Relation::new(&classes, &egress).count();
    assert_eq!((count.allowed, count.unrestricted), (90 * 89, 0));
}

/// The same rows but for what holds for most, for who is named, for the ports of who is named, for addresses.
#[test]
fn a_difference_in_any_part_of_a_row_is_found() {
    let ingress = |rule: &str| format!("{{podSelector: {{matchLabels: {{app: api}}}}, ingress: [{rule}]}}");
    let everyone = |port: u16| {
        format!(
            "{{podSelector: {{}}, policyTypes: [Ingress, Egress], ingress: [{{from: [{{podSelector: {{}}}}], ports: [{{port: {port}}}]}}], egress: [{{to: [{{podSelector: {{}}}}], ports: [{{port: {port}}}]}}]}}"
        )
    };
    let from = |app: &str, port: u16| {
        ingress(&format!("{{from: [{{podSelector: {{matchLabels: {{app: {app}}}}}}}], ports: [{{port: {port}}}]}}"))
    };
    let block = |cidr: &str, port: u16| {
        ingress(&format!("{{from: [{{ipBlock: {{cidr: {cidr}}}}}], ports: [{{port: {port}}}]}}"))
    };
    let changes = [
        [everyone(80), everyone(443)],
        [from("a", 80), from("b", 80)],
        [from("a", 80), from("a", 81)],
        [block("10.0.0.0/8", 80), block("11.0.0.0/8", 80)],
        [block("10.0.0.0/8", 80), block("10.0.0.0/8", 81)],
    ];
    let pods = fleet();
    for change in changes {
        let [before, after] = change.each_ref().map(|spec| parse(spec));
        let classes = Classes::new(&[&before, &after], &Cluster::default(), &pods);
        let [before, after] = [&before, &after].map(|set| Relation::new(&classes, set));
        assert!(before.differences(&after).count() > 0, "{change:?}");
        assert_eq!(before.differences(&before).count(), 0);
    }
}
