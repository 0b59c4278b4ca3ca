//! `netwright-agent observe`: record until told to stop, and write one observation file.

use super::capture::CaptureArgs;
use super::inventory;
use crate::session::{Session, Ticks};
use crate::spool::id::new_run;
use crate::spool::{Segments, assemble, segments};
use anyhow::{Context as _, bail};
use netwright_record::{Ended, Observation, Time, file};
use netwright_service::{CancellationToken, shutdown, value};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The observation file to write. While recording, segments lie in FILE.segments.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What `kubectl get ns,nodes,pods,svc,endpointslices,deploy,sts,ds,rs,jobs,cronjobs,netpol,apiservices,
    /// validatingwebhookconfigurations,mutatingwebhookconfigurations -A -o yaml` prints. Read at the
    /// start, to find errors early, and again at the end: it may be refreshed meanwhile. Without it no end can be named (see `assemble`).
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
    /// Stop after this long, for example 90s, 2h, 14d. Default: at SIGTERM or Ctrl-C.
    #[arg(long = "for", value_name = "DURATION", value_parser = value::duration)]
    duration: Option<Duration>,
    #[command(flatten)]
    capture: CaptureArgs,
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
    let run = new_run(Time::now(), None);
    let mut segments = Segments::create(&args.out, run.clone())?;
    let node = args.capture.node()?;
    let recorder = args.capture.record(node.clone())?;
    let mut session = Session::new(recorder, node, run, None);
    runtime.block_on(record(&args, &mut session, &mut segments))?;
    finish(&args, segments.directory())
}

async fn record(args: &Args, session: &mut Session, segments: &mut Segments) -> anyhow::Result<()> {
    let stop: CancellationToken = shutdown::on_signals().context("cannot wait for signals")?;
    let mut ticks = Ticks::start(args.capture.interval).await;
    let end = args.duration.and_then(|duration| Instant::now().checked_add(duration));
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = async { sleep_until(end.unwrap_or_else(Instant::now)).await }, if end.is_some() => break,
            tick = ticks.next() => {
                if session.turn(tick)? {
                    segment(session, segments, Ended::Continues)?;
                }
            }
        }
    }
    segment(session, segments, Ended::Clean)
}

/// Writes a segment. What cannot be written (the disk is full) is kept for the next one; only the last one must succeed.
fn segment(session: &mut Session, segments: &mut Segments, ended: Ended) -> anyhow::Result<()> {
    session.collect(ended == Ended::Clean)?;
    let segment = session.segment(ended);
    match segments.write(&segment) {
        Ok(()) => Ok(()),
        Err(error) if ended == Ended::Clean => Err(error),
        Err(error) => {
            tracing::error!("{error:#}; keeping {} flows in memory", segment.flows.len());
            session.put_back(segment);
            Ok(())
        }
    }
}

/// Assembles the segments, writes the file and takes the segments away.
fn finish(args: &Args, directory: &Path) -> anyhow::Result<()> {
    let inventory = args.inventory.as_deref().map(inventory::read).transpose()?;
    let parts = read_segments(&segments::list(directory)?)?;
    let assembled = assemble(parts, inventory, args.capture.cluster.clone()).context("no segment was written")?;
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
