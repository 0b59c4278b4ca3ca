//! What watching costs the watched: CPU time for an operation of client and server together, with the agent's programs attached, as a
//! ratio to the same without, interleaved in one run.
//!
//! Client and server are pods on one node, both pinned to one core, so that nothing of an operation is done
//! elsewhere. A round is one slice of each workload under each arm, in an order that turns; the ratio of a round
//! is taken within the round, and what is printed is the median of the rounds with a distribution-free 95 % interval. The arm
//! `again` repeats the arm without programs: how far its ratio is from 1 is how far the others may be off.
//!
//! `cargo bench -p netwright-tests --bench capture [-- --rounds N] [--only WORKLOAD]`, as root.
#![allow(clippy::indexing_slicing, clippy::print_stdout, clippy::print_stderr)] // A bench: its tables are its own, its output is the point.

mod statistics;
mod worker;

use anyhow::{Context, Result};
use netwright_agent::probe::{Config, Probe, UdpHooks};
use netwright_tests::results::{self, rounded};
use netwright_tests::world::{Addresses, Place, World, prerequisites};
use serde_json::{Value, json};
use statistics::Interval;
use std::path::PathBuf;
use std::time::Duration;
use worker::{Remote, Workload};

/// The core that both ends are pinned to; the bench itself runs on the others.
const CORE: &str = "1";
const SERVER: &str = "10.244.0.2";
/// The UDP server has a pod of its own: its packets are watched, and those of a pod without one are not.
const UDP_SERVER: &str = "10.244.0.4";

/// What is attached during a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arm {
    /// No program: what the others are compared with.
    Without,
    /// No program, once more.
    Again,
    /// What the agent attaches.
    Sockets,
    /// The other way to see UDP: every packet.
    Packets,
    /// TCP alone.
    Tcp,
}

const ARMS: [Arm; 5] = [Arm::Without, Arm::Sockets, Arm::Packets, Arm::Tcp, Arm::Again];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("worker") => worker::run(&arguments),
        _ => bench(&arguments),
    }
}

fn option<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1).map(String::as_str)
}

fn bench(arguments: &[String]) -> Result<()> {
    let missing = prerequisites::missing();
    if !missing.is_empty() {
        netwright_tests::skipped(&missing.join("; "));
        return Ok(());
    }
    let rounds: usize = option(arguments, "--rounds").unwrap_or("80").parse().context("--rounds takes a number")?;
    let only = option(arguments, "--only");
    let workloads: Vec<Workload> =
        Workload::ALL.into_iter().filter(|workload| only.is_none_or(|name| name == workload.name())).collect();
    let mut stage = Stage::build()?;
    let mut costs = vec![vec![Vec::new(); ARMS.len()]; workloads.len()];
    for round in 0..rounds {
        eprint!("\rround {}/{rounds}", round + 1);
        for (workload, costs) in workloads.iter().zip(&mut costs) {
            for turn in 0..ARMS.len() {
                let index = (turn + round) % ARMS.len();
                stage.attach(ARMS[index])?;
                costs[index].push(stage.slice(*workload)?);
                stage.detach();
            }
        }
    }
    eprintln!();
    report(&workloads, &costs, rounds)?;
    stage.world.remove()
}

/// The pods, and the workers in them.
struct Stage {
    world: World,
    client: Remote,
    server: Remote,
    udp_server: Remote,
    udp_cgroup: PathBuf,
    probes: Vec<(Arm, Probe)>,
}

impl Stage {
    fn build() -> Result<Self> {
        let mut world = World::new(addresses(1)?, &[])?;
        let server = world.add_pod("server", addresses(2)?, &pod_cgroup('a'))?;
        let client = world.add_pod("client", addresses(3)?, &pod_cgroup('b'))?;
        let udp_server = world.add_pod("udp", addresses(4)?, &pod_cgroup('c'))?;
        let server = start(&mut world, &server, "server")?;
        let udp_server = start(&mut world, &udp_server, "udp-server")?;
        let client = start(&mut world, &client, "client")?;
        let udp_cgroup = world.cgroup().join(pod_cgroup('c'));
        let probes = [(Arm::Sockets, UdpHooks::Sockets), (Arm::Packets, UdpHooks::Packets), (Arm::Tcp, UdpHooks::Off)]
            .into_iter()
            .map(|(arm, udp)| {
                let mut config = Config::new(world.cgroup().into());
                config.udp = Some(udp);
                Ok((arm, Probe::load(&config)?))
            })
            .collect::<Result<_>>()?;
        Ok(Self { world, client, server, udp_server, udp_cgroup, probes })
    }

