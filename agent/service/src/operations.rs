//! The port for those who operate the program: `/startupz`, `/readyz`, `/livez` for the kubelet, `/metrics` for Prometheus.
//!
//! Plain HTTP, to be read only; nothing on it says more than counts and names of conditions.

use crate::health::{Answer, Health};
use crate::http::{self, Limits};
use anyhow::Context as _;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A kubelet and a few Prometheus servers need no more.
const LIMITS: Limits = Limits { connections: 64, head: Duration::from_secs(10), drain: Duration::from_secs(1) };
/// OpenMetrics 1.0, which Prometheus has asked for since 2.5.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves health and metrics on `address` until `stop`. Metrics are encoded when asked for. Returns the address in use
/// (port 0 asks for any) and the task, which ends after `stop`: cancel that last, since the kubelet goes on asking while the
/// program finishes its work.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    health: Health,
    registry: Arc<Registry>,
    stop: CancellationToken,
) -> anyhow::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = http::bind(address).await.with_context(|| {
        format!("cannot listen on {address} for health and metrics; choose another --health-listen")
    })?;
    let address = listener.local_addr().context("cannot learn the address of the port for health and metrics")?;
    let task =
        tokio::spawn(http::serve(listener, |stream| async { Ok(stream) }, router(health, registry), LIMITS, stop));
    Ok((address, task))
}

fn router(health: Health, registry: Arc<Registry>) -> Router {
    let probe = |health: &Health, ask: fn(&Health) -> Answer| {
        let health = health.clone();
        get(move || async move { probe_response(ask(&health)) })
    };
    Router::new()
        .route("/startupz", probe(&health, Health::has_started))
        .route("/readyz", probe(&health, Health::is_ready))
        .route("/livez", probe(&health, Health::is_alive))
        .route("/metrics", get(move || async move { metrics(&registry) }))
}

fn probe_response(answer: Answer) -> Response {
    let status = if answer.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, answer.body).into_response()
}

fn metrics(registry: &Registry) -> Response {
    let mut body = String::new();
    match text::encode(&mut body, registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], body).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be encoded\n").into_response(),
    }
}
