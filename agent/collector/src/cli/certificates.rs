//! Keeps the certificate in use valid, and agents told whom to trust.

use crate::metrics::Metrics;
use crate::store::Store;
use crate::tls::{Current, Files, Own, Publisher};
use anyhow::{Context as _, bail};
use clap::Args;
use kube::Client;
use netwright_record::Time;
use netwright_service::CancellationToken;
use netwright_service::health::Condition;
use std::path::PathBuf;
use std::time::Duration;

/// How often is looked whether something changed.
const EVERY: Duration = Duration::from_secs(30);
/// How soon after the start, until it is whole.
const AGAIN: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct TlsArgs {
    /// The certificate to show, PEM, with those between it and what agents trust; read again when it changes
    #[arg(long, env = "NETWRIGHT_TLS_CERTIFICATE", value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, env = "NETWRIGHT_TLS_KEY", value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// The names agents use for the collector, where it makes its certificate itself; may be given several times
    #[arg(
        long,
        env = "NETWRIGHT_TLS_NAME",
        value_name = "NAME",
        value_delimiter = ',',
        conflicts_with = "tls_certificate"
    )]
    tls_name: Vec<String>,
    /// The ConfigMap in --namespace that the collector's own authorities are written to, as `ca.crt`; it has to be there
    #[arg(long, env = "NETWRIGHT_CA_CONFIG_MAP", value_name = "NAME", conflicts_with = "tls_certificate")]
    ca_config_map: Option<String>,
}

/// Where the certificate comes from.
enum Source {
    Files(Files),
    Own(Box<Made>),
}

/// Certificates of our own, and who is told of them.
struct Made {
    own: Own,
    publisher: Option<Publisher>,
    authorities: String,
    /// For whoever is on the machine: agents outside of the cluster, and people with curl.
    file: PathBuf,
}

/// What keeps the certificate.
pub(super) struct Keeper {
    source: Source,
    current: Current,
    metrics: Metrics,
}

impl Keeper {
    pub(super) fn new(
        args: TlsArgs,
        store: &Store,
        data: &std::path::Path,
        (client, namespace): (&Client, &str),
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        let source = match (args.tls_certificate, args.tls_key) {
            (Some(certificate), Some(key)) => Source::Files(Files::new(certificate, key)),
            _ if args.tls_name.is_empty() => bail!(
                "give --tls-name, the name by which agents reach the collector, or --tls-certificate and --tls-key"
            ),
            _ => Source::Own(Box::new(Made {
                own: Own::new(store.clone(), args.tls_name),
                publisher: args.ca_config_map.map(|name| Publisher::new(client.clone(), namespace, &name)),
                authorities: String::new(),
                file: data.join("ca.crt"),
            })),
        };
        Ok(Self { source, current: Current::default(), metrics })
    }

    /// The certificate in use.
    pub(super) fn current(&self) -> Current {
        self.current.clone()
    }

    /// Makes or reads the certificate if that is due.
    ///
    /// # Errors
    /// It cannot be made or read: the one in use stays in use.
    pub(super) async fn refresh(&mut self) -> anyhow::Result<()> {
        let changed = match &mut self.source {
            Source::Files(files) => files.refresh(&self.current)?,
            Source::Own(made) => match made.own.refresh(&self.current, Time::now().as_second()).await? {
                None => None,
                Some((bundle, until)) => {
                    made.authorities = bundle.authorities();
                    std::fs::write(&made.file, &made.authorities)
                        .with_context(|| format!("cannot write {}", made.file.display()))?;
                    Some(until)
                }
            },
        };
        changed.map(|until| self.metrics.certificate_expiry.set(until));
        Ok(())
    }

    async fn keep(&mut self) -> anyhow::Result<()> {
        self.refresh().await?;
        self.publish().await
    }

    async fn publish(&self) -> anyhow::Result<()> {
        match &self.source {
            Source::Own(made) => match &made.publisher {
                Some(publisher) => publisher.publish(&made.authorities).await,
                None => Ok(()),
            },
            Source::Files(_) => Ok(()),
        }
    }

    /// Goes on until told to stop. `valid` is met once there is a certificate, and agents can know whom to trust.
    pub(super) async fn run(mut self, valid: Condition, stop: CancellationToken) {
        let mut pause = AGAIN;
        while !stop.is_cancelled() {
            match self.keep().await {
                Ok(()) => {
                    valid.met();
                    pause = EVERY;
                }
                Err(error) => {
                    self.metrics.certificate_errors.inc();
                    tracing::error!("{error:#}");
                    valid.unmet(format!("{error:#}"));
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
