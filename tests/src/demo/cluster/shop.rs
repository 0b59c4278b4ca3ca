//! The declaration of the shop in the cluster: its workloads, what each does, and the edges that this has to make.

use super::PATIENCE;
use super::manifests::{cron_job, host_network, job, node_port, probed, psql, replicas};
use crate::cluster::manifests::{actor, list, namespace, service, workload};
use crate::installation::{Installation, postgresql};
use crate::world::prerequisites::program;
use anyhow::{Context, Result};
use netwright_record::Edge;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

/// Where its workloads are.
pub(super) const NAMESPACES: [&str; 4] = ["edge", "shop", "billing", "ops"];
/// A name outside of the cluster, and the last number of its address.
pub(super) const OUTSIDE_NAME: &str = "api.payments.example";
pub(super) const OUTSIDE_HOST: u8 = 80;
/// Where people come from, and the port of nodes that they come to.
const SHOPPER: u8 = 200;
const NODE_PORT: u16 = 30080;

/// Servers and people outside, as processes.
pub(super) struct Outside(Vec<Child>);

impl Outside {
    /// Ends them.
    pub(super) fn end(&mut self) -> Result<()> {
        self.0.iter_mut().try_for_each(|child| child.kill())?;
        self.0.iter_mut().try_for_each(|child| child.wait().map(drop)).context("ending what is outside")
    }
}

/// Opens the shop: servers first, then who calls them.
pub(super) fn open(installation: &Installation) -> Result<Outside> {
    let kubectl = installation.kubectl();
    let payments = outside(installation, OUTSIDE_HOST, &["http-serve", "on=0.0.0.0:443"])?;
    kubectl.apply(&list(NAMESPACES.map(namespace)))?;
    kubectl.apply(&list(servers()))?;
    for (namespace, what) in [("shop", "deployment"), ("ops", "deployment")] {
        kubectl.wait(namespace, &[what, "--all"], "condition=Available", PATIENCE)?;
    }
    for (namespace, pod) in [("shop", "pod/orders-0"), ("billing", "pod/ledger-0")] {
        kubectl.wait(namespace, &[pod], "condition=Ready", PATIENCE)?;
    }
    kubectl.apply(&list(clients(installation)?))?;
    for namespace in ["edge", "shop", "billing", "ops"] {
        kubectl.wait(namespace, &["deployment", "--all"], "condition=Available", PATIENCE)?;
    }
    let (node, _) = installation.cluster().names().node_addresses(1);
    let shopper =
        outside(installation, SHOPPER, &["http-call", &format!("to={node}:{NODE_PORT}"), "every=700", "for=3600000"])?;
    Ok(Outside(vec![payments, shopper]))
}

fn outside(installation: &Installation, host: u8, role: &[&str]) -> Result<Child> {
    let mut words = vec![program("netwright-actor")?.display().to_string()];
    words.extend(role.iter().map(|word| (*word).to_owned()));
    let (_, mut command): (_, Command) = installation.cluster().outside(host, &words)?;
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("starting an actor outside of the cluster")
}

fn servers() -> Vec<Value> {
    let http = |port: u16| actor(&[&format!("http-serve on=[::]:{port}")]);
    let api = actor(&[
        "http-serve on=[::]:9090",
        "redis-call to=cache:6379 command=LPUSH,jobs,order every=400 as=orders",
        "tcp-call to=ledger-0.ledger.billing:7000 every=900 as=ledger",
        "statsd-send to=statsd.ops:8125 every=250 as=metrics",
    ]);
    let redis = json!({
        "name": "redis", "image": "localhost/netwright-redis:test", "imagePullPolicy": "Never",
        "readinessProbe": {"exec": {"command": ["redis-cli", "ping"]}, "periodSeconds": 1},
    });
    let front = actor(&[
        "http-serve on=[::]:8080",
        "http-call to=api:80 every=300 as=api",
        "http-call to=recommendations:80 every=600 as=recommendations",
    ]);
    vec![
        replicas(workload("Deployment", "shop", "front", &probed(front, 8080)), 2),
        service("shop", "front", &[("TCP", 80, 8080)]),
        replicas(workload("Deployment", "shop", "api", &api), 2),
        service("shop", "api", &[("TCP", 80, 9090)]),
        workload("Deployment", "shop", "recommendations", &http(7000)),
        service("shop", "recommendations", &[("TCP", 80, 7000)]),
        workload("Deployment", "shop", "cache", &redis),
        service("shop", "cache", &[("TCP", 6379, 6379)]),
        workload("StatefulSet", "shop", "orders", &postgresql()),
        headless("shop", "orders", 5432),
        workload("StatefulSet", "billing", "ledger", &actor(&["tcp-serve on=[::]:7000"])),
        headless("billing", "ledger", 7000),
        workload("Deployment", "ops", "statsd", &actor(&["statsd-serve on=[::]:9125"])),
        service("ops", "statsd", &[("UDP", 8125, 9125)]),
        host_network(workload("DaemonSet", "ops", "node-exporter", &http(9100))),
    ]
}

