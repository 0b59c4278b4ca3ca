//! `serve`: starts all parts, and ends them in order.
//!
//! On SIGTERM: unready first, so that no new agent is sent here; requests under way are finished, what they brought is committed, the
//! merge finishes its round, and the probes are answered to the last.

use super::certificates::{Keeper, TlsArgs};
use super::gauges::Gauges;
use super::store::StoreArgs;
use crate::export::{self, Export, Exports};
use crate::ingest::{Authenticator, Ingest, Limits};
use crate::merge::{self, Monitor};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::tls;
use anyhow::Context as _;
use axum::Router;
use jiff::SignedDuration;
use kube::Client;
use netwright_service::health::Health;
use netwright_service::{CancellationToken, http, logs, operations, shutdown, value};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// For so long requests are still taken after the pod is unready: the kernels of other nodes learn it a moment later.
const UNREADY: Duration = Duration::from_secs(2);
/// A few for each node of the largest clusters.
const AGENTS: http::Limits =
    http::Limits { connections: 20_000, head: Duration::from_secs(30), drain: Duration::from_secs(15) };
const PEOPLE: http::Limits =
    http::Limits { connections: 32, head: Duration::from_secs(30), drain: Duration::from_secs(2) };
/// How long a loop may be silent until the program is taken for dead. The longest round of the merge stays far below.
const SILENT: Duration = Duration::from_secs(300);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    tls: TlsArgs,
    /// The address for agents
    #[arg(long, env = "NETWRIGHT_LISTEN", default_value = "[::]:8443", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The address for those who take the observation home; anything but loopback lets the whole cluster read
    #[arg(long, env = "NETWRIGHT_EXPORT_LISTEN", default_value = "127.0.0.1:8444", value_name = "ADDRESS")]
    export_listen: SocketAddr,
    /// The address for probes and metrics
    #[arg(long, env = "NETWRIGHT_HEALTH_LISTEN", default_value = "[::]:8080", value_name = "ADDRESS")]
    health_listen: SocketAddr,
    /// The namespace that the collector and its agents are in
    #[arg(long, env = "NETWRIGHT_NAMESPACE", default_value = "netwright", value_name = "NAME")]
    namespace: String,
    /// The ServiceAccount that agents run as, in --namespace
    #[arg(long, env = "NETWRIGHT_AGENT_SERVICE_ACCOUNT", default_value = "netwright-agent", value_name = "NAME")]
    agent_service_account: String,
    /// The audience that agents' tokens are made for
    #[arg(long, env = "NETWRIGHT_AUDIENCE", default_value = "netwright-collector", value_name = "NAME")]
    audience: String,
    /// The cluster's name, for the observation
    #[arg(long, env = "NETWRIGHT_CLUSTER", value_name = "NAME")]
    cluster: Option<String>,
    /// How far back to remember
    #[arg(long, env = "NETWRIGHT_WINDOW", default_value = "14d", value_parser = value::duration, value_name = "TIME")]
    window: Duration,
    /// How far all agents must have reported past a segment before it is merged
    #[arg(long, env = "NETWRIGHT_SETTLE", default_value = "15s", value_parser = value::duration, value_name = "TIME")]
    settle: Duration,
    /// For how long a silent agent is waited for
    #[arg(long, env = "NETWRIGHT_SETTLE_LIMIT", default_value = "2m", value_parser = value::duration, value_name = "TIME")]
    settle_limit: Duration,
    /// For how long segments of a node are gathered where there is much to merge, so that an edge is written once for all
    #[arg(long, env = "NETWRIGHT_GATHER", default_value = "60s", value_parser = value::duration, value_name = "TIME")]
    gather: Duration,
    /// For how long a flow without a name is tried again, and pods that are gone are remembered for it
    #[arg(long, env = "NETWRIGHT_PATIENCE", default_value = "48h", value_parser = value::duration, value_name = "TIME")]
    patience: Duration,
    /// How many destinations are kept of one workload; beyond that those outside the cluster become one
    #[arg(long, env = "NETWRIGHT_MOST_DESTINATIONS", default_value_t = 4096, value_name = "NUMBER")]
    most_destinations: u32,
    /// The largest segment to take
    #[arg(long, env = "NETWRIGHT_SEGMENT_BYTES", default_value = "16Mi", value_parser = value::bytes, value_name = "BYTES")]
    segment_bytes: u64,
    /// The most bytes of a segment, unpacked
    #[arg(long, env = "NETWRIGHT_UNPACKED_BYTES", default_value = "256Mi", value_parser = value::bytes, value_name = "BYTES")]
    unpacked_bytes: u64,
    /// The most memory for segments that are being received
    #[arg(long, env = "NETWRIGHT_RECEIVE_BYTES", default_value = "64Mi", value_parser = value::bytes, value_name = "BYTES")]
    receive_bytes: u64,
    /// The most bytes that may wait to be merged; beyond that agents keep their segments
    #[arg(long, env = "NETWRIGHT_INBOX_BYTES", default_value = "2Gi", value_parser = value::bytes, value_name = "BYTES")]
    inbox_bytes: u64,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    logs::init(&args.store.logs)?;
    super::block_on(serve(args))
}

