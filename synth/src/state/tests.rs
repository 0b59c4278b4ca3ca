//! What is read from manifests, from `kubectl` and from observations.

use super::*;
use crate::testing::{World, address, at};
use netwright_record::file;
use netwright_record::inventory::Policy;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

fn saved(name: &str, bytes: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn load(name: &str, text: &str) -> State {
    let (_folder, path) = saved(name, text);
    State::load(&path).unwrap()
}

/// Reads the observation of `world` compressed, and checks that its plain lines say the same.
fn observed(world: &World) -> State {
    let (mut compressed, mut plain) = (Vec::new(), Vec::new());
    file::write(&world.build(), &mut compressed).unwrap();
    file::write_plain(&world.build(), &mut plain).unwrap();
    let ((_one, compressed), (_other, plain)) = (saved("a.nwo", compressed), saved("a.json", plain));
    let (state, same) = (State::load(&compressed).unwrap(), State::load(&plain).unwrap());
    assert_eq!((&state.pods, &state.nodes), (&same.pods, &same.nodes));
    state
}

fn names(state: &State) -> Vec<&str> {
    state.pods.iter().map(|pod| pod.pod.name.as_str()).collect()
}

const POLICY: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}}
";

#[test]
fn an_observation_holds_the_pods_that_still_run_and_templates_for_the_others() {
    let mut world = World::new();
    world.node("n1", &["198.18.1.1"]);
    let web = world.running("shop", "web");
    world.pod(&web, "n1", &[("app", "web")]).addresses[0].until = Some(at(60));
    let idle = world.workload("shop", "CronJob", "report", &[("app", "report")]);
    let gone = world.workload("shop", "Deployment", "gone", &[("app", "gone")]);
    world.pod(&gone, "n1", &[("app", "gone"), ("pod-template-hash", "x")]).addresses[0].until = Some(at(60));
    let done = world.workload("shop", "Job", "done", &[("app", "done")]);
    world.pod(&done, "n1", &[("app", "done")]).addresses[0].until = Some(at(60));
    let state = observed(&world);
    assert_eq!(names(&state), ["CronJob/report", "Deployment/gone", "web-1"]);
    assert_eq!(state.finished, 3);
    assert!(!state.workloads.contains_key(&done));
    assert_eq!(state.workloads[&idle], [0]);
    let pod = &state.pods[state.workloads[&web][0]];
    assert_eq!((pod.from_template, pod.pod.addresses.as_slice()), (false, [address("10.244.0.1")].as_slice()));
    assert_eq!(pod.pod.node_addresses, [address("198.18.1.1")]);
    assert_eq!(state.pods[1].pod.labels["app"], "gone");
    assert!(state.pods[1].from_template);
}

#[test]
fn a_pod_on_the_host_network_is_its_node() {
    let mut world = World::new();
    world.node("n1", &["198.18.1.1", "10.244.0.0"]);
    let agent = world.workload("kube-system", "DaemonSet", "agent", &[]);
    let pod = world.pod(&agent, "n1", &[]);
    (pod.host_network, pod.addresses) = (true, Vec::new());
    let state = observed(&world);
    let Party::Node { addresses } = state.pods[0].party() else { panic!("{:?}", state.pods) };
    assert_eq!(addresses, state.node("n1").unwrap().addresses);
    assert_eq!(addresses.len(), 2);
}

#[test]
fn policies_come_from_the_same_place_whatever_that_is() {
    let mut world = World::new();
    world.running("shop", "web");
    let manifest: serde_json::Value = serde_yaml::from_str(POLICY).unwrap();
    world.observation.inventory.policies.push(Policy { manifest });
    assert_eq!(observed(&world).policies.policies()[0].name, "deny");
    assert_eq!(load("policy.yaml", POLICY).policies.policies()[0].name, "deny");
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {}", POLICY.trim().replace('\n', "\n  "));
    assert_eq!(load("list.yaml", &list).policies.policies()[0].name, "deny");
    let (_folder, path) = saved("policy.yaml", POLICY.replace("{podSelector: {}}", "{podSelector: {}, x: 1}"));
    assert_eq!(State::load(&path).unwrap().policy_warnings.len(), 1);
    assert!(State::load_with(&path, ReadOptions { strict: true, ..ReadOptions::default() }).is_err());
}

