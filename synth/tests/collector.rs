//! `netwright pull` and `status` against a collector that is a few lines of HTTP: what the verbs make of answers, good and bad.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, as it should"
)]

#[path = "common/command.rs"]
mod command;

use command::{netwright, stderr, stdout};
use sha2::{Digest as _, Sha256};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Output;
use std::sync::{Arc, Mutex};

/// What a collector holds and how it behaves; requests are noted.
#[derive(Default)]
struct Behaviour {
    bytes: Vec<u8>,
    /// Connections to break after so many bytes of the body, one after the other.
    breaks: Vec<usize>,
    /// Exports that were made: the last one alone is known.
    exports: usize,
    /// Damage the last byte.
    damaged: bool,
    status: String,
    requests: Vec<String>,
}

struct Collector {
    behaviour: Arc<Mutex<Behaviour>>,
    url: String,
}

impl Collector {
    fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behaviour = Arc::new(Mutex::new(behaviour));
        let shared = Arc::clone(&behaviour);
        // Ends with the process.
        std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| answer(&shared, &stream)));
        Self { behaviour, url }
    }

    fn pull(&self, folder: &tempfile::TempDir) -> Output {
        netwright(&["pull", "--server", &self.url, "-o", target(folder).to_str().unwrap()])
    }

    fn requests(&self) -> Vec<String> {
        self.behaviour.lock().unwrap().requests.clone()
    }
}

fn target(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("observation.jsonl.zst")
}

fn files(folder: &tempfile::TempDir) -> usize {
    std::fs::read_dir(folder.path()).unwrap().count()
}

