//! Hands out what was kept, to whoever may forward a port to this pod: ARCHITECTURE.md, "Handing out".
//!
//! It listens on the loopback address alone, without TLS and without asking who comes: the API server has asked, when it forwarded the port.
//! A page in a browser of whoever forwards the port could send requests here too; so requests by another name than localhost are refused.

mod files;
mod range;
mod status;

pub use files::{Exports, Limits};

use crate::merge::Monitor;
use crate::metrics::Metrics;
use crate::store::Store;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use netwright_record::Time;
use range::Range;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

/// What all requests share.
pub struct Export {
    /// Snapshots that wait to be read.
    pub exports: Exports,
    /// Where all is kept.
    pub store: Store,
    /// The cluster's name.
    pub cluster: Option<String>,
    /// How merging goes.
    pub monitor: Monitor,
    /// What is counted.
    pub metrics: Metrics,
}

/// The routes.
pub fn router(export: Arc<Export>) -> Router {
    Router::new()
        .route("/v1/exports", post(make))
        .route("/v1/exports/{id}", get(read).delete(remove))
        .route("/v1/status", get(tell))
        .layer(middleware::from_fn(local_names_only))
        .with_state(export)
}

async fn make(State(export): State<Arc<Export>>) -> Response {
    match export.exports.make(&export.store, export.cluster.clone()).await {
        Ok(made) => {
            export.metrics.exports.inc();
            (StatusCode::CREATED, Json(made)).into_response()
        }
        Err(error) => failed(&export, &error, "cannot make an export"),
    }
}

async fn read(State(export): State<Arc<Export>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some((path, made)) = export.exports.find(&id) else { return unknown() };
    let range = match Range::of(&headers, made.bytes, &made.sha256) {
        Ok(range) => range,
        Err(refused) => return refused.into_response(),
    };
    let opened = async {
        let mut file = tokio::fs::File::open(path).await?;
        file.seek(std::io::SeekFrom::Start(range.from)).await?;
        Ok::<_, std::io::Error>(file)
    };
    match opened.await {
        Ok(file) => {
            let content = Body::from_stream(ReaderStream::with_capacity(file.take(range.length), 128 << 10));
            range.response(content, &made)
        }
        Err(error) => failed(&export, &error.into(), "cannot read an export"),
    }
}

async fn remove(State(export): State<Arc<Export>>, Path(id): Path<String>) -> Response {
    if export.exports.remove(&id) { StatusCode::NO_CONTENT.into_response() } else { unknown() }
}

async fn tell(State(export): State<Arc<Export>>) -> Response {
    let watch_age = export.monitor.state().watch.map(|watch| watch.age().as_secs());
    match status::status(&export.store, export.cluster.clone(), watch_age, Time::now()).await {
        Ok(status) => Json(status).into_response(),
        Err(error) => failed(&export, &error.into(), "cannot tell the status"),
    }
}

fn unknown() -> Response {
    let body = Json(
        serde_json::json!({ "error": "unknown", "why": "there is no such export; one ends after an hour: make another" }),
    );
    (StatusCode::NOT_FOUND, body).into_response()
}

fn failed(export: &Export, error: &anyhow::Error, doing: &str) -> Response {
    export.metrics.store_errors.inc();
    tracing::error!("{doing}: {error:#}");
    let body = Json(serde_json::json!({ "error": "failed", "why": format!("{doing}: {error:#}") }));
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, body).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// A name that resolves to a loopback address by somebody's trick would let a page read what comes back.
async fn local_names_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    if matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
        next.run(request).await
    } else {
        let body = Json(serde_json::json!({ "error": "host", "why": "ask for localhost or 127.0.0.1" }));
        (StatusCode::MISDIRECTED_REQUEST, body).into_response()
    }
}
