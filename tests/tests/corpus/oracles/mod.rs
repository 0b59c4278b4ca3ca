//! What programs that share no code with this project say of the manifests of all cases.
//!
//! A program that is missing fails its test and says what to run: `make test` installs all of them.

mod analyzer;
mod dialects;
mod driver;
mod kustomize;
mod python;

use crate::answer;
use crate::case::{Case, Run};
use crate::pending::Pending;
use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use std::path::PathBuf;
use std::sync::Arc;

/// One test for each oracle over all cases, and one that shows that it can say no.
pub(crate) fn trials(cases: &Arc<Vec<Case>>, pending: &Arc<Pending>) -> Vec<Trial> {
    type Check = fn(&[Case], &Pending) -> Result<()>;
    let checks: [(&str, Check); 9] = [
        ("kubernetes-validate", |cases, _| python::schemas(cases)),
        ("kubernetes-validate-can-fail", |_, _| python::schemas_can_fail()),
        ("pyyaml", |cases, _| python::readings(cases)),
        ("pyyaml-can-fail", |_, _| python::readings_can_fail()),
        ("kustomize", |cases, _| kustomize::builds(cases)),
        ("definitions", |cases, _| dialects::definitions(cases)),
        ("definitions-can-fail", |_, _| dialects::definitions_can_fail()),
        ("analyzer", analyzer::agrees),
        ("analyzer-can-fail", |_, _| analyzer::can_fail()),
    ];
    let trial = |(name, check): (&str, Check)| {
        let (cases, pending) = (Arc::clone(cases), Arc::clone(pending));
        Trial::test(format!("oracle/{name}"), move || answer(check(&cases, &pending)))
    };
    checks.into_iter().map(trial).collect()
}

/// The program that an environment variable names.
fn program(variable: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file());
    path.ok_or_else(|| {
        anyhow::anyhow!(
            "{variable} names no program. `make test` installs it and sets the variable; for this test alone: \
             `scripts/setup.sh test`, then `source scripts/common.sh` in the shell that runs the test"
        )
    })
}

/// The runs of all cases that wrote something: a case that is to be refused writes nothing.
fn runs(cases: &[Case]) -> Result<Vec<(&str, &Run)>> {
    let mut runs = Vec::new();
    for case in cases {
        // What is wrong with a run is the case's own test to say.
        if let Ok(run) = case.run()
            && run.outcome.code == Some(0)
        {
            runs.push((case.name.as_str(), run));
        }
    }
    ensure!(runs.len() > cases.len() / 2, "only {} of {} cases ran", runs.len(), cases.len());
    Ok(runs)
}

/// All complaints at once.
fn none(complaints: Vec<String>) -> Result<()> {
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}
