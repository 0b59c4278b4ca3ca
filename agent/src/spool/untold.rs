//! What was dropped and no segment has told yet, on disk beside the segments: whoever is killed between dropping and telling has
//! its successor tell it, once.

use super::id::SegmentId;
use super::store::Dropped;
use netwright_record::{Losses, file};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Its file.
const FILE: &str = "untold.json";

/// Some segments, and what was lost with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Amount {
    pub(super) segments: u64,
    pub(super) losses: Losses,
}

impl Amount {
    pub(super) fn of(dropped: &Dropped) -> Self {
        Self { segments: dropped.segments, losses: dropped.losses }
    }

    fn add(&mut self, more: &Self) {
        self.segments = self.segments.saturating_add(more.segments);
        self.losses.add(&more.losses);
    }
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    /// Nobody has asked for these.
    open: Amount,
    /// Somebody has, and tells them in the segment of this file name: when that is there, they are told.
    taken: Amount,
    taken_in: String,
    /// File names of segments that are being dropped: they are counted above, even if they should still be there.
    dropping: Vec<String>,
}

/// The account of one spool. Methods that fail leave it to be written by the next.
#[derive(Debug)]
pub(super) struct Untold {
    folder: PathBuf,
    content: Content,
    is_written: bool,
    /// The file name of the last segment that told some.
    told_in: String,
}

impl Untold {
    /// Reads what an earlier run has left, and ends what it had begun to drop. An account that cannot be read is begun anew: the
    /// collector still sees by their numbers that segments are missing.
    pub(super) fn take_over(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let content = match fs::read(&path).map(|bytes| serde_json::from_slice::<Content>(&bytes)) {
            Ok(Ok(content)) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Content::default(),
            Ok(Err(error)) => unreadable(&path, &error),
            Err(error) => unreadable(&path, &error),
        };
        let mut untold = Self { folder: folder.to_owned(), content, is_written: true, told_in: String::new() };
        untold.settle();
        untold
    }

    fn settle(&mut self) {
        for name in std::mem::take(&mut self.content.dropping) {
            // Nothing else is removed by what may stand in a file.
            if SegmentId::of_file_name(&name).is_some() {
                // It may be gone: then all is as it should be.
                let _ = fs::remove_file(self.folder.join(&name));
                self.is_written = false;
            }
        }
        let taken = std::mem::take(&mut self.content.taken);
        let name = std::mem::take(&mut self.content.taken_in);
        if taken != Amount::default() {
            let is_told = SegmentId::of_file_name(&name).is_some() && self.folder.join(&name).is_file();
            if is_told {
                // It may be shipped before this is written.
                self.told_in = name;
            } else {
                self.content.open.add(&taken);
            }
            self.is_written = false;
        }
    }

    /// What nobody has asked for.
    pub(super) fn open(&self) -> &Amount {
        &self.content.open
    }

    /// A segment is to be dropped, and with it `amount`. To be called before it is.
    ///
    /// # Errors
    /// It cannot be written down: then it is not counted either, and the segment has to stay.
    pub(super) fn dropping(&mut self, id: &SegmentId, amount: &Amount) -> io::Result<()> {
        let before = self.content.clone();
        self.content.open.add(amount);
        self.content.dropping = vec![id.file_name()];
        self.is_written = false;
        let result = self.write();
        if result.is_err() {
            self.content = before;
        }
        result
    }

    /// Whether `id` tells, and this is not written down yet.
    pub(super) fn is_told_in(&self, id: &SegmentId) -> bool {
        !self.is_written && self.told_in == id.file_name()
    }

    /// What is open will be told in segment `next`.
    pub(super) fn take(&mut self, next: &SegmentId) {
        let open = std::mem::take(&mut self.content.open);
        if open != Amount::default() {
            self.content.taken.add(&open);
            self.content.taken_in = next.file_name();
            self.write_or_warn();
        }
    }

    /// The next segment is there.
    pub(super) fn told(&mut self) {
        if self.content.taken != Amount::default() {
            self.content.taken = Amount::default();
            self.told_in = std::mem::take(&mut self.content.taken_in);
            self.write_or_warn();
        }
    }

    /// Writes what could not be written before.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if self.is_written {
            return Ok(());
        }
        // Never removed: that could be undone by a power cut, and what was told be told again.
        let bytes = serde_json::to_vec(&self.content)?;
        file::write_atomically(&self.folder.join(FILE), |file| file.write_all(&bytes))?;
        self.is_written = true;
        Ok(())
    }

    fn write_or_warn(&mut self) {
        self.is_written = false;
        if let Err(error) = self.write() {
            tracing::warn!(%error, "cannot write down what was dropped; it is told if the agent lives on");
        }
    }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Content {
    tracing::warn!(path = %path.display(), %error, "what an earlier run has dropped and not told cannot be read");
    Content::default()
}
