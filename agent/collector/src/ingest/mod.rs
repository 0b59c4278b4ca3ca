//! Takes segments from agents, over TLS: `PUT /v1/segments/{node}/{run}/{sequence}`.
//!
//! Who sends is asked first ([`token`]), before a byte of the body is read; then the segment is looked at, and is on the disk
//! before it is acknowledged ([`commit`]). Nothing else happens while the agent waits.

mod commit;
pub mod tls;
pub mod token;

pub use commit::{Committer, committer};

use crate::metrics::Metrics;
use crate::store::{Acceptance, Arrival};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use axum::{Json, Router};
use netwright_record::{Observation, Time, file};
use serde_json::json;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use token::{Refusal, Tokens};

/// The most bytes of a segment as it is sent: some two hundred thousand flows.
const MOST_BYTES: usize = 16 << 20;
/// The most bytes of it once decompressed.
const MOST_DECOMPRESSED: u64 = 256 << 20;
/// The longest name of a node (a DNS subdomain, RFC 1123), and of a run.
const LONGEST_NAME: usize = 253;

/// What handlers need.
#[derive(Clone)]
pub struct Ingest {
    /// Who may send.
    pub tokens: Arc<Tokens>,
    /// Writes what was sent.
    pub committer: Committer,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// The routes for agents.
pub fn router(ingest: Ingest) -> Router {
    Router::new()
        .route("/v1/segments/{node}/{run}/{sequence}", put(segment))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(middleware::from_fn_with_state(ingest.clone(), authenticate))
        .with_state(ingest)
}

/// Lets nobody pass whose token is not that of the agent of the node in the path.
async fn authenticate(
    State(ingest): State<Ingest>,
    Path(path): Path<HashMap<String, String>>,
    request: Request,
    next: Next,
) -> Response {
    let node = path.get("node").map(String::as_str).unwrap_or_default();
    match ingest.tokens.check(bearer(request.headers()), node).await {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            ingest.metrics.refused(refusal.cause());
            tracing::warn!(node = %node.escape_debug(), "refused: {refusal}");
            refuse(&refusal)
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}

fn refuse(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::Absent | Refusal::NotAuthenticated | Refusal::Audience => StatusCode::UNAUTHORIZED,
        Refusal::Account | Refusal::Node => StatusCode::FORBIDDEN,
        Refusal::Unavailable(_) => return later("the token cannot be checked at the moment"),
    };
    (status, Json(json!({"error": refusal.to_string()}))).into_response()
}

fn later(why: &str) -> Response {
    let headers = [(header::RETRY_AFTER, "10")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, Json(json!({"error": why}))).into_response()
}

async fn segment(
    State(ingest): State<Ingest>,
    Path((node, run, sequence)): Path<(String, String, String)>,
    body: Bytes,
) -> Response {
    let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let arrival = match arrival(node, run, &sequence, body).await {
        Ok(arrival) => arrival,
        Err(why) => {
            ingest.metrics.segment("unreadable", 0, size);
            return (StatusCode::BAD_REQUEST, Json(json!({"error": why}))).into_response();
        }
    };
    let flows = arrival.flows;
    match ingest.committer.commit(arrival).await {
        Ok(Acceptance::Stored) => {
            ingest.metrics.segment("stored", flows, size);
            Json(json!({"state": "stored"})).into_response()
        }
        Ok(Acceptance::Known) => {
            ingest.metrics.segment("known", 0, size);
            Json(json!({"state": "known"})).into_response()
        }
        Err(why) => {
            ingest.metrics.segment("postponed", 0, 0);
            later(&why)
        }
    }
}

/// Looks whether the segment is one, and is what its path says. What is wrong is told to the agent, which sets it aside.
async fn arrival(node: String, run: String, sequence: &str, body: Bytes) -> Result<Arrival, String> {
    let sequence: u64 = sequence.parse().map_err(|_| format!("{sequence:?} is no number of a segment"))?;
    if [&node, &run].iter().any(|name| name.is_empty() || name.len() > LONGEST_NAME) {
        return Err(format!("a node and a run have names of 1 to {LONGEST_NAME} bytes"));
    }
    let name = PathBuf::from(format!("{node}/{run}/{sequence}"));
    let looked = tokio::task::spawn_blocking(move || {
        let outline = file::outline(body.as_ref(), &name, MOST_DECOMPRESSED);
        (outline, body)
    });
    let (outline, body) = looked.await.map_err(|_| "the segment could not be looked at".to_owned())?;
    let outline = outline.map_err(|error| error.to_string())?;
    is_of(&outline.head, &node, &run)?;
    let header = &outline.head.header;
    Ok(Arrival {
        node,
        run,
        sequence,
        written_by: header.written_by.chars().take(LONGEST_NAME).collect(),
        received: Time::now().as_millisecond(),
        until: header.window.until.as_millisecond(),
        flows: outline.others,
        bytes: body.to_vec(),
    })
}

/// An agent speaks of its own node and run alone.
fn is_of(head: &Observation, node: &str, run: &str) -> Result<(), String> {
    let [coverage] = head.coverage.as_slice() else {
        return Err(format!("a segment has one coverage record, and this has {}", head.coverage.len()));
    };
    if coverage.node != *node || coverage.run != run {
        return Err("the coverage record is of another node or run than the path".to_owned());
    }
    if head.inventory.pods.iter().any(|pod| pod.node.as_deref() != Some(node)) {
        return Err("it speaks of pods on another node".to_owned());
    }
    Ok(())
}
