//! The shop in a world: its pods as namespaces, its containers as processes.

mod build;
mod launch;

use super::clients::{Client, clients};
use super::inventory::{Timeline, inventory};
use super::model::{Call, Kind, Manner, Shop};
use super::pods::{Pod, pods};
use crate::actor::Tally;
use crate::world::{Place, World, prerequisites};
use anyhow::{Result, bail};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// The running shop.
#[derive(Debug)]
pub struct Stage {
    shop: Shop,
    world: World,
    places: BTreeMap<String, Place>,
    timeline: Timeline,
    actor: String,
}

impl Stage {
    /// Makes the world, starts every server and opens the connection that is older than the agent.
    ///
    /// # Errors
    /// What the machine lacks, or the process that did not come up, with its output.
    pub fn open(shop: Shop) -> Result<Self> {
        let outside: Vec<IpAddr> = shop.outside.iter().map(|host| host.address).collect();
        let world = World::new(shop.node.1, &outside)?;
        let actor = prerequisites::program("netwright-actor")?.display().to_string();
        let timeline = Timeline { started: Timestamp::now(), runs: Vec::new() };
        let mut stage = Self { shop, world, places: BTreeMap::new(), timeline, actor };
        stage.make_pods()?;
        stage.make_services()?;
        stage.write_zones()?;
        stage.start_servers()?;
        stage.start_calls(|call| call.manner == Manner::HeldFromBefore)?;
        stage.wait_for_calls(1, |call| call.manner == Manner::HeldFromBefore)?;
        Ok(stage)
    }

    /// The world it runs in.
    pub fn world(&mut self) -> &mut World {
        &mut self.world
    }

    /// The declaration.
    pub fn shop(&self) -> &Shop {
        &self.shop
    }

    /// The inventory as `kubectl get … -o yaml` would print it now.
    ///
    /// # Errors
    /// See [`inventory`].
    pub fn inventory(&self) -> Result<String> {
        inventory(&self.shop, &self.timeline)
    }

    /// Starts every client that calls while the agent watches.
    ///
    /// # Errors
    /// A process could not be started.
    pub fn start_clients(&mut self) -> Result<()> {
        self.start_calls(|call| call.manner != Manner::HeldFromBefore)
    }

    /// Runs the next pod of each CronJob to its end: about two seconds.
    ///
    /// # Errors
    /// It did not end in time, or failed.
    pub fn run_jobs(&mut self) -> Result<()> {
        let run = self.timeline.runs.len();
        let shop = self.shop.clone();
        let of_run = |pod: &&Pod<'_>| pod.workload.kind == Kind::CronJob && pod.index == run;
        self.timeline.runs.push((Timestamp::now(), None));
        for pod in pods(&shop).iter().filter(of_run) {
            self.make_pod(pod)?;
        }
        for client in clients(&shop).iter().filter(|client| client.run() == Some(run)) {
            let place = self.place(&client.label)?;
            let mut command = self.call_command(client.call)?;
            command.extend(["count=4".into(), "linger=1200".into()]);
            let status = self.world.spawn(&place, &client.label, &command)?.wait(PATIENCE)?;
            if !status.success() {
                bail!("the job {} ended with {status}", client.label);
            }
        }
        if let Some(last) = self.timeline.runs.last_mut() {
            last.1 = Some(Timestamp::now());
        }
        Ok(())
    }

    /// Has every client finish its last call and waits for that.
    ///
    /// # Errors
    /// A client did not finish.
    pub fn stop_clients(&mut self) -> Result<()> {
        fs::write(self.stop_file(), "")?;
        let labels = self.clients(|_| true);
        for process in self.world.processes() {
            if labels.iter().any(|label| label == process.label()) {
                process.wait(PATIENCE)?;
            }
        }
        Ok(())
    }

    /// What each client did, by the label of its process.
    pub fn tallies(&self) -> BTreeMap<String, Tally> {
        let tally = |label: String| (label.clone(), Tally::read(&self.world.log(&label)));
        self.clients(|_| true).into_iter().map(tally).collect()
    }

    /// Waits until every client has got through `attempts` times.
    ///
    /// # Errors
    /// One did not: its label, and what it printed.
    pub fn wait_for_attempts(&mut self, attempts: u64) -> Result<()> {
        self.wait_for_calls(attempts, |_| true)
    }

    fn wait_for_calls(&mut self, attempts: u64, which: fn(&Call) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for label in self.clients(which) {
            let log = self.world.log(&label);
            loop {
                let tally = Tally::read(&log);
                if tally.attempts - tally.errors >= attempts {
                    break;
                }
                if Instant::now() > deadline {
                    let output = fs::read_to_string(&log).unwrap_or_default();
                    bail!("{label} did not get through {attempts} times within {PATIENCE:?}:\n{output}");
                }
                sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// The labels of the clients that `which` picks, of those that have been started.
    fn clients(&self, which: fn(&Call) -> bool) -> Vec<String> {
        let started = |client: &Client<'_>| client.run().is_none_or(|run| run < self.timeline.runs.len());
        let clients = clients(&self.shop).into_iter();
        clients.filter(|client| started(client) && which(client.call)).map(|client| client.label).collect()
    }

    fn zone(&self, of: &str) -> PathBuf {
        self.world.directory().join(format!("{of}.zone"))
    }

    fn stop_file(&self) -> PathBuf {
        self.world.directory().join("stop")
    }
}
