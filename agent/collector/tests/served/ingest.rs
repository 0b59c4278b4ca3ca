//! What is taken in, and what is not.

use crate::api::until;
use crate::client::{LIMITS, NAME, Served, answer, put};
use crate::segment::segment;
use netwright_collector::ingest::Limits;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

const TOKEN: Option<&str> = Some("netwright-agent:n1");
const PATH: &str = "/v1/segments/n1/r1/0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_is_stored_once() {
    let served = Served::start(LIMITS).await;
    let body = segment("n1", "r1", 0, 100);
    let (status, text) = served.put(PATH, TOKEN, &body).await;
    assert!(status == 200 && text.contains(r#"{"state":"stored"}"#), "{text}");
    let (status, text) = served.put(PATH, TOKEN, &body).await;
    assert!(status == 200 && text.contains(r#"{"state":"known"}"#), "{text}");
    let mut leader = served.store.lead().await.unwrap().unwrap();
    let rows = leader.inbox_after(0, 10).await.unwrap();
    assert_eq!((rows.len(), rows[0].flows, &rows[0].bytes), (1, 100, &body));
    let agents = served.store.snapshot().await.unwrap().agents().await.unwrap();
    assert_eq!((agents[0].version.as_str(), agents[0].segments), ("netwright-agent 0.1.0", 1));
    assert_eq!(served.api.reviews.load(SeqCst), 1, "what was said of a token is remembered");
    assert_eq!(served.metrics.received_flows.get(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_agent_of_the_node_may_send() {
    let served = Served::start(LIMITS).await;
    let body = segment("n1", "r1", 0, 1);
    let cases = [
        (None, 401, "no_token"),
        (Some("garbage"), 401, "not_authenticated"),
        (Some("other-audience:n1"), 401, "not_authenticated"),
        (Some("default:n1"), 403, "other_account"),
        (Some("netwright-agent:"), 403, "unbound_token"),
        (Some("netwright-agent:n2"), 403, "other_node"),
    ];
    for (token, expected, cause) in cases {
        let (status, text) = served.put(PATH, token, &body).await;
        assert!(status == expected && text.contains(cause), "{token:?}: {text}");
        assert!(served.metrics.refused.get_or_create(&[("cause", cause)]).get() > 0);
    }
    let long = "a".repeat(10_000);
    assert_eq!(served.put(PATH, Some(&long), &body).await.0, 401);
    assert_eq!(served.store.inbox_load().await.unwrap().segments, 0);
    let (status, text) = served.put(PATH, TOKEN, &segment("n2", "r1", 0, 1)).await;
    assert!(status == 400 && text.contains("another node"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_expired_is_refused_though_it_was_believed_before() {
    let served = Served::start(LIMITS).await;
    let now = netwright_record::Time::now().as_second();
    let body = segment("n1", "r1", 0, 1);
    let (status, text) = served.put(PATH, Some(&until("n1", now - 1)), &body).await;
    assert!(status == 401 && text.contains("not_authenticated"), "{text}");
    let token = until("n1", now + 2);
    assert_eq!(served.put(PATH, Some(&token), &body).await.0, 200);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(served.put(PATH, Some(&token), &body).await.0, 401, "what was said of it counted until then");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_is_away_is_asked_again() {
    let served = Served::start(LIMITS).await;
    served.api.away.store(true, SeqCst);
    let body = segment("n1", "r1", 0, 1);
    let (status, text) = served.put(PATH, TOKEN, &body).await;
    assert!(status == 503 && text.contains("retry-after: 5"), "{text}");
    served.api.away.store(false, SeqCst);
    assert_eq!(served.put(PATH, TOKEN, &body).await.0, 200);
    served.api.away.store(true, SeqCst);
    assert_eq!(served.put(PATH, TOKEN, &body).await.0, 200, "what it said before counts for a while");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_segment_is_refused_for_good() {
    let served = Served::start(LIMITS).await;
    let whole = segment("n1", "r1", 0, 10);
    let bomb = zstd::encode_all(&vec![b'\n'; 64 << 20][..], 19).unwrap();
    let old = segment("n1", "r1", 0, 1);
    let cases: Vec<(&str, &[u8], u16)> = vec![
        (PATH, b"", 415),
        (PATH, b"{\"record\":\"header\"}", 415),
        (PATH, &whole[..whole.len() - 10], 400),
        (PATH, &bomb, 413),
        ("/v1/segments/n1/r2/0", &whole, 400),
        ("/v1/segments/n1/r1/00", &whole, 400),
        ("/v1/segments/n1/r1/-1", &whole, 400),
        ("/v1/segments/n1/r1/9223372036854775807", &whole, 400),
        ("/v1/segments/N1/r1/0", &whole, 400),
        ("/v1/segments/n1/a%2Fb/0", &whole, 400),
        ("/v1/segments/n1/r1", &whole, 404),
        ("/", &old, 404),
    ];
    for (path, body, expected) in cases {
        let (status, text) = served.put(path, TOKEN, body).await;
        assert_eq!(status, expected, "{path}: {text}");
    }
    let large = vec![0x28; 2 << 20];
    assert_eq!(served.put(PATH, TOKEN, &large).await.0, 413);
    assert_eq!(served.store.inbox_load().await.unwrap().segments, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_older_than_the_window_is_refused() {
    let served = Served::start(Limits { window: jiff::SignedDuration::from_secs(30), ..LIMITS }).await;
    let (status, text) = served.put(PATH, TOKEN, &segment("n1", "r1", 0, 1)).await;
    assert!(status == 400 && text.contains("too_old"), "{text}");
    let (status, text) = served.put("/v1/segments/n1/r1/50", TOKEN, &segment("n1", "r1", 50, 1)).await;
    assert_eq!(status, 200, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_inbox_takes_no_more() {
    let served = Served::start(Limits { inbox: 1000, ..LIMITS }).await;
    served.ingest.set_inbox(1000);
    let body = segment("n1", "r1", 0, 1);
    let (status, text) = served.put(PATH, TOKEN, &body).await;
    assert!(status == 503 && text.contains("retry-after: 15") && text.contains("inbox_full"), "{text}");
    served.ingest.set_inbox(999);
    assert_eq!(served.put(PATH, TOKEN, &body).await.0, 200);
    let (status, _) = served.put("/v1/segments/n1/r1/1", TOKEN, &segment("n1", "r1", 1, 1)).await;
    assert_eq!(status, 503, "what came since counts at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies_hold_a_bounded_part_of_memory() {
    let served = Served::start(Limits { memory: 2 << 20, ..LIMITS }).await;
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = served.connect().await;
        let head = format!(
            "PUT {PATH} HTTP/1.1\r\nhost: {NAME}\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
            TOKEN.unwrap(),
            1 << 20
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(b"(").await.unwrap();
        stream.flush().await.unwrap();
        slow.push(stream);
    }
    let body = segment("n1", "r1", 0, 1);
    let begun = Instant::now();
    loop {
        let (status, text) = served.put(PATH, TOKEN, &body).await;
        if status == 503 {
            break assert!(text.contains("busy") && text.contains("retry-after: 1"), "{text}");
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "both are being read by now");
    }
    drop(slow);
    let begun = Instant::now();
    while served.put(PATH, TOKEN, &body).await.0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(10), "who breaks off gives it back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_does_not_end_is_cut_off() {
    let served = Served::start(LIMITS).await;
    let mut stream = served.connect().await;
    stream.write_all(b"PUT /v1/segments/n1 HTTP/1.1\r\nx: ").await.unwrap();
    stream.flush().await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), answer(stream)).await;
    assert!(!matches!(ended.expect("it is closed"), Ok((200, _))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_share_commits_and_are_all_there() {
    let served = Arc::new(Served::start(LIMITS).await);
    let mut tasks = Vec::new();
    for agent in 0..50 {
        let served = served.clone();
        tasks.push(tokio::spawn(async move {
            let (node, token) = (format!("n{agent}"), format!("netwright-agent:n{agent}"));
            for sequence in 0..4 {
                let path = format!("/v1/segments/{node}/r1/{sequence}");
                let (status, text) = served.put(&path, Some(&token), &segment(&node, "r1", sequence, 5)).await;
                assert!(status == 200 && text.contains("stored"), "{text}");
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let load = served.store.inbox_load().await.unwrap();
    assert_eq!((load.segments, load.flows), (200, 1000));
    assert_eq!(served.api.reviews.load(SeqCst), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_at_the_end_is_stored() {
    let served = Served::start(LIMITS).await;
    let body = segment("n1", "r1", 0, 1);
    let mut stream = served.connect().await;
    let head = format!(
        "PUT {PATH} HTTP/1.1\r\nhost: {NAME}\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        TOKEN.unwrap(),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    served.stop.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    stream.write_all(&body).await.unwrap();
    let (status, text) = answer(stream).await.unwrap();
    assert!(status == 200 && text.contains("stored"), "{text}");
    let Served { store, ingest, task, committer, .. } = served;
    task.await.unwrap();
    drop(ingest);
    tokio::time::timeout(Duration::from_secs(5), committer).await.expect("nobody can hand it anything").unwrap();
    assert_eq!(store.inbox_load().await.unwrap().segments, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_is_told_and_nothing_is_acknowledged() {
    let served = Served::start(LIMITS).await;
    served.store.close().await;
    let (status, text) = put(served.connect().await, PATH, TOKEN, &segment("n1", "r1", 0, 1)).await.unwrap();
    assert!(status == 503 && text.contains("store_failed") && text.contains("retry-after"), "{text}");
    assert_eq!(served.metrics.store_errors.get(), 1);
}
