//! `netwright dependencies`: who depends on whom, where it is entered, what holds it together, what to lock down first.
//!
//! A verb of its own and no format of `graph`: it answers questions and draws nothing, so its forms are those of the other
//! reports, and a filter that cuts links away would only make its answers wrong.

mod one;
mod report;

use super::exit::ExitStatus;
use super::observation;
use super::table::Output;
use crate::graph::DependencyGraph;
use crate::graph::analysis::Dependencies;
use crate::graph::filter::{FilterError, WorkloadFilter};
use crate::graph::vertex::{Folded, Vertex};
use crate::graph::views::By;
use crate::state::reference::near;
use netwright_record::Endpoint;
use std::io::Write;
use std::path::PathBuf;

/// Say who depends on whom, and what to lock down first.
///
/// Where the cluster is entered, groups of workloads that depend on each other, workloads without which others would not
/// be connected at all, the largest blast radii (all that depend on a workload, directly or by way of others), and the
/// order in which to lock down: whoever nobody depends on first, those that depend on each other together.
///
/// Only connections that got through count, and no probes of kubelets. With --of, the answers for one workload: who would
/// notice if it failed, and what does it need?
///
///   netwright dependencies shop.nwo --of shop/cart
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The observation file.
    observation: PathBuf,
    /// Only what depends on this workload, and what it needs: NAMESPACE/NAME or NAMESPACE/KIND/NAME.
    #[arg(long, value_name = "NS/NAME", value_parser = super::filters::workload, conflicts_with = "by")]
    of: Option<WorkloadFilter>,
    /// What to take together.
    #[arg(long, value_enum, default_value_t = By::Workload)]
    by: By,
    /// How many of a kind to list.
    #[arg(long, default_value_t = 10, value_name = "N")]
    top: usize,
    /// The form of the report.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Runs the verb.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let observation = observation::read_with_edges(&args.observation)?;
    let graph = DependencyGraph::new(&observation).view(args.by, &observation.inventory);
    let dependencies = Dependencies::new(&graph);
    match &args.of {
        Some(wanted) => {
            let report = one::Report::new(&dependencies, find(&dependencies, wanted)?);
            args.output.write(out, || &report, |out| Ok(one::write(out, &report)?))?;
        }
        None => {
            let report = report::Report::new(&dependencies, args.by, args.top);
            args.output.write(out, || &report, |out| Ok(report::write(out, &report)?))?;
        }
    }
    Ok(ExitStatus::Success)
}

/// The workload of that name.
fn find(dependencies: &Dependencies, wanted: &WorkloadFilter) -> anyhow::Result<usize> {
    let workload = |number: usize| match dependencies.vertex(number)? {
        Vertex::Endpoint(Endpoint::Workload(workload)) | Vertex::Folded(Folded::HostNetworkWorkload(workload)) => {
            Some(workload)
        }
        _ => None,
    };
    let known = || dependencies.workloads().filter_map(|number| Some((number, workload(number)?)));
    let found: Vec<usize> =
        known().filter(|(_, workload)| wanted.matches(workload)).map(|(number, _)| number).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => {
            let known: Vec<String> = known().map(|(_, known)| format!("{}/{}", known.namespace, known.name)).collect();
            let near = near(&wanted.written(), known.iter().cloned());
            Err(FilterError::Unknown { what: "workload", written: wanted.written(), near, known }.into())
        }
        several => {
            let names = several.iter().filter_map(|number| workload(*number)).map(ToString::to_string);
            anyhow::bail!(
                "{}: more than one workload has this name: write {}",
                crate::text::plain(&wanted.written()),
                names.collect::<Vec<_>>().join(" or ")
            )
        }
    }
}
