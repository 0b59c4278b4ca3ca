//! The order for programs: one line a policy, so that a difference between two runs reads well and the file of a large
//! cluster stays small. Nothing stands twice: a file is named where its policy stands, and of long lists there are the
//! first few names and a count; `evidence.json` has the rest.

use super::{API_VERSION, Rollout, Wave};
use crate::text;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Writes the file, one line in memory at a time. O(its length).
pub(super) fn write(out: &mut dyn Write, rollout: &Rollout) -> io::Result<()> {
    head(out, rollout)?;
    write!(out, "  \"waves\": [")?;
    for (number, wave) in rollout.waves.iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        write!(out, "{comma}\n    ")?;
        self::wave(out, wave)?;
    }
    writeln!(out, "\n  ],")?;
    write!(out, "  \"withoutPolicy\": [")?;
    for (number, (why, workloads)) in by_reason(rollout).into_iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        write!(out, "{comma}\n    {{\"why\": {}, \"workloads\": ", text::json_line(&why)?)?;
        list(out, workloads.iter(), 4)?;
        write!(out, "}}")?;
    }
    writeln!(out, "\n  ],")?;
    let open = rollout.without_default_deny.iter();
    write!(out, "  \"withoutDefaultDeny\": ")?;
    list(out, open.map(|(namespace, cut_off)| Open { namespace, workloads_without_policy: cut_off.len() }), 2)?;
    writeln!(out, "\n}}")
}

/// A namespace without a default-deny.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Open<'a> {
    namespace: &'a str,
    workloads_without_policy: usize,
}

/// The fields before the first list, each on a line.
fn head(out: &mut dyn Write, rollout: &Rollout) -> io::Result<()> {
    writeln!(out, "{{")?;
    writeln!(out, "  \"apiVersion\": {},", text::json_line(&API_VERSION)?)?;
    writeln!(out, "  \"kind\": \"RolloutOrder\",")?;
    writeln!(out, "  \"version\": {},", text::json_line(&rollout.version)?)?;
    writeln!(out, "  \"observation\": {},", text::json_line(&rollout.observation)?)
}

fn wave(out: &mut dyn Write, wave: &Wave) -> io::Result<()> {
    write!(out, "{{\"number\": {}, \"policies\": ", wave.number)?;
    list(out, wave.policies.iter(), 4)?;
    write!(out, ", \"defaultDeny\": ")?;
    list(out, wave.default_denies(), 4)?;
    write!(out, "}}")
}

/// A list with one item a line, in a line that is indented by `indent`.
fn list<T: Serialize>(out: &mut dyn Write, items: impl Iterator<Item = T>, indent: usize) -> io::Result<()> {
    write!(out, "[")?;
    for (number, item) in items.enumerate() {
        let comma = if number == 0 { "" } else { "," };
        write!(out, "{comma}\n{:indent$}  {}", "", text::json_line(&item)?)?;
    }
    write!(out, "]")
}

/// The workloads without a policy, by why they have none.
fn by_reason<'r>(rollout: &'r Rollout) -> BTreeMap<&'r str, Vec<String>> {
    rollout.without_policy.iter().fold(BTreeMap::new(), |mut reasons, unprotected| {
        let workloads: &mut Vec<String> = reasons.entry(unprotected.why.as_str()).or_default();
        workloads.push(unprotected.workload.to_string());
        reasons
    })
}
