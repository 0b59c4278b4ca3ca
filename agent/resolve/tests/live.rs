//! The inventory of a cluster as it changes: who was where and when, through rollouts, runs, restarts and missed news.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Node, Pod as ApiPod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use netwright_record::Time;
use netwright_record::inventory::{HeldAddress, Pod};
use netwright_resolve::live::{Kind, Live, Object};
use serde_json::{Value, json};
use std::collections::HashSet;

fn at(second: i64) -> Time {
    Time::from_second(1_800_000_000 + second).unwrap()
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn pod(name: &str, owner: (&str, &str), ip: Option<&str>) -> ApiPod {
    read(json!({
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "creationTimestamp": at(0).to_string(),
            "labels": {"app": "cart", "pod-template-hash": "5d4f"},
            "ownerReferences": [{"apiVersion": "v1", "kind": owner.0, "name": owner.1, "uid": "u", "controller": true}]},
        "spec": {"nodeName": "n1", "containers": [{"name": "c"}]},
        "status": {"podIPs": ip.map(|ip| json!([{"ip": ip}])), "phase": "Running"},
    }))
}

fn reported(name: &str, node: &str, ip: &str, from: i64, until: Option<i64>) -> Pod {
    read(json!({
        "namespace": "shop", "name": name, "uid": format!("uid-{name}"), "node": node,
        "workload": {"namespace": "shop", "workload_kind": "Job", "name": "report-29000000"},
        "addresses": [{"ip": ip, "from": at(from), "until": until.map(at)}],
    }))
}

fn found<'a>(live: &'a mut Live, name: &str) -> &'a Pod {
    live.view().pods.iter().find(|pod| pod.name == *name).unwrap()
}

fn held(ip: &str, from: Option<i64>, until: Option<i64>) -> HeldAddress {
    HeldAddress { ip: ip.parse().unwrap(), from: from.map(at), until: until.map(at) }
}

#[test]
fn an_owner_that_arrives_after_its_pod_names_it_all_the_same() {
    let mut live = Live::default();
    live.apply(&Object::Pod(&pod("a", ("ReplicaSet", "odd-name"), None)), at(1)).unwrap();
    live.apply(&Object::Pod(&pod("b", ("Job", "report-29000000"), None)), at(1)).unwrap();
    let replica_set: ReplicaSet =
        read(json!({"metadata": {"name": "odd-name", "namespace": "shop", "ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart", "uid": "u", "controller": true}]}}));
    let job: Job = read(json!({"metadata": {"name": "report-29000000", "namespace": "shop", "ownerReferences": [
        {"apiVersion": "batch/v1", "kind": "CronJob", "name": "report", "uid": "u", "controller": true}]}}));
    live.apply(&Object::ReplicaSet(&replica_set.metadata), at(2)).unwrap();
    live.apply(&Object::Job(&job.metadata), at(2)).unwrap();
    assert_eq!(found(&mut live, "a").workload.to_string(), "shop/Deployment/cart");
    assert_eq!(found(&mut live, "b").workload.to_string(), "shop/CronJob/report");
}

#[test]
fn a_pod_of_a_replica_set_that_was_never_seen_is_known_by_its_name() {
    let mut live = Live::default();
    live.apply(&Object::Pod(&pod("a", ("ReplicaSet", "cart-5d4f"), None)), at(1)).unwrap();
    assert_eq!(found(&mut live, "a").workload.to_string(), "shop/Deployment/cart");
}

#[test]
fn what_the_agent_of_the_node_says_of_an_address_counts() {
    let mut live = Live::default();
    live.apply(&Object::Pod(&pod("a", ("Job", "j"), Some("10.244.1.9"))), at(5)).unwrap();
    assert_eq!(found(&mut live, "a").addresses, [held("10.244.1.9", Some(0), None)]);
    assert!(live.report("n1", reported("a", "n1", "10.244.1.9", 3, Some(8))));
    assert_eq!(found(&mut live, "a").addresses, [held("10.244.1.9", Some(3), Some(8))]);
    // What it is remains the API server's to say.
    assert_eq!(found(&mut live, "a").workload.to_string(), "shop/Job/j");
}

#[test]
fn an_agent_has_no_say_about_pods_of_other_nodes() {
    let mut live = Live::default();
    live.apply(&Object::Pod(&pod("a", ("Job", "j"), Some("10.244.1.9"))), at(5)).unwrap();
    assert!(!live.report("n2", reported("a", "n2", "10.244.1.9", 3, Some(8))));
    assert!(!live.report("n2", reported("b", "n1", "10.244.1.9", 3, Some(8))));
    assert_eq!(live.pods(), 1);
    assert_eq!(found(&mut live, "a").addresses, [held("10.244.1.9", Some(0), None)]);
}

