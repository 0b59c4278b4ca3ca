//! Explanations against the evaluator: over any policies they agree, and mending what is said to be missing admits.

use super::*;
use crate::model::{IpBlock, Origin, Peer, PortRange, Ports};
use crate::{Labels, NamedPort, Operator, Requirement, Selector};
use ipnet::IpNet;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const VALUES: [&str; 3] = ["front", "fronts", "db"];
const PORTS: [u16; 4] = [53, 80, 81, 8080];

fn requirement() -> impl Strategy<Value = Requirement> {
    let values = || subsequence(VALUES.to_vec(), 1..3).prop_map(|v| v.into_iter().map(str::to_owned).collect());
    let operator = prop_oneof![
        3 => values().prop_map(Operator::In),
        1 => values().prop_map(Operator::NotIn),
        1 => Just(Operator::Exists),
        1 => Just(Operator::DoesNotExist),
    ];
    (select(&["app", "tier"]), operator).prop_map(|(key, operator)| Requirement { key: key.into(), operator })
}

fn selector() -> impl Strategy<Value = Selector> {
    prop::collection::vec(requirement(), 0..3).prop_map(|requirements| Selector { requirements })
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn block() -> impl Strategy<Value = IpBlock> {
    let holes = ["10.244.0.0/28", "10.244.1.0/24", "10.244.0.8/29", "192.0.2.2/32"].map(net).to_vec();
    let cidr = select(&["10.244.0.0/16", "192.0.2.0/24", "0.0.0.0/0", "198.18.0.0/15", "2001:db8::/32"]).prop_map(net);
    (cidr, subsequence(holes, 0..4)).prop_map(|(cidr, except)| {
        let except = except.into_iter().filter(|hole| cidr.contains(hole)).collect();
        IpBlock { cidr, except }
    })
}

fn peer() -> impl Strategy<Value = Peer> {
    let either = (prop::option::of(selector()), prop::option::of(selector()));
    let pods = either.prop_map(|(namespaces, pods)| Peer::Pods { namespaces, pods });
    prop_oneof![2 => pods, 1 => block().prop_map(Peer::IpBlock)]
}

fn ports() -> impl Strategy<Value = PortRange> {
    let number = (select(&PORTS), 0_u16..30).prop_map(|(first, more)| Ports::Numbers { first, last: first + more });
    let name = select(&["web", "dns", "none"]).prop_map(|name| Ports::Name(name.into()));
    (select(&Protocol::ALL), prop_oneof![Just(Ports::All), number, name])
        .prop_map(|(protocol, ports)| PortRange { protocol, ports })
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let peers = prop::option::of(prop::collection::vec(peer(), 1..3));
    let ports = prop::option::of(prop::collection::vec(ports(), 1..3));
    prop::collection::vec((peers, ports).prop_map(|(peers, ports)| Rule { peers, ports }), 0..3)
}

fn policy() -> impl Strategy<Value = NetworkPolicy> {
    (select(&["shop", "bank"]), selector(), any::<[bool; 2]>(), rules(), rules()).prop_map(
        |(namespace, pod_selector, [isolates_ingress, isolates_egress], ingress, egress)| NetworkPolicy {
            origin: Origin { file: "p".into(), document: 1, line: 1, item: String::new() },
            namespace: namespace.into(),
            name: "p".into(),
            pod_selector,
            isolates_ingress,
            isolates_egress,
            ingress,
            egress,
        },
    )
}

fn set() -> impl Strategy<Value = PolicySet> {
    prop::collection::vec(policy(), 0..5).prop_map(PolicySet::new)
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn pod(namespace: &str, name: &str, pairs: &[(&str, &str)], addresses: &[&str]) -> Pod {
    let port = |name: &str, protocol, port| NamedPort { name: name.into(), protocol, port };
    Pod {
        namespace: namespace.into(),
        name: name.into(),
        labels: labels(pairs),
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        node_addresses: vec!["192.0.2.1".parse().unwrap()],
        ports: vec![port("web", Protocol::Tcp, 8080), port("dns", Protocol::Udp, 53), port("dns", Protocol::Tcp, 80)],
    }
}

fn cluster() -> Cluster {
    let namespaces = [("shop".to_owned(), labels(&[("app", "front")])), ("bank".to_owned(), labels(&[]))].into();
    Cluster { namespaces, ..Cluster::default() }
}

fn pods() -> Vec<Pod> {
    vec![
        pod("shop", "front", &[("app", "front")], &["10.244.0.9", "2001:db8::9"]),
        pod("shop", "db", &[("app", "db"), ("tier", "front")], &["10.244.0.130"]),
        pod("bank", "front", &[("app", "fronts")], &[]),
        pod("bank", "bare", &[], &["10.244.1.5"]),
    ]
}

/// The policy as the gap would have it: of the rule only the nearest entries, mended by all of `unmet` but one.
fn mended(set: &PolicySet, gap: &Gap, direction: Direction, all_but: Option<usize>) -> NetworkPolicy {
    let mut policy = set.policies()[gap.policy].clone();
    let mut rule = rules_of(&policy, direction)[gap.rule].clone();
    let mut number = 0;
    let mut is_mended = || {
        number += 1;
        Some(number - 1) != all_but
    };
    let (mut selections, mut peers, mut ports) = (Vec::new(), Vec::new(), Vec::new());
    selections.extend(gap.selection.iter().filter(|_| is_mended()));
    peers.extend(gap.peer.iter().flat_map(|entry| &entry.unmet).filter(|_| is_mended()));
    ports.extend(gap.port.iter().flat_map(|entry| &entry.unmet).filter(|_| is_mended()));
    rule.peers = rule.peers.map(|list| vec![list[gap.peer.as_ref().unwrap().index].clone()]);
    rule.ports = rule.ports.map(|list| vec![list[gap.port.as_ref().unwrap().index].clone()]);
    for unmet in selections {
        mend_selection(&mut policy, unmet);
    }
    for unmet in peers {
        match unmet {
            Unmet::NoAddress => rule.peers = None,
            _ => mend_peer(&mut rule.peers.as_mut().unwrap()[0], unmet),
        }
    }
    for unmet in ports {
        mend_range(&mut rule.ports.as_mut().unwrap()[0], unmet);
    }
    (policy.ingress, policy.egress) = match direction {
        Direction::Ingress => (vec![rule], vec![]),
        Direction::Egress => (vec![], vec![rule]),
    };
    policy
}

fn mend_selection(policy: &mut NetworkPolicy, unmet: &Unmet) {
    match unmet {
        Unmet::OtherNamespace { actual, .. } => policy.namespace = actual.clone(),
        Unmet::Label { requirement, .. } => drop_requirement(&mut policy.pod_selector, requirement),
        Unmet::PolicyTypes { direction: "Ingress" } => policy.isolates_ingress = true,
        Unmet::PolicyTypes { .. } => policy.isolates_egress = true,
        other => panic!("{other:?} is nothing a policy's selector can lack"),
    }
}

fn mend_peer(peer: &mut Peer, unmet: &Unmet) {
    match (peer, unmet) {
        (
            Peer::Pods { namespaces: Some(selector), .. },
            Unmet::Label { object: Object::Namespace(_), requirement, .. },
        )
        | (Peer::Pods { pods: Some(selector), .. }, Unmet::Label { object: Object::Pod { .. }, requirement, .. }) => {
            drop_requirement(selector, requirement);
        }
        (Peer::Pods { namespaces, .. }, Unmet::OtherNamespace { .. }) => *namespaces = Some(Selector::default()),
        (peer, Unmet::NotAPod { address }) => {
            *peer = Peer::IpBlock(IpBlock { cidr: (*address).into(), except: vec![] })
        }
        (Peer::IpBlock(block), Unmet::OutsideBlock { address, .. }) => block.cidr = (*address).into(),
        (Peer::IpBlock(block), Unmet::Excepted { except, .. }) => block.except.retain(|hole| hole != except),
        (peer, unmet) => panic!("{unmet:?} is nothing that {peer:?} can lack"),
    }
}

fn mend_range(range: &mut PortRange, unmet: &Unmet) {
    match unmet {
        Unmet::Protocol { actual, .. } => range.protocol = *actual,
        Unmet::Port { actual, .. } => range.ports = Ports::Numbers { first: *actual, last: *actual },
        Unmet::NamedPort { asked: (_, port), .. } => range.ports = Ports::Numbers { first: *port, last: *port },
        other => panic!("{other:?} is nothing an entry of ports can lack"),
    }
}

fn drop_requirement(selector: &mut Selector, requirement: &Requirement) {
    let at = selector.requirements.iter().position(|one| one == requirement).expect("only what is there is unmet");
    selector.requirements.remove(at);
}

/// What the policy alone says at the end that the gap is about.
fn alone(policy: NetworkPolicy, direction: Direction, question: &Question, end: &End) -> Decision {
    let set = PolicySet::new(vec![policy]);
    let other = match direction {
        Direction::Egress => question.to,
        Direction::Ingress => question.from,
    };
    let address = end.address.as_ref().map(std::slice::from_ref);
    let other = address.map_or(*other, |addresses| Party::Node { addresses });
    Question { set: &set, ..*question }.decide(direction, &other)
}

/// Holds the explanation of one end against the evaluator.
fn is_true(question: &Question, direction: Direction) -> Result<(), TestCaseError> {
    let end = question.end(direction);
    let admitting = end.rules.first().filter(|gap| gap.admits());
    match &end.decision {
        Decision::Allowed { policy, rule } => {
            prop_assert_eq!(admitting.map(|gap| (gap.policy, gap.rule)), Some((*policy, *rule)));
        }
        Decision::Denied { isolated_by } => {
            prop_assert_eq!(&end.isolated_by, isolated_by);
            prop_assert!(admitting.is_none());
            let rules = isolated_by.iter().map(|&index| rules_of(&question.set.policies()[index], direction).len());
            prop_assert_eq!(end.rules.len(), rules.sum::<usize>(), "each rule is accounted for");
        }
        Decision::NotIsolated | Decision::Exempt(_) => prop_assert!(end.rules.is_empty()),
    }
    prop_assert!(end.rules.is_sorted_by_key(|gap| gap.unmet().count()));
    for gap in end.rules.iter().chain(&end.elsewhere) {
        mending_admits(question, direction, &end, gap)?;
    }
    Ok(())
}

/// All that is missing, and nothing less, makes the rule admit.
fn mending_admits(question: &Question, direction: Direction, end: &End, gap: &Gap) -> Result<(), TestCaseError> {
    let all = mended(question.set, gap, direction, None);
    let decision = alone(all, direction, question, end);
    prop_assert_eq!(&decision, &Decision::Allowed { policy: 0, rule: 0 }, "{:?}", gap);
    for number in 0..gap.unmet().count() {
        let less = mended(question.set, gap, direction, Some(number));
        let decision = alone(less, direction, question, end);
        prop_assert!(!matches!(decision, Decision::Allowed { .. }), "{:?} is not needed: {:?}", number, gap);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn explanations_agree_with_verdicts_and_mending_admits(set in set()) {
        let (cluster, pods) = (cluster(), pods());
        let (two, one) = (["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap()), ["::ffff:192.0.2.3".parse().unwrap()]);
        let mut parties: Vec<Party> = pods.iter().map(Party::Pod).collect();
        parties.extend([&two[..], &one[..], &[]].map(|addresses| Party::Node { addresses }));
        parties.extend(["198.18.0.1", "2001:db8::1"].map(|text| Party::Address(text.parse().unwrap())));
        for from in &parties {
            for to in &parties {
                for (protocol, port) in [(Protocol::Tcp, 8080), (Protocol::Tcp, 80), (Protocol::Udp, 53)] {
                    let target = pods.iter().find(|pod| *to == Party::Pod(pod));
                    let question = Question { set: &set, cluster: &cluster, from, to, protocol, port, target };
                    let explanation = explain(&set, &cluster, from, to, protocol, port);
                    let verdict = set.verdict(&cluster, from, to, protocol, port);
                    prop_assert_eq!(explanation.allowed(), verdict.allowed());
                    prop_assert_eq!(explanation.egress.decision, verdict.egress);
                    prop_assert_eq!(explanation.ingress.decision, verdict.ingress);
                    is_true(&question, Direction::Egress)?;
                    is_true(&question, Direction::Ingress)?;
                }
            }
        }
    }
}

fn ask(policy: &str, from: &Party, to: &Party, protocol: Protocol, port: u16) -> Explanation {
    let text = format!("{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, {policy}}}");
    let set = PolicySet::parse(&[crate::Source { name: "p".into(), text }]).unwrap().policies;
    explain(&set, &cluster(), from, to, protocol, port)
}

/// What the first of the rules lacks, in words.
fn told(rules: &[Gap]) -> Vec<String> {
    rules.first().into_iter().flat_map(Gap::unmet).map(ToString::to_string).collect()
}

#[test]
fn the_nearest_rule_comes_first_and_a_slip_before_another_value() {
    let pods = pods();
    let policy = "metadata: {name: db, namespace: shop}, spec: {podSelector: {matchLabels: {app: db}}, ingress: [
        {from: [{podSelector: {matchLabels: {app: cron}}}]},
        {from: [{podSelector: {matchLabels: {app: cron, tier: front}}}], ports: [{port: 1}]},
        {from: [{podSelector: {matchLabels: {app: fromt}}}]}]}";
    let ingress = ask(policy, &Party::Pod(&pods[0]), &Party::Pod(&pods[1]), Protocol::Tcp, 80).ingress;
    assert_eq!(ingress.rules.iter().map(|gap| gap.rule).collect::<Vec<_>>(), [2, 0, 1]);
    assert_eq!(told(&ingress.rules), ["pod shop/front has the label app=front, where app=fromt is required"]);
}

#[test]
fn each_kind_of_gap_is_told() {
    let pods = pods();
    let (front, db, other) = (Party::Pod(&pods[0]), Party::Pod(&pods[1]), Party::Pod(&pods[3]));
    let outside = Party::Address("198.18.0.1".parse().unwrap());
    let told = |from: &Party, rule: &str| {
        let policy = format!("metadata: {{name: db, namespace: shop}}, spec: {{podSelector: {{}}, ingress: [{rule}]}}");
        told(&ask(&policy, from, &db, Protocol::Tcp, 8080).ingress.rules)
    };
    let cases = [
        (front, "{ports: [{port: 80}]}", "the rule is for port 80, the connection goes to port 8080"),
        (
            front,
            "{ports: [{port: 80, endPort: 90}]}",
            "the rule is for ports 80 to 90, the connection goes to port 8080",
        ),
        (front, "{ports: [{protocol: UDP}]}", "the rule is for UDP, the connection is TCP"),
        (front, "{ports: [{port: api}]}", "no container of the destination has a port named \"api\""),
        (front, "{ports: [{port: dns}]}", "port \"dns\" of the destination is UDP 53 and TCP 80, not TCP 8080"),
        (other, "{from: [{podSelector: {}}]}", "the pod is in namespace bank, not in shop"),
        (
            other,
            "{from: [{namespaceSelector: {matchLabels: {team: web}}}]}",
            "namespace bank has no label team, where team=web is required",
        ),
        (
            front,
            "{from: [{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [a, front]}]}}]}",
            "pod shop/front has the label app=front, where it may be none of a, front",
        ),
        (
            front,
            "{from: [{podSelector: {matchExpressions: [{key: tier, operator: Exists}]}}]}",
            "pod shop/front has no label tier, which is required",
        ),
        (
            front,
            "{from: [{podSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}}]}",
            "pod shop/front has the label app=front, which must be absent",
        ),
        (front, "{from: [{ipBlock: {cidr: 10.0.0.0/24}}]}", "10.244.0.9 is outside 10.0.0.0/24"),
        (
            outside,
            "{from: [{ipBlock: {cidr: 198.18.0.0/15, except: [198.18.0.0/24]}}]}",
            "198.18.0.1 is in the exception 198.18.0.0/24",
        ),
        (outside, "{from: [{namespaceSelector: {}}]}", "selectors match pods only, and 198.18.0.1 is no pod"),
        (Party::Node { addresses: &[] }, "{from: [{podSelector: {}}]}", "no address of the other end is known"),
    ];
    for (from, rule, expected) in cases {
        assert_eq!(told(&from, rule), [expected], "{rule}");
    }
}

#[test]
fn a_rule_of_a_policy_that_does_not_apply_is_found_elsewhere() {
    let pods = pods();
    let deny = "apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: shop}, spec: {podSelector: {}}";
    let told_with = |policy: &str| {
        let text = format!("{{{deny}}}\n---\n{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, {policy}}}");
        let set = PolicySet::parse(&[crate::Source { name: "p".into(), text }]).unwrap().policies;
        let (from, to) = (Party::Pod(&pods[0]), Party::Pod(&pods[1]));
        told(&explain(&set, &cluster(), &from, &to, Protocol::Tcp, 80).ingress.elsewhere)
    };
    let rule = "ingress: [{from: [{podSelector: {matchLabels: {app: front}}}]}]";
    let typo =
        format!("metadata: {{name: a, namespace: shop}}, spec: {{podSelector: {{matchLabels: {{app: dbs}}}}, {rule}}}");
    assert_eq!(told_with(&typo), ["pod shop/db has the label app=db, where app=dbs is required"]);
    let place =
        format!("metadata: {{name: a, namespace: bank}}, spec: {{podSelector: {{matchLabels: {{app: db}}}}, {rule}}}");
    assert_eq!(told_with(&place), ["the pod is in namespace shop, not in bank"]);
    let types = format!(
        "metadata: {{name: a, namespace: shop}}, spec: {{podSelector: {{}}, policyTypes: [Egress], egress: [{{}}], {rule}}}"
    );
    assert_eq!(told_with(&types), ["policyTypes does not list Ingress"]);
}

#[test]
fn what_comes_from_outside_is_escaped() {
    let object = Object::Pod { namespace: "shop".into(), name: "\u{1b}[31m".into() };
    let requirement = Requirement { key: "\n".into(), operator: Operator::Exists };
    let unmet = Unmet::Label { object, requirement, actual: Some("\u{202e}".into()) };
    assert_eq!(unmet.to_string(), r"pod shop/\u{1b}[31m has the label \n=\u{202e}, which is required");
}
