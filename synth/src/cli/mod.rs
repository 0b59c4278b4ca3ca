//! The command line: one verb a file, each with its `Args` and a `run` that returns an [`ExitStatus`].
//!
//! stdout is data, for a person or a pipe; progress, warnings and errors go to stderr.

pub mod check;
pub mod connectivity;
pub mod diff;
pub mod exit;
pub mod explain;
pub mod graph;
pub mod inspect;
pub mod interrupt;
pub mod inventory;
pub mod lint;
pub mod observation;
pub mod policies;
pub mod progress;
pub mod summary;
pub mod synth;
pub mod table;

use clap::{Parser, Subcommand};
use exit::ExitStatus;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Writes least-privilege NetworkPolicies from what was seen in a cluster, and proves them.
///
/// Netwright works from an observation: a file in which the agents of a cluster have noted
/// who talks to whom (`netwright-agent observe`). It needs no access to the cluster.
///
/// A usual round:
///
///   netwright inspect FILE                     is it whole? what was lost?
///   netwright graph FILE --format dot          who talks to whom?
///   netwright synth FILE --out policies        write the policies, and prove them
///   netwright check FILE --policies policies   prove them again after an edit
#[derive(Debug, Parser)]
#[command(name = "netwright", version, verbatim_doc_comment, after_help = AFTER_HELP)]
struct Netwright {
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 error; 2 wrong usage; 3 findings (connections that are denied, or warnings);
130 interrupted. Those of diff: 0 the same; 1 different; 2 could not compare.
Environment: RUST_LOG sets what is logged to stderr (default: warn); NO_COLOR turns colours off.";

#[derive(Debug, Subcommand)]
enum Verb {
    Synth(synth::Args),
    Check(check::Args),
    Connectivity(connectivity::Args),
    Diff(diff::Args),
    Graph(graph::Args),
    Inspect(inspect::Args),
    Explain(explain::Args),
}

/// Runs the command with the process's arguments.
pub fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours).without_time().init();
    run(std::env::args_os(), &mut io::stdout().lock()).into()
}

/// Runs the command with `arguments` (the program's name first), writing data to `out`.
pub fn run(arguments: impl IntoIterator<Item = OsString>, out: &mut dyn Write) -> ExitStatus {
    let parsed = match Netwright::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Nothing is left to be told to if stdout or stderr is gone.
            let _ = error.print();
            return if error.use_stderr() { ExitStatus::Usage } else { ExitStatus::Success };
        }
    };
    // Scripts know the exit codes of diff(1).
    let failed = if matches!(parsed.verb, Verb::Diff(_)) { ExitStatus::Trouble } else { ExitStatus::Error };
    let result = match parsed.verb {
        Verb::Synth(arguments) => synth::run(&arguments, out),
        Verb::Check(arguments) => check::run(&arguments, out),
        Verb::Connectivity(arguments) => connectivity::run(&arguments, out),
        Verb::Diff(arguments) => diff::run(&arguments, out),
        Verb::Graph(arguments) => graph::run(&arguments, out),
        Verb::Inspect(arguments) => inspect::run(&arguments, out),
        Verb::Explain(arguments) => explain::run(&arguments, out),
    };
    match result.and_then(|status| Ok(out.flush().map(|()| status)?)) {
        Ok(status) => status,
        Err(error) if is_broken_pipe(&error) => ExitStatus::Success,
        Err(error) => {
            tell(&format!("error: {}", message(&error)));
            if interrupt::is_cause(&error) { ExitStatus::Interrupted } else { failed }
        }
    }
}

/// Whether the reader of stdout went away (`netwright … | head`): no error, there is just nobody left to tell.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// The error with its causes, each said once: most messages already hold the cause.
fn message(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |message, cause| {
        if message.contains(&cause) { message } else { format!("{message}: {cause}") }
    })
}

/// Says something to the person, on stderr.
fn tell(message: &str) {
    // If stderr is closed there is no better place to report it.
    let _ = writeln!(io::stderr(), "{message}");
}
