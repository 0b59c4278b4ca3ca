//! Reads the decisions of people for the verbs that follow them, and says what became of the decisions.

use crate::review::{Decided, Review, day};
use crate::text::plain;
use jiff::civil::Date;
use netwright_record::{Observation, Time};
use std::io::{self, Write};
use std::path::Path;

/// The review that was named, or the one beside the policies in `folder`; none where neither is there.
///
/// # Errors
///
/// The file that was named cannot be read, or something in it is wrong.
pub fn read(named: Option<&Path>, folder: &Path) -> anyhow::Result<Review> {
    Ok(match named {
        Some(path) => Review::load(path)?,
        None => Review::beside(folder)?,
    })
}

/// Today, in UTC.
pub fn today() -> Date {
    day(Time::now())
}

/// What became of the decisions: none is silently stale.
pub fn write(out: &mut dyn Write, observation: &Observation, decided: &Decided) -> io::Result<()> {
    for decision in decided.expired.iter().filter_map(|number| decided.decision(*number)) {
        writeln!(out, "review, {decision}: has expired, so it was not followed ({})", plain(&decision.reason))?;
    }
    for unused in &decided.unused {
        if let Some(decision) = decided.decision(unused.decision) {
            writeln!(out, "review, {decision}: does nothing: {}", unused.why)?;
        }
    }
    for contradiction in &decided.contradicting {
        let [first, second] = [contradiction.first, contradiction.second].map(|number| decided.decision(number));
        let (Some(first), Some(second)) = (first, second) else { continue };
        let edge = contradiction.edge.and_then(|edge| observation.edges.get(edge));
        let example = edge.map(|edge| format!(", as for {}", super::summary::describe(edge))).unwrap_or_default();
        writeln!(out, "review, {second}: says otherwise than {first}, which stands first and is followed{example}")?;
    }
    Ok(())
}
