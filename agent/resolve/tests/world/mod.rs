//! A small cluster, and the flows its nodes might report, for the tests of the resolver.
//!
//! Two worker nodes and a control plane; in namespace `shop` the Deployments front, cart and db, a DaemonSet on the
//! host network, and Services of every sort. Times are minutes after 10:00.

#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use netwright_record::activity::hour_of;
use netwright_record::inventory::{Inventory, WorkloadRef};
use netwright_record::{Activity, Direction, Edge, Endpoint, Flow, Local, Protocol, Time};
use netwright_resolve::resolve::{Resolution, resolve};
use serde_json::{Value, json};

pub(crate) fn at(minute: i64) -> Time {
    let start: Time = "2026-11-01T10:00:00Z".parse().unwrap();
    start + jiff::SignedDuration::from_mins(minute)
}

pub(crate) fn world() -> Inventory {
    let mut inventory = Inventory {
        nodes: read(json!([
            {"name": "n1", "addresses": ["192.0.2.11", "10.244.1.1", "fd00:18::11"], "pod_cidrs": ["10.244.1.0/24", "fd00:244:0:1::/64"]},
            {"name": "n2", "addresses": ["192.0.2.12", "10.244.2.1"], "pod_cidrs": ["10.244.2.0/24", "fd00:244:0:2::/64"]},
            {"name": "cp", "addresses": ["192.0.2.10"], "pod_cidrs": ["10.244.0.0/24"]},
        ])),
        services: read(json!([
            {"namespace": "shop", "name": "cart", "type": "LoadBalancer",
             "cluster_ips": ["10.96.0.20", "fd00:96::20"], "external_ips": ["198.18.0.7"],
             "ports": [{"name": "web", "protocol": "TCP", "port": 80, "node_port": 30080}],
             "backends": [backend("10.244.1.20", Some("cart-1"), Some("web"), 8080),
                          backend("10.244.2.20", Some("cart-2"), Some("web"), 8080)]},
            {"namespace": "shop", "name": "split", "type": "ClusterIP", "cluster_ips": ["10.96.0.30"],
             "ports": [{"protocol": "TCP", "port": 90}],
             "backends": [backend("10.244.1.20", Some("cart-1"), None, 7000),
                          backend("10.244.2.30", Some("db-1"), None, 7000)]},
            {"namespace": "shop", "name": "empty", "type": "ClusterIP", "cluster_ips": ["10.96.0.40"],
             "ports": [{"protocol": "TCP", "port": 80}], "backends": []},
            {"namespace": "shop", "name": "metrics", "type": "ClusterIP", "cluster_ips": ["10.96.0.50"],
             "ports": [{"protocol": "TCP", "port": 9100}],
             "backends": [backend("192.0.2.11", Some("exporter-1"), None, 9100),
                          backend("192.0.2.12", Some("exporter-2"), None, 9100)]},
            {"namespace": "shop", "name": "billing", "type": "ClusterIP", "cluster_ips": ["10.96.0.60"],
             "ports": [{"protocol": "TCP", "port": 443}],
             "backends": [backend("198.18.0.50", None, None, 8443)]},
            {"namespace": "default", "name": "kubernetes", "type": "ClusterIP", "cluster_ips": ["10.96.0.1"],
             "ports": [{"name": "https", "protocol": "TCP", "port": 443}],
             "backends": [backend("192.0.2.10", None, Some("https"), 6443)]},
        ])),
        ..Inventory::default()
    };
    add_pod(&mut inventory, "front-1", "front", "n1", &["10.244.1.10", "fd00:244:0:1::10"], None, None);
    add_pod(&mut inventory, "cart-1", "cart", "n1", &["10.244.1.20"], None, None);
    add_pod(&mut inventory, "cart-2", "cart", "n2", &["10.244.2.20", "fd00:244:0:2::20"], None, None);
    add_pod(&mut inventory, "db-1", "db", "n2", &["10.244.2.30"], None, None);
    add_host_pod(&mut inventory, "exporter-1", "exporter", "n1", 9100);
    add_host_pod(&mut inventory, "exporter-2", "exporter", "n2", 9100);
    inventory
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

pub(crate) fn backend(ip: &str, uid: Option<&str>, port_name: Option<&str>, port: u16) -> Value {
    json!({"ip": ip, "pod_uid": uid, "ports": [{"name": port_name, "protocol": "TCP", "port": port}]})
}

pub(crate) fn add_pod(
    inventory: &mut Inventory,
    uid: &str,
    workload: &str,
    node: &str,
    ips: &[&str],
    from: Option<i64>,
    until: Option<i64>,
) {
    let held: Vec<_> = ips.iter().map(|ip| json!({"ip": ip, "from": from.map(at), "until": until.map(at)})).collect();
    inventory.pods.push(read(json!({
        "namespace": "shop", "name": uid, "uid": uid, "node": node, "workload": wl(workload), "addresses": held,
    })));
}

pub(crate) fn add_host_pod(inventory: &mut Inventory, uid: &str, workload: &str, node: &str, port: u16) {
    inventory.pods.push(read(json!({
        "namespace": "shop", "name": uid, "uid": uid, "node": node, "workload": wl(workload), "host_network": true,
        "ports": [{"protocol": "TCP", "port": port}],
    })));
}

pub(crate) fn wl(name: &str) -> WorkloadRef {
    WorkloadRef { namespace: "shop".into(), kind: "Deployment".into(), name: name.into() }
}

pub(crate) fn workload(name: &str) -> Endpoint {
    Endpoint::Workload(wl(name))
}

pub(crate) fn node(name: &str, workload: Option<&str>) -> Endpoint {
    Endpoint::Node { name: name.into(), workload: workload.map(wl) }
}

pub(crate) fn pod(uid: &str) -> Local {
    Local::Pod { uid: uid.into(), ip: None }
}

pub(crate) fn pod_at(uid: &str, ip: &str) -> Local {
    Local::Pod { uid: uid.into(), ip: Some(ip.parse().unwrap()) }
}

pub(crate) fn host() -> Local {
    Local::Host { ip: None }
}

/// A TCP connection that the local end opened at 10:00.
pub(crate) fn egress(node: &str, local: Local, remote: &str, port: u16) -> Flow {
    Flow {
        node: node.into(),
        direction: Direction::Egress,
        protocol: Protocol::Tcp,
        local,
        remote: remote.parse().unwrap(),
        port,
        remote_port: None,
        names: [].into(),
        activity: Activity::once(at(0)),
    }
}

/// A TCP connection that the local end accepted at 10:00.
pub(crate) fn ingress(node: &str, local: Local, remote: &str, port: u16) -> Flow {
    Flow { direction: Direction::Ingress, ..egress(node, local, remote, port) }
}

/// UDP between two bound ports.
pub(crate) fn ambiguous(node: &str, local: Local, port: u16, remote: &str, remote_port: u16) -> Flow {
    let flow = egress(node, local, remote, port);
    Flow { direction: Direction::Ambiguous, protocol: Protocol::Udp, remote_port: Some(remote_port), ..flow }
}

pub(crate) trait FlowExt: Sized {
    fn udp(self) -> Self;
    fn named(self, names: &[&str]) -> Self;
    fn during(self, first: i64, last: i64) -> Self;
    fn times(self, connections: u64, failed: u64) -> Self;
}

impl FlowExt for Flow {
    fn udp(self) -> Self {
        Flow { protocol: Protocol::Udp, ..self }
    }

    fn named(self, names: &[&str]) -> Self {
        Flow { names: names.iter().map(|name| (*name).into()).collect(), ..self }
    }

    fn during(mut self, first: i64, last: i64) -> Self {
        let Activity { connections, failed, .. } = self.activity;
        self.activity = Activity { last: at(last), connections, failed, ..Activity::once(at(first)) };
        self.activity.hours.insert(hour_of(at(last)));
        self
    }

    fn times(mut self, connections: u64, failed: u64) -> Self {
        (self.activity.connections, self.activity.failed) = (connections, failed);
        self
    }
}

/// `client -> server:port`, for comparing a whole result at once.
pub(crate) fn brief(edge: &Edge) -> String {
    format!("{} -> {}:{}/{}", edge.client, edge.server, edge.port, edge.protocol)
}

pub(crate) fn resolved(flows: &[Flow]) -> Resolution {
    resolve(flows, &world())
}

pub(crate) fn edges(flows: &[Flow]) -> Vec<String> {
    let resolution = resolved(flows);
    assert!(resolution.unresolved.is_empty(), "{:?}", resolution.unresolved);
    resolution.edges.iter().map(brief).collect()
}

/// The only edge of `flows`, of which nothing may be unresolved.
pub(crate) fn edge(flows: &[Flow]) -> Edge {
    edge_in(flows, &world())
}

pub(crate) fn edge_in(flows: &[Flow], inventory: &Inventory) -> Edge {
    let resolution = resolve(flows, inventory);
    assert!(resolution.unresolved.is_empty(), "{:?}", resolution.unresolved);
    let [edge] = resolution.edges.as_slice() else { panic!("not one edge: {:?}", resolution.edges) };
    edge.clone()
}

/// The reason for which the only flow became no edge.
pub(crate) fn reason(flow: Flow) -> String {
    reason_in(flow, &world())
}

pub(crate) fn reason_in(flow: Flow, inventory: &Inventory) -> String {
    let resolution = resolve(&[flow], inventory);
    assert!(resolution.edges.is_empty(), "{:?}", resolution.edges);
    let [unresolved] = resolution.unresolved.as_slice() else { panic!("not one: {:?}", resolution.unresolved) };
    unresolved.reason.clone()
}
