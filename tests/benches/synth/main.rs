//! What `netwright synth` costs, proof included, on made-up observations of a typical cluster and of the largest one.
//!
//! `cargo bench -p netwright-tests --bench synth [-- FILTER]`. Whole processes from a file to a folder: wall time, the most
//! memory that was resident, and where the time went as the command itself logs it. Results go to `target/bench/results.json`.
//! `-- --keep` leaves the observations and the policies in `target/bench/synth`.
#![allow(clippy::print_stdout)] // A bench: its output is the point.

mod measure;

use anyhow::{Context, Result, ensure};
use measure::{Measured, Run};
use netwright_tests::results::{self, rounded};
use netwright_tests::synthetic::{Shape, observation};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The same clusters in every run.
const SEED: u64 = 5;
const MIB: f64 = 1024.0 * 1024.0;

/// Name, shape, and how many times each is run.
const CASES: [(&str, Shape, usize); 2] =
    [("synth/typical", Shape::TYPICAL, 41), ("synth/envelope", Shape::ENVELOPE, 5)];

fn main() -> Result<()> {
    if let Some(answer) = measure::in_between() {
        return answer;
    }
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let keep = std::env::args().any(|argument| argument == "--keep");
    let program = measure::netwright().context("netwright is not there: `make bench` builds it")?;
    let mut rows = Map::new();
    for (name, shape, rounds) in CASES {
        if filter.as_deref().is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        let folder = results::folder().join(name);
        fs::create_dir_all(&folder)?;
        for left in fs::read_dir(&folder)?.collect::<Result<Vec<_>, _>>()? {
            ensure!(!left.file_type()?.is_dir(), "{} is left from another run: remove it", left.path().display());
        }
        let row = case(&program, &folder, shape, rounds).with_context(|| name.to_owned())?;
        println!("{name}: {row}");
        rows.insert(name.to_owned(), row);
        if !keep {
            fs::remove_dir_all(&folder)?;
        }
    }
    println!("written to {}", results::write(rows)?.display());
    Ok(())
}

/// Runs one case in `folder`. The first run warms the page cache and does not count.
fn case(program: &Path, folder: &Path, shape: Shape, rounds: usize) -> Result<Value> {
    let file = folder.join("observation.zst");
    let out = |round: usize| folder.join(format!("policies-{round}"));
    write(shape, &file)?;
    let run = Run { program, observation: &file };
    run.measured(&out(0))?;
    let runs: Vec<Measured> = (1..=rounds).map(|round| run.measured(&out(round))).collect::<Result<_>>()?;
    let (files, bytes, largest) = size(&out(0))?;
    let seconds: Vec<f64> = runs.iter().map(|run| run.seconds).collect();
    let digits = if shape.edges > 100_000 { 2 } else { 4 };
    Ok(json!({
        "seconds": rounded(median(&seconds), digits),
        "low": rounded(seconds.iter().copied().fold(f64::MAX, f64::min), digits),
        "high": rounded(seconds.iter().copied().fold(0.0, f64::max), digits),
        "cpu_seconds": rounded(median(&runs.iter().map(|run| run.cpu_seconds).collect::<Vec<_>>()), digits),
        "peak_mib": rounded(runs.iter().map(|run| run.peak_bytes).fold(0.0, f64::max) / MIB, 0),
        "phases": phases(&runs, digits),
        "rounds": rounds,
        "edges": shape.edges,
        "workloads": shape.workloads,
        "observation_mib": rounded(fs::metadata(&file)?.len() as f64 / MIB, 1),
        "files": files,
        "files_mib": rounded(bytes as f64 / MIB, 1),
        "largest_file_mib": rounded(largest as f64 / MIB, 2),
    }))
}

/// Makes the observation, in a function of its own so that its memory is given back before anything is measured.
fn write(shape: Shape, file: &Path) -> Result<()> {
    netwright_record::file::write_path(&observation(shape, SEED), file).with_context(|| format!("writing {file:?}"))
}

/// The median of what each phase took.
fn phases(runs: &[Measured], digits: i32) -> BTreeMap<String, f64> {
    let mut times = BTreeMap::<String, Vec<f64>>::new();
    for (phase, seconds) in runs.iter().flat_map(|run| &run.phases) {
        times.entry(phase.clone()).or_default().push(*seconds);
    }
    times.into_iter().map(|(phase, times)| (phase, rounded(median(&times), digits))).collect()
}

/// How many files are in a folder and below, their bytes, and those of the largest.
fn size(folder: &Path) -> Result<(u64, u64, u64)> {
    let mut sums = (0, 0, 0);
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                sums = (sums.0 + 1, sums.1 + metadata.len(), sums.2.max(metadata.len()));
            }
        }
    }
    Ok(sums)
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
