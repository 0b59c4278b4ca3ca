//! `netwright-agent observe`: record until told to stop, and write one observation file.

use super::{capabilities, duration, inventory};
use crate::identity::cgroups;
use crate::probe::{Config, UdpHooks};
use crate::recorder::{Drained, Recorder};
use crate::spool::{Segments, assemble, segments};
use anyhow::{Context as _, bail};
use netwright_record::{Coverage, Ended, Header, Name, Observation, Time, Window, file};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// How often announcements are looked at. Sets how fast the cgroup of a short-lived pod must be found, and how long the first words of a new
/// UDP server stay ambiguous.
const POLL: Duration = Duration::from_millis(100);
/// How often long-lived connections are looked for.
const SIGHT: Duration = Duration::from_secs(300);

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The observation file to write. While recording, segments lie in FILE.segments.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Watch this cgroup (v2) and what is below it, and nothing else. Default: the whole node.
    #[arg(long, value_name = "PATH")]
    cgroup: Option<PathBuf>,
    /// What `kubectl get ns,nodes,pods,svc,endpointslices,deploy,sts,ds,rs,jobs,cronjobs,netpol,apiservices,
    /// validatingwebhookconfigurations,mutatingwebhookconfigurations -A -o yaml` prints. Read at the
    /// start, to find errors early, and again at the end: it may be refreshed meanwhile. Without it no end can be named (see `assemble`).
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
    /// Stop after this long, for example 90s, 2h, 14d. Default: at SIGTERM or Ctrl-C.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    duration: Option<Duration>,
    /// The node's name, as Kubernetes has it. Default: the host's name.
    #[arg(long, env = "NODE_NAME")]
    node: Option<String>,
    /// The cluster's name, for the header.
    #[arg(long)]
    cluster: Option<String>,
    /// How often the kernel's counters are read and a segment is written.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    interval: Duration,
    /// Where the host's /proc is.
    #[arg(long, value_name = "PATH", default_value = "/proc")]
    proc: PathBuf,
    /// Entries of the kernel's flow map: 88 bytes and about 60 of overhead each.
    #[arg(long, value_name = "N", default_value_t = 16384, value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    flow_entries: u32,
    /// Bytes of the kernel's announcement ring: a power of two, at least 4096.
    #[arg(long, value_name = "BYTES", default_value_t = 256 * 1024, value_parser = ring_bytes)]
    announcement_bytes: u32,
    /// How to see UDP: at the sockets, on each packet (dearer; counts bytes), or not at all.
    #[arg(long, value_enum)]
    udp: Option<UdpHooks>,
    /// Watch SCTP although this kernel does not seem to have it (raw sockets can speak it).
    #[arg(long)]
    sctp: bool,
}

fn ring_bytes(text: &str) -> Result<u32, String> {
    let bytes: u32 = text.parse().map_err(|error| format!("{error}"))?;
    if bytes >= 4096 && bytes.is_power_of_two() {
        Ok(bytes)
    } else {
        Err("must be a power of two and at least 4096".into())
    }
}

/// Runs the verb.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    if args.out.is_file() {
        bail!("{} exists: move it away or name another file; a recording is never written over", args.out.display());
    }
    if let Some(path) = &args.inventory {
        inventory::read(path)?;
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the event loop")?;
    let mut session = Session::start(&args)?;
    runtime.block_on(session.record(&args))?;
    finish(&args, session.segments.directory())
}

/// One recording under way.
struct Session {
    recorder: Recorder,
    segments: Segments,
    node: Name,
    run: String,
    /// Up to when everything is in a segment.
    from: Time,
    pending: Drained,
}

