//! Logs: JSON lines in a cluster, text for people at a terminal; always on stderr, since stdout is data.

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// The flags of every long-running program. Flatten them into its arguments.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// How logs are written
    #[arg(long, env = "NETWRIGHT_LOG_FORMAT", value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: Format,
    /// What is logged: a level, or directives such as `info,netwright_agent=debug`
    #[arg(long, env = "NETWRIGHT_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: String,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text where stderr is a terminal, else JSON
    #[default]
    Auto,
    /// One JSON object a line
    Json,
    /// For people
    Text,
}

/// Sends what is traced from now on to stderr. Call it once.
///
/// # Errors
/// The level is none, or logs go somewhere already.
pub fn init(args: &LogArgs) -> anyhow::Result<()> {
    // Of each failure of a watch it would tell, and who watches tells of the first.
    let filter = EnvFilter::try_new(format!("kube_runtime=error,{}", args.log_level))
        .with_context(|| format!("--log-level {:?}: expected error, warn, info, debug or trace", args.log_level))?;
    let terminal = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    let done = match (args.log_format, terminal) {
        (Format::Json, _) | (Format::Auto, false) => logs.json().flatten_event(true).try_init(),
        (Format::Text, _) | (Format::Auto, true) => {
            logs.with_target(false).with_ansi(terminal && std::env::var_os("NO_COLOR").is_none()).try_init()
        }
    };
    done.map_err(|error| anyhow::anyhow!("cannot begin to log: {error}"))
}