    /// Attaches what the agent would: the arms differ in nothing else.
    fn attach(&mut self, arm: Arm) -> Result<()> {
        let Some((_, probe)) = self.probes.iter_mut().find(|(of, _)| *of == arm) else { return Ok(()) };
        probe.watch_udp_server(&self.udp_cgroup)?;
        Ok(probe.attach(self.world.cgroup())?)
    }

    fn detach(&mut self) {
        self.probes.iter_mut().for_each(|(_, probe)| probe.detach());
    }

    /// CPU nanoseconds an operation, after a tenth of the slice to warm up.
    fn slice(&mut self, workload: Workload) -> Result<f64> {
        let operations = workload.operations();
        self.client.work(workload, operations / 10)?;
        let before = self.cpu()?;
        self.client.work(workload, operations)?;
        Ok((self.cpu()? - before) as f64 / operations as f64)
    }

    fn cpu(&mut self) -> Result<u64> {
        Ok(self.client.cpu()? + self.server.cpu()? + self.udp_server.cpu()?)
    }
}

fn start(world: &mut World, place: &Place, role: &str) -> Result<Remote> {
    let socket = world.directory().join(format!("{role}.sock"));
    let own = std::env::current_exe()?;
    let command =
        ["taskset", "-c", CORE, &own.to_string_lossy(), "worker", role, &socket.to_string_lossy(), SERVER, UDP_SERVER];
    world.spawn(place, role, &command.map(str::to_owned))?;
    Remote::connect(&socket, Duration::from_secs(10)).with_context(|| world.log(role).display().to_string())
}

fn addresses(last: u8) -> Result<Addresses> {
    Ok(Addresses { v4: format!("10.244.0.{last}").parse()?, v6: format!("fd00:244::{last}").parse()? })
}

fn pod_cgroup(digit: char) -> String {
    let digits = |n: usize| digit.to_string().repeat(n);
    format!("kubepods/burstable/pod{}-{}-{}-{}-{}/c", digits(8), digits(4), digits(4), digits(4), digits(12))
}

fn report(workloads: &[Workload], costs: &[Vec<Vec<f64>>], rounds: usize) -> Result<()> {
    println!("CPU time for an operation, client and server together, as a ratio to no program");
    println!(
        "median of {rounds} interleaved rounds [95 % interval of the median]; `again` is no program, a second time"
    );
    println!(
        "{:<17} {:>12} {:>22} {:>22} {:>22} {:>22}",
        "workload", "without", "sockets (the choice)", "packets", "TCP alone", "again"
    );
    let mut rows = Vec::new();
    for (workload, costs) in workloads.iter().zip(costs) {
        let ratios: Vec<Interval> = costs.iter().map(|arm| ratio(arm, &costs[0])).collect();
        let without = Interval::of_median(costs[0].clone());
        print!("{:<17} {:>9.0} ns", workload.name(), without.median);
        for (name, ratio) in
            ["capture", "capture-packets", "capture-tcp-alone", "capture-again"].iter().zip(&ratios[1..])
        {
            print!(" {ratio:>22}");
            rows.push((format!("{name}/{}", workload.name()), row(*ratio, rounds)));
        }
        println!();
    }
    let path = results::write(rows)?;
    println!("written to {}", path.display());
    Ok(())
}

/// A ratio with its interval, as it is kept.
fn row(ratio: Interval, rounds: usize) -> Value {
    let [ratio, low, high] = [ratio.median, ratio.low, ratio.high].map(|value| rounded(value, 4));
    json!({"ratio": ratio, "low": low, "high": high, "rounds": rounds})
}

/// Round by round, so that what changes from round to round falls out.
fn ratio(with: &[f64], without: &[f64]) -> Interval {
    Interval::of_median(with.iter().zip(without).map(|(with, without)| with / without).collect())
}
