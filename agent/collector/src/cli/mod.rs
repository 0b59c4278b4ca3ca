//! The command line of `netwright-collector`.

mod serve;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use netwright_service::{config, logs};
use std::path::PathBuf;
use std::process::ExitCode;

/// Takes what the agents of a cluster saw, names both ends, and keeps the window.
#[derive(Debug, Parser)]
#[command(name = "netwright-collector", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Take in segments, merge them, and hand out what is kept, until told to stop.
    Serve(Box<serve::Args>),
    /// Make the tables of the store, or bring them up to date, and end. `serve` does so by itself.
    Migrate(StoreArgs),
    /// Write a copy of the SQLite store while it is in use.
    Backup(BackupArgs),
}

/// Where things are kept.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StoreArgs {
    /// The folder for the SQLite file and for snapshots.
    #[arg(long, env = "NETWRIGHT_DATA", default_value = "/var/lib/netwright", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The store: sqlite:PATH or postgres://… . Default: netwright.sqlite in the data folder. A URL with a password belongs into the
    /// environment.
    #[arg(long, env = "NETWRIGHT_STORE", value_name = "URL", hide_env_values = true)]
    pub(crate) store: Option<String>,
}

impl StoreArgs {
    pub(crate) fn url(&self) -> String {
        let own = || format!("sqlite:{}", self.data.join("netwright.sqlite").display());
        self.store.clone().filter(|url| !url.is_empty()).unwrap_or_else(own)
    }
}

#[derive(Debug, clap::Args)]
struct BackupArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// The file to write. It must not exist.
    file: PathBuf,
}

/// Parses the command line and carries it out. Exit codes: 0 done, 1 an error (told on stderr), 2 wrong usage.
pub fn main() -> ExitCode {
    let cli: Cli = config::parse();
    match run(cli.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the event loop")?;
    match verb {
        Verb::Serve(args) => {
            logs::init(&args.logs)?;
            runtime.block_on(serve::run(*args))
        }
        Verb::Migrate(args) => {
            logs::init(&plain())?;
            runtime.block_on(async { crate::store::Store::open(&args.url()).await?.migrate().await })?;
            Ok(())
        }
        Verb::Backup(args) => {
            logs::init(&plain())?;
            runtime.block_on(async { crate::store::Store::open(&args.store.url()).await?.backup(&args.file).await })?;
            Ok(())
        }
    }
}

fn plain() -> logs::LogArgs {
    logs::LogArgs { log_format: logs::Format::default(), log_level: "info".to_owned() }
}
