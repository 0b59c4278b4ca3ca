//! Reads the policies that a verb works on, and says what is odd about them. For every verb that takes `--policies`.

use super::tell;
use anyhow::{Context, bail};
use netwright_policy::{Parsed, PolicySet, Remark, Source};
use std::io::Read;
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
    let Parsed { policies, warnings, skipped } =
        if path == Path::new("-") { from_stdin()? } else { PolicySet::load(path)? };
    for warning in &warnings {
        tell(&format!("warning: {warning}"));
    }
    let unknown = warnings.iter().filter(|warning| warning.remark == Remark::UnknownField).count();
    if strict && unknown > 0 {
        bail!("{}: {unknown} unknown fields, which --strict does not allow", path.display());
    }
    if policies.policies().is_empty() {
        bail!(
            "{} holds no NetworkPolicy ({skipped} other objects): nothing would be isolated and nothing proven; check the path",
            path.display()
        );
    }
    Ok(policies)
}

fn from_stdin() -> anyhow::Result<Parsed> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read policies from stdin")?;
    PolicySet::parse(&[Source { name: "stdin".into(), text }]).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(|error| format!("\n  {error}")).collect();
        anyhow::anyhow!("cannot read policies from stdin:{}", errors.concat())
    })
}
