//! What a connection may cost, and what becomes of one when the program is told to stop.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use axum::Router;
use axum::routing::get;
use netwright_service::CancellationToken;
use netwright_service::http::{self, Limits};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(300)).await;
    "done"
}

async fn served(limits: Limits) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let router = Router::new().route("/", get(slow));
    let task = tokio::spawn(http::serve(listener, |stream| async { Ok(stream) }, router, limits, stop.clone()));
    (address, stop, task)
}

async fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    text
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off() {
    let limits = Limits { connections: 8, head: Duration::from_millis(200), drain: Duration::from_secs(1) };
    let (address, ..) = served(limits).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: te").await.unwrap();
    let silent = TcpStream::connect(address).await.unwrap();
    let begun = Instant::now();
    for stream in [stream, silent] {
        let text = tokio::time::timeout(Duration::from_secs(5), answer(stream)).await.expect("it is closed");
        assert!(!text.contains("200 OK"), "{text}");
    }
    assert!(begun.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn more_connections_than_allowed_wait_their_turn() {
    let limits = Limits { connections: 1, head: Duration::from_secs(10), drain: Duration::from_secs(1) };
    let (address, ..) = served(limits).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        streams.push(tokio::spawn(answer(stream)));
    }
    let begun = Instant::now();
    for stream in streams {
        assert!(stream.await.unwrap().ends_with("done"));
    }
    assert!(begun.elapsed() >= Duration::from_millis(500), "one after the other: {:?}", begun.elapsed());
}

#[tokio::test]
async fn what_is_under_way_is_finished() {
    let limits = Limits { connections: 8, head: Duration::from_secs(10), drain: Duration::from_secs(5) };
    let (address, stop, task) = served(limits).await;
    let idle = TcpStream::connect(address).await.unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let answer = tokio::spawn(answer(stream));
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.cancel();
    assert!(answer.await.unwrap().ends_with("done"));
    tokio::time::timeout(Duration::from_secs(3), task).await.expect("an idle connection holds nothing up").unwrap();
    drop(idle);
}
