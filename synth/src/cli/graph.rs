//! `netwright graph`: draw who talks to whom.

use super::exit::ExitStatus;
use super::observation;
use crate::export;
use crate::graph::DependencyGraph;
use anyhow::Context;
use clap::ValueEnum;
use std::io::Write;
use std::path::PathBuf;

/// Draw who talks to whom, with the namespaces as frames
///
/// Ports stand on the arrows as port/protocol; what was never established is dashed. For a picture:
///
///   netwright graph shop.nwo --format dot | dot -Tsvg -o shop.svg
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The observation file.
    observation: PathBuf,
    /// The format.
    #[arg(long, value_enum)]
    format: Format,
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
    let graph = DependencyGraph::new(&observation::read_with_edges(&args.observation)?);
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
