//! Puts files into a folder that may hold an earlier run's: all or nothing as far as a file system can, and never over
//! a file that somebody else wrote.

use crate::render::evidence::API_VERSION;
use crate::render::yaml::MARKER;
use crate::render::{Files, evidence, kustomize, rollout};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Why files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// An operation failed.
    #[error("cannot {what} {path:?}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file stands in the way that we did not write.
    #[error(
        "{path:?} is in the way and was not written by netwright (its first line is not our marker); move it, or choose another --out; nothing was changed"
    )]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// The output is no folder.
    #[error("{path:?} is not a folder: choose another --out")]
    NotAFolder {
        /// What was given.
        path: PathBuf,
    },
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OutputError {
    move |source| OutputError::Io { what, path: path.to_owned(), source }
}

/// Files written beside their destination. Dropped without [`Staged::publish`], they are removed; what a process killed
/// by force leaves behind is a hidden folder `.NAME.netwright-….partial`.
#[derive(Debug)]
pub struct Staged {
    folder: TempDir,
    out: PathBuf,
    files: BTreeSet<String>,
}

impl Staged {
    /// Writes `files` into a new folder beside `out`, after checking that nothing of somebody else's is in the way.
    pub fn write(out: &Path, files: &Files) -> Result<Self, OutputError> {
        let out = destination(out)?;
        let names: BTreeSet<String> = files.keys().cloned().collect();
        refuse_foreign(&out, &names)?;
        let parent = out.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(failed("create the folder", parent))?;
        let name = out.file_name().unwrap_or_default().to_string_lossy();
        let folder = tempfile::Builder::new()
            .prefix(&format!(".{name}.netwright-"))
            .suffix(".partial")
            .tempdir_in(parent)
            .map_err(failed("create a temporary folder in", parent))?;
        for (file, bytes) in files {
            let path = below(folder.path(), file);
            write_file(&path, bytes).map_err(failed("write", &path))?;
        }
        Ok(Self { folder, out, files: names })
    }

    /// Where the files are until they are published.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The text of every YAML file, as it now stands on the disk, by its name below the output folder.
    pub fn read_back(&self) -> Result<Vec<(String, String)>, OutputError> {
        let manifests = self.files.iter().filter(|file| file.ends_with(".yaml"));
        manifests
            .map(|file| {
                let path = below(self.path(), file);
                Ok((file.clone(), fs::read_to_string(&path).map_err(failed("read back", &path))?))
            })
            .collect()
    }

    /// Moves the files to their destination, and removes those of ours there that are not among them; returns the
    /// names of the removed. The top kustomization goes first and comes last: a run that was cut off in between
    /// leaves a folder that cannot be applied as a whole.
    pub fn publish(self) -> Result<Vec<String>, OutputError> {
        refuse_foreign(&self.out, &self.files)?;
        let top = self.out.join(kustomize::FILE);
        let unchanged = self.files.iter().all(|file| self.is_in_place(file));
        let stale = stale(&self.out, &self.files)?;
        if unchanged && stale.is_empty() {
            return Ok(stale);
        }
        remove_if_there(&top)?;
        for file in &stale {
            let path = below(&self.out, file);
            fs::remove_file(&path).map_err(failed("remove the outdated file", &path))?;
            // A folder in which other files remain stays: the error is expected.
            let _ = path.parent().map(fs::remove_dir);
        }
        let last = self.files.iter().filter(|file| *file == kustomize::FILE);
        for file in self.files.iter().filter(|file| *file != kustomize::FILE).chain(last) {
            self.move_into_place(file)?;
        }
        Ok(stale)
    }

    fn is_in_place(&self, file: &str) -> bool {
        matches!((fs::read(below(self.path(), file)), fs::read(below(&self.out, file))), (Ok(new), Ok(old)) if new == old)
    }

    fn move_into_place(&self, file: &str) -> Result<(), OutputError> {
        let (from, to) = (below(self.path(), file), below(&self.out, file));
        let parent = to.parent().unwrap_or(&self.out);
        fs::create_dir_all(parent).map_err(failed("create the folder", parent))?;
        let moved = match fs::rename(&from, &to) {
            // The output folder is a mount point.
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => fs::copy(&from, &to).map(drop),
            moved => moved,
        };
        moved.map_err(failed("write", &to))
    }
}

/// The path of `file`, whose name has `/` as separator, also where the system's is another.
fn below(folder: &Path, file: &str) -> PathBuf {
    file.split('/').fold(folder.to_owned(), |path, part| path.join(part))
}

