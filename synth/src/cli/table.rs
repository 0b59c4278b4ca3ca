//! Tables for people, and the choice between them and what programs read.

use crate::render::yaml;
use crate::text;
use clap::ValueEnum;
use comfy_table::{Cell, ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::Write;

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Aligned columns, for people.
    Table,
    /// One JSON document, for programs.
    Json,
    /// The same as YAML.
    Yaml,
}

impl Output {
    /// Writes `report` as JSON or YAML, or calls `table` where people read.
    pub fn write<R: Serialize>(
        self,
        out: &mut dyn Write,
        report: impl FnOnce() -> R,
        table: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self {
            Output::Table => table(out),
            Output::Json => Ok(out.write_all(text::json(&report())?.as_bytes())?),
            Output::Yaml => Ok(out.write_all(yaml::report(&report())?.as_bytes())?),
        }
    }
}

/// An empty table with these column headings.
pub fn new(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().map(|heading| Cell::new(heading.to_uppercase())));
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table
}

/// Adds a row; each cell is made safe for a terminal.
pub fn row<T: AsRef<str>>(table: &mut Table, cells: impl IntoIterator<Item = T>) {
    table.add_row(cells.into_iter().map(|cell| Cell::new(text::visible(cell.as_ref()))));
}

/// The table without trailing blanks.
pub fn render(table: &Table) -> String {
    table.to_string().lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// One line of columns as wide as `widths` say, without trailing blanks, safe for a terminal: for lists too long to be kept
/// as a [`Table`].
pub fn line<T: AsRef<str>, const COLUMNS: usize>(cells: [T; COLUMNS], widths: [usize; COLUMNS]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let cell = text::visible(cell.as_ref());
        line.push_str(&format!("{cell:width$}  "));
    }
    line.truncate(line.trim_end().len());
    line
}
