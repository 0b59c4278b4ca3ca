//! The same question to `netwright connectivity` and to network-config-analyzer: all that 200 policies allow between 200
//! workloads. Whole processes, from the same files, in turn.

use crate::cluster::{self, Shape};
use anyhow::{Context, Result, bail};
use netwright_tests::oracle::Oracle;
use netwright_tests::results::rounded;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const SHAPE: Shape = Shape { namespaces: 20, workloads: 10, replicas: 1 };
/// The other tool takes minutes.
const ROUNDS: usize = 3;
/// Runs of ours for each of theirs.
const RUNS: usize = 11;

/// `None` where one of the two is not there.
pub(crate) fn run() -> Result<Option<Value>> {
    let (Some(theirs), Some(ours)) = (Oracle::program(), netwright()) else { return Ok(None) };
    let made = cluster::services(SHAPE, crate::SEED);
    let folder = tempfile::tempdir()?;
    let [policies, pods] = ["policies.yaml", "pods.yaml"].map(|name| folder.path().join(name));
    std::fs::write(&policies, &made.policies)?;
    std::fs::write(&pods, cluster::manifests(&made))?;
    let (mut ratios, mut seconds) = (Vec::new(), [Vec::new(), Vec::new()]);
    for _ in 0..ROUNDS {
        let mut own: Vec<f64> =
            (0..RUNS).map(|_| time(&mut our_command(&ours, &policies, &pods))).collect::<Result<_>>()?;
        let other = time(&mut their_command(&theirs, &policies, &pods))?;
        let own = median(&mut own);
        ratios.push(other / own);
        seconds[0].push(own);
        seconds[1].push(other);
    }
    let [mut own, mut other] = seconds;
    ratios.sort_by(f64::total_cmp);
    Ok(Some(json!({
        "ratio": rounded(median(&mut ratios), 0),
        "low": rounded(ratios[0], 0),
        "high": rounded(ratios[ratios.len() - 1], 0),
        "rounds": ROUNDS,
        "netwright_seconds": rounded(median(&mut own), 5),
        "nca_seconds": rounded(median(&mut other), 2),
        "workloads": made.pods.len(),
    })))
}

/// Beside this bench's own program, where cargo puts the binaries of the same profile.
fn netwright() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    own.parent()?.parent().map(|folder| folder.join("netwright")).filter(|path| path.is_file())
}

fn our_command(program: &Path, policies: &Path, pods: &Path) -> Command {
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

fn their_command(program: &Path, policies: &Path, pods: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--connectivity").arg(policies).arg("--pod_list").arg(pods).arg("--ns_list").arg(pods);
    command.args(["--output_format", "txt_no_fw_rules", "--output_endpoints", "pods", "--return_0"]);
    command
}

/// Wall-clock seconds of one run, which has to succeed.
fn time(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("running {command:?}"))?;
    let seconds = start.elapsed().as_secs_f64();
    if !output.status.success() || output.stdout.is_empty() {
        bail!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(seconds)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
