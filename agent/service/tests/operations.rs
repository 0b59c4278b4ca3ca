//! The port for kubelet and Prometheus, over real connections.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use netwright_service::health::Health;
use netwright_service::{CancellationToken, operations};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    (status, text)
}

#[tokio::test]
async fn probes_and_metrics_are_answered_until_the_end() {
    let (health, stop) = (Health::new(), CancellationToken::new());
    let (caches, store) = (health.startup("caches"), health.readiness("store"));
    let counter: Counter = Counter::default();
    let mut registry = Registry::with_prefix("netwright_test");
    registry.register("segments", "Segments that arrived", counter.clone());
    let local = "127.0.0.1:0".parse().unwrap();
    let (address, task) = operations::serve(local, health.clone(), Arc::new(registry), stop.clone()).await.unwrap();

    assert_eq!(get(address, "/startupz").await.0, 503);
    caches.met();
    assert_eq!((get(address, "/startupz").await.0, get(address, "/readyz").await.0), (200, 503));
    store.unmet("disk full");
    assert!(get(address, "/readyz").await.1.contains("[-] store: disk full"));
    store.met();
    assert_eq!((get(address, "/readyz").await.0, get(address, "/livez").await.0), (200, 200));

    counter.inc();
    let (status, text) = get(address, "/metrics").await;
    assert_eq!(status, 200);
    assert!(text.contains("openmetrics-text") && text.contains("netwright_test_segments_total 1"), "{text}");
    assert_eq!(get(address, "/").await.0, 404);

    stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), task).await.expect("it ends").unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let holder = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = holder.local_addr().unwrap();
    let served = operations::serve(address, Health::new(), Arc::default(), CancellationToken::new()).await;
    assert!(served.unwrap_err().to_string().contains(&address.to_string()));
}
