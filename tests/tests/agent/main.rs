//! `netwright-agent run` beside a real Kubernetes: whose pods it names, and when each held its addresses.
//!
//! The agent is a process of this machine that watches the cgroups of one node, and ships to a receiver of the test's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails panics")]

mod agent;
mod pods;
