//! network-config-analyzer: every pair of pods whose workloads were seen to talk may talk by its reading too, and what a
//! case asks of two pods it answers alike.

use super::{none, program, runs};
use crate::case::{Case, Run};
use crate::expect::documents;
use crate::pending::Pending;
use crate::snapshot;
use anyhow::{Context, Result, ensure};
use netwright_record::inventory::{Pod, WorkloadRef};
use netwright_record::{Edge, Protocol};
use netwright_tests::oracle::{Oracle, Question, ask_all};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const VARIABLE: &str = "NETWRIGHT_NCA";

/// A seen edge or a question: pairs of pods, a port, and what is right of one of them at least, or of all.
struct Asked {
    pairs: Vec<(String, String)>,
    protocol: Protocol,
    port: u16,
    /// The right answer to a question of the case. Of an edge any pair may be the one that talked, so one of them has to be allowed.
    right: Option<bool>,
}

/// It agrees on all cases.
pub(super) fn agrees(cases: &[Case], pending: &Pending) -> Result<()> {
    let program = program(VARIABLE)?;
    // Only what is written in Kubernetes' own dialect.
    let runs: Vec<_> = runs(cases)?.into_iter().filter(|(_, run)| !policies(run).is_empty()).collect();
    let questions: Vec<Question> = runs.iter().map(|(_, run)| question(run)).collect();
    let folder = tempfile::tempdir()?;
    let answers = ask_all(&program, folder.path(), &questions)?;
    let mut complaints = Vec::new();
    let mut number = 0;
    for ((name, run), oracle) in runs.iter().zip(&answers) {
        let asked = asked(run, pending.missing(name).is_none())?;
        number += asked.len();
        complaints.extend(asked.iter().filter_map(|asked| Some(format!("{name}: {}", asked.complaint(oracle)?))));
    }
    none(complaints)?;
    ensure!(number > 2 * cases.len(), "only {number} questions");
    Ok(())
}

/// What the policies lack is noticed.
pub(super) fn can_fail() -> Result<()> {
    let program = program(VARIABLE)?;
    let metadata = json!({"name": "closed", "namespace": "n"});
    let spec = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
    let policy =
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec});
    let pod = |name: &str| {
        let metadata = json!({"name": name, "namespace": "n", "labels": {"app": name}});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": []}})
    };
    let cluster = list(vec![namespace("n", &json!({})), pod("a"), pod("b")]);
    let folder = tempfile::tempdir()?;
    let question = Question { policies: list(vec![policy]), cluster };
    let oracle = ask_all(&program, folder.path(), &[question])?.pop().context("no answer")?;
    for right in [None, Some(true)] {
        let pairs = vec![("n/a".to_owned(), "n/b".to_owned())];
        let asked = Asked { pairs, protocol: Protocol::Tcp, port: 80, right };
        ensure!(asked.complaint(&oracle).is_some(), "a closed namespace passes for an open one");
    }
    Ok(())
}

impl Asked {
    fn complaint(&self, oracle: &Oracle) -> Option<String> {
        let permits = |(client, server): &(String, String)| oracle.permits(client, server, self.protocol, self.port);
        let allowed = self.pairs.iter().any(permits);
        let right = self.right.unwrap_or(true);
        let word = |yes| if yes { "allowed" } else { "denied" };
        (allowed != right).then(|| {
            let (pairs, port, protocol) = (&self.pairs, self.port, self.protocol);
            let (theirs, right) = (word(allowed), word(right));
            format!("{pairs:?} {port}/{protocol} is {theirs} by network-config-analyzer, and should be {right}")
        })
    }
}

/// The edges that the case's review denies or ignores: seen, and not to be allowed.
fn edges_closed_by_review(run: &Run) -> Result<BTreeSet<usize>> {
    let evidence = run.outcome.files.get("evidence.json").context("there is no evidence.json")?;
    let evidence: Value = serde_json::from_slice(evidence.as_ref())?;
    let lists = ["deniedByDecision", "ignoredByDecision"].map(|name| evidence["review"][name].as_array().cloned());
    let numbers = lists.into_iter().flatten().flatten().filter_map(|number| number.as_u64());
    Ok(numbers.filter_map(|number| usize::try_from(number).ok()).collect())
}