impl Session {
    fn start(args: &Args) -> anyhow::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
        let mount = cgroups::mount_point(&mounts).context(
            "no cgroup v2 hierarchy is mounted: mount one (mount -t cgroup2 none PATH); `netwright-agent doctor` tells more",
        )?;
        let node = Name::from(args.node.clone().map_or_else(host_name, Ok)?);
        let run = run_id(Time::now());
        let segments = Segments::create(&args.out, run.clone())?;
        let mut config = Config::new(args.cgroup.clone().unwrap_or_else(|| mount.clone()));
        config.flow_entries = args.flow_entries;
        config.announcement_bytes = args.announcement_bytes;
        config.udp = args.udp;
        config.sctp = args.sctp.then_some(true);
        let watched = config.cgroup.clone();
        let recorder = Recorder::start(config, node.clone(), &args.proc, &mount).map_err(capabilities::explain)?;
        for note in recorder.notes() {
            tracing::warn!("degraded: {note}");
        }
        tracing::info!(cgroup = %watched.display(), node = node.as_str(), "watching");
        Ok(Self { recorder, segments, node, run, from: now(), pending: Drained::default() })
    }

    async fn record(&mut self, args: &Args) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut poll = interval(POLL);
        let mut drain = interval(args.interval);
        let mut sight = interval(SIGHT);
        for timer in [&mut poll, &mut drain, &mut sight] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        // The first tick of an interval comes at once.
        sight.tick().await;
        drain.tick().await;
        let end = args.duration.and_then(|duration| Instant::now().checked_add(duration));
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                () = async { sleep_until(end.unwrap_or_else(Instant::now)).await }, if end.is_some() => break,
                _ = poll.tick() => {
                    self.recorder.poll()?;
                    if self.recorder.is_pressed() {
                        self.segment(Ended::Continues)?;
                    }
                }
                _ = drain.tick() => self.segment(Ended::Continues)?,
                _ = sight.tick() => self.recorder.sight_open(),
            }
        }
        self.segment(Ended::Clean)
    }

    /// Drains and writes a segment. What cannot be written (the disk is full) is kept for the next one, within bounds;
    /// only the last one must succeed.
    fn segment(&mut self, ended: Ended) -> anyhow::Result<()> {
        let drained = self.recorder.drain(ended == Ended::Clean)?;
        self.pending.flows.extend(drained.flows);
        self.pending.losses.add(&drained.losses);
        self.pending.bound();
        let segment = self.pending_segment(ended);
        match self.segments.write(&segment) {
            Ok(()) => self.from = segment.header.window.until,
            Err(error) if ended == Ended::Clean => return Err(error),
            Err(error) => {
                tracing::error!("{error:#}; keeping {} flows in memory", segment.flows.len());
                self.pending.flows = segment.flows;
                return Ok(());
            }
        }
        self.pending = Drained::default();
        Ok(())
    }

    /// Everything that is in no segment yet.
    fn pending_segment(&mut self, ended: Ended) -> Observation {
        let to = now().max(self.from);
        let mut segment = Observation::new(Header::new(segments::WRITTEN_BY, Window { from: self.from, until: to }));
        segment.coverage.push(Coverage {
            node: self.node.clone(),
            run: self.run.clone(),
            from: self.from,
            to,
            ended,
            losses: self.pending.losses,
            notes: self.recorder.notes().to_vec(),
        });
        segment.flows = std::mem::take(&mut self.pending.flows);
        segment
    }
}

/// Assembles the segments, writes the file and takes the segments away.
fn finish(args: &Args, directory: &Path) -> anyhow::Result<()> {
    let inventory = args.inventory.as_deref().map(inventory::read).transpose()?;
    let parts = read_segments(&segments::list(directory)?)?;
    let assembled = assemble(parts, inventory, args.cluster.clone()).context("no segment was written")?;
    file::write_path(&assembled.observation, &args.out).with_context(|| {
        format!("cannot write {}; the segments are kept in {}", args.out.display(), directory.display())
    })?;
    summarise(&assembled.observation, &args.out);
    fs::remove_dir_all(directory).with_context(|| format!("cannot remove the segments in {}", directory.display()))
}

/// Reads segments, with a warning for each that is damaged.
pub(super) fn read_segments(paths: &[PathBuf]) -> anyhow::Result<Vec<Observation>> {
    paths
        .iter()
        .map(|path| {
            let (segment, warnings) = file::read_path(path)?;
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            Ok(segment)
        })
        .collect()
}

/// The one line that says what came of it, losses included.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub(super) fn summarise(observation: &Observation, out: &Path) {
    let mut losses = netwright_record::Losses::default();
    for coverage in &observation.coverage {
        losses.add(&coverage.losses);
    }
    let lost: Vec<_> =
        losses.named().into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name} {n}")).collect();
    let connections: u64 = observation.flows.iter().map(|flow| flow.activity.connections).sum();
    println!(
        "{}: {} flows ({connections} connections) from {} to {}, {} edges, {} unresolved, lost: {}",
        out.display(),
        observation.flows.len(),
        observation.header.window.from,
        observation.header.window.until,
        observation.edges.len(),
        observation.unresolved.len(),
        if lost.is_empty() { "nothing".to_owned() } else { lost.join(", ") },
    );
}

fn host_name() -> anyhow::Result<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").context("cannot read the host's name; give --node")?;
    let name = name.trim();
    if name.is_empty() {
        bail!("the host has no name; give --node");
    }
    Ok(name.to_owned())
}

/// Unique a start on one node, and sorted by time.
fn run_id(now: Time) -> String {
    format!("{:013}-{}", now.as_millisecond(), std::process::id())
}

fn now() -> Time {
    crate::clock::Clock::read().now()
}
