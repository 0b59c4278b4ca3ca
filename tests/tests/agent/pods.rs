//! Pods that live for an instant, addresses that go from one to the next, an API server that is away.

use crate::agent::{Agent, arrived, assert_disjoint, pods};
use netwright_record::inventory::Pod;
use netwright_record::{Ended, Time};
use netwright_tests::cluster::manifests::{list, namespace, pod, shell, workload};
use netwright_tests::cluster::{Cluster, Options, Step, missing, wait};
use netwright_tests::receiver::Receiver;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(90);
const NAMESPACE: &str = "brief";
/// What rounding to whole seconds may hide: milliseconds.
const SECOND: i64 = 1000;

fn cluster() -> Option<Cluster> {
    let missing = missing();
    if !missing.is_empty() {
        netwright_tests::skipped(&missing.join("\n"));
        return None;
    }
    let cluster = Cluster::start(&Options { nodes: 1, pod_addresses: 6, ..Options::default() }).unwrap();
    cluster.kubectl().apply(&list([namespace(NAMESPACE)])).unwrap();
    Some(cluster)
}

#[test]
fn pods_are_named_and_their_addresses_never_have_two_holders() {
    let Some(cluster) = cluster() else { return };
    let (folder, node) = (tempfile::tempdir().unwrap(), cluster.node(1).unwrap());
    let receiver = Receiver::start(&folder.path().join("receiver")).unwrap();
    let kubectl = cluster.kubectl();
    kubectl.apply(&list([workload("Deployment", NAMESPACE, "old", &shell("sleep 600"))])).unwrap();
    kubectl.wait(NAMESPACE, &["deployment/old"], "condition=Available", PATIENCE).unwrap();
    let agent = Agent::start(&cluster, node, &receiver, folder.path());
    let before = Time::now();

    // More pods than addresses, each for a second.
    let mut ended = BTreeMap::new();
    for round in 0..4 {
        let brief: Vec<Value> =
            (0..4).map(|number| pod(NAMESPACE, &format!("brief-{round}-{number}"), &shell("sleep 1"))).collect();
        kubectl.apply(&list(brief)).unwrap();
        ended.append(&mut succeeded(&cluster, (round + 1) * 4));
        if round == 1 {
            cluster.control().api_server.restart().unwrap();
            cluster.control().wait_for_api_server(kubectl).unwrap();
        }
    }
    kubectl.apply(&list([job("report")])).unwrap();
    kubectl.wait(NAMESPACE, &["job/report"], "condition=Complete", PATIENCE).unwrap();
    // Gone from the API server while it still runs.
    kubectl.apply(&list([pod(NAMESPACE, "torn", &shell("sleep 600"))])).unwrap();
    kubectl.wait(NAMESPACE, &["pod/torn"], "condition=Ready", PATIENCE).unwrap();
    kubectl.run(&["delete", "pod/torn", "--namespace", NAMESPACE, "--grace-period=0", "--force"]).unwrap();
    // A run that is cut off is gone on with by the next.
    agent.kill();
    let agent = Agent::start(&cluster, node, &receiver, folder.path());
    assert!(agent.get("/metrics").1.contains("netwright_agent_lost_total{cause=\"connections\"} 0"));
    agent.stop();

    let told = pods(&receiver);
    for (uid, end) in &ended {
        assert_named(told.get(uid).unwrap_or_else(|| panic!("{} was not told", end.name)), end);
    }
    let reuses = assert_disjoint(&told);
    assert!(reuses >= 10, "{reuses}");
    let workloads: Vec<String> =
        told.values().map(|pod| format!("{}/{}", pod.workload.kind, pod.workload.name)).collect();
    for expected in ["Deployment/old", "Job/report", "Pod/torn", "Pod/brief-0-0"] {
        assert!(workloads.iter().any(|workload| workload == expected), "{expected} is not among {workloads:?}");
    }
    let old = told.values().find(|pod| *pod.workload.name == *"old").unwrap();
    assert!(
        old.addresses.iter().all(|held| held.from.is_some_and(|from| from < before) && held.until.is_none()),
        "{old:?}"
    );
    let ends: Vec<Ended> =
        arrived(&receiver).iter().flat_map(|segment| &segment.coverage).map(|part| part.ended).collect();
    assert_eq!(ends.last(), Some(&Ended::Clean));
    assert_eq!(ends.iter().filter(|end| **end == Ended::Clean).count(), 1);
}

/// What the API server says of a pod that is done.
#[derive(Debug)]
struct Ending {
    name: String,
    address: String,
    /// In whole seconds, rounded down.
    started: Time,
    finished: Time,
}

/// The pods that are done, by UID, once there are so many of them.
fn succeeded(cluster: &Cluster, count: usize) -> BTreeMap<String, Ending> {
    wait("brief pods to end", PATIENCE, || {
        let list = cluster.kubectl().get(&["pods", "--namespace", NAMESPACE])?;
        let items = list.pointer("/items").and_then(Value::as_array).cloned().unwrap_or_default();
        let done: BTreeMap<String, Ending> = items.iter().filter_map(ending).collect();
        Ok(if done.len() >= count { Step::Done(done) } else { Step::NotYet(cluster.kubectl().state(NAMESPACE)) })
    })
    .unwrap()
}

fn ending(pod: &Value) -> Option<(String, Ending)> {
    let text = |path: &str| pod.pointer(path).and_then(Value::as_str);
    let name = text("/metadata/name").filter(|name| name.starts_with("brief-"))?;
    let time = |field: &str| text(&format!("/status/containerStatuses/0/state/terminated/{field}"))?.parse().ok();
    let (started, finished) = (time("startedAt")?, time("finishedAt")?);
    let ending = Ending { name: name.to_owned(), address: text("/status/podIP")?.to_owned(), started, finished };
    Some((text("/metadata/uid")?.to_owned(), ending))
}

/// It was told as it was, and its time holds that of its container.
fn assert_named(pod: &Pod, end: &Ending) {
    assert_eq!((&*pod.namespace, &*pod.name, &*pod.workload.kind), (NAMESPACE, end.name.as_str(), "Pod"));
    assert_eq!(pod.labels.get("app").map(AsRef::as_ref), Some(end.name.as_str()));
    let held = pod.addresses.iter().find(|held| held.ip.to_string() == end.address);
    let held = held.unwrap_or_else(|| panic!("{} had {}, and {:?} was told", end.name, end.address, pod.addresses));
    let (from, until) = (held.from.unwrap().as_millisecond(), held.until.unwrap().as_millisecond());
    assert!(from < end.started.as_millisecond() + SECOND && until >= end.finished.as_millisecond(), "{end:?} {held:?}");
    assert!(until - from < 20 * SECOND, "{end:?} {held:?}");
}

fn job(name: &str) -> Value {
    let pod = json!({"containers": [shell("sleep 1")], "restartPolicy": "Never"});
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"template": {"spec": pod}},
    })
}
