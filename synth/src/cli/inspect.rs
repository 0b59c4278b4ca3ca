//! `netwright inspect`: what does this observation hold, and how far can it be trusted?

use super::exit::ExitStatus;
use super::observation;
use super::summary::describe;
use super::table::{self, Output};
use crate::inspection::{Inspection, Talker};
use crate::text::plain;
use std::io::{self, Write};
use std::path::PathBuf;

/// Say what an observation holds and how far it can be trusted.
///
/// The window; for each node how long it was watched, with gaps, and what was lost; the busiest edges; attempts that
/// never got through; what could not be named, and why.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The observation file.
    observation: PathBuf,
    /// The form of the report.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// How many edges to list of each kind.
    #[arg(long, default_value_t = 10, value_name = "N")]
    top: usize,
}

/// Runs the verb.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let observation = observation::read(&args.observation)?;
    let inspection = Inspection::of(&observation, args.top);
    args.output.write(out, || &inspection, |out| Ok(report(out, &inspection)?))?;
    Ok(ExitStatus::Success)
}

fn report(out: &mut dyn Write, inspection: &Inspection) -> io::Result<()> {
    let cluster = inspection.cluster.as_deref().unwrap_or("not given");
    writeln!(out, "window      {} to {}", inspection.from, inspection.until)?;
    writeln!(out, "cluster     {}", plain(cluster))?;
    writeln!(out, "written by  {}", plain(inspection.written_by))?;
    writeln!(out, "sha256      {}", inspection.sha256)?;
    let contents: Vec<String> = inspection.contents.iter().map(|(what, count)| format!("{count} {what}")).collect();
    writeln!(out, "holds       {}", contents.join(", "))?;
    coverage(out, inspection)?;
    talkers(out, "busiest edges", &inspection.top_talkers)?;
    talkers(out, "never established", &inspection.never_established)?;
    reasons(out, inspection)
}

fn coverage(out: &mut dyn Write, inspection: &Inspection) -> io::Result<()> {
    if inspection.coverage.is_empty() {
        return writeln!(out, "\ncoverage    none recorded: nothing says which nodes were watched");
    }
    let mut rows = table::new(&["node", "watched", "of the window", "runs", "ended", "gaps", "lost"]);
    for node in &inspection.coverage {
        let gaps: Vec<String> = node.gaps.iter().map(|gap| format!("{} to {}", gap.from, gap.until)).collect();
        let lost: Vec<String> = node.losses.iter().map(|(what, count)| format!("{what} {count}")).collect();
        table::row(
            &mut rows,
            [
                node.node.to_owned(),
                format!("{} s", node.seconds),
                format!("{} %", node.percent),
                node.runs.to_string(),
                node.ended.to_owned(),
                or_none(&gaps.join(", ")),
                or_none(&lost.join(", ")),
            ],
        );
    }
    write!(out, "\n{}", table::render(&rows))?;
    for node in &inspection.coverage {
        for note in &node.notes {
            writeln!(out, "note on {}: {}", plain(node.node), plain(note))?;
        }
    }
    Ok(())
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none".into() } else { text.into() }
}

fn talkers(out: &mut dyn Write, title: &str, talkers: &[Talker]) -> io::Result<()> {
    if talkers.is_empty() {
        return Ok(());
    }
    let mut rows = table::new(&[title, "connections", "failed", "days", "last seen"]);
    for Talker { edge, connections, failed, days_active, last } in talkers {
        let cells =
            [describe(edge), connections.to_string(), failed.to_string(), days_active.to_string(), last.to_string()];
        table::row(&mut rows, cells);
    }
    write!(out, "\n{}", table::render(&rows))
}

fn reasons(out: &mut dyn Write, inspection: &Inspection) -> io::Result<()> {
    if inspection.unresolved.is_empty() {
        return writeln!(out, "\nunresolved  none");
    }
    let mut rows = table::new(&["unresolved", "flows"]);
    for (reason, count) in &inspection.unresolved {
        table::row(&mut rows, [(*reason).to_owned(), count.to_string()]);
    }
    if inspection.ambiguous > 0 {
        table::row(&mut rows, ["(among them: either end may be the server)", &inspection.ambiguous.to_string()]);
    }
    write!(out, "\n{}", table::render(&rows))
}
