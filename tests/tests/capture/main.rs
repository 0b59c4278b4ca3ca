//! The capture against the truth: pods whose every step is known, in a real kernel, and exactly the flows that follow from it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod agent;
mod crowd;
mod dns;
mod identity;
mod loss;
mod old;
mod others;
mod pod;
mod rights;
mod run;
mod scene;
mod tcp;
mod told;
mod udp;
mod watch;
