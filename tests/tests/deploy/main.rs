//! What `deploy/` ships, judged by tools that others wrote: Helm, Kustomize, the schemas of Kubernetes, promtool.
//!
//! Nothing here needs a cluster but [`install`], which starts a real one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod alerts;
mod chart;
mod install;
mod krew;
mod objects;
mod policies;
mod rights;
mod schemas;
mod tools;
