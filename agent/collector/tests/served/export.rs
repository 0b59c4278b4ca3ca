//! Taking home what was kept.

use crate::client::answer;
use netwright_collector::export::{self, Export, Exports, Limits};
use netwright_collector::merge::Monitor;
use netwright_collector::metrics::Metrics;
use netwright_collector::store::{CoverageRow, Store, UnresolvedRow};
use netwright_record::collector::Status;
use netwright_record::{Activity, Direction, Flow, Local, Protocol, Time};
use netwright_service::{CancellationToken, http};
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

struct Served {
    address: SocketAddr,
    store: Store,
    folder: TempDir,
}

async fn served(limits: Limits) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite:{}", folder.path().join("store.db").display())).await.unwrap();
    store.migrate().await.unwrap();
    let exports = Exports::new(folder.path().join("exports"), limits).unwrap();
    let export = Export {
        exports,
        store: store.clone(),
        cluster: Some("shop".into()),
        monitor: Monitor::default(),
        metrics: Metrics::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = http::Limits { connections: 8, head: Duration::from_secs(5), drain: Duration::from_secs(1) };
    let router = export::router(Arc::new(export));
    let plain = |stream| async { Ok(stream) };
    tokio::spawn(http::serve(listener, plain, router, connections, CancellationToken::new()));
    Served { address, store, folder }
}

impl Served {
    /// Status, head and body.
    async fn ask(&self, method: &str, path: &str, headers: &str) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let host = if headers.contains("host:") { "" } else { "host: localhost\r\n" };
        let request = format!("{method} {path} HTTP/1.1\r\n{host}{headers}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head, bytes[end + 4..].to_vec())
    }

    async fn make(&self) -> netwright_record::collector::Export {
        let (status, head, body) = self.ask("POST", "/v1/exports", "").await;
        assert_eq!(status, 201, "{head}");
        serde_json::from_slice(&body).unwrap()
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("exports")).unwrap().count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_read_in_parts_and_ended() {
    let served = served(Limits::default()).await;
    let made = served.make().await;
    let path = format!("/v1/exports/{}", made.id);
    let (status, head, whole) = served.ask("GET", &path, "").await;
    assert!(status == 200 && head.contains("accept-ranges: bytes"), "{head}");
    assert_eq!(whole.len() as u64, made.bytes);
    let digest: String = Sha256::digest(&whole).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, made.sha256);
    let (observation, warnings) = netwright_record::file::read(whole.as_slice(), Path::new("export")).unwrap();
    assert_eq!((observation.header.cluster.as_deref(), warnings.len()), (Some("shop"), 0));

    let (status, head, rest) = served.ask("GET", &path, "range: bytes=10-\r\n").await;
    assert!(status == 206 && head.contains(&format!("content-range: bytes 10-{}/{}", made.bytes - 1, made.bytes)));
    assert_eq!(rest, whole[10..]);
    let (status, _, part) = served.ask("GET", &path, "range: bytes=3-5\r\n").await;
    assert_eq!((status, part.as_slice()), (206, &whole[3..6]));
    let (status, head, _) = served.ask("GET", &path, &format!("range: bytes={}-\r\n", made.bytes)).await;
    assert!(status == 416 && head.contains(&format!("bytes */{}", made.bytes)), "{head}");

    assert_eq!(served.ask("DELETE", &path, "").await.0, 204);
    assert_eq!((served.ask("GET", &path, "").await.0, served.ask("DELETE", &path, "").await.0), (404, 404));
    assert_eq!(served.files(), 0);
    for id in ["..%2Fstore.db", "nothing", "%2e%2e"] {
        assert_eq!(served.ask("GET", &format!("/v1/exports/{id}"), "").await.0, 404, "{id}");
    }
}

/// Each commit writes one stretch of watching and as many flows without a name, so a snapshot of any moment has as many of both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_of_one_moment_while_others_write() {
    let served = served(Limits { number: 100, ..Limits::default() }).await;
    let stop = CancellationToken::new();
    let writer = tokio::spawn(write_pairs(served.store.clone(), stop.clone()));
    let mut seen = Vec::new();
    for _ in 0..8 {
        let made = served.make().await;
        let (_, _, whole) = served.ask("GET", &format!("/v1/exports/{}", made.id), "").await;
        let (observation, _) = netwright_record::file::read(whole.as_slice(), Path::new("export")).unwrap();
        assert_eq!(observation.coverage.len(), observation.unresolved.len());
        seen.push(observation.coverage.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    let written = writer.await.unwrap();
    assert!(seen.is_sorted() && seen.first() < seen.last(), "it was written to meanwhile: {seen:?}");
    assert!(written >= *seen.last().unwrap());
}

async fn write_pairs(store: Store, stop: CancellationToken) -> usize {
    let mut leader = store.lead().await.unwrap().unwrap();
    let mut written = 0;
    while !stop.is_cancelled() {
        let node = format!("n{written}");
        let (from, to) = (Time::from_second(1000).unwrap(), Time::from_second(1010).unwrap());
        let flow = Flow {
            node: node.as_str().into(),
            direction: Direction::Egress,
            protocol: Protocol::Tcp,
            local: Local::Host { ip: None },
            remote: [192, 0, 2, 1].into(),
            port: 443,
            remote_port: None,
            names: Default::default(),
            activity: Activity::once(from),
        };
        let body = serde_json::to_string(&flow).unwrap();
        let coverage = CoverageRow {
            node: node.clone(),
            run: "r1".into(),
            since: from.as_millisecond(),
            until: to.as_millisecond(),
            ended: "continues".into(),
            lost: 0,
            losses: "{}".into(),
            notes: "[]".into(),
            segments: 1,
        };
        let row = UnresolvedRow { digest: node.clone().into(), node, body, ..UnresolvedRow::default() };
        let mut transaction = leader.begin().await.unwrap();
        transaction.upsert_unresolved(&[row]).await.unwrap();
        tokio::task::yield_now().await;
        transaction.write_coverage(&[coverage]).await.unwrap();
        transaction.commit().await.unwrap();
        written += 1;
    }
    written
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn number_and_age_are_bounded() {
    let served = served(Limits { number: 2, age: Duration::from_secs(2) }).await;
    let made = [served.make().await, served.make().await, served.make().await];
    assert_eq!(served.files(), 2);
    assert_eq!(served.ask("GET", &format!("/v1/exports/{}", made[0].id), "").await.0, 404, "the oldest went");
    assert_eq!(served.ask("GET", &format!("/v1/exports/{}", made[2].id), "").await.0, 200);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(served.ask("GET", &format!("/v1/exports/{}", made[2].id), "").await.0, 404, "too old");
    assert_eq!(served.files(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_is_told_and_only_to_who_asks_for_localhost() {
    let served = served(Limits::default()).await;
    let (status, _, body) = served.ask("GET", "/v1/status", "").await;
    let told: Status = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, told.cluster.as_deref(), told.window), (200, Some("shop"), None));
    for host in ["127.0.0.1", "localhost:8444", "[::1]:9"] {
        assert_eq!(served.ask("GET", "/v1/status", &format!("host: {host}\r\n")).await.0, 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", ""] {
        assert_eq!(served.ask("GET", "/v1/status", &format!("host: {host}\r\n")).await.0, 421, "{host}");
    }
    let stream = TcpStream::connect(served.address).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    write.write_all(b"POST /v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    assert_eq!(answer(&mut read).await.unwrap().0, 405);
}
