//! One recording of the shop by the real agent, from the first connection to the observation file.

use super::Agent;
use crate::actor::Tally;
use crate::shop::Shop;
use crate::shop::stage::Stage;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long the traffic goes on: several of the agent's intervals, so that an edge is counted in more than one.
const TRAFFIC: Duration = Duration::from_secs(16);
/// Between the last packet and the end of the watch: the kernel's timers for closing sockets.
const SETTLE: Duration = Duration::from_millis(500);
/// Every client has to get through this often, or there was nothing to see.
const ATTEMPTS: u64 = 3;

/// What a recording left.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The observation.
    pub observation: PathBuf,
    /// The inventory, as `kubectl` would have printed it at the end.
    pub inventory: PathBuf,
    /// What the clients say they did.
    pub tallies: BTreeMap<String, Tally>,
    /// What the agent printed.
    pub summary: String,
}

/// Runs the shop under the agent and leaves `observation.jsonl.zst` and `inventory.yaml` in `directory`.
///
/// # Errors
/// A part that did not come up, with its output; a client that did not get through.
pub fn record(shop: Shop, directory: &Path) -> Result<Recording> {
    let (observation, inventory) = (directory.join("observation.jsonl.zst"), directory.join("inventory.yaml"));
    let node = shop.node.0;
    let mut stage = Stage::open(shop)?;
    fs::write(&inventory, stage.inventory()?).with_context(|| format!("writing {}", inventory.display()))?;
    let options = ["--inventory", &inventory.display().to_string(), "--interval", "2s"];
    let agent = Agent::start(stage.world(), &observation, node, &options)?;
    traffic(&mut stage)?;
    // The inventory of the end of the watch knows the pods of the jobs that ran in between.
    fs::write(&inventory, stage.inventory()?)?;
    let summary = agent.stop(stage.world())?;
    let tallies = stage.tallies();
    check(&tallies)?;
    Ok(Recording { observation, inventory, tallies, summary })
}

fn traffic(stage: &mut Stage) -> Result<()> {
    let end = Instant::now() + TRAFFIC;
    stage.start_clients()?;
    sleep(Duration::from_secs(2));
    stage.run_jobs()?;
    sleep(Duration::from_secs(2));
    stage.run_jobs()?;
    stage.wait_for_attempts(ATTEMPTS)?;
    sleep(end.saturating_duration_since(Instant::now()));
    stage.stop_clients()?;
    sleep(SETTLE);
    Ok(())
}

/// Comparing what was seen with what was declared means something only if everything declared happened.
fn check(tallies: &BTreeMap<String, Tally>) -> Result<()> {
    let bad: Vec<_> = tallies.iter().filter(|(_, tally)| tally.errors > 0 || !tally.done).collect();
    if bad.is_empty() {
        return Ok(());
    }
    bail!("clients whose calls went wrong, so that the recording proves nothing: {bad:#?}")
}
