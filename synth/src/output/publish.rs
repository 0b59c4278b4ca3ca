//! Moves staged files to their destination. All that can be checked is checked before anything is changed.

use super::destination::{self, Stale, below, is_folder, stamp};
use super::error::{OutputError, failed};
use super::{Kept, Staged, Staging, Text};
use crate::render::kustomize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::PoisonError;

/// What came of publishing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// How many files were written.
    pub written: usize,
    /// How many stood there already, just so.
    pub unchanged: usize,
    /// Files that stay as somebody wrote them, instead of ours.
    pub kept: BTreeMap<String, Kept>,
    /// Files of ours that nothing stands for any more, and that were removed.
    pub removed: Vec<String>,
    /// Files that were ours and that nothing stands for any more, but that somebody edited: they stay, and no
    /// kustomization of ours names them.
    pub left: Vec<String>,
}

impl Staged {
    /// Moves the files to their destination, and removes those of ours there that are not among them. The top
    /// kustomization goes first and comes last: a run that was cut off in between leaves a folder that cannot be
    /// applied as a whole. A folder that is new is moved at once, with all that is in it.
    ///
    /// # Errors
    ///
    /// Something at the destination is not as it was when the files were staged, or cannot be read: then nothing was
    /// changed. Or moving fails.
    pub fn publish(self) -> Result<Published, OutputError> {
        let kept = self.kept();
        // The temporary folder is removed when it is dropped at the end.
        let Staged { folder: _folder, tree, out, folders, files, .. } = self;
        let folders = folders.into_inner().unwrap_or_else(PoisonError::into_inner);
        let files = files.into_inner().unwrap_or_else(PoisonError::into_inner);
        let new: BTreeSet<String> = folders.into_iter().filter(|(_, exists)| !exists).map(|(name, _)| name).collect();
        let there = is_folder(&out)?;
        let moving = Moving { tree: &tree, out: &out, files: &files, new: &new };
        moving.check()?;
        let stale = destination::stale(&out, |name| files.contains_key(name))?;
        let count = |text| files.values().filter(|staging| staging.text == text).count();
        let (written, unchanged) = (count(Text::New), count(Text::Unchanged));
        if !there {
            transfer(&tree, &out)?;
        } else if written > 0 || !stale.ours.is_empty() {
            moving.replace(&stale)?;
        }
        Ok(Published { written, unchanged, kept, removed: stale.ours, left: stale.edited })
    }
}

struct Moving<'a> {
    tree: &'a Path,
    out: &'a Path,
    files: &'a BTreeMap<String, Staging>,
    /// Folders that were not at the destination.
    new: &'a BTreeSet<String>,
}

impl Moving<'_> {
    /// Everything at the destination is as it was when the files were staged.
    fn check(&self) -> Result<(), OutputError> {
        for folder in self.new.iter().filter(|folder| !self.is_in_new(folder)) {
            let path = below(self.out, folder);
            if is_folder(&path)? {
                return Err(OutputError::Changed { path });
            }
        }
        for (name, staging) in self.files.iter().filter(|(name, _)| !self.is_in_new(name)) {
            let path = below(self.out, name);
            if stamp(&path)? != staging.before {
                return Err(OutputError::Changed { path });
            }
        }
        Ok(())
    }

    /// Whether a file or folder is in a folder that is new, and so comes with that.
    fn is_in_new(&self, name: &str) -> bool {
        name.rsplit_once('/').is_some_and(|(folder, _)| self.new.contains(folder))
    }

    fn replace(&self, stale: &Stale) -> Result<(), OutputError> {
        let top = self.files.get(kustomize::FILE).map(|staging| staging.text);
        let (from, to) = (below(self.tree, kustomize::FILE), below(self.out, kustomize::FILE));
        match top {
            Some(Text::New) => remove_if_there(&to)?,
            // Aside meanwhile.
            Some(Text::Unchanged) => transfer(&to, &from)?,
            Some(Text::Kept(_)) | None => {}
        }
        self.remove(stale)?;
        for folder in self.new.iter().filter(|folder| !self.is_in_new(folder)) {
            transfer(&below(self.tree, folder), &below(self.out, folder))?;
        }
        let moved = |(name, staging): &(&String, &Staging)| {
            staging.text == Text::New && *name != kustomize::FILE && !self.is_in_new(name)
        };
        for (name, _) in self.files.iter().filter(moved) {
            transfer(&below(self.tree, name), &below(self.out, name))?;
        }
        self.tidy(stale);
        match top {
            Some(Text::New | Text::Unchanged) => transfer(&from, &to),
            Some(Text::Kept(_)) | None => Ok(()),
        }
    }

    fn remove(&self, stale: &Stale) -> Result<(), OutputError> {
        stale.ours.iter().try_for_each(|file| {
            let path = below(self.out, file);
            fs::remove_file(&path).map_err(failed("remove the outdated file", &path))
        })
    }

    /// Removes the folders of outdated files in which nothing is left.
    fn tidy(&self, stale: &Stale) {
        let folders: BTreeSet<&str> = stale.ours.iter().filter_map(|file| Some(file.rsplit_once('/')?.0)).collect();
        for folder in folders {
            // One in which other files remain stays: the error is expected.
            let _ = fs::remove_dir(below(self.out, folder));
        }
    }
}

fn remove_if_there(path: &Path) -> Result<(), OutputError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Moves a file or a folder; copies where the output folder is a mount point.
fn transfer(from: &Path, to: &Path) -> Result<(), OutputError> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy(from, to),
        moved => moved.map_err(failed("write", to)),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), OutputError> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop).map_err(failed("write", to));
    }
    fs::create_dir(to).map_err(failed("create the folder", to))?;
    for (name, _) in destination::entries(from)? {
        copy(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}