#[test]
fn a_pod_that_only_its_agent_saw_is_known_and_forgotten_in_time() {
    let mut live = Live::default();
    assert!(live.report("n1", reported("b", "n1", "10.244.1.9", 3, None)));
    let cron_job: CronJob =
        read(json!({"metadata": {"name": "report", "namespace": "shop"}, "spec": {"schedule": "* * * * *",
        "jobTemplate": {"spec": {"template": {}}}}}));
    live.apply(&Object::CronJob(&cron_job), at(4)).unwrap();
    assert_eq!(found(&mut live, "b").workload.to_string(), "shop/CronJob/report");
    live.prune(at(3));
    assert_eq!(live.pods(), 1);
    live.prune(at(4));
    assert_eq!(live.pods(), 0);
}

#[test]
fn a_pod_that_is_gone_keeps_its_past() {
    let mut live = Live::default();
    let (first, second) = (pod("a", ("Job", "j"), Some("10.244.1.9")), pod("b", ("Job", "k"), Some("10.244.1.9")));
    live.apply(&Object::Pod(&first), at(1)).unwrap();
    live.delete(&Object::Pod(&first), at(10));
    live.apply(&Object::Pod(&second), at(11)).unwrap();
    assert_eq!(found(&mut live, "a").addresses, [held("10.244.1.9", Some(0), Some(10))]);
    assert_eq!(live.prune(at(10)), 0);
    assert_eq!(live.prune(at(11)), 1);
    assert_eq!(found(&mut live, "b").uid, *"uid-b", "the other one is found after the first was taken out");
}

#[test]
fn what_a_new_list_does_not_hold_went_while_nobody_looked() {
    let mut live = Live::default();
    let (first, second) = (pod("a", ("Job", "j"), Some("10.244.1.8")), pod("b", ("Job", "k"), Some("10.244.1.9")));
    for pod in [&first, &second] {
        live.apply(&Object::Pod(pod), at(1)).unwrap();
    }
    let keys: HashSet<_> = live.key_of(&Object::Pod(&second)).into_iter().collect();
    live.relist(Kind::Pod, "Pod", &keys, at(20));
    assert_eq!(found(&mut live, "a").addresses, [held("10.244.1.8", Some(0), Some(20))]);
    assert_eq!(found(&mut live, "b").addresses, [held("10.244.1.9", Some(0), None)]);
}

fn deployment() -> Deployment {
    read(
        json!({"metadata": {"name": "cart", "namespace": "shop"}, "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "cart"}},
        "template": {"metadata": {"labels": {"app": "cart", "tier": "web"}}, "spec": {"containers": [{"name": "c"}]}}}}),
    )
}

#[test]
fn a_list_of_one_kind_of_workload_says_nothing_about_others() {
    let mut live = Live::default();
    live.apply(&Object::Deployment(&deployment()), at(1)).unwrap();
    live.relist(Kind::Workload, "StatefulSet", &HashSet::new(), at(2));
    live.prune(at(3));
    assert_eq!(live.export().workloads.len(), 1);
    live.relist(Kind::Workload, "Deployment", &HashSet::new(), at(2));
    live.prune(at(3));
    assert_eq!(live.export().workloads.len(), 0);
}

fn service() -> Service {
    read(
        json!({"metadata": {"name": "cart", "namespace": "shop"}, "spec": {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"],
        "ports": [{"port": 80}]}}),
    )
}

fn slice(ips: &[&str]) -> EndpointSlice {
    let endpoints: Vec<Value> = ips.iter().map(|ip| json!({"addresses": [ip], "conditions": {}})).collect();
    read(json!({"metadata": {"name": "cart-x", "namespace": "shop", "labels": {"kubernetes.io/service-name": "cart"}},
        "addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": endpoints}))
}

fn backends(live: &mut Live) -> Vec<HeldAddress> {
    live.view().services.iter().flat_map(|service| &service.backends).map(|backend| backend.address.clone()).collect()
}