/// What runs, in the order in which it ends.
struct Parts {
    health: Health,
    stop: Stops,
    ingest: JoinHandle<()>,
    committer: JoinHandle<()>,
    export: JoinHandle<()>,
    others: JoinSet<()>,
    operations: JoinHandle<()>,
    store: Store,
}

/// One token for each step of the end.
#[derive(Default)]
struct Stops {
    ingest: CancellationToken,
    others: CancellationToken,
    operations: CancellationToken,
}

async fn serve(args: Args) -> anyhow::Result<()> {
    let told = shutdown::on_signals().context("cannot wait for signals")?;
    let parts = tokio::select! {
        () = told.cancelled() => return Ok(()),
        parts = start(args) => parts?,
    };
    told.cancelled().await;
    parts.end().await;
    Ok(())
}

async fn start(args: Args) -> anyhow::Result<Parts> {
    let (stop, health, (metrics, registry)) = (Stops::default(), Health::new(), Metrics::new());
    let (tables, certificate) = (health.startup("tables"), health.startup("certificate"));
    let (answers, merges) = (health.readiness("store"), health.readiness("merge"));
    let heartbeats = (health.heartbeat("merge", SILENT), health.heartbeat("gauges", SILENT));
    let (_, operations) =
        operations::serve(args.health_listen, health.clone(), Arc::new(registry), stop.operations.clone()).await?;
    let data = &args.store.data;
    std::fs::create_dir_all(data).with_context(|| format!("cannot make the folder {}", data.display()))?;
    let store = args.store.open().await?;
    store.migrate().await?;
    tables.met();

    let client = Client::try_default().await.context("cannot find the API server; is there a kubeconfig?")?;
    let authenticator =
        Authenticator::new(client.clone(), &args.audience, &args.namespace, &args.agent_service_account);
    let (options, cluster) = (args.merging(), args.cluster.clone().filter(|name| !name.is_empty()));
    let (ingest, committer) = Ingest::start(store.clone(), authenticator, args.limits(), metrics.clone());
    let mut keeper = Keeper::new(args.tls, &store, data, (&client, &args.namespace), metrics.clone())?;
    keeper.refresh().await?;
    let acceptor = TlsAcceptor::from(Arc::new(tls::server_config(keeper.current())?));
    let monitor = Monitor::default();
    let exports = Exports::new(data.join("exports"), export::Limits::default())?;
    let export =
        Arc::new(Export { exports, store: store.clone(), cluster, monitor: monitor.clone(), metrics: metrics.clone() });
    let mut others = JoinSet::new();
    others.spawn(keeper.run(certificate, stop.others.clone()));
    let shown = (store.clone(), ingest.clone(), monitor.clone());
    let gauges = Gauges::new(shown, metrics, (answers, merges), heartbeats.1);
    others.spawn(gauges.run(stop.others.clone()));
    others.spawn(expire(export.clone(), stop.others.clone()));
    others.spawn({
        let (store, client, monitor, stop) = (store.clone(), client.clone(), monitor, stop.others.clone());
        async move { merge::run(&store, &client, options, &monitor, &heartbeats.0, &stop).await }
    });

    let listener = listen(args.export_listen, "--export-listen").await?;
    let plain = |stream| async { Ok(stream) };
    let export = tokio::spawn(http::serve(listener, plain, export::router(export), PEOPLE, stop.others.clone()));
    let listener = listen(args.listen, "--listen").await?;
    let ingest = spawn_ingest(listener, acceptor, ingest.router(), stop.ingest.clone());
    tracing::info!(listen = %args.listen, store = store.shown(), "serving");
    Ok(Parts { health, stop, ingest, committer, export, others, operations, store })
}

impl Args {
    fn merging(&self) -> merge::Options {
        merge::Options {
            settling: merge::Settling {
                margin: signed(self.settle),
                limit: signed(self.settle_limit),
                gather: signed(self.gather),
            },
            patience: signed(self.patience),
            most_destinations: self.most_destinations,
            window: signed(self.window),
            ..merge::Options::default()
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            segment: self.segment_bytes,
            unpacked: self.unpacked_bytes,
            // At least one of the largest.
            memory: self.receive_bytes.max(self.segment_bytes.saturating_add(1024)),
            inbox: self.inbox_bytes,
            window: signed(self.window),
        }
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

async fn listen(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    http::bind(address).await.with_context(|| format!("cannot listen on {address}; choose another {flag}"))
}

fn spawn_ingest(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: Router,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let accept = move |stream: tokio::net::TcpStream| {
        let acceptor = acceptor.clone();
        async move { acceptor.accept(stream).await }
    };
    tokio::spawn(http::serve(listener, accept, router, AGENTS, stop))
}

/// Removes exports that nobody asks for any more.
async fn expire(export: Arc<Export>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(Duration::from_secs(60)) => export.exports.forget_old(usize::MAX),
        }
    }
}

impl Parts {
    async fn end(mut self) {
        self.health.stopping();
        tokio::time::sleep(UNREADY).await;
        self.stop.ingest.cancel();
        // A task that panicked has said so.
        let _ = self.ingest.await;
        self.stop.others.cancel();
        while self.others.join_next().await.is_some() {}
        // All who could hand it something are gone.
        let _ = self.committer.await;
        let _ = self.export.await;
        self.store.close().await;
        self.stop.operations.cancel();
        let _ = self.operations.await;
        tracing::info!("ended");
    }
}
