//! Two policy sets, by what they allow over one inventory.

use super::Args;
use crate::cli::exit::unless_nobody_reads;
use crate::cli::inventory::name;
use crate::cli::{inventory, policies, table, tell};
use crate::connectivity::compare::Comparison;
use crate::connectivity::report::EntryReport;
use crate::connectivity::{By, Connectivity, Entry, Units};
use crate::state::State;
use crate::text::plain;
use anyhow::bail;
use netwright_policy::PolicySet;
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// Compares them, and says whether they allow the same.
pub(super) fn compare(args: &Args, out: &mut dyn Write) -> anyhow::Result<bool> {
    let (before, after) = (load(&args.a, args.strict)?, load(&args.b, args.strict)?);
    if before.policies().is_empty() && after.policies().is_empty() {
        bail!("neither {} nor {} holds a NetworkPolicy: check the paths", name(&args.a), name(&args.b));
    }
    let (state, place) = state(args)?;
    let units = Units::new(&state, By::Workload, &[&before, &after]);
    let comparison = Connectivity::new(&units, &before).compare(&Connectivity::new(&units, &after));
    let (allowed, denied) = (by_block(&comparison.allowed), by_block(&comparison.denied));
    let told = args.output.write(out, || report(&allowed, &denied), |out| Ok(table(&comparison, &units, place, out)?));
    unless_nobody_reads(told)?;
    Ok(comparison.is_equal())
}

/// Without policies everything is allowed: that too can be compared with.
fn load(path: &Path, strict: bool) -> anyhow::Result<PolicySet> {
    let policies = policies::read(path, strict)?.policies;
    if policies.policies().is_empty() {
        tell(&format!("warning: {} holds no NetworkPolicy: it allows everything", name(path)));
    }
    Ok(policies)
}

/// The inventory, and where it was found.
fn state(args: &Args) -> anyhow::Result<(State, &Path)> {
    let places: Vec<&Path> = match &args.inventory {
        Some(inventory) => vec![inventory],
        None => vec![&args.b, &args.a],
    };
    // Stdin has been read, for the policies.
    let is_left = |place: &&Path| args.inventory.is_some() || *place != Path::new("-");
    for place in places.into_iter().filter(is_left) {
        let state = inventory::state(place)?;
        if !state.pods.is_empty() {
            return Ok((state, place));
        }
    }
    bail!(
        "there is no workload and no pod, so there is nobody to compare for: name what the cluster holds with --inventory"
    )
}

fn table(comparison: &Comparison, units: &Units, place: &Path, out: &mut dyn Write) -> std::io::Result<()> {
    let Comparison { allowed, denied } = comparison;
    if !comparison.is_equal() {
        let mut rows = table::new(&["change", "source", "destination", "ports"]);
        for (change, entries) in [("allowed", allowed), ("denied", denied)] {
            for Entry { from, to, allowed } in entries {
                table::row(&mut rows, [change, &from.to_string(), &to.to_string(), &allowed.to_string()]);
            }
        }
        write!(out, "{}", table::render(&rows))?;
    }
    let (place, units) = (plain(&name(place)), units.all().len());
    if comparison.is_equal() {
        return writeln!(out, "both allow the same, for the {units} workloads of {place}");
    }
    writeln!(
        out,
        "{} newly allowed, {} newly denied, for the {units} workloads of {place}",
        allowed.len(),
        denied.len()
    )
}

#[derive(Serialize)]
struct Report<'a> {
    equal: bool,
    allowed: Vec<EntryReport<'a>>,
    denied: Vec<EntryReport<'a>>,
}

/// As programs want it: addresses in blocks.
fn by_block<'a>(entries: &[Entry<'a>]) -> Vec<Entry<'a>> {
    entries.iter().flat_map(Entry::by_block).collect()
}

fn report<'a>(allowed: &'a [Entry], denied: &'a [Entry]) -> Report<'a> {
    let list = |entries: &'a [Entry]| entries.iter().map(EntryReport::from).collect();
    Report { equal: allowed.is_empty() && denied.is_empty(), allowed: list(allowed), denied: list(denied) }
}
