//! A shop whose workloads do what they declare, while the cluster does to them what clusters do: rollouts, Jobs that live for seconds, a
//! Service that changes its backends, traffic between nodes, an API server that goes away.

use netwright_tests::cluster::manifests::{actor, list, namespace, service, workload};
use netwright_tests::installation::Installation;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

pub(crate) const NAMESPACE: &str = "shop";
pub(crate) const OTHER_NAMESPACE: &str = "billing";
const PATIENCE: Duration = Duration::from_secs(90);

/// Plays, and returns the edges that this makes.
pub(crate) fn play(installation: &Installation) -> BTreeSet<String> {
    let kubectl = installation.kubectl();
    kubectl.apply(&list([namespace(NAMESPACE), namespace(OTHER_NAMESPACE)])).unwrap();
    kubectl.apply(&list(servers())).unwrap();
    let deployments = ["deployment/cart", "deployment/blue", "deployment/green"];
    kubectl.wait(NAMESPACE, &deployments, "condition=Available", PATIENCE).unwrap();
    kubectl.wait(OTHER_NAMESPACE, &["deployment/ledger"], "condition=Available", PATIENCE).unwrap();
    kubectl.apply(&list(clients())).unwrap();
    kubectl.wait(NAMESPACE, &["deployment/web"], "condition=Available", PATIENCE).unwrap();
    std::thread::sleep(Duration::from_secs(6));
    // A rollout of the client and of the server.
    kubectl.run(&["rollout", "restart", "deployment/cart", "deployment/web", "--namespace", NAMESPACE]).unwrap();
    // The Service now leads elsewhere.
    kubectl
        .run(&[
            "patch",
            "service",
            "colour",
            "--namespace",
            NAMESPACE,
            "--type=merge",
            "--patch",
            r#"{"spec":{"selector":{"app":"green"}}}"#,
        ])
        .unwrap();
    installation.cluster().control().api_server.restart().unwrap();
    installation.cluster().wait_until_ready().unwrap();
    kubectl.run(&["rollout", "status", "deployment/cart", "--namespace", NAMESPACE, "--timeout=90s"]).unwrap();
    kubectl.apply(&list([job()])).unwrap();
    kubectl.wait(NAMESPACE, &["job/report"], "condition=Complete", PATIENCE).unwrap();
    std::thread::sleep(Duration::from_secs(6));
    kubectl.run(&["scale", "deployment/web", "--namespace", NAMESPACE, "--replicas=0"]).unwrap();
    expected()
}

fn servers() -> Vec<Value> {
    let http = |port: u16| format!("http-serve on=[::]:{port}");
    let mut cart = workload(
        "Deployment",
        NAMESPACE,
        "cart",
        &actor(&[
            &http(8080),
            "tcp-call to=orders-0.orders.shop:5432 every=400 as=orders",
            "tcp-call to=ledger.billing:90 every=400 as=ledger",
        ]),
    );
    cart["spec"]["replicas"] = json!(2);
    let mut orders_service = service(NAMESPACE, "orders", &[("TCP", 5432, 5432)]);
    orders_service["spec"]["clusterIP"] = json!("None");
    let mut colour = service(NAMESPACE, "colour", &[("TCP", 80, 8081)]);
    colour["spec"]["selector"] = json!({"app": "blue"});
    vec![
        cart,
        service(NAMESPACE, "cart", &[("TCP", 80, 8080)]),
        workload("StatefulSet", NAMESPACE, "orders", &actor(&["tcp-serve on=[::]:5432"])),
        orders_service,
        workload("Deployment", NAMESPACE, "blue", &actor(&[&http(8081)])),
        workload("Deployment", NAMESPACE, "green", &actor(&[&http(8081)])),
        colour,
        workload(
            "Deployment",
            OTHER_NAMESPACE,
            "ledger",
            &actor(&["tcp-serve on=[::]:9000", "udp-serve on=[::]:9001"]),
        ),
        service(OTHER_NAMESPACE, "ledger", &[("TCP", 90, 9000), ("UDP", 91, 9001)]),
    ]
}

fn clients() -> Vec<Value> {
    let web = [
        "http-call to=cart:80 every=200 as=cart",
        "http-call to=colour:80 every=200 as=colour",
        "udp-call to=ledger.billing:91 every=400 as=audit",
    ];
    let mut web = workload("Deployment", NAMESPACE, "web", &actor(&web));
    web["spec"]["replicas"] = json!(2);
    vec![web]
}

/// Lives for about two seconds.
fn job() -> Value {
    let container = actor(&["http-call to=cart:80 every=100 count=15 as=cart"]);
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "report", "namespace": NAMESPACE},
        "spec": {"template": {
            "metadata": {"labels": {"app": "report"}},
            "spec": {"containers": [container], "restartPolicy": "Never", "enableServiceLinks": false},
        }},
    })
}

fn expected() -> BTreeSet<String> {
    let dns = "kube-system/Deployment/coredns:53/UDP";
    [
        ("Deployment/web", "shop/Deployment/cart:8080/TCP"),
        ("Deployment/web", "shop/Deployment/blue:8081/TCP"),
        ("Deployment/web", "shop/Deployment/green:8081/TCP"),
        ("Deployment/web", "billing/Deployment/ledger:9001/UDP"),
        ("Deployment/cart", "shop/StatefulSet/orders:5432/TCP"),
        ("Deployment/cart", "billing/Deployment/ledger:9000/TCP"),
        ("Job/report", "shop/Deployment/cart:8080/TCP"),
        ("Deployment/web", dns),
        ("Deployment/cart", dns),
        ("Job/report", dns),
    ]
    .into_iter()
    .map(|(client, server)| format!("shop/{client} -> {server}"))
    .collect()
}
