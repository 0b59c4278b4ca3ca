//! DOT, for Graphviz: namespaces as frames, an arrow for each entry.

use super::List;
use crate::connectivity::{End, Entry, Unit, Units};
use crate::export::dot::{HEAD, frame, quoted};
use crate::graph::Group;
use crate::text::plain;
use std::collections::BTreeSet;
use std::io::Write;

pub(super) fn write(out: &mut dyn Write, units: &Units, list: &List) -> anyhow::Result<()> {
    write!(out, "{HEAD}")?;
    let by_namespace = units.all().chunk_by(|one, next| one.name.namespace == next.name.namespace);
    for (number, units) in by_namespace.enumerate() {
        namespace(out, number, units)?;
    }
    let mut others = BTreeSet::new();
    list.each(|Entry { from, to, allowed }| {
        for end in [from, to] {
            let name = id(end);
            if !matches!(end, End::Unit(_)) && others.insert(name.clone()) {
                writeln!(out, "  {name} [shape=ellipse, style=filled];")?;
            }
        }
        let style = if allowed.some { ", style=dashed" } else { "" };
        Ok(writeln!(out, "  {} -> {} [label={}{style}];", id(from), id(to), quoted(&[allowed.to_string()]))?)
    })?;
    Ok(writeln!(out, "}}")?)
}

fn namespace(out: &mut dyn Write, number: usize, units: &[Unit]) -> anyhow::Result<()> {
    let Some(first) = units.first() else { return Ok(()) };
    let name = &first.name.namespace;
    let frame = frame(&Group::Namespace(name.clone()));
    writeln!(out, "  subgraph cluster_{number} {{\n    label={}; {frame}", quoted(&[plain(name)]))?;
    for unit in units {
        let shape = if unit.host_network() { ", shape=box3d, style=filled" } else { "" };
        let label = quoted(&[plain(&unit.name.name), plain(&unit.name.kind)]);
        writeln!(out, "    {} [label={label}{shape}];", id(&End::Unit(unit)))?;
    }
    Ok(writeln!(out, "  }}")?)
}

/// The name of a node of the drawing. A workload has two slashes in its name, a block of addresses one.
fn id(end: &End) -> String {
    match end {
        End::Unit(unit) => quoted(&[unit.name.to_string()]),
        other => quoted(&[other.to_string()]),
    }
}