fn answer(behaviour: &Mutex<Behaviour>, mut stream: &TcpStream) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let Some(request) = lines.next() else { return };
    let range =
        lines.filter_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned)).last();
    let from: usize = range.and_then(|range| range.trim_end_matches('-').parse().ok()).unwrap_or(0);
    let mut it = behaviour.lock().unwrap();
    it.requests.push(format!("{} from {from}", request.trim_end_matches(" HTTP/1.1")));
    let known = format!("GET /v1/exports/e{} ", it.exports);
    // What has gone away cannot be written to, and need not.
    let _ = if request.starts_with("POST /v1/exports ") {
        it.exports += 1;
        let body = export(&it);
        write!(stream, "HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    } else if request.starts_with(&known) {
        let mut rest = it.bytes[from..].to_vec();
        if it.damaged {
            *rest.last_mut().unwrap() ^= 1;
        }
        let (total, length) = (it.bytes.len(), rest.len());
        if !it.breaks.is_empty() {
            let end = it.breaks.remove(0);
            rest.truncate(end);
        }
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {from}-{}/{total}\r\ncontent-length: {length}\r\n\r\n",
            total - 1
        );
        stream.write_all(&[head.as_bytes(), &rest].concat())
    } else if request.starts_with("GET /v1/status ") && !it.status.is_empty() {
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", it.status.len(), it.status)
    } else if request.starts_with("DELETE ") {
        write!(stream, "HTTP/1.1 204 No Content\r\n\r\n")
    } else {
        write!(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nno \u{1b}[31m!")
    };
}

fn export(behaviour: &Behaviour) -> String {
    let sum: String = Sha256::digest(&behaviour.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    serde_json::json!({ "id": format!("e{}", behaviour.exports), "bytes": behaviour.bytes.len(), "sha256": sum,
        "window": { "from": "2026-11-01T00:00:00Z", "until": "2026-11-15T00:00:00Z" } })
    .to_string()
}

fn some_bytes() -> Vec<u8> {
    (0..100_000u32).flat_map(u32::to_le_bytes).collect()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_connection_that_breaks_goes_on_where_it_stopped() {
    let collector =
        Collector::start(Behaviour { bytes: some_bytes(), breaks: vec![1000, 70_000], ..Behaviour::default() });
    let folder = folder();
    let output = collector.pull(&folder);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(std::fs::read(target(&folder)).unwrap(), some_bytes());
    assert_eq!(files(&folder), 1, "nothing is left beside the file");
    let expected = [
        "POST /v1/exports from 0",
        "GET /v1/exports/e1 from 0",
        "GET /v1/exports/e1 from 1000",
        "GET /v1/exports/e1 from 71000",
        "DELETE /v1/exports/e1 from 0",
    ];
    assert_eq!(collector.requests(), expected);
    assert!(stdout(&output).contains("400000 bytes"), "{}", stdout(&output));
}

#[test]
fn a_second_call_goes_on_and_begins_anew_where_the_export_is_gone() {
    let breaks = [vec![5000], vec![0; 5]].concat();
    let collector = Collector::start(Behaviour { bytes: some_bytes(), breaks, ..Behaviour::default() });
    let folder = folder();
    let output = collector.pull(&folder);
    assert_eq!(output.status.code(), Some(1));
    assert!(!target(&folder).exists() && files(&folder) == 2, "the part and what it is of stay");
    let output = collector.pull(&folder);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("going on from byte 5000"), "{}", stderr(&output));
    assert_eq!(collector.requests().iter().filter(|it| it.starts_with("POST")).count(), 1);

    collector.behaviour.lock().unwrap().breaks = [vec![5000], vec![0; 5]].concat();
    assert_eq!(collector.pull(&folder).status.code(), Some(1));
    // It was restarted, and knows the export no more; what it holds has changed.
    let mut behaviour = collector.behaviour.lock().unwrap();
    behaviour.exports += 1;
    behaviour.bytes.push(7);
    drop(behaviour);
    let output = collector.pull(&folder);
    assert!(stderr(&output).contains("beginning anew"), "{}", stderr(&output));
    assert_eq!(std::fs::read(target(&folder)).unwrap().len(), 400_001);
}

#[test]
fn what_is_damaged_is_not_kept() {
    let collector = Collector::start(Behaviour { bytes: some_bytes(), damaged: true, ..Behaviour::default() });
    let folder = folder();
    let output = collector.pull(&folder);
    assert_eq!((output.status.code(), files(&folder)), (Some(1), 0));
    assert!(stderr(&output).contains("damaged"), "{}", stderr(&output));
}

#[test]
fn a_collector_that_refuses_is_quoted_safely() {
    let collector = Collector::start(Behaviour::default());
    let output = netwright(&["status", "--server", &collector.url]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("404: no \\u{1b}[31m!"), "{}", stderr(&output));
}

#[test]
fn status_ends_with_three_where_something_wants_attention() {
    let agent = |losses: &str| {
        format!(
            r#"{{"at": "2026-11-23T00:00:00Z", "collector": "netwright-collector 0.1.0", "edges": 5, "new_edges": [{{"day": "2026-11-22T00:00:00Z", "edges": 0}}],
        "window": {{"from": "2026-11-09T00:00:00Z", "until": "2026-11-23T00:00:00Z"}},
        "agents": [{{"node": "n1", "heard": "2026-11-22T23:59:55Z", "watched_until": "2026-11-22T23:59:50Z", "watched_seconds": 7200, "losses": {losses}}}]}}"#
        )
    };
    let collector = Collector::start(Behaviour { status: agent("{}"), ..Behaviour::default() });
    let ask = |more: &[&str]| netwright(&[&["status", "--server", &collector.url], more].concat());
    let output = ask(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    insta::assert_snapshot!("status", stdout(&output));
    collector.behaviour.lock().unwrap().status = agent(r#"{"spool_full": 3}"#);
    let output = ask(&["-o", "json"]);
    assert_eq!(output.status.code(), Some(3));
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&report["attention"][0]["what"], &report["attention"][0]["node"]), (&"losses".into(), &"n1".into()));
    assert_eq!(report["agents"][0]["losses"]["spool_full"], 3);
}

#[test]
fn who_has_no_way_to_a_cluster_is_told_what_is_missing() {
    let folder = folder();
    let kubeconfig = folder.path().join("config");
    let path = kubeconfig.to_str().unwrap();
    let output = netwright(&["status", "--kubeconfig", path]);
    assert!(stderr(&output).contains("name a kubeconfig with --kubeconfig"), "{}", stderr(&output));
    let text = r#"{"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}], "users": [],
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": ""}}]}"#;
    std::fs::write(&kubeconfig, text).unwrap();
    let output = netwright(&["status", "--kubeconfig", path, "--context", "test"]);
    assert!(stderr(&output).contains(r#"no context "test"; it has: "prod""#), "{}", stderr(&output));
    let output = netwright(&["status", "--kubeconfig", path]);
    assert!(stderr(&output).contains("choose one with --context"), "{}", stderr(&output));
    let output = netwright(&["status", "--server", "127.0.0.1:8444"]);
    assert!(stderr(&output).contains("expected http://HOST:PORT"), "{}", stderr(&output));
}
