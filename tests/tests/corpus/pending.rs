//! `PENDING`: cases whose right answer is not given yet, each with what is missing. A case that is listed has to fail:
//! when it does not any more, its line goes.

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

    /// Every name has to be that of a case.
    pub(crate) fn check(&self, cases: &[Case]) -> Result<()> {
        let unknown: Vec<&String> = self.0.keys().filter(|name| cases.iter().all(|case| case.name != **name)).collect();
        ensure!(unknown.is_empty(), "PENDING names what is no case: {unknown:?}");
        Ok(())
    }
}
