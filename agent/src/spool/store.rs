//! The spool of an agent in a cluster: segments on disk until the collector has acknowledged them.
//!
//! One file a segment, written beside and renamed, so that whatever is killed when, a segment is there whole or not at all. Segments
//! of earlier runs are gone on with. The folder is bounded by bytes and by age; what has to go goes oldest first and is
//! counted ([`Spool::take_dropped`]), so that the next segment tells it.

use super::id::{SegmentId, new_run};
use super::leftovers::{self, Aside};
use netwright_record::inventory::Pod;
use netwright_record::{Losses, Observation, Time, file};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a spool may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all segments together.
    pub bytes: u64,
    /// How long a segment may wait.
    pub age: Duration,
}

/// What was in segments that will never arrive.
#[derive(Debug, Default)]
pub struct Dropped {
    /// How many segments.
    pub segments: u64,
    /// How many connections were in their flows.
    pub connections: u64,
    /// These as `spool_full`, and the losses that they told of.
    pub losses: Losses,
    /// The pods they told of.
    pub pods: Vec<Pod>,
}

/// A segment that waits.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) id: SegmentId,
    pub(super) bytes: u64,
    /// How old it was when this spool learned of it, and when that was. (Not by the time of day alone, which may be set.)
    pub(super) age: (Duration, Instant),
    /// It is being shipped, and so must stay.
    pub(super) taken: bool,
}

impl Kept {
    fn age(&self) -> Duration {
        self.age.0 + self.age.1.elapsed()
    }
}

/// See the module. All of its methods read or write files.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    limits: Limits,
    run: String,
    next: u64,
    /// Oldest first.
    segments: VecDeque<Kept>,
    bytes: u64,
    aside: VecDeque<Aside>,
    dropped: Dropped,
    /// Held as long as the spool is in use.
    _lock: File,
}

impl Spool {
    /// Opens the folder, making it if need be, and takes over what earlier runs have left: segments wait as before, what was being
    /// written is removed, what cannot be a segment is set aside. `now` begins a new run.
    ///
    /// # Errors
    /// The folder cannot be made or read, or another agent uses it.
    pub fn open(folder: &Path, limits: Limits, now: Time) -> anyhow::Result<Self> {
        let found = leftovers::take_over(folder)?;
        let run = new_run(now, found.segments.back().map(|kept| kept.id.run.as_str()));
        let mut spool = Self {
            folder: folder.to_owned(),
            limits,
            run,
            next: 0,
            bytes: found.segments.iter().map(|kept| kept.bytes).sum(),
            segments: found.segments,
            aside: found.aside,
            dropped: Dropped { segments: found.unreadable, ..Dropped::default() },
            _lock: found.lock,
        };
        spool.trim();
        Ok(spool)
    }

    /// This start's run.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Writes a segment and makes room for it. It has outlasted a power cut when this returns.
    ///
    /// # Errors
    /// It was not written (the disk is full): then nothing of it is left, and its number is used again.
    pub fn write(&mut self, segment: &Observation) -> io::Result<SegmentId> {
        let id = SegmentId { run: self.run.clone(), sequence: self.next };
        let path = self.path(&id);
        file::write_path(segment, &path)?;
        let bytes = fs::metadata(&path)?.len();
        self.next += 1;
        self.bytes += bytes;
        self.segments.push_back(Kept { id: id.clone(), bytes, age: (Duration::ZERO, Instant::now()), taken: false });
        self.trim();
        Ok(id)
    }

    /// The oldest segments that nobody has taken yet, `most` of them, for shipping. Each is to be given back by one of
    /// [`Spool::acknowledge`], [`Spool::set_aside`] and [`Spool::release`].
    pub fn take_oldest(&mut self, most: usize) -> Vec<SegmentId> {
        let free = self.segments.iter_mut().filter(|kept| !kept.taken).take(most);
        free.map(|kept| {
            kept.taken = true;
            kept.id.clone()
        })
        .collect()
    }

    /// The bytes of a segment, as they are on disk.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self, id: &SegmentId) -> io::Result<Vec<u8>> {
        fs::read(self.path(id))
    }

    /// The collector has it: it is removed.
    pub fn acknowledge(&mut self, id: &SegmentId) {
        if self.forget(id) {
            self.remove_file(id);
        }
    }

    /// It could not be shipped, and is to be tried again.
    pub fn release(&mut self, id: &SegmentId) {
        if let Some(kept) = self.segments.iter_mut().find(|kept| kept.id == *id) {
            kept.taken = false;
        }
    }

    /// Whoever took segments is gone: all of them are free again.
    pub fn release_all(&mut self) {
        self.segments.iter_mut().for_each(|kept| kept.taken = false);
    }

    /// Nobody will ever take it: it is kept as `*.bad` for whoever wants to know why, and counted.
    pub fn set_aside(&mut self, id: &SegmentId) {
        let Some(kept) = self.segments.iter().find(|kept| kept.id == *id) else { return };
        let bytes = kept.bytes;
        self.count_dropped(id);
        self.forget(id);
        match leftovers::rename_bad(&self.path(id)) {
            Ok(path) => self.aside.push_back(Aside { path, bytes }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(segment = %id, %error, "cannot set a segment aside; it is removed");
                self.remove_file(id);
            }
        }
        leftovers::trim_aside(&mut self.aside, self.limits.bytes);
    }

    /// What was dropped since the last call.
    pub fn take_dropped(&mut self) -> Dropped {
        std::mem::take(&mut self.dropped)
    }

    /// How many segments wait.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// How many bytes they have.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How long the oldest has waited.
    pub fn oldest_age(&self) -> Duration {
        self.segments.front().map_or(Duration::ZERO, Kept::age)
    }

    /// Drops what is over the limits. What is being shipped stays for now.
    fn trim(&mut self) {
        while let Some(id) = self.first_too_much() {
            self.count_dropped(&id);
            self.forget(&id);
            self.remove_file(&id);
        }
    }

    fn first_too_much(&self) -> Option<SegmentId> {
        let oldest = self.segments.iter().find(|kept| !kept.taken)?;
        (self.bytes > self.limits.bytes || oldest.age() > self.limits.age).then(|| oldest.id.clone())
    }

    fn count_dropped(&mut self, id: &SegmentId) {
        self.dropped.segments += 1;
        match file::read_path(&self.path(id)) {
            Ok((segment, _)) => self.dropped.take_in(segment),
            Err(error) => tracing::warn!(segment = %id, %error, "what a dropped segment held cannot be counted"),
        }
    }

    /// Whether it was known.
    fn forget(&mut self, id: &SegmentId) -> bool {
        let place = self.segments.iter().position(|kept| kept.id == *id);
        let kept = place.and_then(|place| self.segments.remove(place));
        self.bytes -= kept.as_ref().map_or(0, |kept| kept.bytes);
        kept.is_some()
    }

    fn remove_file(&self, id: &SegmentId) {
        let path = self.path(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "cannot remove a segment that is done with");
            }
            _ => {}
        }
    }

    fn path(&self, id: &SegmentId) -> PathBuf {
        self.folder.join(id.file_name())
    }
}

impl Dropped {
    fn take_in(&mut self, segment: Observation) {
        for coverage in &segment.coverage {
            self.losses.add(&coverage.losses);
        }
        let connections: u64 = segment.flows.iter().map(|flow| flow.activity.connections).sum();
        self.losses.spool_full = self.losses.spool_full.saturating_add(connections);
        self.connections = self.connections.saturating_add(connections);
        self.pods.extend(segment.inventory.pods);
    }
}

#[cfg(test)]
mod tests;