fn clients(installation: &Installation) -> Result<Vec<Value>> {
    let nodes = installation.cluster().nodes().iter().zip(1u8..);
    let scrape: Vec<String> = nodes
        .map(|(_, number)| {
            let (address, _) = installation.cluster().names().node_addresses(number);
            format!("http-call to={address}:9100 every=1000 as=node-{number}")
        })
        .collect();
    let scrape: Vec<&str> = scrape.iter().map(String::as_str).collect();
    let gateway = actor(&["http-serve on=[::]:8080", "http-call to=front.shop:80 every=500 as=front"]);
    let worker = actor(&[
        "redis-call to=cache:6379 command=BRPOP,jobs,1 every=300 as=queue",
        &format!("http-call to={OUTSIDE_NAME}:443 every=700 as=payments"),
    ]);
    let invoicer = actor(&["tcp-call to=ledger-0.ledger:7000 every=500 as=sync"]);
    let import = actor(&["tcp-call to=ledger-0.ledger:7000 every=200 count=10 as=import"]);
    Ok(vec![
        workload("Deployment", "edge", "gateway", &gateway),
        node_port(service("edge", "gateway", &[("TCP", 80, 8080)]), NODE_PORT),
        workload("Deployment", "shop", "worker", &worker),
        cron_job("shop", "cleanup", &psql("orders.shop.svc.cluster.local")),
        workload("Deployment", "billing", "invoicer", &invoicer),
        job("billing", "import", &import),
        workload("Deployment", "ops", "prometheus", &actor(&scrape)),
    ])
}

fn headless(namespace: &str, name: &str, port: u16) -> Value {
    let mut service = service(namespace, name, &[("TCP", port, port)]);
    if let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("clusterIP".into(), "None".into());
    }
    service
}

/// An edge as it is declared. Nodes are not told apart: which of them runs a pod is the scheduler's choice.
pub(super) fn name(edge: &Edge) -> String {
    let end = |end: &netwright_record::Endpoint| match end {
        netwright_record::Endpoint::Node { workload: None, .. } => "a node".to_owned(),
        netwright_record::Endpoint::Node { workload: Some(workload), .. } => format!("{workload} on a node"),
        other => other.to_string(),
    };
    format!("{} -> {}:{}/{}", end(&edge.client), end(&edge.server), edge.port, edge.protocol)
}

/// Every edge that the declarations above make.
pub(super) fn declared() -> BTreeSet<String> {
    let calls = [
        ("edge/Deployment/gateway", "shop/Deployment/front:8080/TCP"),
        ("shop/Deployment/front", "shop/Deployment/api:9090/TCP"),
        ("shop/Deployment/front", "shop/Deployment/recommendations:7000/TCP"),
        ("shop/Deployment/api", "shop/Deployment/cache:6379/TCP"),
        ("shop/Deployment/api", "billing/StatefulSet/ledger:7000/TCP"),
        ("shop/Deployment/api", "ops/Deployment/statsd:9125/UDP"),
        ("shop/Deployment/worker", "shop/Deployment/cache:6379/TCP"),
        ("shop/Deployment/worker", "api.payments.example:443/TCP"),
        ("shop/CronJob/cleanup", "shop/StatefulSet/orders:5432/TCP"),
        ("billing/Deployment/invoicer", "billing/StatefulSet/ledger:7000/TCP"),
        ("billing/Job/import", "billing/StatefulSet/ledger:7000/TCP"),
        ("ops/Deployment/prometheus", "ops/DaemonSet/node-exporter on a node:9100/TCP"),
        // The kubelet's probe, and people who come by a node's port: kube-proxy gives them the node's address.
        ("a node", "shop/Deployment/front:8080/TCP"),
        ("a node", "edge/Deployment/gateway:8080/TCP"),
    ];
    let ask = [
        "edge/Deployment/gateway",
        "shop/Deployment/front",
        "shop/Deployment/api",
        "shop/Deployment/worker",
        "shop/CronJob/cleanup",
        "billing/Deployment/invoicer",
        "billing/Job/import",
    ];
    let asked = ask.map(|client| (client, "kube-system/Deployment/coredns:53/UDP"));
    calls.into_iter().chain(asked).map(|(client, server)| format!("{client} -> {server}")).collect()
}
