//! The evaluator against network-config-analyzer, which shares no code with it, on random policies.
//!
//! `NETWRIGHT_NCA` names the program; without it the tests say so and are skipped. `NETWRIGHT_SEED` (a number, 1 by
//! default) decides what is drawn, `NETWRIGHT_SETS` how much. Where the two disagree for a known reason, [`known`] has
//! the case with who is right and why, and [`wording`] asks the analyzer the same in words that it reads rightly.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

mod compare;
mod generate;
mod known;
mod wording;

use compare::{Answers, Compared, Tally};
use generate::{Case, cases};
use netwright_policy::Direction;
use netwright_tests::oracle::{Oracle, ask_all};
use std::io::Write;
use wording::{Reworded, half, whole};

/// The analyzer, or a line that says why the test is skipped.
fn program() -> Option<std::path::PathBuf> {
    let found = Oracle::program();
    if found.is_none() {
        netwright_tests::skipped("NETWRIGHT_NCA names no network-config-analyzer (`make setup` installs it)");
    }
    found
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().expect(variable))
}

/// On standard error itself, which the test runner does not swallow.
fn say(line: &str) {
    _ = writeln!(std::io::stderr(), "analyzer: {line}");
}

fn ask(program: &std::path::Path, cases: &[Case], reworded: &mut Reworded) -> Vec<Answers> {
    let questions: Vec<_> = cases
        .iter()
        .flat_map(|case| [whole(case, reworded), half(case, Direction::Egress), half(case, Direction::Ingress)])
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let mut answers = ask_all(program, folder.path(), &questions).unwrap().into_iter();
    let mut next = || answers.next().expect("an answer for each question");
    cases.iter().map(|_| Answers { whole: next(), egress: next(), ingress: next() }).collect()
}

#[test]
fn agrees_on_random_policies() {
    let Some(program) = program() else { return };
    let (seed, sets) = (number("NETWRIGHT_SEED", 1), number("NETWRIGHT_SETS", 300));
    say(&format!("{sets} policy sets of seed {seed} (NETWRIGHT_SETS, NETWRIGHT_SEED)"));
    let (cases, mut reworded, mut tally) = (cases(seed.try_into().unwrap(), sets), Reworded::new(), Tally::default());
    let answers = ask(&program, &cases, &mut reworded);
    for (index, (case, answers)) in cases.iter().zip(&answers).enumerate() {
        let before = tally.disagreements.len();
        Compared::new(case).compare(answers, &mut tally);
        if let Some(first) = tally.disagreements.get(before) {
            let policies = serde_json::to_string(&case.policies).unwrap();
            say(&format!(
                "set {index} of seed {seed}: {} disagreements, first: {first}\n{policies}",
                tally.disagreements.len() - before
            ));
        }
    }
    let Tally { compared, allowed, related, left_out, disagreements } = &tally;
    let disagreeing = disagreements.len();
    say(&format!(
        "{compared} answers compared ({allowed} allowed), {left_out} left out, {related} of the relation, {disagreeing} disagreements"
    ));
    say(&format!("in other words: {reworded:?}"));
    assert!(disagreements.is_empty(), "{disagreeing} disagreements, for example {:?}", disagreements.first());
    assert!(*allowed > compared / 10 && *allowed < compared - compared / 10, "both answers are asked for");
}

/// The comparison can fail: a set that lacks its last policy is told apart from the answers about all of it.
#[test]
fn a_missing_policy_is_noticed() {
    let Some(program) = program() else { return };
    let mut cases = cases(7, 12);
    let answers = ask(&program, &cases, &mut Reworded::new());
    let noticed = cases.iter_mut().zip(&answers).filter_map(|(case, answers)| {
        let mut tally = Tally::default();
        case.policies.pop();
        Compared::new(case).compare(answers, &mut tally);
        tally.disagreements.first().cloned()
    });
    assert!(noticed.count() > 6, "most policies make a difference");
}
