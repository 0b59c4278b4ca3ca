//! What `deploy/` ships, judged by tools that others wrote: Helm, Kustomize, the schemas of Kubernetes, promtool.
//!
//! [`install`], [`access`], [`verbs`] and a part of [`alerts`] share one real cluster; the rest needs none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod access;
mod alerts;
mod chart;
mod cluster;
mod https;
mod install;
mod krew;
mod objects;
mod policies;
mod rights;
mod schemas;
mod tools;
mod verbs;
