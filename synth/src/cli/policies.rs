//! Reads the policies that a verb works on, and says what is odd about them. For every verb that takes `--policies`.

use super::tell;
use anyhow::bail;
use netwright_policy::{LoadError, Parsed, PolicySet, ReadOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Where the policies are, and how strictly they are read.
#[derive(Debug, clap::Args)]
pub struct PolicyArgs {
    /// The policies: a file, a folder (searched for *.yaml, *.yml and *.json), or `-` for stdin.
    #[arg(long, value_name = "DIR")]
    pub policies: PathBuf,
    /// Take a field that the API does not have for an error, not for a warning.
    #[arg(long)]
    pub strict: bool,
}

impl PolicyArgs {
    /// Reads them, as [`load`] does.
    ///
    /// # Errors
    ///
    /// Those of [`load`].
    pub fn load(&self) -> anyhow::Result<PolicySet> {
        load(&self.policies, self.strict)
    }
}

/// Reads the policies of a file, of a folder, or of stdin where `path` is `-`. Warnings go to stderr.
///
/// # Errors
///
/// If they cannot be read, are not valid, or there is none: without policies nothing is isolated and nothing proven.
pub fn load(path: &Path, strict: bool) -> anyhow::Result<PolicySet> {
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
    let Parsed { policies, skipped, .. } = read?;
    if policies.policies().is_empty() {
        bail!(
            "{} holds no NetworkPolicy ({skipped} other objects): nothing would be isolated and nothing proven; check the path",
            path.display()
        );
    }
    Ok(policies)
}
