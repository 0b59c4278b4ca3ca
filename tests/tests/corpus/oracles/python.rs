//! kubernetes-validate, which holds a manifest against the schemas that Kubernetes publishes; and PyYAML, which reads
//! YAML 1.1 as many tools around Kubernetes do, and so sees a boolean or a number where a text was left without quotes.

use super::driver::Driver;
use super::{none, runs};
use crate::case::Case;
use crate::expect::documents;
use anyhow::{Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// Has both packages.
const DRIVER: Driver = Driver { script: "manifests.py", arguments: Vec::new() };

/// What the driver prints for one file.
#[derive(Deserialize)]
struct Read {
    documents: Vec<Value>,
    complaints: Vec<String>,
}

/// Every manifest passes strict validation.
pub(super) fn schemas(cases: &[Case]) -> Result<()> {
    let files = files(cases)?;
    let read: Vec<Read> = DRIVER.ask(&files)?;
    let complaints = files.iter().zip(read).flat_map(|(file, read)| {
        let complain = move |complaint| format!("{}: {complaint}", file.display());
        read.complaints.into_iter().map(complain)
    });
    none(complaints.collect())
}

/// A field that does not exist is complained of.
pub(super) fn schemas_can_fail() -> Result<()> {
    let spec = json!({"podSelector": {}, "policyType": ["Ingress"]});
    let read: Read = DRIVER.ask_about(&manifest(&spec).to_string())?;
    ensure!(!read.complaints.is_empty(), "an unknown field passed");
    let spec = json!({"podSelector": {}, "policyTypes": ["Ingress"]});
    let read: Read = DRIVER.ask_about(&manifest(&spec).to_string())?;
    ensure!(read.complaints.is_empty(), "a sound manifest did not pass: {:?}", read.complaints);
    Ok(())
}

/// PyYAML reads every YAML file as serde does.
pub(super) fn readings(cases: &[Case]) -> Result<()> {
    let files = files(cases)?;
    let mut differences = Vec::new();
    for (file, read) in files.iter().zip(DRIVER.ask::<Read>(&files)?) {
        let ours = documents(&fs::read_to_string(file)?)?;
        if ours != read.documents {
            let theirs = Value::Array(read.documents);
            differences.push(format!("{}: serde reads {}, PyYAML {theirs}", file.display(), Value::Array(ours)));
        }
    }
    none(differences)
}

/// Texts without their quotes are noticed, as keys and as values.
pub(super) fn readings_can_fail() -> Result<()> {
    for bare in ["on: a", "a: off", "1_000: a", "a: 1_000", "a: 12:30", "a: 0b11_0", "a: 2026-11-01"] {
        let (ours, theirs) = (documents(bare)?, DRIVER.ask_about::<Read>(bare)?.documents);
        ensure!(ours != theirs, "{bare:?} was read alike: {theirs:?}");
    }
    for quoted in ["\"on\": \"y\"", "'1_000': '12:30'", "\"~\": \"null\""] {
        ensure!(documents(quoted)? == DRIVER.ask_about::<Read>(quoted)?.documents, "{quoted:?} was read otherwise");
    }
    Ok(())
}

fn manifest(spec: &Value) -> Value {
    let metadata = json!({"name": "a", "namespace": "b"});
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec})
}

/// Every YAML file that the cases wrote.
fn files(cases: &[Case]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for (_, run) in runs(cases)? {
        let yaml = run.outcome.files.keys().filter(|name| name.ends_with(".yaml"));
        files.extend(yaml.map(|name| run.out.join(name)));
    }
    ensure!(files.len() > cases.len(), "only {} files", files.len());
    Ok(files)
}
