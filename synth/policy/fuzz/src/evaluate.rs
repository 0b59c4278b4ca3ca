//! Policies over a small world. For the target `evaluate`.
//!
//! What is built is mostly valid; what the reader refuses is no matter here. What it accepts has to give an answer to
//! every question, and the relation over classes has to say what single verdicts say.

use crate::choices::Choices;
use netwright_policy::{Classes, Cluster, Labels, NamedPort, Party, Pod, PolicySet, Protocol, Relation, Source};
use serde_json::{Value, json};
use std::net::IpAddr;

const NAMESPACES: [&str; 3] = ["shop", "bank", "default"];
const KEYS: [&str; 3] = ["app", "tier", "kubernetes.io/metadata.name"];
const VALUES: [&str; 5] = ["a", "b", "", "shop", "bank"];
const NAMES: [&str; 3] = ["web", "dns", "none"];
const BLOCKS: [&str; 10] = [
    "10.244.0.0/16",
    "10.244.0.4/30",
    "10.244.0.5/32",
    "0.0.0.0/0",
    "::/0",
    "fd00:244::/112",
    "::ffff:10.244.0.0/120",
    "010.244.0.9/031",
    "198.18.0.0/15",
    "255.255.255.255/32",
];
const PORTS: [u16; 8] = [1, 53, 80, 81, 443, 8080, 65534, 65535];

/// Builds policies and pods of the bytes and asks about every pair.
///
/// # Panics
///
/// If an answer does, or if the relation differs from single verdicts.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let items: Vec<Value> = choices.list(4, policy).into_iter().enumerate().map(named).collect();
    let text = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let Ok(parsed) = PolicySet::parse(&[Source { name: "fuzz".to_owned(), text }]) else { return };
    let set = parsed.policies;
    let pods: Vec<Pod> = choices.list(5, pod).into_iter().enumerate().map(numbered).collect();
    let cluster = cluster(&mut choices);
    let addresses = choices.list(3, address);
    let classes = Classes::new(&[&set], &cluster, &pods);
    let world = World { relation: Relation::new(&classes, &set), set: &set, cluster: &cluster, pods: &pods };
    for from in 0..pods.len() {
        (0..pods.len()).for_each(|to| world.pair(from, to));
        addresses.iter().for_each(|address| world.outside(from, *address));
    }
    world.nodes(&addresses);
    assert_eq!(world.relation.differences(&world.relation).count(), 0, "a relation differs from itself");
}

struct World<'w> {
    relation: Relation<'w>,
    set: &'w PolicySet,
    cluster: &'w Cluster,
    pods: &'w [Pod],
}

impl World<'_> {
    fn allowed(&self, from: &Party, to: &Party, protocol: Protocol, port: u16) -> bool {
        self.set.verdict(self.cluster, from, to, protocol, port).allowed()
    }

    fn pair(&self, from: usize, to: usize) {
        let (Some(client), Some(server)) = (self.pods.get(from), self.pods.get(to)) else { return };
        let classes = self.relation.classes();
        let ports = self.relation.between(classes.of_pod(from), classes.of_pod(to));
        for (protocol, port) in questions() {
            let allowed = self.allowed(&Party::Pod(client), &Party::Pod(server), protocol, port);
            let expected = from == to || ports.contains(protocol, port);
            assert_eq!(allowed, expected, "{} to {}, {protocol} {port}", client.name, server.name);
        }
    }

    fn outside(&self, pod: usize, address: IpAddr) {
        let Some(inside) = self.pods.get(pod).filter(|pod| !pod.addresses.contains(&address)) else { return };
        let classes = self.relation.classes();
        let (class, range) = (classes.of_pod(pod), classes.range_of(address));
        let (inside, outside) = (Party::Pod(inside), Party::Address(address));
        for (protocol, port) in questions() {
            let to = self.relation.to_range(class, range).contains(protocol, port);
            let from = self.relation.from_range(range, class).contains(protocol, port);
            assert_eq!(self.allowed(&inside, &outside, protocol, port), to, "to {address}, {protocol} {port}");
            assert_eq!(self.allowed(&outside, &inside, protocol, port), from, "from {address}, {protocol} {port}");
        }
    }

    /// Nodes are no part of the relation; they only have to have an answer.
    fn nodes(&self, addresses: &[IpAddr]) {
        let node = Party::Node { addresses };
        for pod in self.pods.iter().map(Party::Pod) {
            for (protocol, port) in questions() {
                self.allowed(&node, &pod, protocol, port);
                self.allowed(&pod, &node, protocol, port);
            }
        }
    }
}

fn questions() -> impl Iterator<Item = (Protocol, u16)> {
    Protocol::ALL.into_iter().flat_map(|protocol| PORTS.map(|port| (protocol, port)))
}

