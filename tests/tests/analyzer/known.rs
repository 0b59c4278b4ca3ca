//! Where the analyzer (2.1.0) and the evaluator are known to differ, who is right, and by what source. Each difference is
//! held to on both sides: when the analyzer changes its mind a test fails here, and [`wording`](crate::wording) has one
//! thing less to put in other words.
//!
//! - **ipBlock and pods.** To the analyzer blocks are outside the cluster, and no pod is in one. The API says "this rule
//!   matches particular IPs", and the conformance tests let pods be reached by the block of their address
//!   (`test/e2e/network/netpol`, "should allow egress access to server in CIDR block"). So are named ports in such a
//!   rule: the analyzer sees an address, which has none.
//! - **`egress: []` without policyTypes.** The analyzer isolates egress because the field is there. The API's defaulting
//!   asks whether the list is empty (`pkg/apis/networking/v1/defaults.go`: `if len(obj.Spec.Egress) != 0`).
//! - **Exists and DoesNotExist on pods of other namespaces.** The analyzer looks for the key in the policy's namespace
//!   alone, also where a namespaceSelector is beside it. The comment on the peer: "the pods matching podSelector in the
//!   namespaces selected by namespaceSelector".
//! - **An empty label value of namespaces.** To the analyzer a namespace without a label has it with an empty value, for
//!   `In` and for `NotIn`. `labels.Requirement.Matches` (`k8s.io/apimachinery`) asks for the key first.
//! - **One port name for two protocols.** The analyzer keeps the last of a pod's ports with a name. The API wants port
//!   names unique within a container only, and policies name a port together with its protocol.
//! - **A policy without spec** isolates nobody there. `spec` is a struct, so without it the pod selector is empty, which
//!   selects every pod, and policyTypes default to Ingress.
//! - **Refused there, valid for the API**: rules of a direction that policyTypes leaves out, policyTypes with Egress
//!   first, and no podSelector ("If it is not specified, it defaults to an empty selector").
//! - **A pod to itself** is never in the analyzer's answer, so it is not compared.

use crate::generate::Case;
use crate::{ask_all, half, program, whole};
use netwright_policy::{Cluster, Direction, Labels, NamedPort, Party, Pod, PolicySet, Protocol, Source};
use netwright_tests::oracle::{Oracle, Question};
use serde_json::{Value, json};
use std::path::Path;

/// A spec, and one question about it that the two answer differently.
struct Difference {
    spec: Value,
    from: &'static str,
    to: &'static str,
    protocol: Protocol,
    port: u16,
    /// The evaluator's answer.
    ours: bool,
}

fn difference(spec: Value, from: &'static str, to: &'static str, port: u16, ours: bool) -> Difference {
    Difference { spec, from, to, protocol: Protocol::Tcp, port, ours }
}

fn differences() -> Vec<Difference> {
    let egress = |peers: Value| json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": peers}]});
    let ingress = |peer: Value| json!({"podSelector": {}, "ingress": [{"from": [peer]}]});
    let expression = |operator: &str| json!({"matchExpressions": [{"key": "tier", "operator": operator}]});
    let both = |pods: Value| json!({"namespaceSelector": {}, "podSelector": pods});
    let namespaces = |operator: &str| json!({"namespaceSelector": {"matchExpressions": [{"key": "canary", "operator": operator, "values": [""]}]}});
    let block = json!([{"ipBlock": {"cidr": "10.244.0.0/16"}}]);
    let mut named = egress(block.clone());
    named["egress"][0]["ports"] = json!([{"port": "web"}]);
    vec![
        difference(egress(block), "shop/front", "shop/api", 80, true),
        difference(named, "shop/front", "shop/api", 8080, true),
        difference(json!({"podSelector": {}, "egress": []}), "shop/front", "bank/api", 80, true),
        difference(ingress(both(expression("Exists"))), "bank/api", "shop/front", 80, true),
        difference(ingress(namespaces("In")), "bank/api", "shop/front", 80, false),
        difference(ingress(namespaces("NotIn")), "bank/api", "shop/front", 80, true),
        difference(
            json!({"podSelector": {}, "ingress": [{"ports": [{"port": "dns"}]}]}),
            "shop/front",
            "shop/api",
            53,
            true,
        ),
        difference(Value::Null, "bank/api", "shop/front", 80, false),
    ]
}

