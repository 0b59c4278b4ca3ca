//! What the collector's store promises, held to on SQLite and PostgreSQL alike.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod accept;
mod backup;
mod databases;
mod keeping;
mod merging;
mod postgres;
