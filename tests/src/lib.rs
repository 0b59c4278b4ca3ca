//! Netwright end to end: pods as network namespaces with real processes, watched by the real agent.
//!
//! - [`world`] makes a node, pods, Services and an outside out of network namespaces, cgroups and nftables, in
//!   namespaces of its own, and removes them however the process ends;
//! - [`actor`] is what runs in the pods: small servers and clients, as the `netwright-actor` binary;
//! - [`cluster`] starts a whole real Kubernetes, each node a network namespace, as the `netwright-cluster` binary does too;
//! - [`installation`] is such a cluster with the chart in it;
//! - [`shop`] declares a cluster, and derives from that declaration the processes to run, the inventory
//!   that `kubectl get` would print, and the edges that have to be seen;
//! - [`oracle`] asks a foreign tool about policies;
//! - [`receiver`] takes an agent's segments as a collector would, and gives any answer;
//! - [`results`] keeps the figures of benches;
//! - [`synthetic`] makes up observations of any size;
//! - [`demo`] puts them together: watch the shop, write its policies, prove them.

pub mod actor;
pub mod cluster;
pub mod database;
pub mod demo;
pub mod installation;
pub mod oracle;
pub mod receiver;
pub mod results;
pub mod shop;
pub mod synthetic;
pub mod world;

/// Says in one line why a test did not run.
pub fn skipped(why: &str) {
    told(&format!("skipped: {}", why.lines().map(str::trim).collect::<Vec<_>>().join("; ")));
}

/// Says a line of a test that passes. Written past the test harness, which shows nothing of those.
pub fn told(line: &str) {
    use std::io::Write;
    // Where standard error is gone there is nobody to tell.
    let _ = std::io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}