fn case(spec: &Value) -> Case {
    let port = |name: &str, protocol, port| NamedPort { name: name.into(), protocol, port };
    let pod = |namespace: &str, name: &str, address: [u8; 4], ports| Pod {
        namespace: namespace.into(),
        name: name.into(),
        labels: Labels::from([("tier".into(), "back".into())]),
        addresses: vec![address.into()],
        node_addresses: vec![],
        ports,
    };
    let ports = vec![port("web", Protocol::Tcp, 8080), port("dns", Protocol::Tcp, 53), port("dns", Protocol::Udp, 53)];
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"namespace": "shop", "name": "it"},
        "spec": spec,
    });
    Case {
        namespaces: ["shop", "bank"].map(|name| (name.to_owned(), Labels::new())).into(),
        pods: vec![
            pod("shop", "front", [10, 244, 0, 1], vec![]),
            pod("shop", "api", [10, 244, 0, 2], ports),
            pod("bank", "api", [10, 244, 1, 1], vec![]),
        ],
        policies: vec![policy],
    }
}

/// The policies as they are written, in nobody's other words.
fn verbatim(case: &Case) -> Question {
    let cluster = whole(case, &mut Default::default()).cluster;
    Question { policies: json!({"apiVersion": "v1", "kind": "List", "items": case.policies}), cluster }
}

fn set(case: &Case) -> PolicySet {
    let text = verbatim(case).policies.to_string();
    PolicySet::parse(&[Source { name: "known.json".into(), text }]).unwrap().policies
}

fn ours(case: &Case, it: &Difference) -> bool {
    let pod = |name: &str| case.pods.iter().find(|pod| format!("{}/{}", pod.namespace, pod.name) == name).unwrap();
    let cluster = Cluster { namespaces: case.namespaces.clone(), ..Cluster::default() };
    let (from, to) = (Party::Pod(pod(it.from)), Party::Pod(pod(it.to)));
    set(case).verdict(&cluster, &from, &to, it.protocol, it.port).allowed()
}

fn theirs(answer: &Oracle, it: &Difference) -> bool {
    crate::compare::covers(answer.between(it.from, it.to), it.protocol, it.port)
}

#[test]
fn known_differences_are_still_there() {
    let Some(program) = program() else { return };
    let (differences, folder) = (differences(), tempfile::tempdir().unwrap());
    let cases: Vec<_> = differences.iter().map(|it| case(&it.spec)).collect();
    let answers = ask_all(&program, folder.path(), &cases.iter().map(verbatim).collect::<Vec<_>>()).unwrap();
    for ((it, case), answer) in differences.iter().zip(&cases).zip(&answers) {
        assert_eq!([ours(case, it), theirs(answer, it)], [it.ours, !it.ours], "{} to {}: {}", it.from, it.to, it.spec);
    }
}

/// In other words the analyzer says what the evaluator says; what stays different is not asked.
#[test]
fn other_words_remove_the_difference() {
    let Some(program) = program() else { return };
    let differences: Vec<_> = differences().into_iter().filter(|it| !stays(&it.spec)).collect();
    assert_eq!(differences.len(), 4);
    let folder = tempfile::tempdir().unwrap();
    let cases: Vec<_> = differences.iter().map(|it| case(&it.spec)).collect();
    let questions: Vec<_> = cases.iter().map(|case| whole(case, &mut Default::default())).collect();
    let answers = ask_all(&program, folder.path(), &questions).unwrap();
    for ((it, case), answer) in differences.iter().zip(&cases).zip(&answers) {
        assert_eq!([ours(case, it), theirs(answer, it)], [it.ours; 2], "{}", it.spec);
    }
}

/// Whether it is about blocks, port names or an absent spec, which the generator or the comparison avoids.
fn stays(spec: &Value) -> bool {
    let text = spec.to_string();
    spec.is_null() || text.contains("ipBlock") || text.contains("dns")
}

fn refused(program: &Path, question: Question) -> bool {
    let folder = tempfile::tempdir().unwrap();
    ask_all(program, folder.path(), &[question]).is_err_and(|error| format!("{error:#}").contains("refused"))
}

#[test]
fn what_the_analyzer_refuses_is_valid() {
    let Some(program) = program() else { return };
    for spec in [
        json!({"podSelector": {}, "policyTypes": ["Egress"], "ingress": [{}]}),
        json!({"podSelector": {}, "policyTypes": ["Ingress"], "egress": [{}]}),
        json!({"podSelector": {}, "policyTypes": ["Egress", "Ingress"]}),
        json!({"policyTypes": ["Ingress"]}),
    ] {
        let case = case(&spec);
        assert_eq!(set(&case).policies().len(), 1, "{spec}");
        assert!(refused(&program, verbatim(&case)), "{spec}");
        if spec.get("podSelector").is_some() {
            assert!(!refused(&program, whole(&case, &mut Default::default())), "{spec}");
            assert!(!refused(&program, half(&case, Direction::Ingress)), "{spec}");
        }
    }
}
