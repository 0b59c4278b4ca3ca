//! Agents and a collector under load, killed at random points, their disks full, their network cut, their database restarted: what was
//! acknowledged is counted once, and what was lost is told.
//!
//! **What is real.** The collector's program, a whole Kubernetes behind it (tokens by TokenRequest, judged by TokenReview, nodes watched), TLS,
//! SQLite on a small disk, PostgreSQL. Of the agents all that lies between a segment and its acknowledgement: spool and shipping, in a process
//! of their own on a small disk. Only what they recorded is made up, for real traffic cannot be counted to the last connection by anybody else:
//! the connections of a segment follow from its number ([`worker::connections`]), and so does the time it speaks of.
//!
//! **What is asserted** of the export at the end, when all agents have shipped all they had ([`account`]):
//! 1. Every segment that an agent got an acknowledgement for is in it. Which are in it is told by its coverage.
//! 2. The connections of each edge are the sum of these segments', to the last: none is counted twice, in part, or not at all.
//! 3. The connections that coverage tells as lost are the sum of the segments that were written and are not in it, to the last. No segment is
//!    lost otherwise, since every other is in the sum of 2; and they were lost by the bound of the spool, for nothing is refused.
//! 4. The numbers of segments that the status tells as missing are those of the lost ones that a later one of their run shows, but for
//!    those that were dropped after they may have been sent: they tell of themselves, and have arrived.
//! 5. Every run that was killed is told as cut off, and no other.
//!
//! A kill also loses what an agent has in memory; no record can tell how much that was, so that 5 is all that can be told of it.
//!
//! `NETWRIGHT_KILLS` says how many kills there are, `NETWRIGHT_SEED` which: the same choices, though at other points of the programs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

mod account;
mod agents;
mod collector;
mod disk;
mod network;
mod storm;
mod worker;

use libtest_mimic::{Arguments, Trial};
use netwright_tests::cluster::{Cluster, Options, missing};
use netwright_tests::{skipped, told};
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Kills of each of the two stores' runs together.
const KILLS: u64 = 60;

fn main() -> ExitCode {
    if let Some(folder) = std::env::var_os(worker::WORKER) {
        let mut arguments = std::env::args().skip(1);
        let (url, node) = (arguments.next().unwrap(), arguments.next().unwrap());
        worker::work(Path::new(&folder), &url, &node);
        return ExitCode::SUCCESS;
    }
    let trial = |name: &str, storm: fn()| {
        Trial::test(name, move || {
            storm();
            Ok(())
        })
    };
    let trials = vec![
        trial("nothing_acknowledged_is_lost_or_counted_twice_with_sqlite", || storm::run(storm::Kind::Sqlite)),
        trial("nothing_acknowledged_is_lost_or_counted_twice_with_postgres", || storm::run(storm::Kind::Postgres)),
    ];
    let mut arguments = Arguments::from_args();
    // Both want the whole machine.
    arguments.test_threads = Some(1);
    let outcome = libtest_mimic::run(&arguments, trials);
    end_cluster();
    outcome.exit_code()
}

static CLUSTER: OnceLock<Option<std::sync::Mutex<Option<Cluster>>>> = OnceLock::new();

/// Does something with the cluster that both share; says so where there can be none.
fn with_cluster(work: impl FnOnce(&Cluster)) {
    let start = || {
        let missing = missing();
        if !missing.is_empty() {
            skipped(&missing.join("\n"));
            return None;
        }
        let cluster = Cluster::start(&Options { nodes: 1, ..Options::default() }).unwrap();
        Some(std::sync::Mutex::new(Some(cluster)))
    };
    if let Some(cluster) = CLUSTER.get_or_init(start) {
        let cluster = cluster.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        work(cluster.as_ref().unwrap());
    }
}

/// Statics are not dropped.
fn end_cluster() {
    if let Some(Some(cluster)) = CLUSTER.get() {
        drop(cluster.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
    }
}

/// A number of the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// How many kills a run has, and its seed.
fn choices() -> (u64, u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("NETWRIGHT_SEED").unwrap_or(u64::from(now.subsec_nanos()) + now.as_secs());
    let kills = number("NETWRIGHT_KILLS").unwrap_or(KILLS);
    // Half of them for each store.
    (kills.div_ceil(2), seed)
}

/// Says a line of the summary.
fn say(line: &str) {
    told(&format!("chaos: {line}"));
}
