//! Manifests from files. For [`PolicySet::load`](crate::PolicySet::load).

use crate::error::LoadError;
use crate::set::Source;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The texts of a file, or of every manifest in a directory and below, in the order of their paths.
pub(crate) fn sources(path: &Path) -> Result<Vec<Source>, LoadError> {
    if !fs::metadata(path).map_err(unreadable(path))?.is_dir() {
        return Ok(vec![source(path)?]);
    }
    let mut files = BTreeSet::new();
    collect(path, &mut BTreeSet::new(), &mut files)?;
    if files.is_empty() {
        return Err(LoadError::NoFiles { path: path.to_owned() });
    }
    files.iter().map(|file| source(file)).collect()
}

/// Adds the manifests below `directory` to `files`. Links are followed; `seen` keeps a circle of them from going on for ever.
fn collect(directory: &Path, seen: &mut BTreeSet<PathBuf>, files: &mut BTreeSet<PathBuf>) -> Result<(), LoadError> {
    if !seen.insert(directory.canonicalize().map_err(unreadable(directory))?) {
        return Ok(());
    }
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut paths: Vec<_> = entries.map_err(unreadable(directory))?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    for path in paths.into_iter().filter(|path| !is_hidden(path)) {
        if path.is_dir() {
            collect(&path, seen, files)?;
        } else if is_manifest(&path) {
            files.insert(path);
        }
    }
    Ok(())
}

/// Kubernetes mounts a ConfigMap with its real files in hidden directories and links to them beside.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_manifest(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|extension| matches!(extension, "yaml" | "yml" | "json"))
}

fn source(path: &Path) -> Result<Source, LoadError> {
    let bytes = fs::read(path).map_err(unreadable(path))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| LoadError::NotText { path: path.to_owned(), valid_up_to: error.utf8_error().valid_up_to() })?;
    Ok(Source { name: path.to_string_lossy().into_owned(), text })
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> LoadError {
    move |source| LoadError::Read { path: path.to_owned(), source }
}
