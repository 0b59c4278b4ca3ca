//! The definitions that Cilium, Istio, Calico and the network policy API publish, and with which an API server judges
//! objects of theirs: what is written of each case in each dialect passes, strictly.

use super::driver::Driver;
use super::{none, program, runs};
use crate::case::{Case, Run};
use crate::snapshot::is_kustomization;
use anyhow::{Context, Result, ensure};
use netwright_tests::demo::netwright;
use std::fs;
use std::path::{Path, PathBuf};

/// Lies beside the definitions.
const DEFINITIONS: &str = "NETWRIGHT_CRDS";
const FORMS: [&[&str]; 6] = [
    &["--dialect", "calico"],
    &["--dialect", "calico", "--stage", "audit"],
    &["--dialect", "cilium"],
    &["--dialect", "cilium", "--stage", "audit"],
    &["--dialect", "istio", "--stage", "audit"],
    &["--dialect", "cluster"],
];

/// Every manifest of every case passes in every form.
pub(super) fn definitions(cases: &[Case]) -> Result<()> {
    let mut files = Vec::new();
    for (name, run) in runs(cases)? {
        for (number, form) in FORMS.iter().enumerate() {
            files.extend(write(run, number, form).with_context(|| format!("case {name}, {}", form.join(" ")))?);
        }
    }
    ensure!(files.len() > cases.len() * FORMS.len(), "only {} files", files.len());
    let complaints = files.iter().zip(driver()?.ask::<Vec<String>>(&files)?);
    none(
        complaints
            .flat_map(|(file, complaints)| complaints.into_iter().map(|one| format!("{}: {one}", file.display())))
            .collect(),
    )
}

/// A field that does not exist, a text where a number belongs, and an object that nobody defines are complained of.
pub(super) fn definitions_can_fail() -> Result<()> {
    let calico = "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {order: 1, selector: all()}\n";
    ensure!(complaints(calico)?.is_empty(), "a sound manifest did not pass");
    for (from, to) in [("selector", "podSelector"), ("order: 1", "order: first"), ("v3", "v4")] {
        ensure!(!complaints(&calico.replace(from, to))?.is_empty(), "{to} passed");
    }
    let cilium = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: a}\nspec: {endpointSelector: {}, egress: [{toEntities: [host]}]}\n";
    ensure!(complaints(cilium)?.is_empty(), "a sound manifest did not pass: {:?}", complaints(cilium)?);
    for (from, to) in [("host", "everybody"), ("toEntities", "toEntity")] {
        ensure!(!complaints(&cilium.replace(from, to))?.is_empty(), "{to} passed");
    }
    Ok(())
}

/// Writes a case once more in another form, beside its own output.
fn write(run: &Run, number: usize, form: &[&str]) -> Result<Vec<PathBuf>> {
    let out = run.out.with_file_name(format!("form-{number}"));
    let observation = run.out.with_file_name("observation.zst");
    let fixed: [&Path; 4] = ["synth".as_ref(), &observation, "--out".as_ref(), &out];
    let ran = netwright(fixed.into_iter().chain(form.iter().map(Path::new)))?;
    ensure!(ran.code == Some(0), "{}", ran.stderr);
    let mut files = Vec::new();
    manifests(&out, &mut files)?;
    Ok(files)
}

/// The manifests below a folder.
fn manifests(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            manifests(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "yaml") && !is_kustomization(&path.to_string_lossy())
        {
            files.push(path);
        }
    }
    Ok(())
}

fn complaints(text: &str) -> Result<Vec<String>> {
    driver()?.ask_about(text)
}

/// Says what the definitions have against each file.
fn driver() -> Result<Driver> {
    let definitions = program(DEFINITIONS)?;
    let folder = definitions.parent().context("the definitions have no folder")?;
    Ok(Driver { script: "definitions.py", arguments: vec![folder.to_owned()] })
}
