//! What holds for any policies and any input: order means nothing, policies only add up, no bytes bring the reader down.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use netwright_policy::{Cluster, Decision, NamedPort, Party, Pod, PolicySet, Protocol, Source, Verdict};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::net::IpAddr;

const NAMESPACES: [&str; 2] = ["shop", "bank"];
const APPS: [&str; 3] = ["front", "api", "db"];
const PORTS: [u16; 4] = [80, 443, 8080, 9000];

fn selector() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        select(&APPS).prop_map(|app| json!({"matchLabels": {"app": app}})),
        select(&APPS).prop_map(|app| json!({"matchLabels": {"app": app, "tier": "back"}})),
        Just(json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["front", "db"]}]})),
        (select(&APPS), select(&["In", "NotIn"])).prop_map(
            |(app, operator)| json!({"matchExpressions": [{"key": "app", "operator": operator, "values": [app]}]})
        ),
        select(&["Exists", "DoesNotExist"])
            .prop_map(|operator| json!({"matchExpressions": [{"key": "tier", "operator": operator}]})),
    ]
}

fn namespace_selector() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        select(&NAMESPACES).prop_map(|name| json!({"matchLabels": {"kubernetes.io/metadata.name": name}})),
    ]
}

fn peer() -> impl Strategy<Value = Value> {
    prop_oneof![
        selector().prop_map(|pods| json!({"podSelector": pods})),
        namespace_selector().prop_map(|namespaces| json!({"namespaceSelector": namespaces})),
        (selector(), namespace_selector())
            .prop_map(|(pods, namespaces)| json!({"podSelector": pods, "namespaceSelector": namespaces})),
        select(&["10.244.0.0/24", "10.244.0.0/16", "198.18.0.0/15", "192.0.2.1/32", "192.0.2.0/24", "2001:db8::/32"])
            .prop_map(|cidr| json!({"ipBlock": {"cidr": cidr}})),
        Just(json!({"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.0.0/28"]}})),
    ]
}

fn port() -> impl Strategy<Value = Value> {
    let protocol = select(&["TCP", "UDP", "SCTP"]);
    let number = select(&PORTS).prop_map(|port| json!(port));
    prop_oneof![
        protocol.clone().prop_map(|protocol| json!({"protocol": protocol})),
        (protocol.clone(), prop_oneof![number, Just(json!("web"))])
            .prop_map(|(protocol, port)| json!({"protocol": protocol, "port": port})),
        protocol.prop_map(|protocol| json!({"protocol": protocol, "port": 100, "endPort": 8999})),
    ]
}

fn rules(peers: &'static str) -> impl Strategy<Value = Vec<Value>> {
    let rule = (prop::collection::vec(peer(), 0..3), prop::collection::vec(port(), 0..3));
    prop::collection::vec(rule.prop_map(move |(list, ports)| json!({peers: list, "ports": ports})), 0..3)
}

/// A policy without a name.
fn policy() -> impl Strategy<Value = Value> {
    let types = select(vec![json!([]), json!(["Ingress"]), json!(["Egress"]), json!(["Ingress", "Egress"])]);
    (select(&NAMESPACES), selector(), types, rules("from"), rules("to")).prop_map(
        |(namespace, pods, types, ingress, egress)| {
            json!({
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"namespace": namespace},
                "spec": {"podSelector": pods, "policyTypes": types, "ingress": ingress, "egress": egress},
            })
        },
    )
}

/// Policies with names, so that they can be told apart whatever their order.
fn policies() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(policy(), 0..6).prop_map(|mut policies| {
        for (index, policy) in policies.iter_mut().enumerate() {
            *policy.pointer_mut("/metadata").unwrap() = json!({
                "namespace": policy.pointer("/metadata/namespace"),
                "name": format!("p{index}"),
            });
        }
        policies
    })
}

fn parse(policies: &[Value]) -> PolicySet {
    let text = json!({"apiVersion": "v1", "kind": "List", "items": policies}).to_string();
    PolicySet::parse(&[Source { name: "p.json".into(), text }]).unwrap().policies
}

