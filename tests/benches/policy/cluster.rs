//! Made-up clusters of any size: pods as controllers make them, and policies as `netwright synth` writes them. The same
//! shape and seed give the same cluster.

use netwright_policy::{Cluster, NamedPort, Pod, Protocol};
use netwright_tests::synthetic::Random;
use std::fmt::Write;
use std::net::IpAddr;

/// How large a cluster is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Namespaces.
    pub(crate) namespaces: usize,
    /// Workloads in each; each has a policy of its own.
    pub(crate) workloads: usize,
    /// Pods of each workload.
    pub(crate) replicas: usize,
}

/// A cluster, and its policies as the text of their manifests.
pub(crate) struct Made {
    pub(crate) cluster: Cluster,
    pub(crate) pods: Vec<Pod>,
    pub(crate) policies: String,
}

const PORTS: [u16; 8] = [80, 443, 3306, 5432, 6379, 8080, 9090, 9092];

/// Workloads that talk to some others of the cluster, to the cluster's DNS and seldom to the outside. The DNS is a
/// workload of the first namespace.
pub(crate) fn services(shape: Shape, seed: u64) -> Made {
    let mut random = Random(seed);
    let all = shape.namespaces * shape.workloads;
    let mut pods = Vec::with_capacity(all * shape.replicas);
    for workload in 0..all {
        for replica in 0..shape.replicas {
            pods.push(pod(shape, workload, replica));
        }
    }
    let mut callers: Vec<Vec<usize>> = vec![Vec::new(); all];
    let mut callees: Vec<Vec<usize>> = vec![Vec::new(); all];
    for (caller, callees) in callees.iter_mut().enumerate() {
        for _ in 0..random.heavy_tailed(all) {
            let callee = random.below(all);
            callers[callee].push(caller);
            callees.push(callee);
        }
    }
    let mut text = String::new();
    for workload in 0..all {
        policy(&mut text, shape, workload, &callers[workload], &callees[workload], random.below(10) == 0);
    }
    let namespaces =
        (0..shape.namespaces).map(|index| (namespace(index), [("team".into(), format!("t{}", index % 20))].into()));
    Made { cluster: Cluster { namespaces: namespaces.collect(), ..Cluster::default() }, pods, policies: text }
}

fn namespace(index: usize) -> String {
    format!("team-{index:04}")
}

fn name(shape: Shape, workload: usize) -> String {
    format!("service-{:03}", workload % shape.workloads)
}

fn pod(shape: Shape, workload: usize, replica: usize) -> Pod {
    let (namespace, name) = (namespace(workload / shape.workloads), name(shape, workload));
    let number = workload * shape.replicas + replica;
    let labels = [
        ("app.kubernetes.io/instance", format!("{name}-release")),
        ("app.kubernetes.io/name", name.clone()),
        ("app.kubernetes.io/version", format!("1.{}.0", workload % 7)),
        ("pod-template-hash", format!("{:x}", workload * 7919)),
    ];
    Pod {
        namespace,
        name: format!("{name}-{:x}-{number:x}", workload * 7919),
        labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        addresses: vec![IpAddr::from([10, (64 + (number >> 16)) as u8, (number >> 8) as u8, number as u8])],
        node_addresses: Vec::new(),
        ports: vec![NamedPort { name: "http".into(), protocol: Protocol::Tcp, port: 8080 }],
    }
}

fn port(workload: usize) -> u16 {
    PORTS[workload % PORTS.len()]
}

fn peer(text: &mut String, shape: Shape, workload: usize) {
    let (namespace, name) = (namespace(workload / shape.workloads), name(shape, workload));
    _ = write!(
        text,
        "    - namespaceSelector:\n        matchLabels:\n          kubernetes.io/metadata.name: {namespace}\n      podSelector:\n        matchLabels:\n          app.kubernetes.io/name: {name}\n"
    );
}

