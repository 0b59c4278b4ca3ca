//! The program itself, killed at any point: what it acknowledged is there, once.

use crate::api::Api;
use crate::client::{connect, put};
use crate::segment::segment;
use netwright_collector::store::Store;
use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const ROUNDS: u32 = 8;
const AGENTS: u64 = 6;

/// The collector in a process of its own.
struct Collector {
    process: Child,
    address: SocketAddr,
    health: SocketAddr,
}

impl Collector {
    fn start(folder: &Path, api: SocketAddr) -> Self {
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: t\ncontexts: [{{name: t, context: {{cluster: t, user: t}}}}]\n\
             clusters: [{{name: t, cluster: {{server: 'http://{api}'}}}}]\nusers: [{{name: t, user: {{}}}}]\n"
        );
        fs::write(folder.join("kubeconfig"), kubeconfig).unwrap();
        let [address, export, health] = [(); 3].map(|()| free());
        let log = fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_netwright-collector"))
            .args(["serve", "--tls-name", crate::client::NAME, "--log-format", "text", "--data"])
            .arg(folder)
            .args(["--listen", &address.to_string(), "--health-listen", &health.to_string()])
            .args(["--export-listen", &export.to_string()])
            .env("KUBECONFIG", folder.join("kubeconfig"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, address, health }
    }

    /// Waits until it takes segments in.
    async fn ready(&mut self, folder: &Path) {
        let begun = Instant::now();
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            let ended = self.process.try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < Duration::from_secs(60),
                "{ended:?}: {}",
                fs::read_to_string(folder.join("log")).unwrap()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free() -> SocketAddr {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn api_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Arc::new(Api::default()).router()).await });
    address
}

/// Sends its next segment until that is acknowledged, as an agent does; then the one after.
async fn agent(number: u64, address: SocketAddr, authorities: Arc<str>, next: Arc<AtomicU64>, sent: Arc<Mutex<Sent>>) {
    let (node, token) = (format!("n{number}"), format!("netwright-agent:n{number}"));
    loop {
        let sequence = next.load(Ordering::SeqCst);
        let body = segment(&node, "r1", sequence, 20);
        let Ok(stream) = connect(address, &authorities).await else { return };
        match put(stream, &format!("/v1/segments/{node}/r1/{sequence}"), Some(&token), &body).await {
            Ok((200, text)) => {
                sent.lock().unwrap().acknowledged.insert((node.clone(), sequence));
                sent.lock().unwrap().known += u32::from(text.contains("known"));
                next.fetch_add(1, Ordering::SeqCst);
            }
            Ok((503, _)) => tokio::time::sleep(Duration::from_millis(10)).await,
            Ok((status, text)) => panic!("{status}: {text}"),
            Err(_) => return,
        }
    }
}

/// Waits until some more were acknowledged, however slow the machine is.
async fn enough_more(sent: &Mutex<Sent>) {
    let acknowledged = || sent.lock().unwrap().acknowledged.len();
    let (before, begun) = (acknowledged(), Instant::now());
    while acknowledged() < before + 8 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} were acknowledged", acknowledged());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[derive(Debug, Default)]
struct Sent {
    acknowledged: BTreeSet<(String, u64)>,
    known: u32,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_kill_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let (api, sent) = (api_server().await, Arc::new(Mutex::new(Sent::default())));
    let next: Vec<Arc<AtomicU64>> = (0..AGENTS).map(|_| Arc::default()).collect();
    for _ in 0..ROUNDS {
        let mut collector = Collector::start(folder.path(), api);
        collector.ready(folder.path()).await;
        let authorities: Arc<str> = fs::read_to_string(folder.path().join("ca.crt")).unwrap().into();
        let agents = (0..AGENTS).zip(&next).map(|(number, next)| {
            tokio::spawn(agent(number, collector.address, authorities.clone(), next.clone(), sent.clone()))
        });
        let agents: Vec<_> = agents.collect();
        enough_more(&sent).await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..300))).await;
        collector.process.kill().unwrap();
        drop(collector);
        for agent in agents {
            agent.await.unwrap();
        }
    }
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    assert!(sent.acknowledged.len() > 50, "{} were acknowledged", sent.acknowledged.len());
    let store = Store::open(&format!("sqlite:{}", folder.path().join("netwright.sqlite").display())).await.unwrap();
    let mut leader = store.lead().await.unwrap().unwrap();
    let rows = leader.inbox_after(0, 1_000_000).await.unwrap();
    let found: BTreeSet<(String, u64)> = rows.iter().map(|row| (row.node.clone(), row.sequence)).collect();
    assert_eq!(found.len(), rows.len(), "none is there twice");
    let lost: Vec<_> = sent.acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let more = found.difference(&sent.acknowledged).count();
    assert!(more as u64 <= AGENTS, "only answers that were under way are unknown: {more}");
    assert!(store.snapshot().await.unwrap().gaps().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_becomes_unready_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let mut collector = Collector::start(folder.path(), api_server().await);
    collector.ready(folder.path()).await;
    let pid = collector.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut stream = tokio::net::TcpStream::connect(collector.health).await.unwrap();
    let request = b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
    let (status, text) = crate::client::answer(stream).await.unwrap();
    assert!(status == 503 && text.contains("[-] stopping"), "{text}");
    let begun = Instant::now();
    let ended = loop {
        if let Some(ended) = collector.process.try_wait().unwrap() {
            break ended;
        }
        assert!(begun.elapsed() < Duration::from_secs(25), "within the grace period");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(ended.success() && log.contains("ended"), "{ended}: {log}");
}
