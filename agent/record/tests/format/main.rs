//! The file format from outside: what is written can be read, and whatever is read, nothing breaks.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, as it should"
)]

mod damage;
mod growth;
mod order;
mod round_trip;
mod sample;
mod truncation;
mod writing;