fn policy(text: &mut String, shape: Shape, workload: usize, callers: &[usize], callees: &[usize], outside: bool) {
    let (namespace, name) = (namespace(workload / shape.workloads), name(shape, workload));
    _ = write!(
        text,
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: {name}\n  namespace: {namespace}\nspec:\n  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: {name}\n  policyTypes:\n  - Ingress\n  - Egress\n"
    );
    ingress(text, shape, workload, callers);
    text.push_str("  egress:\n  - to:\n");
    peer(text, shape, 0);
    text.push_str("    ports:\n    - protocol: TCP\n      port: 53\n    - protocol: UDP\n      port: 53\n");
    for callee in callees {
        text.push_str("  - to:\n");
        peer(text, shape, *callee);
        _ = write!(text, "    ports:\n    - protocol: TCP\n      port: {}\n", port(*callee));
    }
    if outside {
        let (high, low) = (workload / 256 % 256, workload % 256);
        _ = write!(
            text,
            "  - to:\n    - ipBlock:\n        cidr: 198.18.{high}.{low}/32\n    ports:\n    - protocol: TCP\n      port: 443\n"
        );
    }
    text.push_str("---\n");
}

fn ingress(text: &mut String, shape: Shape, workload: usize, callers: &[usize]) {
    const DNS: &str = "    ports:\n    - protocol: TCP\n      port: 53\n    - protocol: UDP\n      port: 53\n";
    text.push_str(if callers.is_empty() && workload != 0 { "  ingress: []\n" } else { "  ingress:\n" });
    if workload == 0 {
        _ = write!(text, "  - from:\n    - namespaceSelector: {{}}\n{DNS}");
    }
    if !callers.is_empty() {
        text.push_str("  - from:\n");
        callers.iter().for_each(|caller| peer(text, shape, *caller));
        _ = write!(text, "    ports:\n    - protocol: TCP\n      port: {}\n", port(workload));
    }
}

/// As many pods as policies, each with a label of its own by which the policies name them: nothing to put together.
pub(crate) fn unique_labels(count: usize) -> Made {
    /// How far the pod that each one calls is from it.
    const STEP: usize = 4999;
    let shape = Shape { namespaces: 100, workloads: count / 100, replicas: 1 };
    let mut text = String::new();
    let mut pods: Vec<Pod> = (0..count).map(|number| pod(shape, number, 0)).collect();
    for (number, pod) in pods.iter_mut().enumerate() {
        pod.labels.insert("pod".into(), format!("p{number}"));
        let [from, to] = [(number + count - STEP) % count, (number + STEP) % count];
        _ = write!(
            text,
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p{number}, namespace: {}}}, spec: {{podSelector: {{matchLabels: {{pod: p{number}}}}}, policyTypes: [Ingress, Egress], ingress: [{{from: [{{namespaceSelector: {{}}, podSelector: {{matchLabels: {{pod: p{from}}}}}}}], ports: [{{port: 80}}]}}], egress: [{{to: [{{namespaceSelector: {{}}, podSelector: {{matchLabels: {{pod: p{to}}}}}}}]}}]}}}}\n---\n",
            pod.namespace
        );
    }
    Made { cluster: Cluster::default(), pods, policies: text }
}

/// The pods and namespaces as `kubectl get -o yaml` prints them, as far as policies go.
pub(crate) fn manifests(made: &Made) -> String {
    let mut text = String::new();
    for (name, labels) in &made.cluster.namespaces {
        _ = write!(
            text,
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels:\n    kubernetes.io/metadata.name: {name}\n"
        );
        labels.iter().for_each(|(key, value)| _ = writeln!(text, "    {key}: {value}"));
        text.push_str("---\n");
    }
    for pod in &made.pods {
        _ = write!(
            text,
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {}\n  namespace: {}\n  labels:\n",
            pod.name, pod.namespace
        );
        pod.labels.iter().for_each(|(key, value)| _ = writeln!(text, "    {key}: \"{value}\""));
        text.push_str("spec:\n  containers:\n  - name: main\n    image: example.test/main:1\n    ports:\n");
        for port in &pod.ports {
            _ = writeln!(
                text,
                "    - name: {}\n      containerPort: {}\n      protocol: {}",
                port.name, port.port, port.protocol
            );
        }
        let addresses: Vec<String> = pod.addresses.iter().map(|address| format!("{{ip: {address}}}")).collect();
        _ = write!(text, "status:\n  phase: Running\n  podIPs: [{}]\n---\n", addresses.join(", "));
    }
    text
}
