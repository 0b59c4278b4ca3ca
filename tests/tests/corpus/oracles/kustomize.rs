//! kustomize, which `kubectl apply -k` runs: a folder of policies builds to exactly those, the default-deny last.

use super::{none, program, runs};
use crate::case::{Case, Run};
use crate::expect::documents;
use crate::snapshot::is_kustomization;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The program `kustomize`.
const VARIABLE: &str = "NETWRIGHT_KUSTOMIZE";
const DEFAULT_DENY: &str = "default-deny";

/// Every case's folder builds to what was written to it.
pub(super) fn builds(cases: &[Case]) -> Result<()> {
    let program = program(VARIABLE)?;
    let mut complaints = Vec::new();
    let (mut built, mut denies) = (0, 0);
    for (name, run) in runs(cases)? {
        if !run.outcome.files.contains_key("kustomization.yaml") {
            continue;
        }
        match compare(&program, run) {
            Ok((all, last)) => (built, denies) = (built + all, denies + last),
            Err(error) => complaints.push(format!("{name}: {error:#}")),
        }
    }
    none(complaints)?;
    ensure!(built > cases.len() && denies > 10, "only {built} policies, {denies} default-denies");
    Ok(())
}

/// How many policies, and how many default-denies, a folder builds to.
fn compare(program: &Path, run: &Run) -> Result<(usize, usize)> {
    let built = build(program, &run.out)?;
    let listed = run.outcome.files.iter().filter(|(name, _)| is_listed(name, run));
    let mut written = Vec::new();
    for (name, text) in listed {
        written.extend(documents(text).with_context(|| format!("reading {name}"))?);
    }
    for document in &written {
        ensure!(built.contains(document), "not built: {document}");
    }
    ensure!(built.len() == written.len(), "{} objects are built, {} were written", built.len(), written.len());
    let mut closed: Vec<&str> = Vec::new();
    for document in &built {
        let namespace = text(document, "/metadata/namespace");
        ensure!(!closed.contains(&namespace), "in {namespace} something comes after the default-deny");
        if text(document, "/metadata/name") == DEFAULT_DENY {
            closed.push(namespace);
        }
    }
    Ok((built.len(), closed.len()))
}

/// Whether a file holds policies of this run: it carries our marker, or it is somebody's that stands at the place of one
/// of ours, which the folder's kustomization lists.
fn is_listed(name: &str, run: &Run) -> bool {
    if !name.ends_with(".yaml") || is_kustomization(name) {
        return false;
    }
    let (folder, file) = name.split_once('/').map_or(("", name), |(folder, file)| (folder, file));
    let files = &run.outcome.files;
    let is_ours = files.get(name).is_some_and(|text| text.starts_with("# Written by netwright"));
    let list = files
        .get(format!("{folder}/kustomization.yaml").trim_start_matches('/'))
        .map(|text| documents(text).unwrap_or_default());
    let resources = list.iter().flatten().filter_map(|list| list["resources"].as_array()).flatten();
    is_ours || resources.filter_map(Value::as_str).any(|resource| resource == file)
}

fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn build(program: &Path, folder: &Path) -> Result<Vec<Value>> {
    let output = Command::new(program).arg("build").arg(folder).output();
    let output = output.with_context(|| format!("running {}", program.display()))?;
    ensure!(output.status.success(), "refused:\n{}", String::from_utf8_lossy(&output.stderr));
    documents(&String::from_utf8(output.stdout)?)
}
