//! Reads the observation that every verb works on, and says what is odd about it.

use super::tell;
use crate::state::is_observation;
use anyhow::{Context, bail};
use netwright_record::{Observation, file};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How many bytes tell an observation from a manifest: those of the longest header there may be.
const HEADER: u64 = 1 << 16;

/// Whether there is an observation at `path`, not a folder, nor manifests; stdin (`-`) is never one.
pub fn is_at(path: &Path) -> anyhow::Result<bool> {
    if path == Path::new("-") || path.is_dir() {
        return Ok(false);
    }
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEADER).read_to_end(&mut start));
    read.with_context(|| format!("cannot read {path:?}"))?;
    Ok(is_observation(&start))
}

/// Reads the observation at `path`; warnings of the reader go to stderr.
pub fn read(path: &Path) -> anyhow::Result<Observation> {
    let (observation, warnings) = file::read_path(path)?;
    for warning in warnings {
        tell(&format!("warning: {warning}"));
    }
    Ok(observation)
}

/// Reads an observation that must have edges: without them there is nothing to draw, to allow or to prove.
pub fn read_with_edges(path: &Path) -> anyhow::Result<Observation> {
    let observation = read(path)?;
    require_edges(&observation).with_context(|| format!("cannot use {}", path.display()))?;
    Ok(observation)
}

fn require_edges(observation: &Observation) -> anyhow::Result<()> {
    if !observation.edges.is_empty() {
        return Ok(());
    }
    match observation.flows.len() {
        0 => bail!("it holds neither edges nor flows: nothing was seen while it was recorded"),
        flows => bail!(
            "it holds {flows} flows but no edges, since nobody told the agent who has which address: record with \
             `netwright-agent observe --inventory FILE`, or join the inventory afterwards with `netwright-agent assemble`"
        ),
    }
}
