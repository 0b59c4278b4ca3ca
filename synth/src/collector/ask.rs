//! What is said to a collector: one request a connection, over HTTP/1.

use super::{CollectorError, Door};
use crate::cli::interrupt;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use netwright_record::collector::{Export, Status};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long a snapshot of a large cluster may take to be made.
const SNAPSHOT: Duration = Duration::from_secs(900);
/// How long anything else may be silent.
pub const SILENCE: Duration = Duration::from_secs(60);
/// The most of an answer that is kept in memory: a status of ten thousand agents is below.
const LONGEST: usize = 64 << 20;
/// How much of an error is shown.
const SHOWN: usize = 400;
/// How often a wait looks whether somebody wants it to end.
const LOOK: Duration = Duration::from_millis(100);

/// Makes a consistent snapshot of what the collector holds.
///
/// # Errors
/// The collector cannot be reached, refuses, or answers something that cannot be.
pub async fn export(door: &Door) -> Result<Export, CollectorError> {
    let what = "make an export";
    let response = request(door, what, Method::POST, "/v1/exports", None, SNAPSHOT).await?;
    let export: Export = read(succeeded(response, what, StatusCode::CREATED).await?, what).await?;
    let named = |text: &str, most: usize| (1..=most).contains(&text.len());
    let is_id = named(&export.id, 64) && export.id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let is_sum = export.sha256.len() == 64 && export.sha256.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    if !is_id || !is_sum {
        let reason = format!("id {:?}, sha256 {:?}", export.id, export.sha256);
        return Err(CollectorError::Answer { what, reason });
    }
    Ok(export)
}

/// The status of the recording.
///
/// # Errors
/// As [`export`].
pub async fn status(door: &Door) -> Result<Status, CollectorError> {
    let what = "tell its status";
    let response = request(door, what, Method::GET, "/v1/status", None, SILENCE).await?;
    read(succeeded(response, what, StatusCode::OK).await?, what).await
}

/// The rest of an export from `from` on, or nothing if the collector knows it no more.
///
/// # Errors
/// As [`export`].
pub(super) async fn rest(door: &Door, id: &str, from: u64) -> Result<Option<Response<Incoming>>, CollectorError> {
    let what = "send the export";
    let range = format!("bytes={from}-");
    let response = request(door, what, Method::GET, &format!("/v1/exports/{id}"), Some(&range), SILENCE).await?;
    match response.status() {
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
        StatusCode::OK if from == 0 => Ok(Some(response)),
        StatusCode::PARTIAL_CONTENT if begins_at(&response, from) => Ok(Some(response)),
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
            Err(CollectorError::Answer { what, reason: format!("it does not begin at byte {from}") })
        }
        _ => Err(refused(response, what).await),
    }
}

/// Tells the collector that an export is no longer needed. It forgets it by itself after an hour.
pub(super) async fn forget(door: &Door, id: &str) {
    let path = format!("/v1/exports/{id}");
    if let Err(error) = request(door, "forget the export", Method::DELETE, &path, None, SILENCE).await {
        tracing::debug!(%error, "the export is left to the collector");
    }
}

fn begins_at(response: &Response<Incoming>, from: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()) == Some(from)
}

async fn request(
    door: &Door,
    what: &'static str,
    method: Method,
    path: &str,
    range: Option<&str>,
    patience: Duration,
) -> Result<Response<Incoming>, CollectorError> {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    if let Some(range) = range {
        request = request.header(header::RANGE, range);
    }
    let request = request
        .body(Full::<Bytes>::default())
        .map_err(|error| CollectorError::Answer { what, reason: error.to_string() })?;
    let broken = |error: hyper::Error| CollectorError::Broken(error.to_string());
    let answer = async {
        let mut connection = door.open().await?;
        connection.send_request(request).await.map_err(broken)
    };
    within(patience, answer).await?
}

/// What comes of `work`, unless it takes longer than `patience` or somebody asks to stop.
pub async fn within<T>(patience: Duration, work: impl Future<Output = T>) -> Result<T, CollectorError> {
    let stop = async {
        while interrupt::asked().is_ok() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        done = work => Ok(done),
        () = tokio::time::sleep(patience) => Err(CollectorError::Broken(format!("silent for {} s", patience.as_secs()))),
        () = stop => Err(interrupt::asked().err().map_or_else(|| CollectorError::Broken("stopped".into()), Into::into)),
    }
}

async fn succeeded(
    response: Response<Incoming>,
    what: &'static str,
    expected: StatusCode,
) -> Result<Response<Incoming>, CollectorError> {
    if response.status() == expected { Ok(response) } else { Err(refused(response, what).await) }
}

async fn refused(response: Response<Incoming>, what: &'static str) -> CollectorError {
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), LONGEST).collect();
    let body = within(SILENCE, body).await.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    let reason = text.trim().chars().take(SHOWN).collect::<String>().escape_debug().to_string();
    CollectorError::Refused { what, status, reason }
}

async fn read<T: DeserializeOwned>(response: Response<Incoming>, what: &'static str) -> Result<T, CollectorError> {
    let body = within(SNAPSHOT, Limited::new(response.into_body(), LONGEST).collect()).await?;
    let body = body.map_err(|error| CollectorError::Broken(error.to_string()))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| CollectorError::Answer { what, reason: error.to_string() })
}
