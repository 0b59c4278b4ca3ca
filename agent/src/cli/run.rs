//! `netwright-agent run`: record on a node of a cluster for good, and ship what was recorded to the collector.
//!
//! Capture begins before anything else is there: neither the API server nor the collector is waited for. A disk that is slow or full
//! holds up nothing but the segments.

mod recording;

use super::capture::CaptureArgs;
use crate::metrics::Metrics;
use crate::pods::watch::Watch;
use crate::pods::{Feed, tree};
use crate::session::Session;
use crate::ship::{Shipper, Target};
use crate::spool::{Disk, Limits, Spool};
use anyhow::{Context as _, ensure};
use hyper::Uri;
use netwright_record::{Name, Time};
use netwright_service::config::ConfigFile;
use netwright_service::health::Health;
use netwright_service::logs::{self, LogArgs};
use netwright_service::{CancellationToken, operations, shutdown, value};
use recording::{Recording, Signs};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// How long the recording may be silent before the kubelet starts the agent anew.
const SILENCE: Duration = Duration::from_secs(60);

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    capture: CaptureArgs,
    #[command(flatten)]
    spool: SpoolArgs,
    #[command(flatten)]
    ship: ShipArgs,
    /// Where health and metrics are asked for.
    #[arg(long, env = "NETWRIGHT_HEALTH_LISTEN", value_name = "ADDRESS", default_value = "[::]:8080")]
    health_listen: SocketAddr,
    /// How long to go on shipping after SIGTERM: less than the pod's terminationGracePeriodSeconds.
    #[arg(long, env = "NETWRIGHT_DRAIN", value_name = "DURATION", default_value = "20s", value_parser = value::duration)]
    drain: Duration,
}

/// Where segments wait.
#[derive(Debug, clap::Args)]
struct SpoolArgs {
    /// The folder where segments wait for the collector.
    #[arg(long, env = "NETWRIGHT_SPOOL", value_name = "FOLDER", default_value = "/var/lib/netwright/spool")]
    spool: PathBuf,
    /// The most bytes of segments that wait, such as 512Mi. The oldest go first, and are counted.
    #[arg(long, env = "NETWRIGHT_SPOOL_MAX_BYTES", value_name = "BYTES", default_value = "1Gi", value_parser = value::bytes)]
    spool_max_bytes: u64,
    /// How long a segment may wait.
    #[arg(long, env = "NETWRIGHT_SPOOL_MAX_AGE", value_name = "DURATION", default_value = "48h", value_parser = value::duration)]
    spool_max_age: Duration,
}

/// Where segments go.
#[derive(Debug, clap::Args)]
struct ShipArgs {
    /// The collector, such as https://netwright-collector.netwright.svc:8443
    #[arg(long, env = "NETWRIGHT_COLLECTOR", value_name = "URL", value_parser = collector)]
    collector: Uri,
    /// PEM file of the certificates that the collector's is checked against. It is read again when it changes.
    #[arg(long, env = "NETWRIGHT_COLLECTOR_CA", value_name = "FILE", default_value = "/etc/netwright/ca/ca.crt")]
    collector_ca: PathBuf,
    /// File of the ServiceAccount token for the collector. It is read again when it changes.
    #[arg(
        long,
        env = "NETWRIGHT_COLLECTOR_TOKEN",
        value_name = "FILE",
        default_value = "/var/run/secrets/netwright/token"
    )]
    collector_token: PathBuf,
    /// The most segments shipped in a second, for catching up after the collector was away.
    #[arg(long, env = "NETWRIGHT_SHIP_RATE", value_name = "N", default_value = "10", value_parser = rate)]
    ship_rate: f64,
}

fn collector(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    match (uri.scheme_str(), uri.host(), uri.query()) {
        (Some("https"), Some(_), None) => Ok(uri),
        _ => Err("expected https://HOST:PORT; without TLS a token would be anybody's".into()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.1..=10_000.0).contains(&rate) => Ok(rate),
        _ => Err("expected a number between 0.1 and 10000".into()),
    }
}

/// Runs the verb until a signal asks it to end.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    logs::init(&args.log)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // One for the disk, one for names of hosts.
        .max_blocking_threads(2)
        .thread_stack_size(512 << 10)
        .build()
        .context("cannot start the event loop")?;
    let done = runtime.block_on(serve(args));
    // A disk that hangs must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

async fn serve(args: &Args) -> anyhow::Result<()> {
    let stop = shutdown::on_signals().context("cannot wait for signals")?;
    let node = args.capture.node()?;
    let is_name = !node.is_empty() && node.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    ensure!(is_name, "{:?} cannot be the name of a node; give --node or NODE_NAME", node.as_str());
    let (health, closed) = (Health::new(), CancellationToken::new());
    let (metrics, registry) = Metrics::register();
    let signs = Signs::new(&health, SILENCE, metrics);
    let (_, operations) =
        operations::serve(args.health_listen, health.clone(), Arc::new(registry), closed.clone()).await?;
    let ended = record(args, node, &health, signs, stop).await;
    // The kubelet goes on asking until the end.
    closed.cancel();
    operations.await.context("the port for health and metrics broke down")?;
    ended
}

/// Records and ships until `stop`, then ends both well.
async fn record(args: &Args, node: Name, health: &Health, signs: Signs, stop: CancellationToken) -> anyhow::Result<()> {
    let limits = Limits { bytes: args.spool.spool_max_bytes, age: args.spool.spool_max_age };
    let spool = Spool::open(&args.spool.spool, limits, Time::now())?;
    let run = spool.run().to_owned();
    tracing::info!(run, segments = spool.len(), bytes = spool.bytes(), "the spool is open");
    let recorder = args.capture.record(node.clone())?;
    let session = Session::new(recorder, node.clone(), run, args.capture.cluster.clone());
    signs.attached.met();
    let disk = Disk::new(spool);
    let (outcome, shipped) = mpsc::unbounded_channel();
    let written = Arc::new(Notify::new());
    let target = args.ship.target(&node);
    let mut shipper = Shipper::new(target, disk.clone(), args.ship.ship_rate, signs.metrics.clone(), outcome);
    let shipping = tokio::spawn({
        let (written, stop) = (written.clone(), stop.clone());
        async move {
            shipper.run(&written, &stop).await;
            shipper
        }
    });
    let feed = feed(args, &node, health, &signs.metrics)?;
    let mut recording = Recording::new(session, feed, disk, written, shipped, signs);
    recording.run(args.capture.interval, &stop).await?;
    health.stopping();
    let deadline = Instant::now() + args.drain;
    let finished = recording.finish(deadline).await;
    let mut shipper = shipping.await.context("shipping broke down")?;
    shipper.flush(deadline).await;
    recording.tell_end().await;
    finished
}

/// Begins to watch this node's pods.
fn feed(args: &Args, node: &Name, health: &Health, metrics: &Arc<Metrics>) -> anyhow::Result<Feed> {
    let tree = tree::watch(args.capture.watched()?).context("cannot watch the cgroups of pods")?;
    let (changes, received) = mpsc::unbounded_channel();
    let listed = health.startup("pods");
    tokio::spawn(Watch::new(node, changes, listed, metrics.clone()).run());
    Ok(Feed::new(node.clone(), tree, received))
}

impl ShipArgs {
    fn target(&self, node: &str) -> Target {
        Target {
            collector: self.collector.clone(),
            ca: self.collector_ca.clone(),
            token: self.collector_token.clone(),
            node: node.to_owned(),
        }
    }
}
