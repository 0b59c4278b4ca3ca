//! The whole loop on real traffic, for a person to watch: observe the shop, write its policies, prove them, draw them.

mod agent;
pub mod cluster;
mod netwright;
mod proof;
mod recording;
mod report;

pub use agent::Agent;
pub use netwright::{Outcome, netwright};
pub use proof::break_policy;
pub use recording::{Recording, record};

use crate::shop::{self, compare::compare, expected::expected};
use crate::world::prerequisites;
use anyhow::{Context, Result, bail};
use netwright_record::file::read_path;
use report::Report;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// What the demo writes into its folder; nothing else there is touched.
const OUTPUTS: [&str; 7] = [
    "observation.jsonl.zst",
    "observation.jsonl.zst.segments",
    "inventory.yaml",
    "policies",
    "graph.dot",
    "graph.svg",
    "report.txt",
];

/// Runs the demo and leaves its outputs in `directory`. Fails if one edge is missing, extra or wrong, or a policy denies one.
///
/// # Errors
/// A step that could not be done, with what the machine lacks or what the program said.
pub fn run(directory: &Path) -> Result<ExitCode> {
    let begun = Instant::now();
    if let Some(lacking) = lacking()? {
        bail!("the demo needs root, BPF and a few programs; this machine lacks:\n{lacking}");
    }
    clear(directory)?;
    let mut report = Report::new();
    report.heading("The shop, watched by netwright-agent")?;
    let recording = record(shop::shop(), directory)?;
    report.text(&recording.summary)?;

    let (observation, warnings) = read_path(&recording.observation)?;
    for warning in warnings {
        report.text(&format!("warning: {warning}"))?;
    }
    let rows = compare(&expected(&shop::shop()), &observation.edges, &recording.tallies);
    report.edges(&rows)?;
    let mut faults = rows.iter().filter(|row| !row.faults.is_empty()).count();
    for unresolved in &observation.unresolved {
        faults += 1;
        report.text(&format!("unresolved: {} {:?}", unresolved.reason, unresolved.flow))?;
    }

    write_and_prove(&recording.observation, directory, &mut report)?;
    find_a_fault(&recording.observation, directory, &mut report)?;
    draw(&recording.observation, directory, &mut report)?;
    report.heading("Outputs")?;
    report.tree(directory)?;
    report.text(&format!("report.txt, and all of it in {} s", begun.elapsed().as_secs()))?;
    report.write(&directory.join("report.txt"))?;
    match faults {
        0 => Ok(ExitCode::SUCCESS),
        faults => bail!("{faults} of the edges are not as declared; see the table above"),
    }
}

/// What this machine lacks for watching a shop, in words; nothing where it lacks nothing.
///
/// # Errors
/// The agent is not built: that is no lack of the machine.
pub fn lacking() -> Result<Option<String>> {
    let missing = prerequisites::missing();
    if !missing.is_empty() {
        return Ok(Some(missing.join("\n")));
    }
    Ok(agent::doctor()?.map(|said| format!("what `netwright-agent doctor` says:\n{said}")))
}

fn clear(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    for output in OUTPUTS {
        let path = directory.join(output);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing the old {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn write_and_prove(observation: &Path, directory: &Path, report: &mut Report) -> Result<()> {
    let policies = directory.join("policies");
    report.heading("netwright synth: the policies")?;
    report.outcome(&netwright(["synth".as_ref(), observation, "--out".as_ref(), &policies])?.expect(0)?)?;
    report.heading("netwright check: the proof")?;
    report.outcome(&check(observation, &policies)?.expect(0)?)
}

fn check(observation: &Path, policies: &Path) -> Result<Outcome> {
    netwright(["check".as_ref(), observation, "--policies".as_ref(), policies])
}

fn find_a_fault(observation: &Path, directory: &Path, report: &mut Report) -> Result<()> {
    report.heading("The same with one port changed by hand, which has to be found")?;
    let broken = directory.join(".broken-policies");
    let changed = break_policy(&directory.join("policies"), &broken)?;
    let outcome = check(observation, &broken);
    fs::remove_dir_all(&broken)?;
    report.text(&changed)?;
    report.outcome(&outcome?.expect(3)?)
}

fn draw(observation: &Path, directory: &Path, report: &mut Report) -> Result<()> {
    report.heading("netwright inspect")?;
    report.outcome(&netwright(["inspect".as_ref(), observation])?.expect(0)?)?;
    let (dot, svg) = (directory.join("graph.dot"), directory.join("graph.svg"));
    netwright(["graph".as_ref(), observation, "--format".as_ref(), "dot".as_ref(), "-o".as_ref(), &dot])?.expect(0)?;
    let status = Command::new("dot")
        .arg("-Tsvg")
        .arg(&dot)
        .arg("-o")
        .arg(&svg)
        .status()
        .context("running dot; it is in the Debian package graphviz")?;
    match status.success() {
        true => Ok(()),
        false => bail!("dot could not draw {} ({status})", dot.display()),
    }
}
