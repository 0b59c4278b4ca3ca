//! The command line: one verb a file, each with its `Args` and a `run` that returns an [`ExitStatus`].
//!
//! stdout is data, for a person or a pipe; progress, warnings and errors go to stderr.

pub mod check;
pub mod connectivity;
pub mod dependencies;
pub mod diff;
pub mod exit;
pub mod explain;
pub mod filters;
pub mod graph;
pub mod inspect;
pub mod interrupt;
pub mod inventory;
pub mod lint;
pub mod merge;
pub mod observation;
pub mod place;
pub mod policies;
pub mod progress;
pub mod pull;
pub mod review;
pub mod status;
pub mod summary;
pub mod synth;
pub mod table;

use crate::text;
use clap::{Parser, Subcommand};
use exit::ExitStatus;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Writes least-privilege NetworkPolicies from what was seen in a cluster, and proves them.
///
/// Netwright works from an observation: a file in which the agents of a cluster have noted
/// who talks to whom. Only `status` and `pull` go to a cluster, to bring one home; the rest needs no access.
///
/// A usual round:
///
///   netwright status                           is everything watched?
///   netwright pull -o FILE                     bring home what was seen
///   netwright inspect FILE                     is it whole? what was lost?
///   netwright graph FILE --format dot          who talks to whom?
///   netwright dependencies FILE                who depends on whom? what to lock down first?
///   netwright synth FILE --out policies        write the policies, and prove them
///   netwright check FILE --policies policies   prove them again after an edit, and lint them
///
/// Policies, whoever wrote them, over an observation, plain manifests or what kubectl prints:
///
///   netwright connectivity --policies policies --inventory FILE   all that they allow
///   netwright explain shop/web shop/svc/cart --port 80 --policies policies --inventory FILE
///                                                                 why can web not call cart?
///   netwright diff old new --inventory FILE                       what does the edit open or close?
///   netwright check --policies policies --inventory FILE          mistakes in them
#[derive(Debug, Parser)]
#[command(name = "netwright", version, verbatim_doc_comment, after_help = AFTER_HELP)]
struct Netwright {
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done, nothing to object to; 1 error; 2 wrong usage; 130 interrupted;
3 findings: check has denied connections or warnings, explain a connection that is not allowed,
status something that wants attention.
Those of diff: 0 the same; 1 different; 2 could not be compared, or wrong usage.
Environment: RUST_LOG sets what is logged to stderr (default: warn); NO_COLOR turns colours off.";

#[derive(Debug, Subcommand)]
enum Verb {
    Status(status::Args),
    Pull(pull::Args),
    Merge(merge::Args),
    Inspect(inspect::Args),
    Graph(graph::Args),
    Dependencies(dependencies::Args),
    Synth(synth::Args),
    Check(check::Args),
    Connectivity(connectivity::Args),
    Explain(explain::Args),
    Diff(diff::Args),
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
        Verb::Status(arguments) => status::run(&arguments, out),
        Verb::Pull(arguments) => pull::run(&arguments, out),
        Verb::Merge(arguments) => merge::run(&arguments, out),
        Verb::Synth(arguments) => synth::run(&arguments, out),
        Verb::Check(arguments) => check::run(&arguments, out),
        Verb::Connectivity(arguments) => connectivity::run(&arguments, out),
        Verb::Diff(arguments) => diff::run(&arguments, out),
        Verb::Graph(arguments) => graph::run(&arguments, out),
        Verb::Dependencies(arguments) => dependencies::run(&arguments, out),
        Verb::Inspect(arguments) => inspect::run(&arguments, out),
        Verb::Explain(arguments) => explain::run(&arguments, out),
    };
    let flushed = |out: &mut dyn Write| exit::unless_nobody_reads(out.flush().map_err(Into::into));
    match result.and_then(|status| flushed(out).map(|()| status)) {
        Ok(status) => status,
        Err(error) => report(&error, failed),
    }
}

/// Says what went wrong, and what that means for the exit code; `failed` if it means nothing else.
fn report(error: &anyhow::Error, failed: ExitStatus) -> ExitStatus {
    if exit::is_broken_pipe(error) {
        return ExitStatus::Success;
    }
    tell(&format!("error: {}", message(error)));
    if interrupt::is_cause(error) {
        ExitStatus::Interrupted
    } else if error.is::<exit::Misuse>() {
        ExitStatus::Usage
    } else {
        failed
    }
}

/// The error with its causes, each said once: most messages already hold the cause.
fn message(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |message, cause| {
        if message.contains(&cause) { message } else { format!("{message}: {cause}") }
    })
}

/// Says something to the person, on stderr. Its lines are made safe for a terminal, as far as they are not yet.
fn tell(message: &str) {
    for line in message.split('\n') {
        // If stderr is closed there is no better place to report it.
        let _ = writeln!(io::stderr(), "{}", text::visible(line));
    }
}