fn pods() -> Vec<Pod> {
    let mut pods = Vec::new();
    for (i, namespace) in (0_u8..).zip(NAMESPACES) {
        for (j, app) in (0_u8..).zip(APPS) {
            let tier = (app == "db").then(|| ("tier".to_owned(), "back".to_owned()));
            pods.push(Pod {
                namespace: namespace.into(),
                name: app.into(),
                labels: [("app".to_owned(), app.to_owned())].into_iter().chain(tier).collect(),
                addresses: vec![IpAddr::from([10, 244, i, 10 + 4 * j])],
                node_addresses: vec![],
                ports: vec![NamedPort { name: "web".into(), protocol: Protocol::Tcp, port: 8080 }],
            });
        }
    }
    pods
}

/// What a set answers to every question of a small world.
fn answers(set: &PolicySet) -> Vec<Verdict> {
    let node = [IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2])];
    let pods = pods();
    let mut parties: Vec<Party> = pods.iter().map(Party::Pod).collect();
    parties.extend([Party::Node { addresses: &node }, Party::Address(IpAddr::from([198, 18, 0, 1]))]);
    let mut answers = Vec::new();
    for from in &parties {
        for to in &parties {
            for (protocol, port) in Protocol::ALL.into_iter().flat_map(|protocol| PORTS.map(|port| (protocol, port))) {
                answers.push(set.verdict(&Cluster::default(), from, to, protocol, port));
            }
        }
    }
    answers
}

/// Both directions, without the places of policies and rules.
fn allowed(verdict: &Verdict) -> [bool; 2] {
    [verdict.egress.allows(), verdict.ingress.allows()]
}

fn egress(verdict: &Verdict) -> &Decision {
    &verdict.egress
}

fn ingress(verdict: &Verdict) -> &Decision {
    &verdict.ingress
}

fn isolating(decision: &Decision) -> bool {
    matches!(decision, Decision::Allowed { .. } | Decision::Denied { .. })
}

/// Every list of which the items are alternatives, reversed.
fn reversed(mut policies: Vec<Value>) -> Vec<Value> {
    policies.reverse();
    for policy in &mut policies {
        for (direction, peers) in [("/spec/ingress", "from"), ("/spec/egress", "to")] {
            let rules = policy.pointer_mut(direction).unwrap().as_array_mut().unwrap();
            rules.reverse();
            for rule in rules {
                rule[peers].as_array_mut().unwrap().reverse();
                rule["ports"].as_array_mut().unwrap().reverse();
            }
        }
        policy.pointer_mut("/spec/policyTypes").unwrap().as_array_mut().unwrap().reverse();
    }
    policies
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_means_nothing(policies in policies()) {
        let one: Vec<_> = answers(&parse(&policies)).iter().map(allowed).collect();
        let other: Vec<_> = answers(&parse(&reversed(policies))).iter().map(allowed).collect();
        prop_assert_eq!(one, other);
    }

    /// The verdict of a set is the union of the verdicts of its policies: an end is open if no policy isolates it, and
    /// otherwise admits what at least one of those that isolate it admits by itself.
    #[test]
    fn a_set_is_the_union_of_its_policies(policies in policies()) {
        let alone: Vec<_> = policies.iter().map(|policy| answers(&parse(std::slice::from_ref(policy)))).collect();
        for (index, verdict) in answers(&parse(&policies)).iter().enumerate() {
            for end in [egress, ingress] {
                let decision = end(verdict);
                let mut isolated = alone.iter().map(|answers| end(&answers[index])).filter(|one| isolating(one)).peekable();
                prop_assert_eq!(isolating(decision), isolated.peek().is_some());
                if isolating(decision) {
                    prop_assert_eq!(decision.allows(), isolated.any(Decision::allows));
                }
            }
        }
    }

    /// A policy more opens nothing but what it admits itself, and closes nothing to ends that were isolated already.
    #[test]
    fn one_policy_more_only_adds_to_an_isolated_end(policies in policies().prop_filter("one at least", |p| !p.is_empty())) {
        let (last, rest) = policies.split_last().unwrap();
        let (before, added) = (answers(&parse(rest)), answers(&parse(std::slice::from_ref(last))));
        for ((after, before), added) in answers(&parse(&policies)).iter().zip(&before).zip(&added) {
            for (after, before, added) in
                [(&after.egress, &before.egress, &added.egress), (&after.ingress, &before.ingress, &added.ingress)]
            {
                if isolating(before) {
                    let admitted = matches!(added, Decision::Allowed { .. });
                    prop_assert_eq!(after.allows(), before.allows() || admitted);
                }
            }
        }
    }

    /// The names of policies in a decision are true: the rule that is said to admit is there, and every policy said to isolate does.
    #[test]
    fn decisions_name_policies_that_are_there(policies in policies()) {
        let set = parse(&policies);
        for verdict in answers(&set) {
            match verdict.ingress {
                Decision::Allowed { policy, rule } => {
                    prop_assert!(set.policies()[policy].isolates_ingress && rule < set.policies()[policy].ingress.len());
                }
                Decision::Denied { isolated_by } => {
                    prop_assert!(!isolated_by.is_empty() && isolated_by.is_sorted_by(|a, b| a < b));
                    prop_assert!(isolated_by.iter().all(|&policy| set.policies()[policy].isolates_ingress));
                }
                Decision::NotIsolated | Decision::Exempt(_) => {}
            }
        }
    }
}

