//! A collector as agents and people meet it: real TLS, real HTTP, a real store. Only the API server is a stand-in, which knows
//! tokens and nothing else; tokens of a real one are tested on a real cluster.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod api;
mod certificates;
mod client;
mod crash;
mod export;
mod ingest;
mod segment;
