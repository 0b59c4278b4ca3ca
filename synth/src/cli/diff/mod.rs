//! `netwright diff`: what two policy sets allow differently, or what two observations saw differently.

mod observations;
mod policies;

use super::exit::{ExitStatus, misuse};
use super::inventory::name;
use super::observation;
use super::table::Output;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Compare two policy sets by what they allow, or two observations by what they saw.
///
/// Policies: what B allows and A does not, and the reverse, by pair of workloads or block of addresses, and by ports. Texts
/// are not compared: rules may be written otherwise, split or joined. The answer holds for the workloads of one inventory;
/// for others it may differ.
///
/// Observations: connections that only one of them saw established, by the names of workloads, ports and protocols: staging
/// against production. Addresses and names of nodes play no part.
///
/// Exits with 0 if they are the same, with 1 if not, with 2 if they could not be compared.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The earlier policies (a file, a folder, or `-` for stdin), or the first observation.
    a: PathBuf,
    /// The later policies (likewise), or the second observation.
    b: PathBuf,
    /// Policies: what the cluster holds: manifests, what `kubectl get -A -o yaml` printed, or an observation; a file, a
    /// folder, or `-` for stdin. Without it: the workloads beside B, or else those beside A.
    #[arg(long, value_name = "PATH")]
    inventory: Option<PathBuf>,
    /// Policies: take a field that the API does not have for an error, not for a warning.
    #[arg(long)]
    strict: bool,
    /// Observations: a namespace of A that is called otherwise in B; may be given several times.
    #[arg(long, value_name = "FROM=TO", value_parser = namespaces)]
    map_namespace: Vec<(String, String)>,
    /// The form of the result.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

fn namespaces(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((from, to)) if !from.is_empty() && !to.is_empty() => Ok((from.to_owned(), to.to_owned())),
        _ => Err("must be two names like staging=production".to_owned()),
    }
}

/// Runs the verb.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    only_one_stdin(args)?;
    let equal = match (observation::is_at(&args.a)?, observation::is_at(&args.b)?) {
        (true, true) if args.inventory.is_some() || args.strict => {
            return misuse("--inventory and --strict are for policies: an observation holds its own inventory");
        }
        (true, true) => observations::compare(args, out)?,
        (false, false) if !args.map_namespace.is_empty() => {
            return misuse(
                "--map-namespace is for observations: policies are compared over one inventory, by its own names",
            );
        }
        (false, false) => policies::compare(args, out)?,
        (a, _) => {
            let (observation, other) = if a { (&args.a, &args.b) } else { (&args.b, &args.a) };
            return misuse(format!(
                "{} is an observation and {} is not: compare two observations, or two policy sets; `netwright check` holds one against the other",
                name(observation),
                name(other)
            ));
        }
    };
    Ok(if equal { ExitStatus::Success } else { ExitStatus::Different })
}

fn only_one_stdin(args: &Args) -> anyhow::Result<()> {
    let places = [Some(&args.a), Some(&args.b), args.inventory.as_ref()];
    if places.into_iter().flatten().filter(|place| place.as_path() == Path::new("-")).count() > 1 {
        return misuse("only one of A, B and --inventory can be `-`: stdin can be read once");
    }
    Ok(())
}
