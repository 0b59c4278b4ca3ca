//! `netwright status`: is everything watched, and does anything want attention?

use super::exit::ExitStatus;
use super::interrupt;
use super::place::{PlaceArgs, runtime};
use super::table::{self, Output};
use crate::collector::attention::{Attention, attention, seconds, span};
use crate::collector::{CollectorError, Door, ask};
use crate::text::plain;
use anyhow::Context as _;
use netwright_record::collector::{AgentStatus, Status};
use serde::Serialize;
use std::io::{self, Write};

/// Say how the recording of a cluster stands: agents, lag, coverage, losses, convergence.
///
/// Exit code 3 if something wants attention: a node without an agent, a silent agent, gaps, losses, segments that never
/// arrived, a collector that does not keep up.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// The form of the report.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// What programs read.
#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    status: &'a Status,
    attention: &'a [Attention],
}

/// Runs the verb.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    interrupt::watch();
    let runtime = runtime().context("cannot start the event loop")?;
    let asked = runtime.block_on(async {
        let door = ask::within(ask::SILENCE, Door::find(&args.place.place(), None)).await??;
        ask::status(&door).await
    });
    let status = match asked {
        Ok(status) => status,
        Err(CollectorError::Interrupted(interrupted)) => return Err(interrupted.into()),
        Err(error) => return Err(error.into()),
    };
    let attention = attention(&status);
    args.output.write(
        out,
        || Report { status: &status, attention: &attention },
        |out| Ok(report(out, &status, &attention)?),
    )?;
    Ok(if attention.is_empty() { ExitStatus::Success } else { ExitStatus::Findings })
}

fn report(out: &mut dyn Write, status: &Status, attention: &[Attention]) -> io::Result<()> {
    let cluster = status.cluster.as_deref().unwrap_or("not given");
    writeln!(out, "cluster     {}", plain(cluster))?;
    writeln!(out, "collector   {}", plain(&status.collector))?;
    match &status.window {
        Some(window) => {
            let length = span(seconds(window.from, window.until));
            writeln!(out, "window      {} to {}: {length}", window.from, window.until)?;
        }
        None => writeln!(out, "window      nothing recorded yet")?,
    }
    let in_cluster = status.agents.iter().filter(|agent| agent.in_cluster).count();
    writeln!(out, "agents      {in_cluster} of {} nodes", in_cluster + status.unwatched_nodes.len())?;
    lag(out, status)?;
    watch(out, status)?;
    writeln!(
        out,
        "edges       {}; {} flows without a name; {} kept in less detail",
        status.edges, status.unresolved_flows, status.collapsed
    )?;
    convergence(out, status)?;
    agents(out, status)?;
    wanted(out, attention)
}

fn lag(out: &mut dyn Write, status: &Status) -> io::Result<()> {
    let oldest = status.inbox_oldest.map(|oldest| span(seconds(oldest, status.at)));
    let oldest = oldest.map(|oldest| format!(", the oldest for {oldest}")).unwrap_or_default();
    writeln!(
        out,
        "lag         {} segments wait to be merged{oldest}; {} flows wait for a name",
        status.inbox_segments, status.pending_flows
    )
}

/// Nothing where the replica that answered does not watch.
fn watch(out: &mut dyn Write, status: &Status) -> io::Result<()> {
    match status.watch_age {
        None => Ok(()),
        Some(0) => writeln!(out, "watch       the API server tells of all changes"),
        Some(age) => {
            let age = span(i64::try_from(age).unwrap_or(i64::MAX));
            writeln!(out, "watch       not all changes are known for {age}")
        }
    }
}

/// Days without a new edge are what one waits for; that nothing new will come is never said.
fn convergence(out: &mut dyn Write, status: &Status) -> io::Result<()> {
    if status.new_edges.is_empty() {
        return Ok(());
    }
    let days: Vec<String> = status.new_edges.iter().map(|day| day.edges.to_string()).collect();
    let quiet = status.new_edges.iter().rev().take_while(|day| day.edges == 0).count();
    writeln!(out, "new edges   {} a day, oldest first; {quiet} days without one", days.join(" "))
}

fn agents(out: &mut dyn Write, status: &Status) -> io::Result<()> {
    if status.agents.is_empty() {
        return Ok(());
    }
    let mut rows = table::new(&["node", "watched", "heard", "behind", "gaps", "missing", "lost"]);
    for agent in &status.agents {
        table::row(&mut rows, cells(agent, status));
    }
    write!(out, "\n{}", table::render(&rows))
}

fn cells(agent: &AgentStatus, status: &Status) -> [String; 7] {
    let lost: Vec<String> = (agent.losses.named().into_iter().filter(|(_, count)| *count > 0))
        .map(|(what, count)| format!("{what} {count}"))
        .collect();
    let watched = i64::try_from(agent.watched_seconds).unwrap_or(i64::MAX);
    [
        if agent.in_cluster { agent.node.to_string() } else { format!("{} (gone)", agent.node) },
        span(watched),
        format!("{} ago", span(seconds(agent.heard, status.at))),
        span(seconds(agent.watched_until, status.at)),
        agent.gaps.len().to_string(),
        agent.missing_segments.to_string(),
        if lost.is_empty() { "none".into() } else { lost.join(", ") },
    ]
}

fn wanted(out: &mut dyn Write, attention: &[Attention]) -> io::Result<()> {
    if attention.is_empty() {
        return writeln!(out, "\nnothing wants attention");
    }
    writeln!(out)?;
    for Attention { node, message, .. } in attention {
        match node {
            Some(node) => writeln!(out, "attention   {}: {}", plain(node), plain(message))?,
            None => writeln!(out, "attention   {}", plain(message))?,
        }
    }
    Ok(())
}
