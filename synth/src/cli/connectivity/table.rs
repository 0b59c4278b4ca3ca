//! Aligned columns. The list is gone through twice, first for the widths, so that it need not be kept.

use super::List;
use crate::cli::table::line;
use crate::connectivity::Entry;
use std::io::Write;

const HEADINGS: [&str; 3] = ["SOURCE", "DESTINATION", "PORTS"];

pub(super) fn write(out: &mut dyn Write, list: &List) -> anyhow::Result<()> {
    let mut widths = HEADINGS.map(|heading| heading.chars().count());
    let mut is_empty = true;
    list.each(|entry| {
        is_empty = false;
        for (width, cell) in widths.iter_mut().zip(cells(entry)) {
            *width = cell.chars().count().max(*width);
        }
        Ok(())
    })?;
    if is_empty {
        let nothing = if list.exposed { "nothing is open to everyone" } else { "nothing is allowed" };
        return Ok(writeln!(out, "{nothing}")?);
    }
    writeln!(out, "{}", line(HEADINGS, widths))?;
    list.each(|entry| Ok(writeln!(out, "{}", line(cells(entry), widths))?))
}

fn cells(entry: &Entry) -> [String; 3] {
    let Entry { from, to, allowed } = entry;
    [from.to_string(), to.to_string(), allowed.to_string()]
}
