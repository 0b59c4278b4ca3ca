//! Names, Services and addresses.

use super::{PATIENCE, shared, skipped};
use netwright_tests::cluster::manifests::{list, pod, service, shell, workload};
use netwright_tests::cluster::{Cluster, Options};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn names_of_services_are_answered_and_others_are_not() {
    let Some(cluster) = shared("names") else { return };
    let kubectl = cluster.kubectl();
    kubectl.apply(&list([pod("names", "asker", &shell("sleep 600"))])).unwrap();
    kubectl.wait("names", &["pod/asker"], "condition=Ready", PATIENCE).unwrap();
    let answer = kubectl.exec("names", "asker", &["nslookup", "kubernetes.default.svc.cluster.local"]).unwrap();
    assert!(answer.contains(&format!("10.96.{}.1", 16 * cluster.names().index())), "{answer}");
    let error = kubectl.exec("names", "asker", &["nslookup", "nobody.invalid."]).unwrap_err().to_string();
    assert!(error.contains("status: 1"), "{error}");
}

#[test]
fn a_service_reaches_pods_on_both_nodes() {
    let Some(cluster) = shared("spread") else { return };
    let kubectl = cluster.kubectl();
    let serve = shell("mkdir /tmp/www; echo $NODE >/tmp/www/index.html; httpd -f -p 8080 -h /tmp/www");
    kubectl
        .apply(&list([workload("DaemonSet", "spread", "web", &serve), service("spread", "web", &[("TCP", 80, 8080)])]))
        .unwrap();
    kubectl.wait("spread", &["pod", "--selector=app=web"], "condition=Ready", PATIENCE).unwrap();
    let addresses = kubectl
        .run(&["get", "service", "web", "--namespace=spread", "--output=jsonpath={.spec.clusterIPs[*]}"])
        .unwrap();
    let pods = kubectl.run(&["get", "pods", "--namespace=spread", "--output=name"]).unwrap();
    for (pod, address) in pods.lines().flat_map(|pod| addresses.split(' ').map(move |address| (pod, address))) {
        let url = if address.contains(':') { format!("http://[{address}]/") } else { format!("http://{address}/") };
        let script = format!("for i in $(seq 30); do wget -qO- {url}; done");
        let answers = kubectl.exec("spread", pod, &["sh", "-c", &script]).unwrap();
        let expected: BTreeSet<&str> = cluster.nodes().iter().map(|node| node.name.as_str()).collect();
        assert_eq!(answers.lines().collect::<BTreeSet<_>>(), expected, "from {pod} by {address}");
    }
}

#[test]
fn pods_are_in_the_ranges_of_their_nodes() {
    let Some(cluster) = shared("ranges") else { return };
    let kubectl = cluster.kubectl();
    kubectl.apply(&list([workload("DaemonSet", "ranges", "idle", &shell("sleep 600"))])).unwrap();
    kubectl.wait("ranges", &["pod", "--selector=app=idle"], "condition=Ready", PATIENCE).unwrap();
    for node in cluster.nodes() {
        let ranges = kubectl.get(&["node", &node.name]).unwrap().pointer("/spec/podCIDRs").unwrap().clone();
        let field = format!("--field-selector=spec.nodeName={}", node.name);
        let pods = kubectl.get(&["pods", "--namespace=ranges", &field]).unwrap();
        for (number, separator) in [(0, '.'), (1, ':')] {
            let text =
                |path: String, from: &serde_json::Value| from.pointer(&path).unwrap().as_str().unwrap().to_owned();
            let range = text(format!("/{number}"), &ranges);
            let address = text(format!("/items/0/status/podIPs/{number}/ip"), &pods);
            let prefix = address.rsplit_once(separator).unwrap().0.trim_end_matches(':').to_owned();
            assert!(range.starts_with(&format!("{prefix}{separator}")), "{address} is not in {range}");
        }
    }
}

#[test]
fn logs_and_exec_reach_every_node() {
    let Some(cluster) = shared("logs") else { return };
    let kubectl = cluster.kubectl();
    kubectl.apply(&list([workload("DaemonSet", "logs", "talker", &shell("echo this is $NODE; sleep 600"))])).unwrap();
    kubectl.wait("logs", &["pod", "--selector=app=talker"], "condition=Ready", PATIENCE).unwrap();
    let pods = kubectl.run(&["get", "pods", "--namespace=logs", "--output=name"]).unwrap();
    let said: BTreeSet<String> = pods.lines().map(|pod| kubectl.logs("logs", pod).unwrap()).collect();
    let expected: BTreeSet<String> = cluster.nodes().iter().map(|node| format!("this is {}\n", node.name)).collect();
    assert_eq!(said, expected);
    let name = kubectl.exec("logs", pods.lines().next().unwrap(), &["hostname"]).unwrap();
    assert!(name.starts_with("talker-"), "{name}");
}

/// With four addresses, one of which the DNS server has, the fifth pod at the latest has one that another had before.
#[test]
fn few_addresses_are_used_again_within_seconds() {
    if skipped() {
        return;
    }
    let cluster = Cluster::start(&Options { nodes: 1, pod_addresses: 4, ..Options::default() }).unwrap();
    let kubectl = cluster.kubectl();
    let mut holders = BTreeMap::<String, BTreeSet<String>>::new();
    for number in 0..5 {
        let name = format!("brief-{number}");
        kubectl.apply(&list([pod("default", &name, &shell("sleep 600"))])).unwrap();
        kubectl.wait("default", &[&format!("pod/{name}")], "condition=Ready", PATIENCE).unwrap();
        let object = kubectl.get(&["pod", &name]).unwrap();
        let text = |path| object.pointer(path).unwrap().as_str().unwrap().to_owned();
        holders.entry(text("/status/podIP")).or_default().insert(text("/metadata/uid"));
        kubectl.run(&["delete", "pod", &name, "--wait", "--grace-period=1"]).unwrap();
    }
    assert!(holders.values().any(|pods| pods.len() > 1), "no address was used again: {holders:?}");
}
