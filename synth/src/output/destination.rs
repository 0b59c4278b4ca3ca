//! What stands at the destination: whose files, and which of them nothing stands for any more.

use super::error::{OutputError, failed};
use super::seal::{Form, Standing, judge};
use crate::render::evidence;
use crate::review;
use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// By what a file is known to be the same as when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// The path of `file`, whose name has `/` as separator, also where the system's is another.
pub(super) fn below(folder: &Path, file: &str) -> PathBuf {
    file.split('/').fold(folder.to_owned(), |path, part| path.join(part))
}

/// The folder that is meant: links are followed, so that the temporary folder is on the same file system.
pub(super) fn folder(out: &Path) -> Result<PathBuf, OutputError> {
    match fs::metadata(out) {
        Ok(metadata) if !metadata.is_dir() => Err(OutputError::NotAFolder { path: out.to_owned() }),
        Ok(_) => out.canonicalize().map_err(failed("find the folder", out)),
        // `missing/..` would be another folder than it says once `missing` is there.
        Err(error) if error.kind() == io::ErrorKind::NotFound && out.file_name().is_none() => {
            Err(failed("find the folder", out)(error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::path::absolute(out).map_err(failed("find the folder", out))
        }
        Err(error) => Err(failed("look at", out)(error)),
    }
}

/// Whether there is a folder; whatever else is there is in the way.
pub(super) fn is_folder(path: &Path) -> Result<bool, OutputError> {
    match look(path)? {
        None => Ok(false),
        Some(metadata) if metadata.is_dir() => Ok(true),
        Some(metadata) => Err(OutputError::InTheWay { path: path.to_owned(), what: what(&metadata) }),
    }
}

/// The file there, if there is one; whatever else is there is in the way.
pub(super) fn stamp(path: &Path) -> Result<Option<Stamp>, OutputError> {
    match look(path)? {
        None => Ok(None),
        Some(metadata) if metadata.is_file() => Ok(Some(Stamp::of(&metadata))),
        Some(metadata) => Err(OutputError::InTheWay { path: path.to_owned(), what: what(&metadata) }),
    }
}

/// Whose file it is.
pub(super) fn standing(form: Form, path: &Path) -> Result<Standing, OutputError> {
    File::open(path).and_then(|file| judge(form, file)).map_err(failed("read", path))
}

fn look(path: &Path) -> Result<Option<Metadata>, OutputError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("look at", path)(error)),
    }
}

fn what(metadata: &Metadata) -> &'static str {
    match metadata.file_type() {
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_dir() => "a folder",
        kind if kind.is_file() => "a file",
        _ => "no file",
    }
}

/// Files in `out` that are or were ours and are not `expected`.
#[derive(Debug, Default)]
pub(super) struct Stale {
    /// As we wrote them, sorted.
    pub(super) ours: Vec<String>,
    /// Edited since, sorted.
    pub(super) edited: Vec<String>,
}

/// Looks through `out` and the folders directly below, but for those that are output folders themselves. Links are not followed.
pub(super) fn stale(out: &Path, expected: impl Fn(&str) -> bool) -> Result<Stale, OutputError> {
    let mut names = BTreeSet::new();
    for (name, kind) in entries(out)? {
        if kind.is_dir() {
            let below = entries(&out.join(&name))?;
            // An output folder of its own.
            if below.iter().any(|(file, _)| file == evidence::FILE) {
                continue;
            }
            let files = below.into_iter().filter(|(_, kind)| kind.is_file());
            names.extend(files.map(|(file, _)| format!("{name}/{file}")));
        } else if kind.is_file() && name != review::FILE {
            names.insert(name);
        }
    }
    let mut stale = Stale::default();
    for name in names.into_iter().filter(|name| !expected(name)) {
        let Some(form) = Form::of(&name) else { continue };
        match standing(form, &below(out, &name))? {
            Standing::Ours(_) => stale.ours.push(name),
            Standing::Edited => stale.edited.push(name),
            Standing::Foreign => {}
        }
    }
    Ok(stale)
}

/// What is in `folder`; nothing where it does not exist. Names that are not Unicode cannot be ours.
pub(super) fn entries(folder: &Path) -> Result<Vec<(String, fs::FileType)>, OutputError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed("list", folder))?,
    };
    let mut named = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("list", folder))?;
        let kind = entry.file_type().map_err(failed("look at", &entry.path()))?;
        if let Ok(name) = entry.file_name().into_string() {
            named.push((name, kind));
        }
    }
    Ok(named)
}