/// The pairs of pods that were seen by their workloads, and those of which the case asks.
fn asked(run: &Run, and_questions: bool) -> Result<Vec<Asked>> {
    let decided = edges_closed_by_review(run)?;
    let numbered = run.observation.edges.iter().enumerate();
    let open = numbered.filter(|(number, _)| !decided.contains(number)).map(|(_, edge)| edge);
    let established = open.filter(|edge| edge.activity.established());
    let seen = established.map(|edge| Asked {
        pairs: seen_pairs(run, edge),
        protocol: edge.protocol,
        port: edge.port,
        right: None,
    });
    let questions = run.questions.iter().filter(|_| and_questions).filter_map(|question| {
        let pairs = vec![(question.client.pod()?, question.server.pod()?)];
        Some(Asked { pairs, protocol: question.protocol, port: question.port, right: Some(question.allowed) })
    });
    let unlabelled = unlabelled(run);
    let all = seen.chain(questions).map(|mut asked| {
        // Of a pod and itself it says nothing. A pod without labels is named by its address, which to it is no pod's.
        asked.pairs.retain(|(a, b)| a != b && !unlabelled.contains(a) && !unlabelled.contains(b));
        asked
    });
    Ok(all.filter(|asked| !asked.pairs.is_empty()).collect())
}

fn seen_pairs(run: &Run, edge: &Edge) -> Vec<(String, String)> {
    let pods = |workload: Option<&WorkloadRef>| -> Vec<String> {
        let is_of = |pod: &&Pod| Some(&pod.workload) == workload && !pod.host_network;
        run.observation.inventory.pods.iter().filter(is_of).map(name).collect()
    };
    let (clients, servers) = (pods(edge.client.workload()), pods(edge.server.workload()));
    clients.iter().flat_map(|client| servers.iter().map(|server| (client.clone(), server.clone()))).collect()
}

fn unlabelled(run: &Run) -> BTreeSet<String> {
    run.observation.inventory.pods.iter().filter(|pod| pod.labels.is_empty()).map(name).collect()
}

fn name(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace, pod.name)
}

fn policies(run: &Run) -> Vec<Value> {
    let texts = snapshot::compared(&run.outcome.files);
    let documents = texts.values().flat_map(|text| documents(text).unwrap_or_default());
    documents
        .filter(|document| document["kind"] == "NetworkPolicy" && document["apiVersion"] == "networking.k8s.io/v1")
        .collect()
}

fn question(run: &Run) -> Question {
    let inventory = &run.observation.inventory;
    let namespaces = inventory.namespaces.iter().map(|it| namespace(&it.name, &json!(it.labels)));
    let pods = inventory.pods.iter().filter(|pod| !pod.host_network).map(pod);
    Question { policies: list(policies(run)), cluster: list(namespaces.chain(pods).collect()) }
}

fn namespace(name: &str, labels: &Value) -> Value {
    let mut labels = labels.clone();
    labels["kubernetes.io/metadata.name"] = json!(name);
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn pod(pod: &Pod) -> Value {
    let ports =
        pod.ports.iter().map(|port| json!({"name": port.name, "protocol": port.protocol, "containerPort": port.port}));
    let ports: Vec<Value> = ports.collect();
    let metadata = json!({"name": pod.name, "namespace": pod.namespace, "labels": pod.labels});
    let spec = json!({"containers": [{"name": "a", "ports": ports}]});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

fn list(items: Vec<Value>) -> Value {
    let items: Vec<Value> = items.into_iter().map(reworded).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// The same with other label values where they are all digits and `_`: the analyzer takes those for numbers, quoted or not.
fn reworded(value: Value) -> Value {
    match value {
        Value::String(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') => {
            format!("digits-{text}").into()
        }
        Value::Array(items) => items.into_iter().map(reworded).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, reworded(value))).collect(),
        other => other,
    }
}
