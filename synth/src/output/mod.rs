//! Puts files into a folder that may hold an earlier run's: all or nothing as far as a file system can, and never over
//! what somebody else wrote.
//!
//! Each file of ours begins with a seal, a line that says so and holds a digest of the rest. A file that stands at its
//! place with such a seal and the right digest is replaced; one that was edited, or never was ours, is kept, reported,
//! and read back in place of ours, so that what is proven is what will stand there. [`Edited::Replace`] replaces the
//! edited ones, but never a file without a seal. Files of ours that are no longer written are removed, unless they were
//! edited. `review.yaml` belongs to the people who wrote it.

mod destination;
mod error;
mod publish;
mod seal;
mod writer;

pub use error::OutputError;
pub use publish::Published;
pub use writer::Writer;

use destination::{Stamp, below};
use error::failed;
use seal::{Digest, Form, Standing};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// What becomes of files that were ours and that somebody edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Edited {
    /// They stay.
    #[default]
    Keep,
    /// They are replaced, as those that nobody edited.
    Replace,
}

/// Where files are put. Of a path alone: edited files stay.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// The folder; made if it is not there.
    pub folder: &'a Path,
    /// What becomes of files that somebody edited.
    pub edited: Edited,
}

impl<'a, P: AsRef<Path> + ?Sized> From<&'a P> for Output<'a> {
    fn from(folder: &'a P) -> Self {
        Self { folder: folder.as_ref(), edited: Edited::Keep }
    }
}

/// Why a file of an earlier run, or of somebody else, stays where one of ours would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Kept {
    /// It was ours.
    #[error("it was edited")]
    Edited,
    /// It never was.
    #[error("it was not written by netwright")]
    Foreign,
}

/// Files written beside their destination. Dropped without [`Staged::publish`], they are removed; what a process killed
/// by force leaves behind is a hidden folder `.NAME.netwright-….partial`. Several threads may write at once.
#[derive(Debug)]
pub struct Staged {
    folder: TempDir,
    /// Inside `folder`: made as any folder is, where `folder` is closed to others.
    tree: PathBuf,
    out: PathBuf,
    edited: Edited,
    /// Whether each folder, by its name below `out`, is there already.
    folders: Mutex<HashMap<String, bool>>,
    files: Mutex<BTreeMap<String, Staging>>,
}

/// A file that is to stand at the destination.
#[derive(Debug, Clone, Copy)]
struct Staging {
    /// What will stand there.
    text: Text,
    /// What stood there when it was staged.
    before: Option<Stamp>,
}

/// Where the text of a file is that will stand at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    /// Beside, to be moved.
    New,
    /// There, written by an earlier run just so.
    Unchanged,
    /// There, written by somebody else.
    Kept(Kept),
}

/// The name of the folder in the temporary one.
const TREE: &str = "files";

impl Staged {
    /// A new folder beside `out`, with nothing in it.
    ///
    /// # Errors
    ///
    /// `out` is no folder, or none can be made beside it.
    pub fn new(out: &Path, edited: Edited) -> Result<Self, OutputError> {
        let out = destination::folder(out)?;
        let parent = out.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(failed("create the folder", parent))?;
        let name = out.file_name().unwrap_or_default().to_string_lossy();
        let folder = tempfile::Builder::new()
            .prefix(&format!(".{name}.netwright-"))
            .suffix(".partial")
            .tempdir_in(parent)
            .map_err(failed("create a temporary folder in", parent))?;
        let tree = folder.path().join(TREE);
        fs::create_dir(&tree).map_err(failed("create the folder", &tree))?;
        Ok(Self { folder, tree, out, edited, folders: Mutex::default(), files: Mutex::default() })
    }

    /// Writes a file whose text is in memory, unless just that, or what somebody else wrote, stands at its destination.
    /// `name` is below the output folder, with `/` as separator, and ends in `.yaml`, `.json` or `.md`.
    ///
    /// # Errors
    ///
    /// Writing fails, something that is no file is in the way, or `name` cannot be one of ours.
    pub fn write(&self, name: &str, text: &[u8]) -> Result<(), OutputError> {
        let (form, before) = self.place(name)?;
        let body = form.body(text).ok_or_else(|| no_object(name))?;
        let digest = seal::digest(body);
        let found = self.standing(form, name, before)?;
        let text = self.decide(found, &digest);
        if text == Text::New {
            let path = below(&self.tree, name);
            let sealed = [form.seal(&digest).as_slice(), body].concat();
            let written = fs::File::create_new(&path).and_then(|mut file| file.write_all(&sealed));
            written.map_err(failed("write", &path))?;
        }
        self.stage(name, Staging { text, before })
    }

