//! What the tests of the real kernel share.

use netwright_tests::demo::lacking;
use std::fs;
use std::path::PathBuf;

/// Whether this machine cannot watch a shop; if so, says why.
pub(crate) fn skipped() -> bool {
    let lacking = lacking().unwrap();
    if let Some(lacking) = &lacking {
        netwright_tests::skipped(lacking);
    }
    lacking.is_some()
}

/// An empty folder for the outputs of one test, kept for a look afterwards.
pub(crate) fn empty_directory(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory).unwrap();
    }
    fs::create_dir_all(&directory).unwrap();
    directory
}
