//! The evaluator against verdicts nobody here wrote: the cases of Cyclonus, the conformance suite for NetworkPolicy
//! implementations, each with its policies, its cluster and the expected answer for every pair, protocol and port.
//!
//! The corpus is not part of this repository. Where it is absent the test says that it is skipped.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use netwright_policy::{Cluster, Decision, Exemption, Labels, NamedPort, Party, Pod, PolicySet, Protocol};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Object {
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    labels: Labels,
}

#[derive(Default, Deserialize)]
struct Spec {
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    ports: Vec<ContainerPort>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerPort {
    container_port: u16,
    name: String,
    protocol: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default, rename = "podIPs")]
    pod_ips: Vec<PodIp>,
}

#[derive(Deserialize)]
struct PodIp {
    ip: String,
}

/// Namespaces, and pods by `namespace/name`.
fn cluster(path: &Path) -> (Cluster, BTreeMap<String, Pod>) {
    let text = fs::read_to_string(path).unwrap();
    let (mut cluster, mut pods) = (Cluster::default(), BTreeMap::new());
    for document in serde_yaml::Deserializer::from_str(&text) {
        let object = Object::deserialize(document).unwrap();
        match object.kind.as_str() {
            "Namespace" => {
                cluster.namespaces.insert(object.metadata.name, object.metadata.labels);
            }
            "Pod" => {
                let pod = pod(object);
                pods.insert(format!("{}/{}", pod.namespace, pod.name), pod);
            }
            other => panic!("{path:?} holds a {other}"),
        }
    }
    (cluster, pods)
}

fn pod(object: Object) -> Pod {
    let ports = object.spec.containers.into_iter().flat_map(|container| container.ports);
    let named = |port: ContainerPort| NamedPort {
        name: port.name,
        protocol: port.protocol.parse().unwrap(),
        port: port.container_port,
    };
    Pod {
        namespace: object.metadata.namespace,
        name: object.metadata.name,
        labels: object.metadata.labels,
        addresses: object.status.pod_ips.iter().map(|address| address.ip.parse().unwrap()).collect(),
        node_addresses: Vec::new(),
        ports: ports.map(named).collect(),
    }
}

/// What the probes of one case or of all came to.
#[derive(Default)]
struct Tally {
    compared: usize,
    allowed: usize,
    to_itself: usize,
    disagreements: Vec<String>,
}

fn run(case: &Path, tally: &mut Tally) {
    let (cluster, pods) = cluster(&case.join("cluster.yaml"));
    let parsed = PolicySet::load(&case.join("policies.yaml")).unwrap_or_else(|error| panic!("{error}"));
    assert!(parsed.warnings.is_empty(), "{case:?}: {:?}", parsed.warnings);
    let expected = fs::read_to_string(case.join("expected.tsv")).unwrap();
    for line in expected.lines().skip(1) {
        let probe: Vec<&str> = line.split('\t').collect();
        let protocol: Protocol = probe[2].parse().unwrap();
        let (from, to) = (Party::Pod(&pods[probe[0]]), Party::Pod(&pods[probe[1]]));
        let verdict = parsed.policies.verdict(&cluster, &from, &to, protocol, probe[3].parse().unwrap());
        if probe[7] == "self-ignored" {
            // The corpus gives what the rules alone would say; a pod reaches itself whatever they say.
            tally.to_itself += 1;
            let exempt = Decision::Exempt(Exemption::SamePod);
            assert_eq!([&verdict.ingress, &verdict.egress], [&exempt, &exempt], "{case:?}: {line}");
            continue;
        }
        tally.compared += 1;
        tally.allowed += usize::from(verdict.allowed());
        let [overall, ingress, egress] = [
            word(verdict.allowed(), ["allow", "deny"]),
            word(verdict.ingress.allows(), ["allowed", "blocked"]),
            word(verdict.egress.allows(), ["allowed", "blocked"]),
        ];
        if probe[4..7] != [overall, ingress, egress] {
            tally.disagreements.push(format!("{case:?}: {line}: got {verdict:?}"));
        }
    }
}

fn word(yes: bool, [positive, negative]: [&'static str; 2]) -> &'static str {
    if yes { positive } else { negative }
}

/// On standard error itself, which the test runner does not swallow.
fn say(line: &str) {
    _ = writeln!(io::stderr(), "cyclonus: {line}");
}

#[test]
fn agrees_with_every_probe() {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/oracle/cyclonus");
    if !corpus.is_dir() {
        say(&format!("skipped: no Cyclonus corpus at {}", corpus.display()));
        return;
    }
    let index = fs::read_to_string(corpus.join("cases.tsv")).unwrap();
    let mut tally = Tally::default();
    let (mut cases, mut listed) = (0, 0);
    for line in index.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        run(&corpus.join(fields[0]), &mut tally);
        cases += 1;
        listed += fields[2].parse::<usize>().unwrap();
    }
    let Tally { compared, allowed, to_itself, disagreements } = &tally;
    let disagreeing = disagreements.len();
    say(&format!(
        "{cases} cases: {compared} probes compared ({allowed} allowed), {to_itself} from a pod to itself, {disagreeing} disagreements"
    ));
    assert_eq!(tally.disagreements, Vec::<String>::new());
    assert_eq!(tally.compared + tally.to_itself, listed, "the corpus' own count");
    assert!(tally.compared > 100_000, "only {} probes", tally.compared);
    assert!(tally.allowed > 10_000 && tally.compared - tally.allowed > 10_000, "both answers are probed");
}
