//! `target/bench/results.json`: the figures of every bench under their names. Each bench replaces its own and leaves the others.

use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};

/// Writes figures, each under its name, and returns where to.
///
/// # Errors
/// The file cannot be written, or what is there is no such file.
pub fn write(rows: impl IntoIterator<Item = (String, Value)>) -> Result<PathBuf> {
    let directory = folder();
    fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    let path = directory.join("results.json");
    let mut all: Map<String, Value> = match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} holds no figures", path.display()))?,
        Err(_) => Map::new(),
    };
    all.extend(rows);
    netwright_record::file::write_atomically(&path, |file| Ok(serde_json::to_writer_pretty(file, &all)?))?;
    Ok(path)
}

/// Where results, and what leads to them, are kept.
pub fn folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from)
        .join("bench")
}

/// A figure to so many digits: more would be noise.
pub fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}
