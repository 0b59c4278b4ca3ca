//! The rules for Prometheus: promtool on what they say, and running agents and a running collector on what they ask for.

use crate::cluster::Release;
use crate::tools::{path, text};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

const RULES: &str = "deploy/alerts/netwright.rules.yaml";

/// promtool's verdict; says so and returns nothing where it is not installed.
fn promtool(arguments: &[&str]) -> Option<(bool, String)> {
    match Command::new("promtool").args(arguments).current_dir(path("")).output() {
        Ok(output) => Some((output.status.success(), text(&output.stdout) + &text(&output.stderr))),
        Err(error) => {
            netwright_tests::skipped(&format!("promtool: {error} (Debian's prometheus has it)"));
            None
        }
    }
}

#[test]
fn promtool_takes_the_rules_and_their_tests_pass() {
    let Some((good, said)) = promtool(&["check", "rules", "--lint=all", "--lint-fatal", RULES]) else { return };
    assert!(good, "{said}");
    let (good, said) = promtool(&["test", "rules", "deploy/alerts/netwright.rules.test.yaml"]).unwrap();
    assert!(good, "{said}");
}

#[test]
fn every_alert_has_a_test_and_says_what_to_do() {
    let read =
        |name: &str| -> serde_yaml::Value { serde_yaml::from_str(&fs::read_to_string(path(name)).unwrap()).unwrap() };
    let tests = read("deploy/alerts/netwright.rules.test.yaml");
    let tested: BTreeSet<&str> =
        tests["tests"].as_sequence().unwrap().iter().map(|test| test["name"].as_str().unwrap()).collect();
    for rule in rules(&read(RULES)) {
        let name = rule["alert"].as_str().unwrap();
        assert!(tested.contains(name), "{name} has no test");
        for annotation in ["summary", "description"] {
            assert!(!rule["annotations"][annotation].as_str().unwrap().is_empty(), "{name}: {annotation}");
        }
    }
}

fn rules(file: &serde_yaml::Value) -> Vec<serde_yaml::Value> {
    let groups = file["groups"].as_sequence().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_sequence().unwrap().clone()).collect()
}

/// The names of ours in an expression.
fn named(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("netwright_")).map(str::to_owned).collect()
}

/// The names of all samples. One that is told only once something has happened would not do: no increase is seen of what was not there.
fn told(metrics: &str) -> BTreeSet<String> {
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| Some(line.split(['{', ' ']).next()?.to_owned())).collect()
}

#[test]
fn agents_and_the_collector_tell_every_metric_that_a_rule_names() {
    let Some(release) = Release::shared() else { return };
    let rules: serde_yaml::Value = serde_yaml::from_str(&fs::read_to_string(path(RULES)).unwrap()).unwrap();
    let asked: BTreeSet<String> =
        self::rules(&rules).iter().flat_map(|rule| named(rule["expr"].as_str().unwrap())).collect();
    assert!(asked.len() > 15, "{asked:?}");
    let pods = ["agent", "collector"].into_iter().flat_map(|component| release.pods(component));
    let told: BTreeSet<String> = pods.flat_map(|pod| told(&release.metrics(&pod))).collect();
    let unknown: Vec<&String> = asked.difference(&told).collect();
    assert!(unknown.is_empty(), "nobody tells {unknown:?}, but {told:?}");
}
