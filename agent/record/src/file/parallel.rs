//! Lines to records on all cores, in the order of the lines. For large files: reading one is most of what a command waits for.

use super::Record;
use super::parse::parse;
use crate::name::intern::Table;
use std::collections::VecDeque;
use std::num::NonZero;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A chunk is handed on when it holds so many bytes: enough to be worth it, few enough to keep little in flight.
pub(super) const CHUNK: usize = 256 << 10;
/// More threads would wait for the one that decompresses.
const MOST_THREADS: usize = 4;

/// Lines, one after the other, each with its end.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: Vec<Range<usize>>,
}

/// A chunk with what came of each of its lines; nothing of blank ones.
pub(super) struct ParsedChunk {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: Vec<(Range<usize>, Option<serde_json::Result<Record>>)>,
}

impl Chunk {
    pub(super) fn parse(self) -> ParsedChunk {
        let text = |line: &Range<usize>| self.bytes.get(line.clone()).unwrap_or_default();
        let of_line = |line: &[u8]| (!line.trim_ascii().is_empty()).then(|| parse(line));
        let lines = self.lines.iter().map(|line| (line.clone(), of_line(text(line)))).collect();
        ParsedChunk { bytes: self.bytes, lines }
    }
}

type Job = (Chunk, Sender<ParsedChunk>);

/// Parses what `next` gives until it gives nothing more, and calls `take` with each chunk in order. Stops when that fails.
/// Equal names, and equal sets of labels, are one in memory.
///
/// A single chunk is parsed where it is: most files are small.
pub(super) fn parse_all<E>(
    mut next: impl FnMut() -> Option<Chunk>,
    mut take: impl FnMut(ParsedChunk) -> Result<(), E>,
) -> Result<(), E> {
    let table = Arc::new(Table::default());
    let Some(first) = next() else { return Ok(()) };
    let Some(second) = next() else { return take(table.share(|| first.parse())) };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    let (jobs, queue) = channel::<Job>();
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        // Dropped on every way out, so that the threads end.
        let jobs = jobs;
        for _ in 0..threads {
            scope.spawn(|| table.share(|| work(&queue)));
        }
        let mut waiting = VecDeque::new();
        let mut chunks = [first, second].into_iter().chain(std::iter::from_fn(&mut next));
        loop {
            let chunk = chunks.next();
            let more = chunk.is_some();
            if let Some(chunk) = chunk {
                let (done, parsed) = channel();
                // The threads hold the other end as long as this one is held.
                let _ = jobs.send((chunk, done));
                waiting.push_back(parsed);
            }
            while !waiting.is_empty() && (!more || waiting.len() > 2 * threads) {
                if let Some(parsed) = waiting.pop_front().and_then(|parsed: Receiver<ParsedChunk>| parsed.recv().ok()) {
                    take(parsed)?;
                }
            }
            if !more {
                return Ok(());
            }
        }
    })
}

/// Parses chunks until there are no more.
fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((chunk, done)) = job else { return };
        // Nobody waits for it any more where an earlier chunk was refused.
        let _ = done.send(chunk.parse());
    }
}
