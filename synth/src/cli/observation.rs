//! Reads the observation that every verb works on, and says what is odd about it.

use super::tell;
use anyhow::{Context, bail};
use netwright_record::{Observation, file};
use std::path::Path;

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
