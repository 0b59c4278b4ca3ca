//! The rules for Prometheus: promtool on what they say, and the sources on what they ask for.

use crate::tools::{path, text};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
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

/// A name such as `netwright_agent_lost_total` is registered as `lost`, with the prefix of its program; units and `_total` are
/// added by the library.
#[test]
fn every_metric_that_a_rule_names_is_registered() {
    let rules: serde_yaml::Value = serde_yaml::from_str(&fs::read_to_string(path(RULES)).unwrap()).unwrap();
    let mut named = BTreeSet::new();
    for rule in self::rules(&rules) {
        let words = rule["expr"]
            .as_str()
            .unwrap()
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .map(str::to_owned)
            .collect::<Vec<_>>();
        named.extend(words.into_iter().filter(|word| word.starts_with("netwright_")));
    }
    assert!(named.len() > 10, "{named:?}");
    let sources = [
        ("netwright_agent_", sources(&path("agent/src"))),
        ("netwright_collector_", sources(&path("agent/collector/src"))),
    ];
    for (prefix, source) in sources {
        if !source.contains("prometheus_client") {
            netwright_tests::skipped(&format!(
                "no metric {prefix}… is registered yet, so names in rules are not checked"
            ));
            continue;
        }
        let of_program = named.iter().filter_map(|name| name.strip_prefix(prefix));
        let unknown: Vec<&str> = of_program.filter(|name| !is_registered(name, &source)).collect();
        assert!(unknown.is_empty(), "rules name what {prefix}… does not have: {unknown:?}");
    }
    assert!(named.iter().all(|name| name.starts_with("netwright_agent_") || name.starts_with("netwright_collector_")));
}

fn is_registered(name: &str, source: &str) -> bool {
    let short = ["_total", "_seconds", "_bytes"].iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(name);
    [name, short].iter().any(|name| source.contains(&format!("\"{name}\"")))
}

fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() {
            all += &sources(&entry);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            all += &fs::read_to_string(entry).unwrap();
        }
    }
    all
}
