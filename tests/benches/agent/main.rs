//! What the agent itself uses of a node where ten thousand connections a second are opened: `netwright-agent run` as a process, from capture to
//! segments shipped over TLS.
//!
//! Client and server are pods on one node, so that each connection is seen at both of its ends. Connections go to each of some
//! hundred ports in turn, so that the kernel's map has that many flows at each end. There is no API server: pods stay without names.
//!
//! `cargo bench -p netwright-tests --bench agent [-- --seconds N] [-- --rate N]`, as root.
#![allow(clippy::indexing_slicing, clippy::print_stdout, clippy::print_stderr)] // A bench: its tables are its own, its output is the point.

mod worker;

use anyhow::{Context, Result, bail, ensure};
use netwright_record::file;
use netwright_tests::receiver::Receiver;
use netwright_tests::results::{self, rounded};
use netwright_tests::world::{Addresses, Place, World, prerequisites, signal};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

const SERVER: &str = "10.244.0.2";
/// For the agent to have settled: its first segments are written, its connection to the receiver stands.
const WARM_UP: Duration = Duration::from_secs(12);
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("worker") => worker::run(&arguments),
        _ => bench(&arguments),
    }
}

fn option(arguments: &[String], name: &str, default: u64) -> Result<u64> {
    let at = arguments.iter().position(|argument| argument == name);
    match at.and_then(|at| arguments.get(at + 1)) {
        Some(text) => text.parse().with_context(|| format!("{name} takes a number")),
        None => Ok(default),
    }
}

fn bench(arguments: &[String]) -> Result<()> {
    let missing = prerequisites::missing();
    if !missing.is_empty() {
        netwright_tests::skipped(&missing.join("; "));
        return Ok(());
    }
    let (seconds, rate) = (option(arguments, "--seconds", 60)?, option(arguments, "--rate", 10_000)?);
    let mut world = World::new(addresses(1)?, &[])?;
    let server = world.add_pod("server", addresses(2)?, &pod_cgroup('a'))?;
    let client = world.add_pod("client", addresses(3)?, &pod_cgroup('b'))?;
    let receiver = Receiver::start(&world.directory().join("receiver"))?;
    let pid = start_agent(&mut world, &receiver)?;
    start_worker(&mut world, &server, "server", rate)?;
    start_worker(&mut world, &client, "client", rate)?;
    sleep(WARM_UP);
    let (begun, cpu) = (Instant::now(), cpu_of(pid)?);
    sleep(Duration::from_secs(seconds));
    let (elapsed, cpu) = (begun.elapsed().as_secs_f64(), cpu_of(pid)? - cpu);
    let (peak, own) = (memory(pid, "VmHWM")?, memory(pid, "RssAnon")?);
    stop(&mut world, pid)?;
    let rate = rate_of(&receiver)?;
    report(cpu / elapsed, peak, own, rate, seconds)?;
    world.remove()
}

/// Starts the agent beside the pods, and waits until it watches.
fn start_agent(world: &mut World, receiver: &Receiver) -> Result<u32> {
    let program = prerequisites::program("netwright-agent")?.display().to_string();
    let path = |path: &Path| path.display().to_string();
    let flags = [
        ("--collector", receiver.url.clone()),
        ("--collector-ca", path(&receiver.ca())),
        ("--collector-token", path(&receiver.token())),
        ("--cgroup", path(world.cgroup())),
        ("--spool", path(&world.directory().join("spool"))),
        ("--node", "node".to_owned()),
        ("--health-listen", "127.0.0.1:0".to_owned()),
        ("--log-format", "json".to_owned()),
    ];
    let flags = flags.into_iter().map(|(flag, value)| format!("{flag}={value}"));
    // Without an API server; whatever this machine's user has is not for a bench.
    let command: Vec<String> =
        ["env", "KUBECONFIG=/nowhere", &program, "run"].map(str::to_owned).into_iter().chain(flags).collect();
    let place = world.beside();
    let agent = world.spawn(&place, "agent", &command)?;
    agent.wait_for("\"watching\"", PATIENCE)?;
    Ok(agent.pid())
}

fn start_worker(world: &mut World, place: &Place, role: &str, rate: u64) -> Result<()> {
    let own = std::env::current_exe()?.display().to_string();
    let command = [&own, "worker", role, SERVER, &rate.to_string()].map(str::to_owned);
    world.spawn(place, role, &command)?.wait_for("ready", PATIENCE)
}

fn stop(world: &mut World, pid: u32) -> Result<()> {
    signal(pid, "TERM")?;
    let agent = world.processes().iter_mut().find(|process| process.pid() == pid).context("the agent is gone")?;
    let status = agent.wait(PATIENCE)?;
    ensure!(status.success(), "the agent ended with {status}: {}", agent.output());
    Ok(())
}

/// CPU seconds that a process has used, in its own code and in the kernel on its behalf, over all of its threads.
fn cpu_of(pid: u32) -> Result<f64> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread that ends here has done little.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        nanoseconds += text.split_whitespace().next().context("no schedstat")?.parse::<u64>()?;
    }
    Ok(nanoseconds as f64 / 1e9)
}

/// A line of `/proc/PID/status`, MiB.
fn memory(pid: u32, line: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let kibibytes: f64 = value.and_then(|value| value.split_whitespace().next()).context("no such line")?.parse()?;
    Ok(kibibytes / 1024.0)
}

/// Connections a second, by what arrived: those in whole segments in the middle of the run, at one end.
fn rate_of(receiver: &Receiver) -> Result<f64> {
    let mut segments = Vec::new();
    for (path, body) in receiver.taken() {
        let (segment, _) = file::read(body.as_slice(), Path::new(&path))?;
        let lost = segment.coverage.iter().any(|coverage| !coverage.losses.is_empty());
        ensure!(!lost, "something was lost: {:?}", segment.coverage);
        segments.push(segment);
    }
    segments.sort_by_key(|segment| segment.header.window.from);
    let [_, middle @ .., _] = segments.as_slice() else { bail!("only {} segments arrived", segments.len()) };
    let connections: u64 = middle.iter().flat_map(|segment| &segment.flows).map(|flow| flow.activity.connections).sum();
    let window = |segment: &netwright_record::Observation| segment.header.window;
    let (Some(first), Some(last)) = (middle.first().map(window), middle.last().map(window)) else { bail!("none") };
    Ok(connections as f64 / 2.0 / last.until.duration_since(first.from).as_secs_f64())
}

fn report(cores: f64, peak: f64, own: f64, rate: f64, seconds: u64) -> Result<()> {
    println!("{rate:.0} connections a second, both ends on the node, {} flows, {seconds} s", 2 * worker::PORTS);
    println!("the agent: {cores:.3} cores, {peak:.1} MiB at most, of which {own:.1} MiB its own at the end");
    let row = json!({
        "cores": rounded(cores, 4), "peak_mib": rounded(peak, 1), "own_mib": rounded(own, 1),
        "connections_per_second": rounded(rate, 0), "flows": 2 * worker::PORTS, "seconds": seconds,
    });
    let path = results::write([("agent/10k-connections".to_owned(), row)])?;
    println!("written to {}", path.display());
    Ok(())
}

fn addresses(last: u8) -> Result<Addresses> {
    Ok(Addresses { v4: format!("10.244.0.{last}").parse()?, v6: format!("fd00:244::{last}").parse()? })
}

fn pod_cgroup(digit: char) -> String {
    let digits = |n: usize| digit.to_string().repeat(n);
    format!("kubepods/burstable/pod{}-{}-{}-{}-{}/c", digits(8), digits(4), digits(4), digits(4), digits(12))
}
