//! `netwright-collector serve`: everything a collector does, until it is told to stop.

use super::StoreArgs;
use crate::export::{self, Export, Exports};
use crate::ingest::tls::{self, Loaded, Serving, Source};
use crate::ingest::token::Tokens;
use crate::ingest::{self, Ingest};
use crate::merge::{self, Monitor, Options, Settling};
use crate::metrics::Metrics;
use crate::store::Store;
use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use netwright_service::config::ConfigFile;
use netwright_service::health::{Condition, Health};
use netwright_service::http::Limits;
use netwright_service::logs::LogArgs;
use netwright_service::{CancellationToken, http, operations, shutdown, value};
use prometheus_client::registry::Registry;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// How often certificates, the store and the counters are looked at.
const LOOK: Duration = Duration::from_secs(15);
/// How long the merge may be silent: a round over a full inbox, or a database that hangs.
const SILENCE: Duration = Duration::from_secs(600);
/// Thousands of agents, each with one connection.
const AGENTS: Limits = Limits { connections: 8192, head: Duration::from_secs(10), drain: Duration::from_secs(15) };
/// People.
const PEOPLE: Limits = Limits { connections: 16, head: Duration::from_secs(10), drain: Duration::from_secs(5) };

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    pub(super) logs: LogArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// The cluster's name, for what is handed out.
    #[arg(long, env = "NETWRIGHT_CLUSTER", value_name = "NAME")]
    cluster: Option<String>,
    /// The namespace of the agents and of the ConfigMap.
    #[arg(long, env = "NETWRIGHT_NAMESPACE", default_value = "netwright", value_name = "NAMESPACE")]
    namespace: String,
    /// The ServiceAccount of the agents.
    #[arg(long, env = "NETWRIGHT_AGENT_SERVICE_ACCOUNT", default_value = "netwright-agent", value_name = "NAME")]
    agent_service_account: String,
    /// Where agents send to.
    #[arg(long, env = "NETWRIGHT_LISTEN", default_value = "0.0.0.0:8443", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The port of the loopback address on which observations and the status are handed out.
    #[arg(long, env = "NETWRIGHT_EXPORT_PORT", default_value_t = 8444, value_name = "PORT")]
    export_port: u16,
    /// Where health and metrics are served.
    #[arg(long, env = "NETWRIGHT_HEALTH_LISTEN", default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    health_listen: SocketAddr,
    /// The certificate, PEM. It is read again when it changes. Without one, the collector makes its own.
    #[arg(long, env = "NETWRIGHT_TLS_CERTIFICATE", value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, env = "NETWRIGHT_TLS_KEY", value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// A name for the certificate that the collector makes. May be given several times.
    #[arg(
        long = "tls-name",
        env = "NETWRIGHT_TLS_NAME",
        value_delimiter = ',',
        default_value = "localhost",
        value_name = "NAME"
    )]
    tls_names: Vec<String>,
    /// The ConfigMap to which the certificates are written that agents have to trust.
    #[arg(long, env = "NETWRIGHT_CA_CONFIG_MAP", value_name = "NAME")]
    ca_config_map: Option<String>,
    /// How far back is remembered.
    #[arg(long, env = "NETWRIGHT_WINDOW", default_value = "14d", value_name = "DURATION", value_parser = value::duration)]
    window: Duration,
    /// How far all agents must have reported past a segment before it is merged.
    #[arg(long, env = "NETWRIGHT_SETTLE", default_value = "15s", value_name = "DURATION", value_parser = value::duration)]
    settle: Duration,
    /// For how long a silent agent is waited for.
    #[arg(long, env = "NETWRIGHT_SETTLE_LIMIT", default_value = "2m", value_name = "DURATION", value_parser = value::duration)]
    settle_limit: Duration,
    /// For how long a flow without a name is tried again, and pods that are gone are remembered for it.
    #[arg(long, env = "NETWRIGHT_PATIENCE", default_value = "48h", value_name = "DURATION", value_parser = value::duration)]
    patience: Duration,
    /// How many destinations are kept of one workload; beyond that those outside the cluster become one.
    #[arg(long, env = "NETWRIGHT_MOST_DESTINATIONS", default_value_t = 4096, value_name = "N")]
    most_destinations: u32,
    /// How many bytes of segments may wait to be merged; beyond that agents are told to come again.
    #[arg(long, env = "NETWRIGHT_INBOX_BYTES", default_value = "2Gi", value_name = "BYTES", value_parser = value::bytes)]
    inbox_bytes: u64,
}

