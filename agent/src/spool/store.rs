//! The spool of an agent in a cluster: segments on disk until the collector has acknowledged them.
//!
//! One file a segment, written beside and renamed, so that whatever is killed when, a segment is there whole or not at all. Segments
//! of earlier runs are gone on with. The folder is bounded by bytes and by age; what has to go goes oldest first and is
//! counted ([`Spool::take_dropped`]), so that the next segment tells it; a kill in between loses no count.
//!
//! A segment that may have been sent is another matter: the collector may have it, and its answer may have been lost on the way. To
//! count it as dropped would then be wrong, and so would be not to. Therefore it is replaced under its own id by a *stub*, that tells what
//! it held and nothing else: of the two the collector takes whichever comes first.

use super::id::{SegmentId, new_run};
use super::leftovers::{self, Aside};
use super::untold::{Amount, Untold};
use netwright_record::inventory::Pod;
use netwright_record::{Ended, Flow, Losses, Observation, Time, file};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How many segments are shipped at once, the oldest ones.
pub(crate) const SENT_AT_ONCE: usize = 4;

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
    /// It may have been sent before.
    pub(super) sent: bool,
    /// It is known to be a stub, which stays until the collector has it.
    pub(super) stub: bool,
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
    untold: Untold,
    /// Was shipped, and is removed when it is written down that it told what was dropped.
    lingering: Option<SegmentId>,
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
        let (untold, mut found) = leftovers::take_over(folder)?;
        // They are sent oldest first, so that no other can have been.
        for kept in found.segments.iter_mut().take(SENT_AT_ONCE) {
            let read = file::read_path(&folder.join(kept.id.file_name()));
            (kept.sent, kept.stub) = (true, read.is_ok_and(|(segment, _)| is_stub(&segment)));
        }
        let dropped = Dropped::of(untold.open(), found.unreadable);
        let run = new_run(now, found.segments.back().map(|kept| kept.id.run.as_str()));
        let mut spool = Self {
            folder: folder.to_owned(),
            limits,
            run,
            next: 0,
            bytes: found.segments.iter().map(|kept| kept.bytes).sum(),
            segments: found.segments,
            aside: found.aside,
            dropped,
            untold,
            lingering: None,
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
        // What it tells must be known to be told by it, before it is there.
        self.untold.write()?;
        self.remove_lingering();
        let id = self.next_id();
        let path = self.path(&id);
        file::write_path(segment, &path)?;
        let bytes = fs::metadata(&path)?.len();
        self.untold.told();
        self.next += 1;
        self.bytes += bytes;
        self.segments.push_back(Kept {
            id: id.clone(),
            bytes,
            age: (Duration::ZERO, Instant::now()),
            taken: false,
            sent: false,
            stub: false,
        });
        self.trim();
        Ok(id)
    }

    /// The oldest segments that nobody has taken yet, `most` of them, for shipping. Each is to be given back by one of
    /// [`Spool::acknowledge`], [`Spool::set_aside`] and [`Spool::release`].
    pub fn take_oldest(&mut self, most: usize) -> Vec<SegmentId> {
        let free = self.segments.iter_mut().filter(|kept| !kept.taken).take(most);
        free.map(|kept| {
            (kept.taken, kept.sent) = (true, true);
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

    /// The collector has it: it is removed. Returns whether it was a stub: then the collector has either that or the whole.
    pub fn acknowledge(&mut self, id: &SegmentId) -> bool {
        let Some(kept) = self.forget(id) else { return false };
        // While it is there, nobody tells again what it told.
        if self.untold.is_told_in(id) && self.untold.write().is_err() {
            self.lingering = Some(id.clone());
        } else {
            self.remove_file(id);
        }
        kept.stub
    }

    fn remove_lingering(&mut self) {
        if let Some(id) = self.lingering.take() {
            self.remove_file(&id);
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
        let dropped = self.read_dropped(id);
        if let Err(error) = self.untold.dropping(id, &Amount::of(&dropped)) {
            tracing::warn!(%error, "cannot write down what was dropped; it is told if the agent lives on");
        }
        self.dropped.add(dropped);
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

    /// What was dropped since the last call, and by earlier runs that did not come to tell it. The segment that is written next
    /// has to tell it.
    pub fn take_dropped(&mut self) -> Dropped {
        self.untold.take(&self.next_id());
        std::mem::take(&mut self.dropped)
    }

    fn next_id(&self) -> SegmentId {
        SegmentId { run: self.run.clone(), sequence: self.next }
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

    /// Drops what is over the limits. What is being shipped stays for now, and so does what cannot be written down as dropped:
    /// the disk is full, and nothing new can be written either.
    fn trim(&mut self) {
        while let Some((place, id)) = self.first_too_much() {
            if let Err(error) = self.give_up(place, &id) {
                tracing::warn!(segment = %id, %error, "the spool is over its limits, but cannot drop a segment");
                return;
            }
        }
    }

    fn first_too_much(&self) -> Option<(usize, SegmentId)> {
        let (place, oldest) = self.segments.iter().enumerate().find(|(_, kept)| !kept.taken && !kept.stub)?;
        (self.bytes > self.limits.bytes || oldest.age() > self.limits.age).then(|| (place, oldest.id.clone()))
    }

    fn give_up(&mut self, place: usize, id: &SegmentId) -> io::Result<()> {
        if self.segments.get(place).is_some_and(|kept| kept.sent)
            && let Ok((segment, _)) = file::read_path(&self.path(id))
        {
            return self.replace(place, id, segment);
        }
        let dropped = self.read_dropped(id);
        self.untold.dropping(id, &Amount::of(&dropped))?;
        self.dropped.add(dropped);
        self.forget(id);
        self.remove_file(id);
        Ok(())
    }

    /// Makes a stub of a segment, if it is none.
    fn replace(&mut self, place: usize, id: &SegmentId, mut segment: Observation) -> io::Result<()> {
        let connections = make_stub(&mut segment);
        let path = self.path(id);
        if let Some(connections) = connections {
            file::write_path(&segment, &path)?;
            self.dropped.add(Dropped { segments: 1, connections, ..Dropped::default() });
        }
        let bytes = fs::metadata(&path)?.len();
        if let Some(kept) = self.segments.get_mut(place) {
            self.bytes = self.bytes - kept.bytes + bytes;
            (kept.bytes, kept.stub) = (bytes, true);
        }
        Ok(())
    }

    fn read_dropped(&self, id: &SegmentId) -> Dropped {
        let mut one = Dropped { segments: 1, ..Dropped::default() };
        match file::read_path(&self.path(id)) {
            Ok((segment, _)) => one.take_in(segment),
            Err(error) => tracing::warn!(segment = %id, %error, "what a dropped segment held cannot be counted"),
        }
        one
    }

    /// Returns what was known of it.
    fn forget(&mut self, id: &SegmentId) -> Option<Kept> {
        let place = self.segments.iter().position(|kept| kept.id == *id);
        let kept = place.and_then(|place| self.segments.remove(place));
        self.bytes -= kept.as_ref().map_or(0, |kept| kept.bytes);
        kept
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
    /// What earlier runs have dropped. Their pods are in the first segment of this one.
    fn of(untold: &Amount, unreadable: u64) -> Self {
        let (losses, connections) = (untold.losses, untold.losses.spool_full);
        Self { segments: untold.segments.saturating_add(unreadable), connections, losses, pods: Vec::new() }
    }

    fn add(&mut self, more: Self) {
        self.segments = self.segments.saturating_add(more.segments);
        self.connections = self.connections.saturating_add(more.connections);
        self.losses.add(&more.losses);
        self.pods.extend(more.pods);
    }

    fn take_in(&mut self, segment: Observation) {
        for coverage in &segment.coverage {
            self.losses.add(&coverage.losses);
        }
        let connections = connections(&segment.flows);
        self.losses.spool_full = self.losses.spool_full.saturating_add(connections);
        self.connections = self.connections.saturating_add(connections);
        self.pods.extend(segment.inventory.pods);
    }
}

/// Leaves of a segment what tells of it: a stretch of no time, in which all its connections were lost. Returns how many; `None` if it is a
/// stub already.
fn make_stub(segment: &mut Observation) -> Option<u64> {
    if is_stub(segment) {
        return None;
    }
    let coverage = segment.coverage.first_mut()?;
    let connections = connections(&segment.flows);
    coverage.losses.spool_full = coverage.losses.spool_full.saturating_add(connections);
    (coverage.to, coverage.ended) = (coverage.from, Ended::Continues);
    segment.flows.clear();
    Some(connections)
}

fn is_stub(segment: &Observation) -> bool {
    segment.flows.is_empty() && segment.coverage.iter().all(|coverage| coverage.from == coverage.to)
}

fn connections(flows: &[Flow]) -> u64 {
    flows.iter().fold(0, |sum, flow| sum.saturating_add(flow.activity.connections))
}

#[cfg(test)]
mod tests;
