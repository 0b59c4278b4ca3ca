//! A list for programs, as JSON or YAML: written item by item.

use super::List;
use crate::connectivity::report::EntryReport;
use crate::render::yaml;
use crate::text;
use std::io::Write;

pub(super) fn json(out: &mut dyn Write, list: &List) -> anyhow::Result<()> {
    let mut before = "[\n  ";
    list.each_block(|entry| {
        write!(out, "{before}{}", text::json_line(&EntryReport::from(entry))?)?;
        before = ",\n  ";
        Ok(())
    })?;
    let is_empty = before.starts_with('[');
    Ok(writeln!(out, "{}", if is_empty { "[]" } else { "\n]" })?)
}

pub(super) fn yaml(out: &mut dyn Write, list: &List) -> anyhow::Result<()> {
    let mut is_empty = true;
    list.each_block(|entry| {
        is_empty = false;
        // A list of one item is that item's part of the whole list.
        Ok(write!(out, "{}", yaml::report(&[EntryReport::from(entry)])?)?)
    })?;
    if is_empty { Ok(writeln!(out, "[]")?) } else { Ok(()) }
}
