//! `netwright check`: would these policies deny what was seen, and is there a mistake in them?

mod replay;
mod sources;

use super::exit::{ExitStatus, unless_nobody_reads};
use super::lint::{self, LintArgs, LintReport, Linted};
use super::review;
use super::table::Output;
use crate::replay::Replay;
use crate::review::{Decided, Review};
use jiff::civil::Date;
use netwright_policy::PolicySet;
use netwright_record::Observation;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Replay what was seen against policies, and lint them.
///
/// With an observation, every established edge is tried with every kind of pod that the workloads at its ends had while
/// they were watched, and every address that was kept. For each that is denied: the end that denies (the client's egress
/// or the server's ingress) and the policies that isolate that end.
///
/// Then the policies are linted for what the cluster holds: selectors that select nothing, ports of Services, egress
/// without DNS, rules that do nothing or too much. Without an observation they are only linted. What the cluster holds is
/// read from --inventory, else from the observation, else from beside the policies; without --policies those found there
/// are checked.
///
/// Exits with 3 if anything is denied, so that a pipeline fails before production does; and on warnings and errors of the
/// linter, where an observation is replayed on errors only: what was seen weighs more than what is usual (see --deny).
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The observation file.
    observation: Option<PathBuf>,
    /// The policies: a file, a folder (searched for *.yaml, *.yml and *.json), or `-` for stdin.
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// What the cluster holds: manifests, or what `kubectl get -A -o yaml` printed; a file, a folder, or `-` for stdin.
    #[arg(long, value_name = "PATH")]
    inventory: Option<PathBuf>,
    /// What people decided about what was seen: edges denied by it are to be denied [default: review.yaml beside the policies].
    #[arg(long, value_name = "FILE", requires = "observation")]
    review: Option<PathBuf>,
    /// The day on which decisions must not have expired [default: today].
    #[arg(long, value_name = "DATE", requires = "observation")]
    as_of: Option<Date>,
    /// Take a field that the API does not have for an error, not for a warning.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    lint: LintArgs,
    /// Replay only.
    #[arg(long, requires = "observation", conflicts_with_all = ["cni", "level", "allow", "deny", "inventory"])]
    no_lint: bool,
    /// Print every check, why it matters and what to do; with --cni also what is known of that enforcer.
    #[arg(long)]
    list: bool,
    /// The form of the result.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  netwright check FILE --policies policies   replay an observation, and lint
  netwright check --policies manifests       lint a folder of policies and workloads
  netwright check --list --cni kube-router   what is checked, and what kube-router does otherwise
  kubectl get deploy,sts,ds,po,svc,no,ns,netpol -A -o yaml |
    netwright check --inventory - --cni cilium";

/// Runs the verb.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    if args.list {
        lint::list(args.lint.cni, args.output, out)?;
        return Ok(ExitStatus::Success);
    }
    let (policies, observation, state) = sources::load(args)?;
    let replayed = observation.map(|observation| Replayed::new(args, observation, &policies)).transpose()?;
    let linted = state.map(|state| lint::run(&args.lint, &policies, &state, replayed.is_some()));
    let result = Checked { policies, replayed, linted };
    unless_nobody_reads(args.output.write(out, || result.report(), |out| result.table(out)))?;
    Ok(if result.has_findings() { ExitStatus::Findings } else { ExitStatus::Success })
}

/// An observation, and what the policies say to it.
struct Replayed {
    observation: Observation,
    decided: Decided,
    replay: Replay,
}

impl Replayed {
    fn new(args: &Args, observation: Observation, policies: &PolicySet) -> anyhow::Result<Self> {
        let beside = args.policies.as_deref().filter(|path| path.is_dir());
        let review = match (&args.review, beside) {
            (None, None) => Review::default(),
            (named, folder) => review::read(named.as_deref(), folder.unwrap_or(Path::new(".")))?,
        };
        let decided = review.apply(&observation, args.as_of.unwrap_or_else(review::today));
        let replay = replay::run(&observation, policies, &decided)?;
        Ok(Self { observation, decided, replay })
    }
}

/// All that was checked.
struct Checked {
    policies: PolicySet,
    replayed: Option<Replayed>,
    linted: Option<Linted>,
}

#[derive(Serialize)]
struct Report<'a> {
    policies: usize,
    #[serde(flatten)]
    replay: Option<replay::Report<'a>>,
    #[serde(flatten)]
    lint: Option<LintReport>,
}

impl Checked {
    fn has_findings(&self) -> bool {
        let denied =
            self.replayed.as_ref().is_some_and(|it| !it.replay.denied.is_empty() || !it.replay.not_denied.is_empty());
        denied || self.linted.as_ref().is_some_and(|linted| linted.fails)
    }

    fn table(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        if let Some(Replayed { observation, decided, replay }) = &self.replayed {
            replay::table(out, observation, &self.policies, replay)?;
            review::write(out, observation, decided)?;
        }
        if let Some(linted) = &self.linted {
            if self.replayed.is_some() && !linted.findings.is_empty() {
                writeln!(out)?;
            }
            lint::print(out, linted, self.policies.policies().len())?;
        }
        Ok(())
    }

    fn report(&self) -> Report<'_> {
        let replay = self.replayed.as_ref().map(|it| replay::report(&it.observation, &self.policies, &it.replay));
        let lint = self.linted.as_ref().map(LintReport::new);
        Report { policies: self.policies.policies().len(), replay, lint }
    }
}
