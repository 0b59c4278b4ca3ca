//! `netwright merge`: several observations as one file.

use super::exit::ExitStatus;
use super::{interrupt, observation, tell};
use crate::merge::{self, Options, Source};
use crate::text::plain;
use anyhow::Context as _;
use netwright_record::file;
use std::io::Write;
use std::path::PathBuf;

/// Merge several observations into one: windows of a cluster, or clusters that run the same.
///
/// Nothing counts twice: where files of one cluster overlap in time, the larger count is kept, and that is said. The latest file
/// that knows a workload describes it; labels are those it had all the time. The order of the files changes nothing.
///
/// Files of different clusters are refused, as a name may mean something else in each. Where one repository is deployed to all of
/// them, --across-clusters makes one set of policies for all; a workload with another selector elsewhere is still refused.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The observation files.
    #[arg(required = true, value_name = "FILE")]
    observations: Vec<PathBuf>,
    /// The file to write; one that is there is replaced.
    #[arg(short, long = "out", value_name = "FILE")]
    out: PathBuf,
    /// The cluster of files that name none.
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Take what has the same namespace, kind and name in different clusters for one.
    #[arg(long)]
    across_clusters: bool,
}

/// Runs the verb.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    interrupt::watch();
    let mut sources = Vec::new();
    for path in &args.observations {
        interrupt::asked()?;
        let name = plain(&path.display().to_string());
        sources.push(Source { name, observation: observation::read(path)? });
    }
    let options = Options { cluster: args.cluster.clone(), across_clusters: args.across_clusters };
    let written_by = concat!("netwright ", env!("CARGO_PKG_VERSION"));
    let merged = merge::merge(sources, &options, written_by).context("cannot merge")?;
    for name in &merged.same {
        tell(&format!("note: left out {name}: another file has the same content"));
    }
    for group in &merged.overlapping {
        let names = group.join(", ");
        tell(&format!("note: {names} overlap in time: of what several of them counted, the larger count is kept"));
    }
    interrupt::asked()?;
    let target = plain(&args.out.display().to_string());
    file::write_path(&merged.observation, &args.out).with_context(|| format!("cannot write {target}"))?;
    let window = merged.observation.header.window;
    writeln!(out, "wrote {target}: {} to {}, {} edges", window.from, window.until, merged.observation.edges.len())?;
    Ok(ExitStatus::Success)
}