/// The folder that is meant: links are followed, so that the temporary folder is on the same file system.
fn destination(out: &Path) -> Result<PathBuf, OutputError> {
    match fs::metadata(out) {
        Ok(metadata) if !metadata.is_dir() => Err(OutputError::NotAFolder { path: out.to_owned() }),
        Ok(_) => out.canonicalize().map_err(failed("find the folder", out)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::path::absolute(out).map_err(failed("find the folder", out))
        }
        Err(error) => Err(failed("look at", out)(error)),
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::File::create_new(path)?.write_all(bytes)
}

fn remove_if_there(path: &Path) -> Result<(), OutputError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn refuse_foreign(out: &Path, files: &BTreeSet<String>) -> Result<(), OutputError> {
    for file in files {
        let path = below(out, file);
        let folder = path.parent().unwrap_or(out);
        if folder.exists() && !folder.is_dir() {
            return Err(OutputError::Foreign { path: folder.to_owned() });
        }
        if fs::symlink_metadata(&path).is_ok() && !is_ours(&path)? {
            return Err(OutputError::Foreign { path });
        }
    }
    Ok(())
}

/// Our files in `out` and in the folders directly below that are not in `files`.
fn stale(out: &Path, files: &BTreeSet<String>) -> Result<Vec<String>, OutputError> {
    let mut found = BTreeSet::new();
    for (name, path) in entries(out)? {
        if path.is_dir() {
            for (below, path) in entries(&path)? {
                found.insert((format!("{name}/{below}"), path));
            }
        } else {
            found.insert((name, path));
        }
    }
    let mut stale = Vec::new();
    for (name, path) in found {
        if !files.contains(&name) && is_ours(&path)? {
            stale.push(name);
        }
    }
    Ok(stale)
}

/// What is in `folder`; nothing where it does not exist. Names that are not Unicode cannot be ours.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, OutputError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed("list", folder))?,
    };
    let mut named = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("list", folder))?;
        if let Ok(name) = entry.file_name().into_string() {
            named.push((name, entry.path()));
        }
    }
    Ok(named)
}

/// Whether `path` is a regular file with our marker: for YAML and Markdown its first line, for JSON its first field.
fn is_ours(path: &Path) -> Result<bool, OutputError> {
    let metadata = fs::symlink_metadata(path).map_err(failed("look at", path))?;
    if !metadata.is_file() {
        return Ok(false);
    }
    let mut start = BufReader::new(fs::File::open(path).map_err(failed("read", path))?).take(4096);
    let mut lines = Vec::new();
    for _ in 0..2 {
        start.read_until(b'\n', &mut lines).map_err(failed("read", path))?;
    }
    let text = String::from_utf8_lossy(&lines);
    let is_called = |file: &str| path.file_name().is_some_and(|name| name == file);
    let is_json = is_called(evidence::FILE) || is_called(rollout::JSON);
    let field = format!("\"apiVersion\": \"{API_VERSION}\"");
    let marker = if is_called(rollout::MARKDOWN) { rollout::MARKER } else { MARKER };
    Ok(text.lines().next() == Some(marker) || (is_json && text.contains(&field)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Files {
        names.iter().map(|name| ((*name).to_owned(), format!("{MARKER}\nname: {name}\n").into_bytes())).collect()
    }

    fn publish(out: &Path, names: &[&str]) -> Result<Vec<String>, OutputError> {
        Staged::write(out, &files(names))?.publish()
    }

    fn names_in(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = entries(folder).unwrap().into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_no_longer_produced_is_removed_and_what_is_not_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        publish(&out, &["a/x.yaml", "b/y.yaml", "kustomization.yaml"]).unwrap();
        fs::write(out.join("a/README"), "mine").unwrap();
        fs::write(out.join("b/mine.yaml"), "kind: Mine\n").unwrap();
        assert_eq!(publish(&out, &["a/x.yaml", "kustomization.yaml"]).unwrap(), ["b/y.yaml"]);
        assert_eq!(names_in(&out.join("b")), ["mine.yaml"]);
        assert_eq!(names_in(&out.join("a")), ["README", "x.yaml"]);
        assert_eq!(names_in(folder.path()), ["out"]);
    }

    #[test]
    fn a_foreign_file_is_refused_and_nothing_changes() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        publish(&out, &["a/x.yaml"]).unwrap();
        fs::write(out.join("a/z.yaml"), "kind: Mine\n").unwrap();
        let error = publish(&out, &["a/y.yaml", "a/z.yaml"]).unwrap_err();
        assert!(matches!(error, OutputError::Foreign { .. }));
        assert_eq!(names_in(&out.join("a")), ["x.yaml", "z.yaml"]);
        assert_eq!(fs::read_to_string(out.join("a/z.yaml")).unwrap(), "kind: Mine\n");
    }

    #[test]
    fn files_that_are_not_published_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let staged = Staged::write(&folder.path().join("out"), &files(&["a/x.yaml"])).unwrap();
        assert!(staged.path().starts_with(folder.path()));
        drop(staged);
        assert!(names_in(folder.path()).is_empty());
    }

    /// The output is a volume mounted into a container: the folder beside it is on another file system.
    #[cfg(target_os = "linux")]
    #[test]
    fn an_output_on_another_file_system_is_written_too() {
        let (beside, Ok(out)) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm")) else {
            eprintln!("skipped: there is no /dev/shm to stand for another file system");
            return;
        };
        let staged = Staged::write(&beside.path().join("out"), &files(&["a/x.yaml", "kustomization.yaml"])).unwrap();
        let staged = Staged { out: out.path().to_owned(), ..staged };
        let renamed = fs::rename(below(staged.path(), "a"), out.path().join("a"));
        assert_eq!(renamed.unwrap_err().kind(), io::ErrorKind::CrossesDevices, "this needs two file systems");
        assert!(staged.publish().unwrap().is_empty());
        assert_eq!(names_in(out.path()), ["a", "kustomization.yaml"]);
        assert_eq!(names_in(&out.path().join("a")), ["x.yaml"]);
    }

    #[test]
    fn a_file_cannot_be_the_output_folder() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("file");
        fs::write(&out, "x").unwrap();
        assert!(matches!(publish(&out, &["x.yaml"]), Err(OutputError::NotAFolder { .. })));
    }
}
