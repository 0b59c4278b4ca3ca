//! The command line of `netwright-collector`: one file a verb, each with its `Args` and `run`.

mod backup;
mod certificates;
mod gauges;
mod migrate;
mod serve;
mod store;

use clap::{Parser, Subcommand};
use netwright_service::config;
use std::process::ExitCode;

/// Takes what the agents of a cluster saw, names both ends, keeps the window, and hands it out.
#[derive(Debug, Parser)]
#[command(name = "netwright-collector", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Take segments in, merge them, and hand out what was kept, until told to stop.
    Serve(Box<serve::Args>),
    /// Make the tables of the store, or bring them up to date; `serve` does so, too.
    Migrate(migrate::Args),
    /// Copy a SQLite store to a new file, while it is in use.
    Backup(backup::Args),
}

/// Parses the command line and carries it out. Exit codes: 0 done, 1 an error (told on stderr), 2 wrong usage.
pub fn main() -> ExitCode {
    let cli: Cli = config::parse();
    let result = match cli.verb {
        Verb::Serve(args) => serve::run(*args),
        Verb::Migrate(args) => migrate::run(&args),
        Verb::Backup(args) => backup::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            fail(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "where logs could not begin, an error would be lost")]
fn fail(error: &anyhow::Error) {
    if tracing::dispatcher::has_been_set() {
        tracing::error!("{error:#}");
    } else {
        eprintln!("error: {error:#}");
    }
}

/// Runs what is asynchronous.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}