fn policy(choices: &mut Choices) -> Value {
    let mut spec = json!({"podSelector": selector(choices)});
    for (field, peers) in [("ingress", "from"), ("egress", "to")] {
        if !choices.one_in(3) {
            set(&mut spec, field, Value::Array(choices.list(3, |choices| rule(choices, peers))));
        }
    }
    if choices.one_in(2) {
        set(&mut spec, "policyTypes", json!(choices.list(2, |choices| choices.pick(&["Ingress", "Egress"]))));
    }
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"namespace": choices.pick(&NAMESPACES)},
        "spec": spec,
    })
}

/// Names tell policies apart.
fn named((number, mut policy): (usize, Value)) -> Value {
    if let Some(metadata) = policy.get_mut("metadata") {
        set(metadata, "name", json!(format!("p{number}")));
    }
    policy
}

fn rule(choices: &mut Choices, peers: &str) -> Value {
    let mut rule = json!({});
    if !choices.one_in(4) {
        set(&mut rule, peers, Value::Array(choices.list(3, peer)));
    }
    if !choices.one_in(4) {
        set(&mut rule, "ports", Value::Array(choices.list(3, port)));
    }
    rule
}

fn peer(choices: &mut Choices) -> Value {
    match choices.pick(&[0, 1, 2, 3]) {
        0 => json!({"podSelector": selector(choices)}),
        1 => json!({"namespaceSelector": selector(choices)}),
        2 => json!({"podSelector": selector(choices), "namespaceSelector": selector(choices)}),
        _ => json!({"ipBlock": {
            "cidr": choices.pick(&BLOCKS),
            "except": choices.list(2, |choices| choices.pick(&BLOCKS)),
        }}),
    }
}

fn port(choices: &mut Choices) -> Value {
    let protocol = choices.pick(&["TCP", "UDP", "SCTP"]);
    match choices.pick(&[0, 1, 2, 3]) {
        0 => json!({"protocol": protocol}),
        1 => json!({"protocol": protocol, "port": choices.pick(&PORTS)}),
        2 => json!({"protocol": protocol, "port": choices.pick(&PORTS), "endPort": choices.pick(&PORTS)}),
        _ => json!({"protocol": protocol, "port": choices.pick(&NAMES)}),
    }
}

fn selector(choices: &mut Choices) -> Value {
    let labels = choices.list(2, |choices| (choices.pick(&KEYS).to_owned(), json!(choices.pick(&VALUES))));
    json!({
        "matchLabels": Value::Object(labels.into_iter().collect()),
        "matchExpressions": choices.list(2, expression),
    })
}

fn expression(choices: &mut Choices) -> Value {
    let operator = choices.pick(&["In", "NotIn", "Exists", "DoesNotExist"]);
    let mut expression = json!({"key": choices.pick(&KEYS), "operator": operator});
    if operator.ends_with("In") {
        set(&mut expression, "values", json!([choices.pick(&VALUES), choices.pick(&VALUES)]));
    }
    expression
}

fn pod(choices: &mut Choices) -> Pod {
    let labels = choices.list(2, |choices| (choices.pick(&KEYS).to_owned(), choices.pick(&VALUES).to_owned()));
    Pod {
        namespace: choices.pick(&NAMESPACES).to_owned(),
        name: String::new(),
        labels: labels.into_iter().collect(),
        addresses: choices.list(2, address),
        node_addresses: Vec::new(),
        ports: choices.list(3, |choices| NamedPort {
            name: choices.pick(&NAMES).to_owned(),
            protocol: if choices.one_in(2) { Protocol::Udp } else { Protocol::Tcp },
            port: choices.pick(&PORTS),
        }),
    }
}

/// A pod of its own, by its name.
fn numbered((number, pod): (usize, Pod)) -> Pod {
    Pod { name: format!("pod{number}"), ..pod }
}

fn address(choices: &mut Choices) -> IpAddr {
    let last = choices.pick(&[0, 1, 4, 5, 8, 9, 255]);
    match choices.pick(&[0, 1, 2]) {
        0 => IpAddr::from([10, 244, 0, last]),
        1 => IpAddr::from([0xfd00, 0x244, 0, 0, 0, 0, 0, u16::from(last)]),
        _ => IpAddr::from([198, 18, 0, last]),
    }
}

fn cluster(choices: &mut Choices) -> Cluster {
    let labels = |choices: &mut Choices| Labels::from([("tier".to_owned(), choices.pick(&VALUES).to_owned())]);
    let namespaces = choices.list(3, |choices| (choices.pick(&NAMESPACES).to_owned(), labels(choices)));
    Cluster { namespaces: namespaces.into_iter().collect(), own_node_egress_exempt: choices.one_in(2) }
}

fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(field.to_owned(), value);
    }
}
