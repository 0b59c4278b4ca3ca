//! The manifests of a case as they were last approved, in its folder `expected`. Serves whoever reviews what a change
//! does to them: `NETWRIGHT_REWRITE=1` writes them anew.

use anyhow::{Context, Result};
use similar::TextDiff;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Rewrites what is expected in place of comparing.
const VARIABLE: &str = "NETWRIGHT_REWRITE";
/// What differs from run to run or version to version, and means nothing to a cluster.
const PROVENANCE: [&str; 3] = ["netwright.io/observation:", "netwright.io/version:", "netwright.io/window:"];
/// How every file that is ours begins, before what may be a digest.
const MARKER: &str = "# Written by netwright";

/// The files of a run that are compared: all YAML but the kustomizations, which have an outside judge, without provenance.
pub(crate) fn compared(files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_compared = |name: &str| name.ends_with(".yaml") && !is_kustomization(name);
    let compared = files.iter().filter(|(name, _)| is_compared(name));
    compared.map(|(name, text)| (name.clone(), without_provenance(text))).collect()
}

/// Whether a file only lists others.
pub(crate) fn is_kustomization(name: &str) -> bool {
    name.rsplit('/').next() == Some("kustomization.yaml")
}

/// Compares with `folder`, or rewrites it where that is asked for. Each difference is a message.
pub(crate) fn check(folder: &Path, files: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let found = compared(files);
    if std::env::var_os(VARIABLE).is_some_and(|value| value != "0") {
        rewrite(folder, &found)?;
        return Ok(Vec::new());
    }
    if !folder.exists() && !found.is_empty() {
        return Ok(vec![format!("no manifests are approved yet: look at them, then {VARIABLE}=1 approves them")]);
    }
    Ok(differences(&crate::case::read_tree(folder)?, &found))
}

/// What differs between what is expected and what was found, file by file.
pub(crate) fn differences(expected: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> Vec<String> {
    let names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let text = |files: &BTreeMap<String, String>, name: &String| files.get(name).cloned().unwrap_or_default();
    let pairs = names.into_iter().map(|name| (name, text(expected, name), text(found, name)));
    pairs.filter(|(_, old, new)| old != new).map(|(name, old, new)| diff(name, &old, &new)).collect()
}

fn diff(name: &str, old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let text = diff.unified_diff().context_radius(4).header("expected", "written").to_string();
    format!("{name} differs ({VARIABLE}=1 approves what is written now):\n{}", crate::expect::indented(&text))
}

fn rewrite(folder: &Path, files: &BTreeMap<String, String>) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    for (name, text) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn without_provenance(text: &str) -> String {
    let is_kept = |line: &&str| !PROVENANCE.iter().any(|key| line.trim_start().starts_with(key));
    let cut = |line: &str| if line.starts_with(MARKER) { MARKER.to_owned() } else { line.to_owned() };
    text.lines().filter(is_kept).map(|line| cut(line) + "\n").collect()
}
