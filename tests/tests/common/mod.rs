//! What the tests of the real kernel share.

use netwright_tests::demo::lacking;
use std::fs;
use std::io::{Write, stderr};
use std::path::PathBuf;

/// Whether this machine cannot watch a shop; if so, says why in one line that the test harness does not swallow.
pub fn skipped() -> bool {
    let Some(lacking) = lacking().unwrap() else { return false };
    let why = lacking.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    writeln!(stderr(), "skipped: {why}").unwrap();
    true
}

/// An empty folder for the outputs of one test, kept for a look afterwards.
pub fn empty_directory(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory).unwrap();
    }
    fs::create_dir_all(&directory).unwrap();
    directory
}
