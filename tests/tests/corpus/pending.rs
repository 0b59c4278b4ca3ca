//! `PENDING`: cases whose right answer is not given yet, each with what is missing. A case that is listed has to fail:
//! when it does not any more, its line goes.

use crate::SIZE;
use crate::case::{Case, corpus};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs;

/// What is missing, by case.
pub(crate) struct Pending(BTreeMap<String, String>);

impl Pending {
    /// Reads the list. A line is `NAME: what is missing`; `#` begins a comment.
    pub(crate) fn read() -> Result<Self> {
        let path = corpus().join("PENDING");
        Self::parse(&fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?)
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut cases = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, missing) = line.split_once(": ").with_context(|| format!("PENDING: no `: ` in {line:?}"))?;
            if cases.insert(name.to_owned(), missing.to_owned()).is_some() {
                bail!("PENDING: {name} stands twice");
            }
        }
        Ok(Self(cases))
    }

    /// What is missing in the product for a case to pass.
    pub(crate) fn missing(&self, case: &str) -> Option<&str> {
        self.0.get(case).map(String::as_str)
    }

    /// Turns the result of a test round if it is listed: then it has to fail.
    pub(crate) fn judge(&self, name: &str, result: Result<()>) -> Result<()> {
        let Some(missing) = self.missing(name) else { return result };
        ensure!(result.is_err(), "passes now: take it out of PENDING (missing was: {missing}), and approve it");
        Ok(())
    }

    /// Every name has to be that of a case, or of the test over all of them.
    pub(crate) fn check(&self, cases: &[Case]) -> Result<()> {
        let is_known = |name: &String| name == SIZE || cases.iter().any(|case| case.name == *name);
        let unknown: Vec<&String> = self.0.keys().filter(|name| !is_known(name)).collect();
        ensure!(unknown.is_empty(), "PENDING names what is no case: {unknown:?}");
        Ok(())
    }
}
