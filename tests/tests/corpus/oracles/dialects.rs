//! The definitions that Cilium, Istio, Calico and the network policy API publish, and with which an API server judges
//! objects of theirs: what is written of each case in each dialect passes, strictly.

use super::{none, program, runs};
use crate::case::{Case, Run};
use crate::snapshot::is_kustomization;
use anyhow::{Context, Result, ensure};
use netwright_tests::demo::netwright;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Lies beside the definitions.
const DEFINITIONS: &str = "NETWRIGHT_CRDS";
/// Lies beside an interpreter that has a validator.
const INTERPRETER: &str = "NETWRIGHT_NCA";
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
    let complaints = files.iter().zip(ask(&files)?);
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
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("asked.yaml");
    fs::write(&file, text)?;
    ask(&[file])?.pop().context("no answer")
}

/// What the definitions have against each file.
fn ask(files: &[PathBuf]) -> Result<Vec<Vec<String>>> {
    let interpreter = program(INTERPRETER)?.with_file_name("python3");
    let definitions = program(DEFINITIONS)?;
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/oracles/definitions.py");
    let mut child = Command::new(&interpreter)
        .arg(&driver)
        .arg(definitions.parent().context("the definitions have no folder")?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("running {}", interpreter.display()))?;
    let paths: String = files.iter().map(|file| format!("{}\n", file.display())).collect();
    let mut stdin = child.stdin.take().context("no stdin")?;
    // The driver answers while it is still being asked.
    let writer = std::thread::spawn(move || stdin.write_all(paths.as_bytes()));
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{} failed:\n{}", driver.display(), String::from_utf8_lossy(&output.stderr));
    writer.join().map_err(|_| anyhow::anyhow!("the thread that asks panicked"))??;
    let text = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<Vec<String>> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(answers.len() == files.len(), "{} files, {} answers", files.len(), answers.len());
    Ok(answers)
}
