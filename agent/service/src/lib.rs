//! What the agent and the collector share as long-running services: configuration, health, metrics, logs, signals.
//!
//! Nothing here knows of flows, clusters or stores. A program uses it in this order: [`config::parse`] makes its arguments of
//! flags, environment and a file; [`logs::init`]; [`shutdown::on_signals`]; [`operations::serve`] with its [`health::Health`]
//! and its metrics; then its own work, which beats a [`health::Heartbeat`] and ends when the token is cancelled.

pub mod backoff;
pub mod config;
pub mod health;
pub mod http;
pub mod logs;
pub mod operations;
pub mod shutdown;
pub mod value;

pub use tokio_util::sync::CancellationToken;