#[test]
fn policies_that_nobody_asked_for_are_passed_over_whatever_they_say() {
    let web = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: []}\n---";
    for policy in [POLICY.to_owned(), POLICY.replace("podSelector: {}", "podSelector: 3")] {
        let (_folder, path) = saved("all.yaml", format!("{web}{policy}"));
        let state = State::load_without_policies(&path).unwrap();
        assert_eq!((names(&state), state.policies.policies().len()), (vec!["web"], 0));
    }
}

#[test]
fn a_broken_policy_of_an_observation_is_named() {
    let mut world = World::new();
    let manifest: serde_json::Value =
        serde_yaml::from_str(&POLICY.replace("podSelector: {}", "podSelector: 3")).unwrap();
    world.observation.inventory.policies.push(Policy { manifest });
    let mut bytes = Vec::new();
    file::write(&world.build(), &mut bytes).unwrap();
    let (_folder, path) = saved("a.nwo", bytes);
    let error = State::load(&path).unwrap_err().to_string();
    assert!(error.contains("a.nwo, NetworkPolicy shop/deny:1, document 1: spec.podSelector"), "{error}");
}

#[test]
fn a_namespace_has_its_labels_listed_or_not() {
    let state = load("ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: sales}}\n");
    assert_eq!(state.cluster.namespace_label("shop", "team"), Some("sales"));
    assert_eq!(state.cluster.namespace_label("other", "kubernetes.io/metadata.name"), Some("other"));
    assert_eq!(state.cluster.namespace_label("other", "team"), None);
}

#[test]
fn named_ports_of_a_template_are_there_to_be_referred_to() {
    let text = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web, version: v3}}
    spec: {containers: [{name: c, ports: [{name: dns, protocol: UDP, containerPort: 5353}, {containerPort: 80}]}]}
";
    let state = load("web.yaml", text);
    let [pod] = state.pods.as_slice() else { panic!("{:?}", state.pods) };
    let named: Vec<_> = pod.pod.ports.iter().map(|port| (port.name.as_str(), port.protocol, port.port)).collect();
    assert_eq!(named, [("dns", netwright_policy::Protocol::Udp, 5353)]);
    assert_eq!(pod.pod.labels["version"], "v3");
}

#[test]
fn what_was_passed_over_is_said_in_one_line_that_a_terminal_can_show() {
    let text = "{apiVersion: v1, kind: \"\\e[31mX\"}\n---\n{replicas: 3}\n---\n{apiVersion: v1, kind: ConfigMap}\n";
    let state = load("x.yaml", text);
    assert_eq!(
        state.remarks,
        [r"note: passed over 1 \u{1b}[31mX (v1), 1 ConfigMap (v1), 1 documents that are no Kubernetes objects"]
    );
}

#[test]
fn an_error_says_what_could_not_be_read_and_why() {
    let error = |path: &Path| State::load(path).unwrap_err().to_string();
    assert!(error(Path::new("/nowhere")).starts_with("cannot read manifests from \"/nowhere\""));
    let (folder, path) = saved("x.yaml", [b'a', 0xff]);
    assert!(error(&path).ends_with("not UTF-8 text from byte 1 on"), "{}", error(&path));
    assert!(error(folder.path()).ends_with("not UTF-8 text from byte 1 on"), "{}", error(folder.path()));
    fs::remove_file(&path).unwrap();
    assert!(error(folder.path()).contains("found no file named *.yaml, *.yml or *.json; check the path"));
    let (_folder, path) = saved("policy.yaml", POLICY.replace("podSelector: {}", "podSelector: 3"));
    assert!(error(&path).contains("spec.podSelector: is a number"), "{}", error(&path));
}
