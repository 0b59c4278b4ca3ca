//! The tools, and what they print.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A path in the repository.
pub(crate) fn path(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(below)
}

pub(crate) fn chart() -> String {
    path("deploy/chart/netwright").display().to_string()
}

/// The program that a variable of scripts/common.sh names; says so and returns nothing where it is not there.
pub(crate) fn program(variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file());
    if found.is_none() {
        netwright_tests::skipped(&format!(
            "{variable} names no program (scripts/common.sh sets it, scripts/setup.sh installs it)"
        ));
    }
    found
}

/// Helm with these arguments; nothing of this machine's own configuration is used.
pub(crate) fn helm(arguments: &[&str]) -> Option<Output> {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(program("NETWRIGHT_HELM")?);
    for kind in ["CACHE", "CONFIG", "DATA"] {
        command.env(format!("HELM_{kind}_HOME"), home.path().join(kind));
    }
    Some(command.env_remove("KUBECONFIG").args(arguments).output().unwrap())
}

/// The manifests that the chart makes of these values.
pub(crate) fn template(values: &[&str]) -> Option<String> {
    let set: Vec<String> = values.iter().flat_map(|value| ["--set".to_owned(), (*value).to_owned()]).collect();
    let (chart, set) = (chart(), set.iter().map(String::as_str));
    let arguments: Vec<&str> =
        ["template", "netwright", &chart, "--namespace", "netwright"].into_iter().chain(set).collect();
    let output = helm(&arguments)?;
    assert!(output.status.success(), "{values:?}: {}", text(&output.stderr));
    Some(text(&output.stdout))
}

/// The manifests that Kustomize builds of a folder.
pub(crate) fn kustomize(folder: &str) -> Option<String> {
    let output = Command::new(program("NETWRIGHT_KUSTOMIZE")?).arg("build").arg(path(folder)).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    Some(text(&output.stdout))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
