//! kubernetes-validate, which holds objects against the schemas that Kubernetes publishes, over all that can be rendered.

use crate::chart::VARIANTS;
use crate::tools::{kustomize, path, program, template, text};
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// What it complains of, file by file; nothing where it is not installed.
fn complaints(files: &[String]) -> Option<Vec<Vec<String>>> {
    let python = program("NETWRIGHT_NCA")?.with_file_name("python3");
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(python)
        .arg(path("tests/tests/corpus/oracles/manifests.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for (number, file) in files.iter().enumerate() {
        let name = folder.path().join(format!("{number}.yaml"));
        fs::write(&name, file).unwrap();
        writeln!(stdin, "{}", name.display()).unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let read = |line: &str| {
        let answer: Value = serde_json::from_str(line).unwrap();
        answer["complaints"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    Some(text(&output.stdout).lines().map(read).collect())
}

#[test]
fn every_object_passes_strict_validation() {
    let mut files: Vec<String> = VARIANTS.iter().filter_map(|values| template(values)).collect();
    files.extend(kustomize("deploy/kustomize/base"));
    files.extend(
        ["deploy/reader/role.yaml", "deploy/restore/pod.yaml"].map(|name| fs::read_to_string(path(name)).unwrap()),
    );
    if files.is_empty() {
        return;
    }
    let damaged = files[0].replace("serviceAccountName:", "serviceAccountNam:");
    assert_ne!(damaged, files[0]);
    files.push(damaged);
    let Some(mut found) = complaints(&files) else { return };
    assert!(!found.pop().unwrap().is_empty(), "a field that does not exist passed");
    assert!(found.iter().all(Vec::is_empty), "{found:?}");
}
