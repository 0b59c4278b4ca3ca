//! Where a setting may stand, and which one counts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use clap::{Parser, Subcommand, ValueEnum};
use netwright_service::config::{self, ConfigFile};
use netwright_service::value;
use std::time::Duration;

#[derive(Debug, Parser)]
#[command(name = "program", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(Run),
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Colour {
    Red,
    Green,
}

#[derive(Debug, clap::Args)]
struct Run {
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long, default_value = "10s", value_parser = value::duration)]
    interval: Duration,
    /// Cargo sets this variable for the tests of a package.
    #[arg(long, env = "CARGO_PKG_NAME", default_value = "default")]
    package: String,
    #[arg(long)]
    node: String,
    #[arg(long, value_enum, default_value = "red")]
    colour: Colour,
    #[arg(long)]
    verbose: bool,
    #[arg(long)]
    exclude: Vec<String>,
    #[arg(long, default_value_t = 1)]
    port: u16,
}

fn run(yaml: &str, flags: &[&str]) -> Result<Run, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), yaml).unwrap();
    let path = file.path().to_str().unwrap();
    let arguments = ["program", "run", "--config", path].into_iter().chain(flags.iter().copied());
    match config::try_parse_from(arguments) {
        Ok(Cli { verb: Verb::Run(run) }) => Ok(run),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string().replace(path, "FILE")),
    }
}

#[test]
fn the_file_comes_before_defaults_and_supplies_what_is_required() {
    let yaml =
        "node: n1\ninterval: 1m\ncolour: green\nverbose: true\nport: 8080\nexclude:\n- kube-system\n- monitoring\n";
    let run = run(yaml, &[]).unwrap();
    assert_eq!((run.node.as_str(), run.interval, run.colour), ("n1", Duration::from_secs(60), Colour::Green));
    assert_eq!((run.verbose, run.port, run.exclude), (true, 8080, vec!["kube-system".into(), "monitoring".into()]));
}

#[test]
fn flags_come_before_the_file() {
    let run = run("node: n1\nport: 8080\nexclude: [a, b]\n", &["--node", "n2", "--exclude", "c"]).unwrap();
    assert_eq!((run.node.as_str(), run.port, run.exclude), ("n2", 8080, vec!["c".to_owned()]));
}

#[test]
fn the_environment_comes_between_flags_and_file() {
    assert_eq!(run("node: n1\npackage: file\n", &[]).unwrap().package, "netwright-service");
    assert_eq!(run("node: n1\npackage: file\n", &["--package", "flag"]).unwrap().package, "flag");
}

#[test]
fn a_file_that_switches_off_leaves_it_off() {
    assert!(!run("node: n1\nverbose: false\n", &[]).unwrap().verbose);
    assert!(run("node: n1\nverbose: false\n", &["--verbose"]).unwrap().verbose);
}

#[test]
fn an_empty_file_says_nothing() {
    assert_eq!(run("# nothing yet\n", &["--node", "n1"]).unwrap().port, 1);
    assert!(run("", &[]).unwrap_err().contains("--node"), "what is required is still missing");
}

#[test]
fn unknown_keys_are_named_with_the_file() {
    for key in ["intervall", "config", "help", "Node"] {
        let error = run(&format!("node: n1\n{key}: 1s\n"), &[]).unwrap_err();
        assert!(error.contains(&format!("FILE: unknown key \"{key}\"")) && error.contains("interval"), "{error}");
    }
    assert!(run("node: n1\n\"a\\nb\": 1\n", &[]).unwrap_err().contains("unknown key \"a\\\\nb\""));
    assert!(run("node: n1\n7: 1\n", &[]).unwrap_err().contains("unknown key \"7\""));
}

#[test]
fn bad_values_are_named_with_file_and_key() {
    let cases = [
        ("interval: 10", "such as 500ms"),
        ("port: 70000", "70000"),
        ("port: [1, 2]", "not a list"),
        ("colour: blue", "expected one of red, green"),
        ("verbose: sometimes", "true or false"),
        ("node:", "no value"),
        ("node: {a: b}", "expected a text"),
    ];
    for (line, expected) in cases {
        let key = line.split(':').next().unwrap();
        let error = run(line, &["--node", "n1"]).unwrap_err();
        assert!(error.contains(&format!("FILE: key \"{key}\"")) && error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn a_bad_value_is_refused_even_where_a_flag_overrides_it() {
    assert!(run("port: none\n", &["--node", "n1", "--port", "1"]).unwrap_err().contains("FILE: key \"port\""));
}

#[test]
fn a_file_that_is_none_is_told() {
    assert!(run("- a\n- b\n", &[]).unwrap_err().contains("FILE has to be a mapping"));
    assert!(run("a: [\n", &[]).unwrap_err().contains("FILE is no YAML"));
    let arguments = ["program", "run", "--config", "/nowhere/at/all", "--node", "n1"];
    let error = config::try_parse_from::<Cli>(arguments).unwrap_err();
    assert!(error.to_string().contains("cannot read the configuration file /nowhere/at/all"), "{error}");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn verbs_without_a_file_and_help_work_as_ever() {
    assert!(matches!(config::try_parse_from(["program", "other"]), Ok(Cli { verb: Verb::Other })));
    let help = config::try_parse_from::<Cli>(["program", "run", "--help"]).unwrap_err();
    assert_eq!((help.exit_code(), help.kind()), (0, clap::error::ErrorKind::DisplayHelp));
    let usage = config::try_parse_from::<Cli>(["program", "run", "--unknown"]).unwrap_err();
    assert!(usage.to_string().contains("--unknown"), "{usage}");
}