/// Runs the verb.
pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let stop = shutdown::on_signals()?;
    let (health, metrics) = (Health::new(), Arc::new(Metrics::default()));
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let (stored, inventory) = (health.startup("store"), health.startup("inventory"));
    let (answering, current) = (health.readiness("store"), health.readiness("merge"));
    let stop_health = CancellationToken::new();
    let (_, operations) =
        operations::serve(args.health_listen, health.clone(), Arc::new(registry), stop_health.clone()).await?;

    let store = open(&args).await?;
    stored.met();
    answering.met();
    let client = Client::try_default().await.context("cannot learn how to reach the API server")?;
    let (source, serving) = serving(&args, &store, &client, &metrics).await?;
    let exports = Arc::new(Exports::new(&args.store.data.join("exports"))?);
    let monitor = Monitor::default();
    let options = options(&args);

    let (committer, committing) = ingest::committer(store.clone(), args.inbox_bytes);
    let tokens = Arc::new(Tokens::new(client.clone(), &args.namespace, &args.agent_service_account));
    let agents = ingest::router(Ingest { tokens, committer, metrics: metrics.clone() });
    let people = export::router(Export {
        store: store.clone(),
        cluster: args.cluster.clone().filter(|name| !name.is_empty()),
        exports,
        monitor: monitor.clone(),
        window: options.window,
        one: Arc::default(),
    });
    let acceptor = TlsAcceptor::from(Arc::new(serving.config()?));
    let accept = move |stream: TcpStream| acceptor.accept(stream);
    let serving_agents = tokio::spawn(http::serve(listen(args.listen).await?, accept, agents, AGENTS, stop.clone()));
    let export_address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.export_port));
    let plain = |stream: TcpStream| async { Ok(stream) };
    let serving_people = tokio::spawn(http::serve(listen(export_address).await?, plain, people, PEOPLE, stop.clone()));
    tracing::info!(address = %args.listen, store = store.shown(), "serving");

    let heartbeat = health.heartbeat("merge", SILENCE);
    let merging = {
        let (store, client, monitor, stop) = (store.clone(), client.clone(), monitor.clone(), stop.clone());
        tokio::spawn(async move { merge::run(&store, &client, options, &monitor, &heartbeat, &stop).await })
    };
    let look = Look {
        args: &args,
        store: &store,
        client: &client,
        metrics: &metrics,
        monitor: &monitor,
        source: &source,
        serving: &serving,
    };
    look.keep_looking(&stop, &inventory, &answering, &current).await;

    health.stopping();
    tracing::info!("stopping: finishing what is under way");
    let _ = tokio::join!(serving_agents, serving_people, merging);
    // With the last server the last committer has gone.
    let _ = committing.await;
    store.close().await;
    stop_health.cancel();
    let _ = operations.await;
    Ok(())
}

async fn open(args: &Args) -> anyhow::Result<Store> {
    std::fs::create_dir_all(&args.store.data)
        .with_context(|| format!("cannot make the data folder {}", args.store.data.display()))?;
    let store = Store::open(&args.store.url()).await?;
    store.migrate().await?;
    Ok(store)
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

fn options(args: &Args) -> Options {
    let signed = |duration: Duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    Options {
        settling: Settling { margin: signed(args.settle), limit: signed(args.settle_limit) },
        patience: signed(args.patience),
        most_destinations: args.most_destinations,
        window: signed(args.window),
        ..Options::default()
    }
}

/// The certificate to begin with, published where it is our own.
async fn serving(args: &Args, store: &Store, client: &Client, metrics: &Metrics) -> anyhow::Result<(Source, Serving)> {
    let source = match (&args.tls_certificate, &args.tls_key) {
        (Some(certificate), Some(key)) => Source::Files(certificate.clone(), key.clone()),
        _ => Source::Own(args.tls_names.clone()),
    };
    let loaded = tls::load(&source, store, Timestamp::now()).await?;
    metrics.certificate_expires(loaded.expires);
    publish(args, client, &loaded).await?;
    Ok((source, Serving::new(loaded)))
}

async fn publish(args: &Args, client: &Client, loaded: &Loaded) -> anyhow::Result<()> {
    match (&args.ca_config_map, &loaded.authorities) {
        (Some(map), Some(authorities)) => tls::publish(client, &args.namespace, map, authorities).await,
        _ => Ok(()),
    }
}

/// What is looked at every now and then.
struct Look<'a> {
    args: &'a Args,
    store: &'a Store,
    client: &'a Client,
    metrics: &'a Metrics,
    monitor: &'a Monitor,
    source: &'a Source,
    serving: &'a Serving,
}

impl Look<'_> {
    async fn keep_looking(
        &self,
        stop: &CancellationToken,
        inventory: &Condition,
        store: &Condition,
        merge: &Condition,
    ) {
        let mut interval = tokio::time::interval(Duration::from_secs(1));
        let mut rounds = 0u64;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = interval.tick() => {}
            }
            self.conditions(inventory, merge);
            if rounds.is_multiple_of(LOOK.as_secs()) {
                self.metrics.merging(self.monitor);
                match self.metrics.stored(self.store, Timestamp::now()).await {
                    Ok(()) => store.met(),
                    Err(error) => {
                        self.metrics.store_error();
                        store.unmet(error.to_string());
                    }
                }
                if rounds > 0 {
                    self.renew().await;
                }
            }
            rounds += 1;
        }
    }

    /// Not being the one who merges is no failing.
    fn conditions(&self, inventory: &Condition, merge: &Condition) {
        let state = self.monitor.state();
        let watch = state.watch.as_ref();
        match watch.and_then(|watch| watch.missing()) {
            Some(missing) => inventory.unmet(missing),
            None if state.leading || state.failure.is_none() => inventory.met(),
            None => {}
        }
        match (&state.failure, watch.and_then(|watch| watch.missing())) {
            (Some(failure), _) => merge.unmet(failure.clone()),
            (None, Some(missing)) => merge.unmet(missing),
            (None, None) => merge.met(),
        }
    }

    /// Takes up a certificate that has changed, or makes one anew that is about to expire.
    async fn renew(&self) {
        let loaded = match tls::load(self.source, self.store, Timestamp::now()).await {
            Ok(loaded) => loaded,
            Err(error) => return tracing::error!("the certificate in use is kept: {error:#}"),
        };
        self.metrics.certificate_expires(loaded.expires);
        // First those who have to trust it.
        match publish(self.args, self.client, &loaded).await {
            Ok(()) => self.serving.replace(loaded),
            Err(error) => tracing::error!("{error:#}"),
        }
    }
}
