//! Hands out what is kept, to whoever may forward ports to the pod: snapshots as files that can be read in parts, and the status.
//!
//! Listens on the pod's loopback address and nowhere else. Without TLS: the way from the desk is through the API server.

mod files;
mod status;

pub use files::Exports;

use crate::merge::Monitor;
use crate::observation::observation;
use crate::store::Store;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use netwright_record::{Time, file};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Mutex;

/// What handlers need.
#[derive(Clone)]
pub struct Export {
    /// What is kept.
    pub store: Store,
    /// The cluster's name.
    pub cluster: Option<String>,
    /// The files.
    pub exports: Arc<Exports>,
    /// How merging goes.
    pub monitor: Monitor,
    /// How far back is remembered.
    pub window: jiff::SignedDuration,
    /// One snapshot is made at a time: each takes memory for all that is kept.
    pub one: Arc<Mutex<()>>,
}

/// The routes for people.
pub fn router(export: Export) -> Router {
    Router::new()
        .route("/v1/exports", post(create))
        .route("/v1/exports/{id}", get(read).delete(delete))
        .route("/v1/status", get(status))
        .with_state(export)
}

fn failed(status: StatusCode, why: impl std::fmt::Display) -> Response {
    (status, Json(json!({"error": why.to_string()}))).into_response()
}

async fn create(State(export): State<Export>) -> Response {
    let _one = export.one.lock().await;
    match snapshot(&export).await {
        Ok(made) => (StatusCode::CREATED, Json(made)).into_response(),
        Err(error) => {
            tracing::error!("no snapshot was made: {error:#}");
            failed(StatusCode::INTERNAL_SERVER_ERROR, format!("no snapshot could be made: {error:#}"))
        }
    }
}

async fn snapshot(export: &Export) -> anyhow::Result<netwright_record::collector::Export> {
    let mut snapshot = export.store.snapshot().await?;
    let observation = observation(&mut snapshot, export.cluster.clone(), Time::now()).await?;
    drop(snapshot);
    let exports = export.exports.clone();
    tokio::task::spawn_blocking(move || {
        let window = observation.header.window;
        exports.add(window, |path| file::write_path(&observation, path))
    })
    .await?
}

async fn status(State(export): State<Export>) -> Response {
    match status::status(&export, Time::now()).await {
        Ok(status) => Json(status).into_response(),
        Err(error) => failed(StatusCode::SERVICE_UNAVAILABLE, error),
    }
}

async fn delete(State(export): State<Export>, Path(id): Path<String>) -> Response {
    match export.exports.remove(&id) {
        true => StatusCode::NO_CONTENT.into_response(),
        false => failed(StatusCode::NOT_FOUND, "there is no such snapshot"),
    }
}

/// The file, or from some byte on.
async fn read(State(export): State<Export>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some((path, length)) = export.exports.find(&id) else {
        return failed(StatusCode::NOT_FOUND, "there is no such snapshot: it may be too old; make another");
    };
    let from = match range(headers.get(header::RANGE), length) {
        Ok(from) => from,
        Err(why) => return failed(StatusCode::RANGE_NOT_SATISFIABLE, why),
    };
    let opened = tokio::task::spawn_blocking(move || files::open(&path, from.unwrap_or(0))).await;
    let Ok(Ok(file)) = opened else {
        return failed(StatusCode::INTERNAL_SERVER_ERROR, "the snapshot cannot be read");
    };
    let stream = futures_util::stream::try_unfold(tokio::fs::File::from_std(file), |mut file| async move {
        let mut chunk = vec![0; 128 << 10];
        let read = tokio::io::AsyncReadExt::read(&mut file, &mut chunk).await?;
        chunk.truncate(read);
        std::io::Result::Ok((read > 0).then_some((chunk, file)))
    });
    let mut response = Body::from_stream(stream).into_response();
    let left = length.saturating_sub(from.unwrap_or(0));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zstd"));
    headers.insert(header::CONTENT_LENGTH, left.into());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(from) = from {
        let told = format!("bytes {from}-{}/{length}", length.saturating_sub(1));
        if let Ok(told) = HeaderValue::from_str(&told) {
            headers.insert(header::CONTENT_RANGE, told);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// From which byte on, of `bytes=N-` (RFC 9110, 14.1.2). Other ranges are not needed by anyone, and the whole is given (as is allowed).
fn range(asked: Option<&HeaderValue>, length: u64) -> Result<Option<u64>, String> {
    let from = asked.and_then(|asked| asked.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    match from {
        Some(from) if from >= length && length > 0 => Err(format!("the snapshot has {length} bytes")),
        from => Ok(from),
    }
}
