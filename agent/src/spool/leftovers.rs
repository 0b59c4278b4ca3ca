//! What earlier runs have left in the folder of a spool, and what is set aside in it.

use super::id::SegmentId;
use super::store::Kept;
use super::untold::Untold;
use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};
use std::collections::VecDeque;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// The file that is locked while a spool is in use.
const LOCK: &str = "lock";
/// How many files that were set aside are kept, the latest ones.
const MOST_ASIDE: usize = 16;
/// What part of a spool's bytes these may have.
const PART_ASIDE: u64 = 16;
/// An age that only a wrong clock can give.
const ABSURD: Duration = Duration::from_secs(366 * 24 * 3600);
/// How every segment begins (RFC 8878, 3.1.1).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A file that was set aside.
#[derive(Debug)]
pub(super) struct Aside {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Found {
    /// Oldest first.
    pub(super) segments: VecDeque<Kept>,
    /// Oldest first.
    pub(super) aside: VecDeque<Aside>,
    /// How many were set aside just now.
    pub(super) unreadable: u64,
    pub(super) lock: File,
}

/// Locks the folder and looks through it.
pub(super) fn take_over(folder: &Path) -> anyhow::Result<(Untold, Found)> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the spool's folder {}", folder.display()))?;
    let lock = lock(folder)?;
    // First, as it may still remove some.
    let untold = Untold::take_over(folder);
    let mut found = Found { segments: VecDeque::new(), aside: VecDeque::new(), unreadable: 0, lock };
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read the spool's folder {}", folder.display()))?;
    let mut entries: Vec<DirEntry> = entries.collect::<io::Result<_>>().context("cannot list the spool's folder")?;
    entries.sort_by_key(DirEntry::file_name);
    for entry in entries {
        found.take(&entry);
    }
    found.segments.make_contiguous().sort_by(|a, b| a.id.cmp(&b.id));
    Ok((untold, found))
}

fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join(LOCK);
    let file = File::options().create(true).append(true).open(&path);
    let file = file.with_context(|| format!("cannot write to the spool's folder: cannot make {}", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            bail!("another agent uses the spool {}: end it, or give this one another --spool", folder.display())
        }
        Err(error) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

impl Found {
    /// Sorts one file in. Files that no spool makes are left alone.
    fn take(&mut self, entry: &DirEntry) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(metadata) = entry.metadata().ok().filter(fs::Metadata::is_file) else { return };
        let bytes = metadata.len();
        if name.starts_with('.') && name.ends_with(".partial") {
            // What it was to hold is in no segment; its run was cut off, and the collector sees that.
            warn_if(fs::remove_file(entry.path()), "cannot remove a file that was not finished", &entry.path());
        } else if name.ends_with(".bad") {
            self.aside.push_back(Aside { path: entry.path(), bytes });
        } else if let Some(id) = SegmentId::of_file_name(&name) {
            match begins_well(&entry.path()) {
                Ok(true) => {
                    let age = (age(metadata.modified()), Instant::now());
                    self.segments.push_back(Kept { id, bytes, age, taken: false, sent: false, stub: false });
                }
                Ok(false) => self.set_aside(entry.path(), bytes),
                // To be tried again: the file may be well, only the disk is not.
                Err(error) => tracing::warn!(path = %entry.path().display(), %error, "cannot read a segment"),
            }
        }
    }

    fn set_aside(&mut self, path: PathBuf, bytes: u64) {
        tracing::warn!(path = %path.display(), "what an earlier run has left is no segment; it is set aside");
        self.unreadable += 1;
        match rename_bad(&path) {
            Ok(path) => self.aside.push_back(Aside { path, bytes }),
            Err(error) => tracing::warn!(path = %path.display(), %error, "cannot set it aside"),
        }
    }
}

/// Renames a file to `*.bad`; returns the new path.
pub(super) fn rename_bad(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(".bad");
    let bad = PathBuf::from(name);
    fs::rename(path, &bad).map(|()| bad)
}

/// Removes the oldest of what was set aside, beyond what is kept.
pub(super) fn trim_aside(aside: &mut VecDeque<Aside>, spool_bytes: u64) {
    let mut bytes: u64 = aside.iter().map(|aside| aside.bytes).sum();
    while aside.len() > MOST_ASIDE || bytes > spool_bytes / PART_ASIDE {
        let Some(oldest) = aside.pop_front() else { return };
        bytes -= oldest.bytes;
        warn_if(fs::remove_file(&oldest.path), "cannot remove what was set aside", &oldest.path);
    }
}

fn begins_well(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(ZSTD_MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start == ZSTD_MAGIC)
}

/// How long ago a file was written. One from the future, or from decades ago, was written while the clock was wrong: it counts as new.
fn age(modified: io::Result<SystemTime>) -> Duration {
    let age = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
    age.filter(|age| *age < ABSURD).unwrap_or_default()
}

fn warn_if(result: io::Result<()>, what: &str, path: &Path) {
    if let Err(error) = result {
        tracing::warn!(path = %path.display(), %error, "{what}");
    }
}
