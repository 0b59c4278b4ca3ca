//! What questions about policies cost: all pairs of a large cluster, one verdict, reading manifests, and the same
//! question put to network-config-analyzer.
//!
//! `cargo bench -p netwright-tests --bench policy [-- FILTER]`. One core, no other needed. Memory is what the heap held at
//! its peak. Results go to `target/bench/results.json`.
#![allow(clippy::indexing_slicing, clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)] // A bench: its tables are its own, its output is the point.

mod against;
mod cluster;

use anyhow::{Context, Result};
use cluster::{Made, Shape};
use criterion::{BatchSize, Criterion};
use netwright_policy::{Classes, Count, Party, PolicySet, Protocol, Relation, Source};
use netwright_tests::results::{self, rounded};
use peak_alloc::PeakAlloc;
use serde_json::{Map, Value, json};
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The same clusters in every run.
const SEED: u64 = 20;
const LARGE: Shape = Shape { namespaces: 1000, workloads: 10, replicas: 10 };
/// So many that no branch is learnt by heart, so few that they stay in the cache: what warm means.
const QUESTIONS: usize = 64;
const MIB: f64 = 1024.0 * 1024.0;

fn main() -> Result<()> {
    let folder = results::folder();
    let mut criterion = Criterion::default()
        .output_directory(&folder.join("criterion"))
        .sample_size(30)
        .measurement_time(Duration::from_secs(8))
        .warm_up_time(Duration::from_secs(1))
        .configure_from_args();
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| filter.as_deref().is_none_or(|filter| name.contains(filter));
    let mut rows = Map::new();
    let mut add = |name: &str, row: Value| {
        println!("{name}: {row}");
        rows.insert(name.to_owned(), row);
    };
    if ["policy/all-pairs", "policy/verdict", "policy/parse"].into_iter().any(&wanted) {
        let made = cluster::services(LARGE, SEED);
        let policies = parse(&made)?;
        if wanted("policy/all-pairs") {
            add("policy/all-pairs", all_pairs(&mut criterion, &folder, "all-pairs", &made, &policies)?);
        }
        if wanted("policy/verdict") {
            add("policy/verdict", verdict(&mut criterion, &folder, &made, &policies)?);
        }
        if wanted("policy/parse") {
            add("policy/parse", parsing(&mut criterion, &folder, &made)?);
        }
    }
    if wanted("policy/unique-labels") {
        let made = cluster::unique_labels(10_000);
        let policies = parse(&made)?;
        add("policy/unique-labels", all_pairs(&mut criterion, &folder, "unique-labels", &made, &policies)?);
    }
    if wanted("policy/vs-nca") {
        match against::run()? {
            Some(row) => add("policy/vs-nca", row),
            None => println!(
                "policy/vs-nca: skipped: network-config-analyzer or netwright is not there; `make bench` installs and builds them"
            ),
        }
    }
    println!("written to {}", results::write(rows)?.display());
    Ok(())
}

fn parse(made: &Made) -> Result<PolicySet> {
    let source = Source { name: "policies.yaml".into(), text: made.policies.clone() };
    let parsed = PolicySet::parse(&[source]).ok().context("the made-up policies do not parse")?;
    Ok(parsed.policies)
}

/// From pods and policies in memory to the whole relation, counted.
fn relate(made: &Made, policies: &PolicySet) -> (usize, Count) {
    let classes = Classes::new(&[policies], &made.cluster, &made.pods);
    (classes.len(), Relation::new(&classes, policies).count())
}

fn all_pairs(criterion: &mut Criterion, folder: &Path, name: &str, made: &Made, policies: &PolicySet) -> Result<Value> {
    criterion.bench_function(&format!("policy/{name}"), |bencher| {
        bencher.iter(|| relate(black_box(made), black_box(policies)))
    });
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let (classes, count) = relate(made, policies);
    let peak = HEAP.peak_usage();
    let time = Estimate::of(folder, name)?;
    Ok(json!({
        "seconds": rounded(time.median / 1e9, 5),
        "low": rounded(time.low / 1e9, 5),
        "high": rounded(time.high / 1e9, 5),
        "peak_mib": rounded(peak.saturating_sub(before) as f64 / MIB, 1),
        "with_input_peak_mib": rounded(peak as f64 / MIB, 1),
        "pods": made.pods.len(),
        "policies": policies.policies().len(),
        "classes": classes,
        "pairs": count.pairs,
        "allowed_pairs": count.allowed,
    }))
}

/// Verdicts for some pairs of pods, asked again and again.
fn verdict(criterion: &mut Criterion, folder: &Path, made: &Made, policies: &PolicySet) -> Result<Value> {
    let questions: Vec<(Party, Party, u16)> = (0..QUESTIONS)
        .map(|number| {
            let pod = |step: usize| &made.pods[number * step % made.pods.len()];
            (Party::Pod(pod(7919)), Party::Pod(pod(104_729)), 8080)
        })
        .collect();
    let mut next = questions.iter().cycle();
    criterion.bench_function("policy/verdict", |bencher| {
        bencher.iter(|| {
            let (from, to, port) = next.next().unwrap();
            policies.verdict(&made.cluster, black_box(from), black_box(to), Protocol::Tcp, *port)
        });
    });
    let time = Estimate::of(folder, "verdict")?;
    Ok(json!({
        "nanoseconds": rounded(time.median, 1),
        "low": rounded(time.low, 1),
        "high": rounded(time.high, 1),
        "questions": questions.len(),
        "policies": policies.policies().len(),
    }))
}

fn parsing(criterion: &mut Criterion, folder: &Path, made: &Made) -> Result<Value> {
    let mut group = criterion.benchmark_group("policy");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    let source = || [Source { name: "policies.yaml".into(), text: made.policies.clone() }];
    group.bench_function("parse", |bencher| {
        bencher.iter_batched(source, |sources| PolicySet::parse(&sources).unwrap(), BatchSize::PerIteration);
    });
    group.finish();
    let time = Estimate::of(folder, "parse")?;
    let bytes = made.policies.len() as f64;
    Ok(json!({
        "seconds": rounded(time.median / 1e9, 3),
        "low": rounded(time.low / 1e9, 3),
        "high": rounded(time.high / 1e9, 3),
        "mib": rounded(bytes / MIB, 1),
        "mib_per_second": rounded(bytes / MIB / (time.median / 1e9), 1),
    }))
}

/// What criterion found, in nanoseconds: the median with its 95 % interval.
struct Estimate {
    median: f64,
    low: f64,
    high: f64,
}

impl Estimate {
    fn of(folder: &Path, name: &str) -> Result<Self> {
        // Criterion writes `policy/x` as one name with an underscore, and a group's bench in a folder.
        let names = [format!("policy_{name}"), format!("policy/{name}")];
        let paths = names.map(|name| folder.join("criterion").join(name).join("new/estimates.json"));
        let path =
            paths.iter().find(|path| path.is_file()).with_context(|| format!("criterion left nothing at {paths:?}"))?;
        let estimates: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        let number =
            |field: &str| estimates.pointer(field).and_then(Value::as_f64).with_context(|| format!("no {field}"));
        Ok(Self {
            median: number("/median/point_estimate")?,
            low: number("/median/confidence_interval/lower_bound")?,
            high: number("/median/confidence_interval/upper_bound")?,
        })
    }
}
