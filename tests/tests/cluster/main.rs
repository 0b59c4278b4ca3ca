//! The harness by itself: a cluster is what it says, fails on request, and leaves nothing behind.
//!
//! Most tests share one cluster, each with a namespace of its own. Tests that break something start their own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails panics")]

mod failures;
mod images;
mod network;
mod removal;
mod rights;
mod workloads;

use netwright_tests::cluster::{Cluster, Options, manifests, missing};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

/// For what the kubelet does: a pull of nothing, a start, a probe.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether this machine cannot run a cluster; if so, says why.
fn skipped() -> bool {
    let missing = missing();
    if !missing.is_empty() {
        netwright_tests::skipped(&missing.join("\n"));
    }
    !missing.is_empty()
}

/// The cluster that tests share, with a new namespace in it. The cluster's guard removes it when this process has ended.
fn shared(namespace: &str) -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let start = || (!skipped()).then(|| Cluster::start(&Options::default()).unwrap());
    let cluster = CLUSTER.get_or_init(start).as_ref()?;
    cluster.kubectl().apply(&manifests::list([manifests::namespace(namespace)])).unwrap();
    Some(cluster)
}

/// The image of the actor; says so and returns nothing where it was not built.
fn actor_image() -> Option<PathBuf> {
    let directory = std::env::var_os("NETWRIGHT_IMAGES").map_or_else(|| PathBuf::from("out/images"), PathBuf::from);
    let image = directory.join("actor.tar");
    if !image.exists() {
        netwright_tests::skipped(&format!(
            "{} is not there (`scripts/images.sh {} actor` makes it)",
            image.display(),
            directory.display()
        ));
    }
    image.exists().then_some(image)
}
