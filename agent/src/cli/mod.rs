//! The command line of `netwright-agent`: one file a verb, each with its `Args` and `run`.

mod assemble;
mod capabilities;
mod capture;
mod doctor;
mod inventory;
mod observe;
mod run;

use clap::{Parser, Subcommand};
use netwright_service::config;
use std::io::IsTerminal as _;
use std::process::ExitCode;

/// Records on this node who talks to whom, with eBPF.
#[derive(Debug, Parser)]
#[command(name = "netwright-agent", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Record until told to stop, and write one observation file.
    Observe(observe::Args),
    /// Record on a node of a cluster, and ship what was recorded to the collector.
    Run(Box<run::Args>),
    /// Make an observation file of the segments that a run left behind, or name the ends of one that was recorded without an inventory.
    Assemble(assemble::Args),
    /// Say what this host lacks, and what would be degraded.
    Doctor(doctor::Args),
}

/// Parses the command line and carries it out. Exit codes: 0 done, 1 an error (told on stderr), 2 wrong usage, 3 `doctor` found something missing.
pub fn main() -> ExitCode {
    let cli: Cli = config::parse();
    if !matches!(cli.verb, Verb::Run(_)) {
        log_for_people();
    }
    let result = match cli.verb {
        Verb::Observe(args) => observe::run(args).map(|()| ExitCode::SUCCESS),
        Verb::Run(args) => run::run(&args).map(|()| ExitCode::SUCCESS),
        Verb::Assemble(args) => assemble::run(args).map(|()| ExitCode::SUCCESS),
        Verb::Doctor(args) => doctor::run(&args, &mut std::io::stdout().lock()),
    };
    result.unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        ExitCode::FAILURE
    })
}

/// What is run by hand logs for a terminal.
fn log_for_people() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("NETWRIGHT_LOG").unwrap_or_else(|_| "info".into()))
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .init();
}
