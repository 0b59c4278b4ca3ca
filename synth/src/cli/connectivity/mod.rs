//! `netwright connectivity`: everything that policies allow.

mod csv;
mod dot;
mod list;
mod table;

use super::exit::ExitStatus;
use super::inventory::SourceArgs;
use super::{interrupt, progress, tell};
use crate::connectivity::{By, Connectivity, Entry, Units};
use crate::state::State;
use clap::ValueEnum;
use netwright_policy::{Direction, NetworkPolicy, Peer, PolicySet};
use std::io::Write;

/// List everything that policies allow: who may connect to whom, and on which ports.
///
/// Between the workloads of a cluster, or its pods, and between them and all addresses. No cluster is needed: plain
/// manifests will do, where a workload's template stands for its pods. As policies see only the pod behind a Service,
/// ports are those that pods listen on.
///
/// Not listed, since no policy can forbid it: a pod to itself, and a node to its own pods. Host-network pods are their
/// nodes: no policy selects them, and others see them by the node's addresses. Without an inventory of addresses, only
/// what is open to every address is open to them. Addresses are listed whether somebody has them or not; a pod is
/// listed by name, though an ipBlock matches its address too.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    sources: SourceArgs,
    /// What to take together.
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// Only what is open to everyone: to every pod of every namespace, or to every public address.
    #[arg(long)]
    exposed: bool,
    /// The form of the list.
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// The form of the list. For people a range of addresses is one line; programs get it in blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Aligned columns, for people.
    #[default]
    Table,
    /// Comma-separated values, a line for each range of ports.
    Csv,
    /// Graphviz.
    Dot,
    /// A JSON list of {src, dst, conns}, for programs.
    Json,
    /// The same as YAML.
    Yaml,
}

/// Runs the verb.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let (policies, state) = args.sources.load()?;
    tell_of_unknown_addresses(&state, &policies);
    let units = Units::new(&state, args.by, &[&policies]);
    let list = List { connectivity: Connectivity::new(&units, &policies), exposed: args.exposed };
    interrupt::watch();
    let mut out = std::io::BufWriter::new(out);
    match args.output {
        Form::Table => table::write(&mut out, &list)?,
        Form::Csv => csv::write(&mut out, &list)?,
        Form::Dot => dot::write(&mut out, &units, &list)?,
        Form::Json => list::json(&mut out, &list)?,
        Form::Yaml => list::yaml(&mut out, &list)?,
    }
    out.flush()?;
    Ok(ExitStatus::Success)
}

/// An `ipBlock` may admit pods too; of templates nobody knows.
fn tell_of_unknown_addresses(state: &State, policies: &PolicySet) {
    let unknown = state.pods.iter().filter(|pod| !pod.host_network && pod.pod.addresses.is_empty()).count();
    let is_block = |peer: &Peer| matches!(peer, Peer::IpBlock(_));
    let has_block = |policy: &NetworkPolicy| {
        let rules = [Direction::Ingress, Direction::Egress].into_iter().filter_map(|direction| policy.rules(direction));
        rules.flatten().filter_map(|rule| rule.peers.as_ref()).flatten().any(is_block)
    };
    if unknown > 0 && policies.policies().iter().any(has_block) {
        tell(&format!(
            "note: no address of {unknown} pods is known, so no ipBlock is held against them; with the pods in the inventory (kubectl get pods -A -o yaml) more may be allowed"
        ));
    }
}

/// The entries to write; made one by one, as there may be very many.
struct List<'a> {
    connectivity: Connectivity<'a>,
    exposed: bool,
}

impl<'a> List<'a> {
    /// Calls `write` with one after the other, until it fails or someone asks to stop.
    fn each(&self, mut write: impl FnMut(&Entry<'a>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let count = progress::count("connections");
        let mut next = |entry: &Entry<'a>| {
            interrupt::asked()?;
            count.inc(1);
            write(entry)
        };
        let done = if self.exposed {
            self.connectivity.exposed().try_for_each(|entry| next(&entry))
        } else {
            self.connectivity.visit(|entry| next(&entry))
        };
        count.finish_and_clear();
        done
    }

    /// As [`List::each`], with addresses in blocks.
    fn each_block(&self, mut write: impl FnMut(&Entry<'a>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.each(|entry| entry.by_block().try_for_each(|entry| write(&entry)))
    }
}
