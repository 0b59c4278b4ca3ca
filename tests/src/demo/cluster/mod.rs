//! The whole loop on a real Kubernetes, for a person to watch: the chart installed by Helm, a shop that is watched while it is rolled out,
//! scaled down and run by the clock; then what was seen is pulled, policies are written, proved, and applied to the API server.

mod manifests;
mod shop;

use super::netwright::Outcome;
use super::report::Report;
use super::{clear, draw};
use crate::cluster::{Kubectl, Options};
use crate::installation::{Installation, NAMESPACE, Store};
use anyhow::{Context, Result, bail};
use netwright_record::{Endpoint, Observation, file::read_path};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);
/// How long it may take until what was said has been shipped, has settled and is merged.
const SETTLED: Duration = Duration::from_secs(90);

/// Runs the demonstration, with `traffic` of it for the shop, and leaves its outputs in `directory`. Fails if one edge is missing,
/// extra or wrong, or a policy denies one, or the API server refuses one.
///
/// # Errors
/// A step that could not be done, with what the machine lacks or what the program said.
pub fn run(directory: &Path, traffic: Duration) -> Result<ExitCode> {
    let begun = Instant::now();
    let lacking = Installation::lacking();
    if !lacking.is_empty() {
        bail!("this machine lacks: {}", lacking.join("; "));
    }
    clear(directory)?;
    let mut report = Report::new();
    let installation = install(&mut report)?;
    report.heading("The shop")?;
    play(&installation, traffic, &mut report)?;

    let file = directory.join("observation.jsonl.zst");
    report.heading("netwright pull")?;
    let observation = pull(&installation, &file, &mut report)?;
    // After the window has settled, not before: it says what the file is made of.
    report.heading("netwright status")?;
    report.outcome(&outcome(&mut installation.netwright("status")?)?)?;
    let wrong = compare(&observation, &mut report)?;
    super::write_and_prove(&file, directory, &mut report)?;
    apply(installation.kubectl(), &directory.join("policies"), &mut report)?;
    draw(&file, directory, &mut report)?;
    report.heading("Outputs")?;
    report.tree(directory)?;
    installation.stop()?;
    report.text(&format!("report.txt, and all of it in {} s; the cluster is gone", begun.elapsed().as_secs()))?;
    report.write(&directory.join("report.txt"))?;
    match wrong {
        0 => Ok(ExitCode::SUCCESS),
        wrong => bail!("{wrong} edges are not as declared; see the lists above"),
    }
}

fn install(report: &mut Report) -> Result<Installation> {
    report.heading("A Kubernetes of two nodes, with Netwright installed by Helm")?;
    let corefile = format!("hosts {{\n  @OUTSIDE@.{} {}\n  fallthrough\n}}", shop::OUTSIDE_HOST, shop::OUTSIDE_NAME);
    let options = Options { corefile, ..Options::default() };
    let installation = Installation::start(Store::Sqlite, &options)?;
    let kubectl = installation.kubectl();
    report.text(&kubectl.run(&["get", "nodes"])?)?;
    report.text(&kubectl.run(&["get", "pods", "--namespace", NAMESPACE, "--output=wide"])?)?;
    Ok(installation)
}

/// The shop for as long as it is to be watched: a rollout after a third, a Deployment scaled down after two.
fn play(installation: &Installation, traffic: Duration, report: &mut Report) -> Result<()> {
    for image in ["postgresql", "redis"] {
        installation.cluster().load_stock(image)?;
    }
    let mut outside = shop::open(installation)?;
    let kubectl = installation.kubectl();
    let third = traffic / 3;
    report.text(&kubectl.run(&[
        "get",
        "pods",
        "--all-namespaces",
        "--field-selector=metadata.namespace!=kube-system",
    ])?)?;
    report.text(&format!("three times {} s of traffic", third.as_secs()))?;
    sleep(third);
    report.text(&kubectl.run(&["rollout", "restart", "deployment/api", "--namespace=shop"])?)?;
    kubectl.run(&["rollout", "status", "deployment/api", "--namespace=shop", "--timeout=120s"])?;
    sleep(third);
    report.text(&kubectl.run(&["scale", "deployment/recommendations", "--replicas=0", "--namespace=shop"])?)?;
    sleep(third);
    report.text(&kubectl.run(&["get", "jobs,cronjobs", "--all-namespaces"])?)?;
    outside.end()
}

/// What is pulled, as soon as everything declared is in it; or when it should have been.
fn pull(installation: &Installation, file: &Path, report: &mut Report) -> Result<Observation> {
    let begun = Instant::now();
    let declared = shop::declared();
    loop {
        let mut command = installation.netwright("pull")?;
        let pulled = outcome(command.arg("--out").arg(file))?.expect(0)?;
        let (observation, _) = read_path(file)?;
        if declared.is_subset(&edges(&observation)) || begun.elapsed() > SETTLED {
            report.outcome(&pulled)?;
            return Ok(observation);
        }
        sleep(Duration::from_secs(3));
    }
}

/// Says which edges are as declared. Returns how many are not.
fn compare(observation: &Observation, report: &mut Report) -> Result<usize> {
    report.heading("Edges: declared and seen")?;
    let (declared, seen) = (shop::declared(), edges(observation));
    for edge in declared.union(&seen) {
        let verdict = match (declared.contains(edge), seen.contains(edge)) {
            (true, true) => "as declared",
            (true, false) => "MISSING",
            _ => "NEVER DECLARED",
        };
        report.text(&format!("{edge:<88} {verdict}"))?;
    }
    let wrong = declared.symmetric_difference(&seen).count();
    report.text(&format!("{} of {} as declared", declared.intersection(&seen).count(), declared.len()))?;
    for (cause, lost) in
        observation.coverage.iter().flat_map(|stretch| stretch.losses.named()).filter(|(_, lost)| *lost > 0)
    {
        report.text(&format!("lost: {cause} {lost}"))?;
    }
    Ok(wrong)
}

/// The established edges that have a workload of the shop at an end.
fn edges(observation: &Observation) -> BTreeSet<String> {
    let ours = |end: &Endpoint| match end {
        Endpoint::Workload(workload) | Endpoint::Node { workload: Some(workload), .. } => {
            shop::NAMESPACES.contains(&workload.namespace.as_str())
        }
        _ => false,
    };
    let edges = observation.edges.iter().filter(|edge| edge.activity.established());
    edges.filter(|edge| ours(&edge.client) || ours(&edge.server)).map(shop::name).collect()
}

fn apply(kubectl: &Kubectl, policies: &Path, report: &mut Report) -> Result<()> {
    report.heading("The policies, applied to the API server")?;
    let path = policies.display().to_string();
    report.text(&kubectl.run(&["apply", "--kustomize", &path])?)?;
    report.text(&kubectl.run(&["get", "networkpolicies", "--all-namespaces"])?)
}

fn outcome(command: &mut Command) -> Result<Outcome> {
    let name = format!("{command:?}");
    let output = command.output().with_context(|| name.clone())?;
    let words = command.get_args().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    Ok(Outcome {
        command: format!("netwright {words}"),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
