//! The corpus: for each mistake that a writer of policies can make, a small cluster in which it would show.
//!
//! A case goes the whole way: objects as `kubectl get` prints them and what agents saw become an observation, `netwright
//! synth` runs on it, and the policies are asked. `tests/corpus/README.md` says how a case is written. Every case is a test of
//! its own name; `cargo test -p netwright-tests --test corpus -- NAME` runs those whose name contains it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

mod case;
mod exact;
mod expect;
mod oracles;
mod pending;
mod question;
mod seen;
mod self_check;
mod size;
mod snapshot;

use anyhow::{Result, ensure};
use case::Case;
use libtest_mimic::{Arguments, Failed, Trial};
use pending::Pending;
use std::process::ExitCode;
use std::sync::Arc;

/// The test over all cases that judges how long rules are.
const SIZE: &str = "size";

/// Fewer would mean that cases were lost.
const FEWEST: usize = 100;

fn main() -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    let (cases, pending) = (Arc::new(Case::all()?), Arc::new(Pending::read()?));
    let mut trials: Vec<Trial> = (0..cases.len()).map(|index| trial(&cases, index, &pending)).collect();
    trials.extend(oracles::trials(&cases, &pending));
    type Check = fn(&[Case], &Pending) -> Result<()>;
    let over_all: [(&str, Check); 6] = [
        ("pending", |cases, pending| pending.check(cases)),
        ("number", |cases, _| number(cases)),
        (SIZE, |cases, pending| pending.judge(SIZE, size::no_rule_is_longer(cases))),
        ("size-can-fail", |cases, _| size::can_fail(cases)),
        ("exact", |cases, _| exact::nothing_unseen(cases)),
        ("exact-can-fail", |cases, _| exact::can_fail(cases)),
    ];
    for (name, check) in over_all {
        let (cases, pending) = (Arc::clone(&cases), Arc::clone(&pending));
        trials.push(Trial::test(name, move || answer(check(&cases, &pending))));
    }
    trials.extend(self_check::trials());
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

fn trial(cases: &Arc<Vec<Case>>, index: usize, pending: &Arc<Pending>) -> Trial {
    let (cases, pending) = (Arc::clone(cases), Arc::clone(pending));
    let name = format!("case/{}", cases[index].name);
    Trial::test(name, move || answer(check(&cases[index], &pending)))
}

fn check(case: &Case, pending: &Pending) -> Result<()> {
    case.argue()?;
    let broken = case.broken()?;
    // What is not right yet has no manifests to approve.
    let unapproved = if pending.missing(&case.name).is_none() { case.unapproved()? } else { Vec::new() };
    let broken: Vec<String> = broken.into_iter().chain(unapproved).collect();
    let result = if broken.is_empty() { Ok(()) } else { Err(anyhow::anyhow!("{}", broken.join("\n"))) };
    pending.judge(&case.name, result)
}

fn number(cases: &[Case]) -> Result<()> {
    ensure!(cases.len() >= FEWEST, "only {} cases", cases.len());
    Ok(())
}

/// With the whole chain of causes.
pub(crate) fn answer(result: Result<()>) -> Result<(), Failed> {
    result.map_err(|error| Failed::from(format!("{error:#}")))
}
