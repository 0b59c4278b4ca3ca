//! The same question to `netwright connectivity` and to network-config-analyzer: all that 200 policies allow between 200
//! pods. Whole processes, from the same files, in turn; once as JSON and once as YAML, most of which is the reading.

use crate::cluster::{self, Shape};
use anyhow::{Context, Result, bail, ensure};
use netwright_tests::oracle::Oracle;
use netwright_tests::results::rounded;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

const SHAPE: Shape = Shape { namespaces: 20, workloads: 10, replicas: 1 };
/// The other tool takes a third of a minute each time.
const ROUNDS: usize = 3;
/// Runs of ours for each of theirs.
const RUNS: usize = 21;

/// The question, as files of one format.
struct Files {
    policies: PathBuf,
    pods: PathBuf,
}

/// `None` where one of the two is not there.
pub(crate) fn run() -> Result<Option<Value>> {
    let (Some(theirs), Some(ours)) = (Oracle::program(), netwright()) else { return Ok(None) };
    let made = cluster::services(SHAPE, crate::SEED);
    let folder = tempfile::tempdir()?;
    let texts = [made.policies.clone(), cluster::manifests(&made)];
    let yaml = files(folder.path(), "yaml", &texts)?;
    let json = files(folder.path(), "json", &[list(&texts[0])?, list(&texts[1])?])?;
    let [json, yaml] = [compare(&ours, &theirs, &json)?, compare(&ours, &theirs, &yaml)?];
    Ok(Some(json!({
        "ratio": rounded(median(&json.ratios), 0),
        "low": rounded(json.ratios.iter().copied().fold(f64::MAX, f64::min), 0),
        "high": rounded(json.ratios.iter().copied().fold(0.0, f64::max), 0),
        "netwright_seconds": rounded(median(&json.ours), 5),
        "nca_seconds": rounded(median(&json.theirs), 2),
        "yaml_ratio": rounded(median(&yaml.ratios), 0),
        "yaml_netwright_seconds": rounded(median(&yaml.ours), 5),
        "yaml_nca_seconds": rounded(median(&yaml.theirs), 2),
        "rounds": ROUNDS,
        "pods": made.pods.len(),
        "allowed_pairs": json.pairs,
    })))
}

fn files(folder: &Path, format: &str, [policies, pods]: &[String; 2]) -> Result<Files> {
    let write = |name: &str, text: &str| -> Result<PathBuf> {
        let path = folder.join(format!("{name}.{format}"));
        std::fs::write(&path, text)?;
        Ok(path)
    };
    Ok(Files { policies: write("policies", policies)?, pods: write("pods", pods)? })
}

/// Documents of YAML as one JSON list, like `kubectl get -o json`.
fn list(text: &str) -> Result<String> {
    use serde::Deserialize;
    let documents = serde_yaml::Deserializer::from_str(text).map(Value::deserialize);
    let items: Vec<Value> = documents.collect::<Result<_, _>>()?;
    let items: Vec<&Value> = items.iter().filter(|item| !item.is_null()).collect();
    Ok(json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())
}

/// Times of both in seconds, and theirs over ours, round by round.
#[derive(Default)]
struct Compared {
    ours: Vec<f64>,
    theirs: Vec<f64>,
    ratios: Vec<f64>,
    pairs: usize,
}

fn compare(ours: &Path, theirs: &Path, files: &Files) -> Result<Compared> {
    let mut compared = Compared::default();
    for _ in 0..ROUNDS {
        let mut times = Vec::new();
        let mut answer = BTreeSet::new();
        for _ in 0..RUNS {
            let (time, output) = time(&mut our_command(ours, files))?;
            times.push(time);
            answer = our_pairs(&output)?;
        }
        let (their_time, output) = time(&mut their_command(theirs, files))?;
        ensure!(answer == their_pairs(&output), "the two do not allow the same pairs");
        compared.pairs = answer.len();
        compared.ratios.push(their_time / median(&times));
        compared.ours.push(median(&times));
        compared.theirs.push(their_time);
    }
    Ok(compared)
}

/// Pairs of pods as `namespace/name`, from our list.
fn our_pairs(output: &Output) -> Result<BTreeSet<(String, String)>> {
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).context("our list is no JSON")?;
    let name = |end: &Value| Some(format!("{}/{}", end["namespace"].as_str()?, end["name"].as_str()?));
    Ok(list.iter().filter_map(|pair| Some((name(&pair["src"])?, name(&pair["dst"])?))).collect())
}

/// The same from lines such as `shop/front => shop/api : ...`; addresses have other slashes, or none.
fn their_pairs(output: &Output) -> BTreeSet<(String, String)> {
    let text = String::from_utf8_lossy(&output.stdout);
    let is_pod = |name: &str| name.contains('/') && name.starts_with("team-");
    let pairs = text.lines().filter_map(|line| line.split_once(" : ")?.0.split_once(" => "));
    let pairs = pairs.map(|(from, to)| (from.trim().to_owned(), to.trim().to_owned()));
    pairs.filter(|(from, to)| is_pod(from) && is_pod(to)).collect()
}

/// Beside this bench's own program, where cargo puts the binaries of the same profile.
fn netwright() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    own.parent()?.parent().map(|folder| folder.join("netwright")).filter(|path| path.is_file())
}

fn our_command(program: &Path, Files { policies, pods }: &Files) -> Command {
    let mut command = Command::new(program);
    command
        .arg("connectivity")
        .arg("--policies")
        .arg(policies)
        .arg("--inventory")
        .arg(pods)
        .args(["--by", "pod", "-o", "json"]);
    command
}

fn their_command(program: &Path, Files { policies, pods }: &Files) -> Command {
    let mut command = Command::new(program);
    command.arg("--connectivity").arg(policies).arg("--pod_list").arg(pods).arg("--ns_list").arg(pods);
    command.args(["--output_format", "txt_no_fw_rules", "--output_endpoints", "pods", "--return_0"]);
    command
}

/// Wall-clock seconds of one run, which has to succeed, and what it printed.
fn time(command: &mut Command) -> Result<(f64, Output)> {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {command:?}"))?;
    let seconds = start.elapsed().as_secs_f64();
    if !output.status.success() || output.stdout.is_empty() {
        bail!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok((seconds, output))
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
