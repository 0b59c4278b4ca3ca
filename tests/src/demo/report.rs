//! What the demo says: on standard output as it happens, and kept for the report file.

use super::Outcome;
use crate::shop::compare::Row;
use anyhow::{Context, Result};
use std::fs;
use std::io::{Write, stdout};
use std::path::Path;

/// The text so far.
#[derive(Debug, Default)]
pub(super) struct Report(String);

impl Report {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A heading for what follows.
    pub(super) fn heading(&mut self, heading: &str) -> Result<()> {
        self.text(&format!("\n== {heading}"))
    }

    /// A paragraph.
    pub(super) fn text(&mut self, text: &str) -> Result<()> {
        let text = format!("{}\n", text.trim_end());
        stdout().lock().write_all(text.as_bytes())?;
        self.0.push_str(&text);
        Ok(())
    }

    /// What a program printed.
    pub(super) fn outcome(&mut self, outcome: &Outcome) -> Result<()> {
        self.text(&format!("$ {}", outcome.command))?;
        for part in [&outcome.stdout, &outcome.stderr].into_iter().filter(|part| !part.trim().is_empty()) {
            self.text(part)?;
        }
        Ok(())
    }

    /// The table of declared and seen edges.
    pub(super) fn edges(&mut self, rows: &[Row]) -> Result<()> {
        self.heading("Edges: declared and seen")?;
        self.text(&format!(
            "{:<44} {:<44} {:<9} {:>6} {:>6} {:<10} verdict",
            "client", "server", "port", "opened", "seen", ""
        ))?;
        for row in rows {
            self.text(&row.to_string())?;
        }
        let good = rows.iter().filter(|row| row.faults.is_empty()).count();
        self.text(&format!("{good} of {} as declared", rows.len()))
    }

    /// The files below `directory`.
    pub(super) fn tree(&mut self, directory: &Path) -> Result<()> {
        self.text(&format!("{}/", directory.display()))?;
        self.branch(directory, "  ")
    }

    fn branch(&mut self, directory: &Path, indent: &str) -> Result<()> {
        let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            match entry.file_type()?.is_dir() {
                true => {
                    self.text(&format!("{indent}{}/", name.display()))?;
                    self.branch(&entry.path(), &format!("{indent}  "))?;
                }
                false => self.text(&format!("{indent}{}  {} bytes", name.display(), entry.metadata()?.len()))?,
            }
        }
        Ok(())
    }

    /// Keeps all of it in a file.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, self.0.trim_start()).with_context(|| format!("writing {}", path.display()))
    }
}