const ALPHABET: &[&str] = &[
    "apiVersion",
    "kind",
    "NetworkPolicy",
    "networking.k8s.io/v1",
    "metadata",
    "name",
    "spec",
    "podSelector",
    "ingress",
    "from",
    "ipBlock",
    "cidr",
    "10.0.0.0/8",
    "::/0",
    "ports",
    "endPort",
    "List",
    "items",
    ":",
    ": ",
    "- ",
    "\n",
    "\n---\n",
    "\n...\n",
    "  ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "'",
    "&a ",
    "*a",
    "<<: ",
    "!t ",
    "!!int ",
    "|\n",
    ">-\n",
    "#",
    "%YAML 1.1\n",
    "? ",
    "\t",
    "\r",
    "\0",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "null",
    "~",
    "0x1",
    "1e9",
    ".inf",
    "-1",
    "18446744073709551616",
];

/// A manifest with pieces of it replaced by others.
fn mutated() -> impl Strategy<Value = String> {
    let cuts = prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, select(ALPHABET)), 1..6);
    (policies(), any::<bool>(), cuts).prop_map(|(policies, yaml, cuts)| {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": policies});
        let text = if yaml { serde_yaml::to_string(&list).unwrap() } else { list.to_string() };
        let mut text: Vec<char> = text.chars().collect();
        for (at, length, piece) in cuts {
            let start = at.index(text.len());
            let end = (start + length).min(text.len());
            text.splice(start..end, piece.chars());
        }
        text.into_iter().collect()
    })
}

/// Reading comes to an end with policies or with errors that can be shown, and the policies give answers.
fn read(text: &str) -> Result<(), TestCaseError> {
    match PolicySet::parse(&[Source { name: "f".into(), text: text.into() }]) {
        Ok(parsed) => {
            answers(&parsed.policies);
            for warning in parsed.warnings {
                prop_assert!(!warning.to_string().contains(char::is_control));
            }
        }
        Err(failure) => {
            prop_assert!(!failure.errors.is_empty());
            for error in failure.errors {
                prop_assert!(!error.to_string().contains(char::is_control), "{error:?}");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        read(&text)?;
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        if let Err(error) = PolicySet::load(file.path()) {
            prop_assert!(!error.to_string().replace("\n  ", "").contains(char::is_control), "{error:?}");
        }
    }

    #[test]
    fn any_pieces_of_yaml_are_read_or_refused(pieces in prop::collection::vec(select(ALPHABET), 0..60)) {
        read(&pieces.concat())?;
    }

    #[test]
    fn any_mutated_manifest_is_read_or_refused(text in mutated()) {
        read(&text)?;
    }
}
