//! Real workloads: actors that play tables, PostgreSQL and Redis.

use super::{PATIENCE, actor_image, shared};
use netwright_tests::actor::Tally;
use netwright_tests::cluster::manifests::{actor, list, pod, service, workload};
use netwright_tests::cluster::{Step, wait};
use serde_json::{Value, json};

#[test]
fn an_actor_plays_a_whole_table_and_ends_when_asked() {
    let Some(image) = actor_image() else { return };
    let Some(cluster) = shared("stage") else { return };
    cluster.load(&image).unwrap();
    let program = netwright_tests::world::prerequisites::program("netwright-actor").unwrap().display().to_string();
    let (outside, mut command) = cluster
        .outside(80, &[program, "http-serve".into(), format!("on={}:80", cluster.names().outside_address(80))])
        .unwrap();
    let mut outside_server = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    let kubectl = cluster.kubectl();
    let servers =
        ["tcp-serve on=[::]:7000", "udp-serve on=[::]:7001", "http-serve on=[::]:7002", "tls-serve on=[::]:7003"];
    let ports = [("TCP", 1000, 7000), ("UDP", 1001, 7001), ("TCP", 80, 7002), ("TCP", 443, 7003)];
    let clients = [
        "tcp-call to=echo:1000 as=tcp every=100 count=5",
        "udp-call to=echo.stage:1001 as=udp every=100 count=5",
        "http-call to=echo.stage.svc:80 as=http every=100 count=5 family=6",
        "tls-call to=echo.stage.svc.cluster.local:443 as=tls every=100 count=5",
        "dns-query name=kubernetes.default as=dns every=100 count=5",
        &format!("http-call to={outside}:80 as=outside every=100 count=5"),
    ];
    kubectl
        .apply(&list([workload("Deployment", "stage", "echo", &actor(&servers)), service("stage", "echo", &ports)]))
        .unwrap();
    kubectl.wait("stage", &["deployment/echo"], "condition=Available", PATIENCE).unwrap();
    cluster.wait_for_service("stage", "echo").unwrap();
    kubectl.apply(&list([pod("stage", "caller", &actor(&clients))])).unwrap();
    kubectl.wait("stage", &["pod/caller"], "jsonpath={.status.phase}=Succeeded", PATIENCE).unwrap();
    let log = kubectl.logs("stage", "caller").unwrap();
    for name in ["tcp", "udp", "http", "tls", "dns", "outside"] {
        assert_eq!(Tally::of(&log, name), Tally { attempts: 5, errors: 0, done: true }, "{name} in {log}");
    }
    // The grace period is five seconds, and an actor that must be killed would use it up.
    let begun = std::time::Instant::now();
    kubectl.run(&["delete", "deployment/echo", "--namespace=stage", "--cascade=foreground"]).unwrap();
    kubectl.wait("stage", &["pod", "--selector=app=echo"], "delete", PATIENCE).unwrap();
    assert!(begun.elapsed().as_secs_f32() < 4.5, "took {:?}", begun.elapsed());
    outside_server.kill().unwrap();
    outside_server.wait().unwrap();
}

#[test]
fn postgresql_and_redis_run_as_themselves() {
    let Some(cluster) = shared("data") else { return };
    for image in ["postgresql", "redis"] {
        cluster.load_stock(image).unwrap();
    }
    let kubectl = cluster.kubectl();
    let database =
        workload("StatefulSet", "data", "orders", &stock("postgresql", 5432, &["pg_isready", "-h", "127.0.0.1"]));
    let cache = workload("Deployment", "data", "cache", &stock("redis", 6379, &["redis-cli", "ping"]));
    kubectl
        .apply(&list([
            database,
            service("data", "orders", &[("TCP", 5432, 5432)]),
            cache,
            service("data", "cache", &[("TCP", 6379, 6379)]),
        ]))
        .unwrap();
    kubectl.wait("data", &["pod/orders-0"], "condition=Ready", PATIENCE).unwrap();
    kubectl.wait("data", &["deployment/cache"], "condition=Available", PATIENCE).unwrap();
    // Each by its Service: what is asked is that others reach it.
    let query = ["psql", "-h", "orders.data.svc.cluster.local", "-U", "postgres", "-Atc", "select 40 + 2"];
    let answered = wait("an answer of PostgreSQL", PATIENCE, || {
        Ok(match kubectl.exec("data", "orders-0", &query) {
            Ok(answer) => Step::Done(answer),
            Err(error) => Step::NotYet(format!("{error:#}")),
        })
    });
    assert_eq!(answered.unwrap(), "42\n");
    let redis = ["redis-cli", "-h", "cache.data.svc.cluster.local", "incr", "visits"];
    assert_eq!(kubectl.exec("data", "deployment/cache", &redis).unwrap(), "1\n");
}

fn stock(image: &str, port: u16, ready: &[&str]) -> Value {
    json!({
        "name": image,
        "image": format!("localhost/netwright-{image}:test"),
        "imagePullPolicy": "Never",
        "ports": [{"containerPort": port}],
        "readinessProbe": {"exec": {"command": ready}, "periodSeconds": 1, "timeoutSeconds": 3},
    })
}
