//! Manifests from texts, files, directories and streams. For every verb that takes policies.

use crate::error::{LoadError, ParseFailure, ParseWarning};
use crate::{PolicySet, parse};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A text with manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What messages call it: the file name.
    pub name: String,
    /// YAML with any number of documents, or JSON.
    pub text: String,
}

impl Source {
    /// The texts of a file, or of all `*.yaml`, `*.yml` and `*.json` files in a directory and below, in the order of
    /// their paths. Entries whose name begins with a dot are left out.
    ///
    /// # Errors
    ///
    /// If something cannot be read or is not text, or the directory holds no such file.
    pub fn load(path: &Path) -> Result<Vec<Source>, LoadError> {
        sources(path)
    }
}

/// What reading gave.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The policies, in the order of the sources and of the documents in them.
    pub policies: PolicySet,
    /// What is probably a mistake.
    pub warnings: Vec<ParseWarning>,
    /// How many objects of other kinds were passed over. Empty documents do not count.
    pub skipped: usize,
}

/// How manifests are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Whether a field that the API does not have is an error and not a warning. `kubectl apply` refuses it too.
    pub strict: bool,
    /// Whether the texts are kept, so that [`PolicySet::line`] can tell the line of any field. They take as much room
    /// again as the files, and some times that once a line has been asked for.
    pub keep_text: bool,
}

impl ReadOptions {
    /// Reads texts, as [`PolicySet::parse`] does.
    ///
    /// # Errors
    ///
    /// Those of [`PolicySet::parse`], and unknown fields if these options are strict.
    pub fn parse(self, sources: &[Source]) -> Result<Parsed, ParseFailure> {
        parse::parse(sources, self)
    }

    /// Reads a file or a directory, as [`PolicySet::load`] does.
    ///
    /// # Errors
    ///
    /// Those of [`PolicySet::load`], and unknown fields if these options are strict.
    pub fn load(self, path: &Path) -> Result<Parsed, LoadError> {
        self.parse(&sources(path)?).map_err(|failure| LoadError::Invalid { path: path.to_owned(), failure })
    }

    /// Reads a stream to its end, such as standard input; messages call it `name`.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is not text, or [`ReadOptions::parse`] fails.
    pub fn read(self, name: &str, stream: &mut dyn Read) -> Result<Parsed, LoadError> {
        let path = Path::new(name);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).map_err(unreadable(path))?;
        let source = Source { name: name.to_owned(), text: text(path, bytes)? };
        self.parse(&[source]).map_err(|failure| LoadError::Invalid { path: path.to_owned(), failure })
    }
}

/// The texts of a file, or of every manifest in a directory and below, in the order of their paths.
fn sources(path: &Path) -> Result<Vec<Source>, LoadError> {
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
    Ok(Source { name: path.to_string_lossy().into_owned(), text: text(path, bytes)? })
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, LoadError> {
    String::from_utf8(bytes)
        .map_err(|error| LoadError::NotText { path: path.to_owned(), valid_up_to: error.utf8_error().valid_up_to() })
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> LoadError {
    move |source| LoadError::Read { path: path.to_owned(), source }
}
