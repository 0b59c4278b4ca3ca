//! `target/bench/results.json`: the figures of every bench under their names. Each bench replaces its own and leaves the others.

use crate::statistics::Interval;
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// A figure.
pub(crate) struct Row {
    name: String,
    value: Value,
}

impl Row {
    /// A ratio with its interval. Rounded to four digits: more would be noise.
    pub(crate) fn new(name: String, ratio: Interval, rounds: usize) -> Self {
        let round = |value: f64| (value * 1e4).round() / 1e4;
        let value =
            json!({"ratio": round(ratio.median), "low": round(ratio.low), "high": round(ratio.high), "rounds": rounds});
        Self { name, value }
    }
}

/// Writes the rows, and returns where to.
pub(crate) fn write(rows: &[Row]) -> Result<PathBuf> {
    let directory = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from)
        .join("bench");
    fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    let path = directory.join("results.json");
    let mut all: Map<String, Value> = match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} holds no figures", path.display()))?,
        Err(_) => Map::new(),
    };
    all.extend(rows.iter().map(|row| (row.name.clone(), row.value.clone())));
    netwright_record::file::write_atomically(&path, |file| Ok(serde_json::to_writer_pretty(file, &all)?))?;
    Ok(path)
}
