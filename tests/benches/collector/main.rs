//! What a collector costs at the largest cluster that has to be handled: 5,000 agents over real TLS and HTTP, 50,000 workloads with a pod
//! each, 200,000 edges, one collector process.
//!
//! `cargo bench -p netwright-tests --bench collector [-- FILTER]`. The first rounds make all statements, the later ones, which are measured,
//! add to them. `records_per_second_core`: flow records of both ends, taken in, merged and committed, for a second of CPU time of the
//! collector and its database. `peak_mib`: the most that was resident of the collector, its start with all lists of the API server included.
//! Results go to `target/bench/results.json`. `-- --rounds=N` for more or fewer segments of each agent.
#![allow(clippy::print_stdout)] // A bench: its output is the point.
#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "every number is the place of something made here"
)]

mod agents;
mod api;
mod process;
mod world;

use agents::Agents;
use anyhow::{Context, Result, ensure};
use netwright_tests::database::Database;
use netwright_tests::results::{self, rounded};
use netwright_tests::skipped;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use process::Collector;
use serde_json::{Map, Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use world::{EDGES, NODES, WORKLOADS, World};

const MIB: f64 = 1024.0 * 1024.0;
/// Segments of each agent in the part that is measured: two minutes of a recording.
const ROUNDS: u64 = 12;
/// How long ago the recording began, in seconds.
const AGO: i64 = 7_200;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let rounds = arguments.iter().find_map(|argument| argument.strip_prefix("--rounds="));
    let rounds = rounds.map_or(Ok(ROUNDS), str::parse)?;
    // A connection for each agent.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut rows = Map::new();
    for name in ["collector/ingest-sqlite", "collector/ingest-postgres"] {
        if filter.is_some_and(|filter| !name.contains(filter.as_str())) {
            continue;
        }
        let folder = tempfile::Builder::new().prefix("collector-").tempdir_in(base()?)?;
        // The database has a user of its own.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
        let database = if name.ends_with("postgres") { Database::start(folder.path())? } else { None };
        if name.ends_with("postgres") && database.is_none() {
            skipped("PostgreSQL is not installed, so its half of this bench: apt-get install postgresql");
            continue;
        }
        let row = runtime.block_on(case(rounds, folder.path(), database.as_ref())).with_context(|| name.to_owned())?;
        println!("{name}: {row}");
        rows.insert(name.to_owned(), row);
    }
    println!("written to {}", results::write(rows)?.display());
    Ok(())
}

async fn case(rounds: u64, folder: &Path, database: Option<&Database>) -> Result<Value> {
    let store = database.map_or_else(|| format!("sqlite:{}", folder.join("store.db").display()), Database::url);
    let world = Arc::new(World::new(jiff::Timestamp::now().as_second() - AGO));
    let api = api::serve().await?;
    let begun = Instant::now();
    let mut collector = Collector::start(&process::program()?, folder, &store, api).await?;
    let (start_seconds, start_cpu) = (begun.elapsed().as_secs_f64(), collector.cpu_seconds()?);
    let start_peak = collector.peak_bytes()?;
    let mut agents = Agents::connect(world, collector.agents, &collector.authorities()?).await?;
    println!("collector {}: ready after {start_seconds:.1} s", collector.id());
    said("connected", begun, &collector)?;

    let first = phase(&mut collector, &mut agents, database, (1, 0)).await?;
    let merged = first.records;
    println!("first: {} records a second and core", rounded(first.a_core(), 0));
    agents.wake().await?;
    let steady = phase(&mut collector, &mut agents, database, (rounds, merged)).await?;
    let peak = collector.peak_bytes()?;
    let status: Value = serde_json::from_str(&process::ask(collector.people, "GET", "/v1/status").await?.1)?;
    ensure!(status["edges"] == EDGES && status["unresolved_flows"] == 0, "not what the agents saw: {status}");
    let begun = Instant::now();
    let (made, export) = process::ask(collector.people, "POST", "/v1/exports").await?;
    ensure!(made == 201, "no export: {export}");
    let export_seconds = begun.elapsed().as_secs_f64();
    Ok(json!({
        "records_per_second_core": rounded(steady.a_core(), 0),
        "records_per_second_core_without_database": rounded(steady.records as f64 / steady.collector, 0),
        "records_per_second": rounded(steady.records as f64 / steady.seconds, 0),
        "peak_mib": rounded(peak / MIB, 0),
        "first_records_per_second_core": rounded(first.a_core(), 0),
        "collector_cpu_seconds": rounded(steady.collector, 1),
        "database_cpu_seconds": rounded(steady.database, 1),
        "records": steady.records,
        "agents": NODES,
        "workloads": WORKLOADS,
        "edges": EDGES,
        "start_seconds": rounded(start_seconds, 1),
        "start_cpu_seconds": rounded(start_cpu, 1),
        "start_peak_mib": rounded(start_peak / MIB, 0),
        "export_seconds": rounded(export_seconds, 1),
        "export_peak_mib": rounded(collector.peak_bytes()? / MIB, 0),
        "store_mib": rounded(size(folder)? / MIB, 0),
    }))
}

/// What a part of the run took.
struct Taken {
    records: u64,
    seconds: f64,
    /// CPU time in seconds, as the next.
    collector: f64,
    database: f64,
}

impl Taken {
    fn a_core(&self) -> f64 {
        self.records as f64 / (self.collector + self.database)
    }
}

/// Lets all agents send so many segments, and waits until they are merged.
async fn phase(
    collector: &mut Collector,
    agents: &mut Agents,
    server: Option<&Database>,
    (rounds, before): (u64, u64),
) -> Result<Taken> {
    let of_server = || server.and_then(Database::id).map_or(Ok(0.0), process::of_tree);
    let (begun, cpu, server_cpu) = (Instant::now(), collector.cpu_seconds()?, of_server()?);
    let records = agents.phase(rounds).await?;
    said("sent", begun, collector)?;
    collector.merged(before + records).await?;
    said("merged", begun, collector)?;
    let seconds = begun.elapsed().as_secs_f64();
    Ok(Taken { records, seconds, collector: collector.cpu_seconds()? - cpu, database: of_server()? - server_cpu })
}

fn said(what: &str, begun: Instant, collector: &Collector) -> Result<()> {
    let (seconds, mib) = (begun.elapsed().as_secs_f64(), collector.resident_bytes()? / MIB);
    println!("  {what} after {seconds:.1} s, {mib:.0} MiB resident, {:.0} at most", collector.peak_bytes()? / MIB);
    Ok(())
}

fn base() -> Result<PathBuf> {
    let folder = results::folder();
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Of the files in a folder and those below it.
fn size(folder: &Path) -> Result<f64> {
    let mut sum = 0.0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A database removes files of its own at any time.
        let Ok(metadata) = entry.metadata() else { continue };
        sum += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() as f64 };
    }
    Ok(sum)
}
