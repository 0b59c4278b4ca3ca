//! `netwright graph`: draw who talks to whom.

use super::exit::ExitStatus;
use super::filters::FilterArgs;
use super::observation;
use crate::export;
use crate::graph::views::By;
use anyhow::Context;
use clap::ValueEnum;
use std::io::Write;
use std::path::PathBuf;

/// Draw who talks to whom, with the namespaces as frames
///
/// Ports stand on the arrows as port/protocol; what was never established is dashed. For a picture:
///
///   netwright graph shop.nwo --format dot | dot -Tsvg -o shop.svg
///
/// Who calls my service, whom does it call, and what do those call? What left the cluster in the last three days?
///
///   netwright graph shop.nwo --format mermaid --workload shop/cart --direction out --depth 2
///   netwright graph shop.nwo --format dot --only-outside --since 3d
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The observation file.
    observation: PathBuf,
    /// The format.
    #[arg(long, value_enum)]
    format: Format,
    /// What to take together.
    #[arg(long, value_enum, default_value_t = By::Endpoint)]
    by: By,
    #[command(flatten)]
    filters: FilterArgs,
    /// The file to write; stdout without it.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Graphviz.
    Dot,
    /// Mermaid flowchart, for Markdown pages.
    Mermaid,
    /// GraphML, for graph tools.
    Graphml,
    /// JSON, for programs.
    Json,
}

/// Runs the verb.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let observation = observation::read_with_edges(&args.observation)?;
    let graph = args.filters.graph(&observation)?.view(args.by, &observation.inventory);
    let text = match args.format {
        Format::Dot => export::dot::write(&graph),
        Format::Mermaid => export::mermaid::write(&graph),
        Format::Graphml => export::graphml::write(&graph),
        Format::Json => export::json::write(&graph)?,
    };
    match &args.output {
        None => out.write_all(text.as_bytes())?,
        Some(path) => netwright_record::file::write_atomically(path, |file| file.write_all(text.as_bytes()))
            .with_context(|| format!("cannot write the graph to {}", path.display()))?,
    }
    Ok(ExitStatus::Success)
}
