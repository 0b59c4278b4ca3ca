//! Comma-separated values (RFC 4180), for spreadsheets: a line for each range of ports.

use super::List;
use crate::connectivity::{End, Entry};
use crate::text;
use netwright_record::inventory::WorkloadRef;
use std::io::Write;

pub(super) fn write(out: &mut dyn Write, list: &List) -> anyhow::Result<()> {
    write!(out, "src_namespace,src_kind,src_name,src_cidr,dst_namespace,dst_kind,dst_name,dst_cidr,")?;
    writeln!(out, "protocol,from_port,to_port,pods")?;
    list.each_block(|entry| lines(out, entry))
}

fn lines(out: &mut dyn Write, Entry { from, to, allowed }: &Entry) -> anyhow::Result<()> {
    let pods = if allowed.some { "some" } else { "all" };
    let ends = format!("{},{}", end(from), end(to));
    if allowed.ports.is_all() {
        return Ok(writeln!(out, "{ends},all,1,65535,{pods}")?);
    }
    for (protocol, first, last) in allowed.ports.ranges() {
        writeln!(out, "{ends},{protocol},{first},{last},{pods}")?;
    }
    Ok(())
}

/// Namespace, kind, name and block of an end.
fn end(end: &End) -> String {
    match end {
        End::Unit(unit) => {
            let WorkloadRef { namespace, kind, name } = &unit.name;
            format!("{},{},{},", text::csv(namespace), text::csv(kind), text::csv(name))
        }
        End::Addresses(_) => format!(",,,{end}"),
        End::Everyone(everyone) => format!(",,{everyone},"),
    }
}