    /// Begins a file whose text comes in pieces; it counts once it is finished.
    ///
    /// # Errors
    ///
    /// As [`Staged::write`].
    pub fn writer(&self, name: &str) -> Result<Writer<'_>, OutputError> {
        let (form, before) = self.place(name)?;
        Writer::new(self, name, form, before)
    }

    /// Where the new files are until they are published.
    pub fn path(&self) -> &Path {
        &self.tree
    }

    /// The names of all files that will stand at the destination, in order.
    pub fn names(&self) -> Vec<String> {
        locked(&self.files).keys().cloned().collect()
    }

    /// The files that stay as they are at the destination instead of ours.
    pub fn kept(&self) -> BTreeMap<String, Kept> {
        let files = locked(&self.files);
        let kept = files.iter().filter_map(|(name, staging)| match staging.text {
            Text::Kept(why) => Some((name.clone(), why)),
            _ => None,
        });
        kept.collect()
    }

    /// The text that will stand at the destination under `name`, as it now is on the disk.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not UTF-8.
    pub fn text(&self, name: &str) -> Result<String, OutputError> {
        let new = locked(&self.files).get(name).is_none_or(|staging| staging.text == Text::New);
        let path = below(if new { &self.tree } else { &self.out }, name);
        fs::read_to_string(&path).map_err(failed("read back", &path))
    }

    /// The form of a file, and what stands at its destination; makes the folder that it is written to.
    fn place(&self, name: &str) -> Result<(Form, Option<Stamp>), OutputError> {
        let bad = |why| OutputError::Name { name: name.to_owned(), why };
        let form = Form::of(name).ok_or_else(|| bad("its ending is none of .yaml, .json and .md"))?;
        if name.split('/').any(|part| matches!(part, "" | "." | "..") || part.contains('\\')) {
            return Err(bad("it is no path below the output folder"));
        }
        let exists = match name.rsplit_once('/') {
            Some((folder, _)) => self.prepare(folder)?,
            None => true,
        };
        Ok((form, if exists { destination::stamp(&below(&self.out, name))? } else { None }))
    }

    /// Makes the temporary counterpart of a folder; whether it is there at the destination.
    fn prepare(&self, folder: &str) -> Result<bool, OutputError> {
        let mut folders = locked(&self.folders);
        if let Some(exists) = folders.get(folder) {
            return Ok(*exists);
        }
        let mut exists = true;
        let ends = folder.match_indices('/').map(|(end, _)| end).chain([folder.len()]);
        for ancestor in ends.filter_map(|end| folder.get(..end)) {
            if let Some(known) = folders.get(ancestor) {
                exists = *known;
                continue;
            }
            exists = exists && destination::is_folder(&below(&self.out, ancestor))?;
            let path = below(&self.tree, ancestor);
            fs::create_dir(&path).map_err(failed("create the folder", &path))?;
            folders.insert(ancestor.to_owned(), exists);
        }
        Ok(exists)
    }

    fn standing(&self, form: Form, name: &str, before: Option<Stamp>) -> Result<Option<Standing>, OutputError> {
        before.map(|_| destination::standing(form, &below(&self.out, name))).transpose()
    }

    fn decide(&self, found: Option<Standing>, digest: &Digest) -> Text {
        match found {
            Some(Standing::Ours(theirs)) if theirs == *digest => Text::Unchanged,
            Some(Standing::Edited) if self.edited == Edited::Keep => Text::Kept(Kept::Edited),
            Some(Standing::Foreign) => Text::Kept(Kept::Foreign),
            None | Some(Standing::Ours(_) | Standing::Edited) => Text::New,
        }
    }

    fn stage(&self, name: &str, staging: Staging) -> Result<(), OutputError> {
        match locked(&self.files).insert(name.to_owned(), staging) {
            None => Ok(()),
            Some(_) => Err(OutputError::Name { name: name.to_owned(), why: "there are two files of that name" }),
        }
    }
}

fn no_object(name: &str) -> OutputError {
    OutputError::Name { name: name.to_owned(), why: "its text is no JSON object" }
}

/// A thread that panicked while it held the lock left the map whole: each change is one insertion.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
