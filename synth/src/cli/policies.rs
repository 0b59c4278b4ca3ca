//! Reads the policies that a verb works on, and says what is odd about them. For every verb that takes policies.

use super::inventory::name;
use super::tell;
use anyhow::bail;
use netwright_policy::{LoadError, Parsed, PolicySet, ReadOptions};
use std::io;
use std::path::Path;

/// Reads the policies of a file, of a folder, or of stdin where `path` is `-`. Warnings go to stderr.
///
/// # Errors
///
/// If they cannot be read, are not valid, or there is none: without policies nothing is isolated and nothing proven.
pub fn load(path: &Path, strict: bool) -> anyhow::Result<PolicySet> {
    let Parsed { policies, skipped, .. } = read(path, strict)?;
    if policies.policies().is_empty() {
        bail!(
            "{} holds no NetworkPolicy ({skipped} other objects): nothing would be isolated and nothing proven; check the path",
            name(path)
        );
    }
    Ok(policies)
}

/// As [`load`], where no policy at all is an answer too.
///
/// # Errors
///
/// If they cannot be read or are not valid.
pub fn read(path: &Path, strict: bool) -> anyhow::Result<Parsed> {
    let options = ReadOptions { strict, keep_text: true };
    let read = if path == Path::new("-") { options.read("stdin", &mut io::stdin().lock()) } else { options.load(path) };
    let warnings = match &read {
        Ok(parsed) => parsed.warnings.as_slice(),
        Err(LoadError::Invalid { failure, .. }) => failure.warnings.as_slice(),
        Err(_) => &[],
    };
    for warning in warnings {
        tell(&format!("warning: {warning}"));
    }
    Ok(read?)
}
