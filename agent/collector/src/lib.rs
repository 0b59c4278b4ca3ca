//! Takes what the agents of a cluster saw, names both ends, keeps the window: the library behind `netwright-collector`.
//!
//! Segments come in ([`ingest`], over [`tls`]) and rest in the inbox of the [`store`]; the [`merge`] takes them from there, with what the [`watch`]
//! of the API server knows; the [`export`] hands out what was kept. [`cli`] starts and ends them.

pub mod cli;
pub mod export;
pub mod ingest;
pub mod merge;
pub mod metrics;
pub mod observation;
pub mod store;
pub mod tls;
pub mod watch;