#[test]
fn backends_come_and_go_with_a_margin_for_nodes_that_learn_late() {
    let mut live = Live::default();
    live.apply(&Object::EndpointSlice(&slice(&["10.244.1.1"])), at(0)).unwrap();
    assert_eq!(backends(&mut live), [], "no Service yet");
    live.apply(&Object::Service(&service()), at(0)).unwrap();
    assert_eq!(backends(&mut live), [held("10.244.1.1", None, None)]);
    live.apply(&Object::EndpointSlice(&slice(&["10.244.1.2"])), at(100)).unwrap();
    assert_eq!(backends(&mut live), [held("10.244.1.1", None, Some(160)), held("10.244.1.2", Some(40), None)]);
    live.delete(&Object::EndpointSlice(&slice(&[])), at(200));
    assert_eq!(backends(&mut live), [held("10.244.1.1", None, Some(160)), held("10.244.1.2", Some(40), Some(260))]);
    live.prune(at(200));
    assert_eq!(backends(&mut live), [held("10.244.1.2", Some(40), Some(260))]);
}

#[test]
fn a_cluster_ip_that_another_service_has_now_is_no_longer_the_first_ones() {
    let mut live = Live::default();
    live.apply(&Object::Service(&service()), at(0)).unwrap();
    live.delete(&Object::Service(&service()), at(1));
    assert_eq!(live.view().services.len(), 1, "flows of its time may still come");
    let mut other = service();
    other.metadata.name = Some("other".into());
    live.apply(&Object::Service(&other), at(2)).unwrap();
    let names: Vec<String> = live.view().services.iter().map(|service| service.name.to_string()).collect();
    assert_eq!(names, ["other"]);
}

#[test]
fn the_gateway_of_a_nodes_pod_range_is_the_nodes_unless_a_pod_has_it() {
    let node: Node = read(json!({"metadata": {"name": "n1"}, "spec": {"podCIDRs": ["10.244.1.0/24"]},
        "status": {"addresses": [{"type": "InternalIP", "address": "198.18.0.5"}]}}));
    let mut live = Live::default();
    live.apply(&Object::Node(&node), at(0)).unwrap();
    let addresses = |live: &mut Live| live.view().nodes.first().unwrap().addresses.len();
    assert_eq!(addresses(&mut live), 3);
    live.apply(&Object::Pod(&pod("a", ("Job", "j"), Some("10.244.1.1"))), at(0)).unwrap();
    assert_eq!(addresses(&mut live), 2);
}

#[test]
fn a_broken_object_is_refused_by_field_and_what_was_known_stays() {
    let mut live = Live::default();
    live.apply(&Object::Pod(&pod("a", ("Job", "j"), Some("10.244.1.9"))), at(1)).unwrap();
    let fault = live.apply(&Object::Pod(&pod("a", ("Job", "j"), Some("nonsense"))), at(2)).unwrap_err();
    assert_eq!(fault.to_string(), "status.podIPs[0].ip: \"nonsense\" is no IP address");
    assert_eq!(found(&mut live, "a").addresses, [held("10.244.1.9", Some(0), None)]);
}

#[test]
fn what_was_written_down_and_read_again_is_the_same() {
    let mut live = Live::default();
    let first = pod("a", ("ReplicaSet", "cart-5d4f"), Some("10.244.1.9"));
    live.apply(&Object::Pod(&first), at(1)).unwrap();
    live.delete(&Object::Pod(&first), at(10));
    assert!(live.report("n1", reported("b", "n1", "10.244.1.9", 3, None)));
    live.apply(&Object::Service(&service()), at(0)).unwrap();
    live.apply(&Object::EndpointSlice(&slice(&["10.244.1.1"])), at(0)).unwrap();
    live.apply(&Object::EndpointSlice(&slice(&["10.244.1.2"])), at(100)).unwrap();
    live.apply(&Object::Deployment(&deployment()), at(1)).unwrap();
    let node: Node = read(json!({"metadata": {"name": "n1"}, "spec": {"podCIDRs": ["10.244.1.0/24"]}}));
    live.apply(&Object::Node(&node), at(0)).unwrap();

    let mut again = Live::default();
    let changes = live.take_changes(usize::MAX);
    assert!(live.take_changes(usize::MAX).is_empty(), "each change is told once");
    for change in &changes {
        again
            .restore(&change.kind, &change.namespace, &change.name, change.body.as_deref().unwrap(), change.gone)
            .unwrap();
    }
    let sorted = |live: &mut Live| {
        let mut inventory = live.export();
        inventory.pods.sort_by(|a, b| a.uid.cmp(&b.uid));
        inventory
    };
    assert_eq!(sorted(&mut live), sorted(&mut again));
    live.put_back(&changes);
    assert_eq!(live.take_changes(usize::MAX).len(), changes.len());
    // What is forgotten is told as well.
    live.prune(at(11));
    let forgotten =
        live.take_changes(usize::MAX).into_iter().filter(|change| change.body.is_none()).map(|change| change.name);
    assert_eq!(forgotten.collect::<HashSet<_>>(), HashSet::from(["uid-a".into(), "uid-b".into()]));
}
