//! Takes segments in from the agents: `PUT /v1/segments/{node}/{run}/{sequence}` over TLS.
//!
//! What a request may cost before it is known who sends it: a handshake, a head, a question to the API server. After that: a body, of
//! which no more are in memory than [`Limits::memory`], and one look over it. It is acknowledged when it is on the disk.

mod authenticate;
mod check;
mod commit;
mod names;
mod refusal;

pub use authenticate::Authenticator;
pub use refusal::Refusal;

use crate::metrics::Metrics;
use crate::store::{Acceptance, Arrival, Store, Window};
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use axum::{Json, Router};
use commit::Committer;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use jiff::SignedDuration;
use netwright_record::Time;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

/// How long a body may take to arrive.
const BODY: Duration = Duration::from_secs(30);

/// What is taken in at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a segment.
    pub segment: u64,
    /// Bytes of a segment, unpacked.
    pub unpacked: u64,
    /// Bytes of all segments that are on their way to the store.
    pub memory: u64,
    /// Bytes that may wait to be merged.
    pub inbox: u64,
    /// How far back is remembered.
    pub window: SignedDuration,
}

/// What all requests share.
pub struct Ingest {
    authenticator: Authenticator,
    committer: Committer,
    limits: Limits,
    /// In KiB.
    memory: Arc<Semaphore>,
    /// Bytes that wait to be merged, as last read and with what came since.
    inbox: AtomicU64,
    metrics: Metrics,
}

impl Ingest {
    /// Begins. The task ends when this is gone and all it took in is committed.
    pub fn start(
        store: Store,
        authenticator: Authenticator,
        limits: Limits,
        metrics: Metrics,
    ) -> (Arc<Self>, JoinHandle<()>) {
        let (committer, task) = Committer::start(store, metrics.clone());
        let memory = Arc::new(Semaphore::new(usize::try_from(limits.memory >> 10).unwrap_or(Semaphore::MAX_PERMITS)));
        (Arc::new(Self { authenticator, committer, limits, memory, inbox: AtomicU64::new(0), metrics }), task)
    }

    /// Says how much waits to be merged.
    pub fn set_inbox(&self, bytes: u64) {
        self.inbox.store(bytes, Ordering::Relaxed);
    }

    /// The routes.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new().route("/v1/segments/{node}/{run}/{sequence}", put(receive)).with_state(self)
    }

    async fn take(
        &self,
        (node, run, sequence): (String, String, String),
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Acceptance, Refusal> {
        let sequence = names::sequence(&sequence).ok_or(Refusal::BadPath)?;
        if !names::is_node(&node) || !names::is_run(&run) {
            return Err(Refusal::BadPath);
        }
        if *self.authenticator.node(token(headers)?).await? != *node {
            return Err(Refusal::OtherNode);
        }
        if self.inbox.load(Ordering::Relaxed) >= self.limits.inbox {
            return Err(Refusal::InboxFull);
        }
        let _memory = self.reserve(headers)?;
        let bytes = self.read(body).await?;
        let (arrival, bytes) = self.examine(node, run, sequence, bytes).await?;
        let (flows, size) = (arrival.flows, bytes);
        let acceptance = self.committer.commit(arrival).await?;
        if acceptance == Acceptance::Stored {
            self.inbox.fetch_add(size, Ordering::Relaxed);
            self.metrics.received_bytes.inc_by(size);
            self.metrics.received_flows.inc_by(flows);
        }
        Ok(acceptance)
    }

    /// The right to hold the body in memory.
    fn reserve(&self, headers: &HeaderMap) -> Result<OwnedSemaphorePermit, Refusal> {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let length = length.unwrap_or(self.limits.segment);
        if length > self.limits.segment {
            return Err(Refusal::TooLarge(self.limits.segment));
        }
        let kibibytes = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
        self.memory.clone().try_acquire_many_owned(kibibytes).map_err(|_| Refusal::Busy)
    }

    async fn read(&self, body: Body) -> Result<Vec<u8>, Refusal> {
        let most = usize::try_from(self.limits.segment).unwrap_or(usize::MAX);
        match tokio::time::timeout(BODY, Limited::new(body, most).collect()).await {
            Err(_) => Err(Refusal::Slow),
            Ok(Ok(body)) => Ok(body.to_bytes().into()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge(self.limits.segment)),
            Ok(Err(_)) => Err(Refusal::Unreadable("the body broke off".into())),
        }
    }

    /// Looks the body over, beside the event loop: it may take a few milliseconds.
    async fn examine(
        &self,
        node: String,
        run: String,
        sequence: u64,
        bytes: Vec<u8>,
    ) -> Result<(Arrival, u64), Refusal> {
        let (most, size) = (self.limits.unpacked, bytes.len() as u64);
        let examined = tokio::task::spawn_blocking(move || {
            let segment = check::check(&bytes, &node, &run, most)?;
            let received = Time::now().as_millisecond();
            let check::Segment { written_by, until, flows } = segment;
            Ok(Arrival { node, run, sequence, written_by, received, until, flows, bytes })
        });
        let arrival = examined.await.map_err(|_| Refusal::Unreadable("it could not be looked over".into()))??;
        let (now, from) = (Time::now(), Time::now().saturating_sub(self.limits.window).unwrap_or(Time::MIN));
        let window = Window { from: from.as_millisecond(), now: now.as_millisecond() };
        if window.refuses(arrival.until) { Err(Refusal::TooOld) } else { Ok((arrival, size)) }
    }
}

async fn receive(
    State(ingest): State<Arc<Ingest>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(path): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let shown = path.0.chars().take(63).collect::<String>();
    match ingest.take(path, &headers, body).await {
        Ok(acceptance) => {
            let state = match acceptance {
                Acceptance::Stored => "stored",
                Acceptance::Known => "known",
            };
            ingest.metrics.segments.get_or_create(&[("outcome", state)]).inc();
            Json(serde_json::json!({ "state": state })).into_response()
        }
        Err(refusal) => {
            ingest.metrics.refused.get_or_create(&[("cause", refusal.cause())]).inc();
            tracing::warn!(%peer, node = %shown.escape_debug(), cause = refusal.cause(), "refused: {refusal}");
            refusal.into_response()
        }
    }
}

fn token(headers: &HeaderMap) -> Result<&str, Refusal> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or(Refusal::NoToken)?;
    let (scheme, token) = value.split_once(' ').ok_or(Refusal::NoToken)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Refusal::NoToken) }
}
