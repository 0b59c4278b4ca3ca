//! A policy broken on purpose, to show that the proof can fail.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// The policy that is broken, the port of it, and what that port becomes.
const FILE: &str = "shop/api.yaml";
const PORT: (&str, &str) = ("port: 9090", "port: 9091");

/// Copies the policies of the shop to `to` with one port changed, and says which.
///
/// # Errors
/// The policy of `shop/api` has no such port, or a file could not be copied.
pub fn break_policy(policies: &Path, to: &Path) -> Result<String> {
    copy(policies, to)?;
    let file = to.join(FILE);
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let at = text.find(PORT.0).with_context(|| format!("{FILE} does not mention {:?}:\n{text}", PORT.0))?;
    let (before, after) = text.split_at(at);
    fs::write(&file, format!("{before}{}", after.replacen(PORT.0, PORT.1, 1)))?;
    Ok(format!("{FILE}: {} -> {}", PORT.0, PORT.1))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => drop(fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}
