//! `netwright-agent assemble`: make an observation file of what a run left behind.

use super::{inventory, observe};
use crate::spool::{assemble, segments};
use anyhow::{Context as _, bail};
use netwright_record::file;
use std::path::PathBuf;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folders of segments (FILE.segments), segments, or observation files recorded without an inventory.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The observation file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What `kubectl get ns,nodes,pods,svc,endpointslices,deploy,sts,ds,rs,jobs,cronjobs,netpol,apiservices,
    /// validatingwebhookconfigurations,mutatingwebhookconfigurations -A -o yaml` prints.
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
    /// The cluster's name, for the header.
    #[arg(long)]
    cluster: Option<String>,
}

/// Runs the verb. What it reads is left as it is.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let inventory = args.inventory.as_deref().map(inventory::read).transpose()?;
    let mut paths = Vec::new();
    for path in &args.paths {
        if path.is_dir() {
            paths.extend(segments::list(path)?);
        } else {
            paths.push(path.clone());
        }
    }
    if paths.is_empty() {
        bail!(
            "there are no segments in {}",
            args.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
        );
    }
    let parts = observe::read_segments(&paths)?;
    let assembled = assemble(parts, inventory, args.cluster).context("there is nothing to assemble")?;
    file::write_path(&assembled.observation, &args.out)
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    observe::summarise(&assembled.observation, &args.out);
    Ok(())
}
