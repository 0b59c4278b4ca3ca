//! What a test breaks breaks, and works again when it is mended.

use super::{PATIENCE, skipped};
use netwright_tests::cluster::manifests::{list, pod, shell, workload};
use netwright_tests::cluster::{Cluster, Options, Step, until_ok, wait};
use std::time::Duration;

/// One cluster for all of it, one failure after the other.
#[test]
fn parts_fail_and_come_back() {
    if skipped() {
        return;
    }
    let cluster = Cluster::start(&Options { fsync: true, ..Options::default() }).unwrap();
    let kubectl = cluster.kubectl();
    let serve = shell("mkdir /tmp/www; echo $NODE >/tmp/www/index.html; httpd -f -p 8080 -h /tmp/www");
    kubectl.apply(&list([workload("DaemonSet", "default", "web", &serve)])).unwrap();
    kubectl.wait("default", &["pod", "--selector=app=web"], "condition=Ready", PATIENCE).unwrap();
    api_server(&cluster);
    network(&cluster);
    container(&cluster);
    node(&cluster);
    cluster.stop().unwrap();
}

fn api_server(cluster: &Cluster) {
    let kubectl = cluster.kubectl();
    let ask = || kubectl.run(&["get", "namespaces", "--request-timeout=2s"]);
    let server = &cluster.control().api_server;
    server.pause().unwrap();
    assert!(ask().is_err(), "a paused API server answered");
    server.resume().unwrap();
    ask().unwrap();
    server.kill().unwrap();
    assert!(ask().is_err() && server.pid().is_err(), "a killed API server answered");
    server.start().unwrap();
    cluster.control().wait_for_api_server(kubectl).unwrap();
    cluster.control().etcd.restart().unwrap();
    wait("what etcd kept", PATIENCE, || until_ok(kubectl.get(&["daemonset", "web"]))).unwrap();
    cluster.wait_until_ready().unwrap();
}

fn network(cluster: &Cluster) {
    let (near, far) = (pod_on(cluster, 1), pod_on(cluster, 2));
    let url = format!("http://{}:8080/", far.1);
    let fetch = || cluster.kubectl().exec("default", &near.0, &["timeout", "2", "wget", "-qO-", &url]);
    let node = cluster.node(2).unwrap();
    assert_eq!(fetch().unwrap().trim(), node.name);
    cluster.cut_network(node).unwrap();
    assert!(fetch().is_err(), "a node without a network answered");
    cluster.restore_network(node).unwrap();
    wait("the network", PATIENCE, || until_ok(fetch())).unwrap();
}

fn container(cluster: &Cluster) {
    let (name, _) = pod_on(cluster, 1);
    let before = cluster.container_pid("default", &name, "shell").unwrap();
    cluster.kill_container("default", &name, "shell").unwrap();
    wait("another process", PATIENCE, || {
        Ok(match cluster.container_pid("default", &name, "shell") {
            Ok(now) if now != before => Step::Done(()),
            other => Step::NotYet(format!("{other:?}")),
        })
    })
    .unwrap();
    let restarts = cluster.kubectl().get(&["pod", &name]).unwrap();
    assert_eq!(restarts.pointer("/status/containerStatuses/0/restartCount").unwrap(), 1);
}

fn node(cluster: &Cluster) {
    let kubectl = cluster.kubectl();
    let node = cluster.node(1).unwrap();
    node.kubelet.kill().unwrap();
    let mut late = pod("default", "late", &shell("sleep 600"));
    late.pointer_mut("/spec").unwrap().as_object_mut().unwrap().insert("nodeName".into(), node.name.clone().into());
    kubectl.apply(&list([late])).unwrap();
    assert!(kubectl.wait("default", &["pod/late"], "condition=Ready", Duration::from_secs(3)).is_err());
    node.kubelet.start().unwrap();
    kubectl.wait("default", &["pod/late"], "condition=Ready", PATIENCE).unwrap();
    frozen(cluster);
}

fn frozen(cluster: &Cluster) {
    let node = cluster.node(1).unwrap();
    // A frozen process answers nobody, so kubectl is given a time by its caller.
    let answers = || cluster.kubectl().command(&["logs", "late", "--request-timeout=2s"]).status().unwrap().success();
    assert!(answers());
    cluster.freeze(node).unwrap();
    assert!(!answers(), "a frozen node answered");
    cluster.thaw(node).unwrap();
    wait("the node", PATIENCE, || Ok(if answers() { Step::Done(()) } else { Step::NotYet("no answer".into()) }))
        .unwrap();
}

/// Name and address of the pod of `web` on node `number`.
fn pod_on(cluster: &Cluster, number: usize) -> (String, String) {
    let field = format!("--field-selector=spec.nodeName={}", cluster.node(number).unwrap().name);
    let list = cluster.kubectl().get(&["pods", "--selector=app=web", &field]).unwrap();
    let text = |path| list.pointer(path).unwrap().as_str().unwrap().to_owned();
    (text("/items/0/metadata/name"), text("/items/0/status/podIP"))
}
