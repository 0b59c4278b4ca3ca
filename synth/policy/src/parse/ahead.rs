//! Texts read to trees on all cores, a little ahead of where they are needed. For the parser: of many manifests the
//! reading of YAML takes nearly all the time, and trees take many times the room of their text, so few are held.

use super::documents::{Document, documents};
use crate::load::Source;
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Sources are shared out in parts of so many bytes.
const PART: usize = 64 << 10;
/// A part of more is not read ahead: its trees together might not fit.
const LARGE: usize = 4 << 20;
/// So many parts are read ahead by each thread.
const AHEAD: usize = 4;

/// Documents of some sources, each with its source and its number in it, counted from 1.
type Part<'t> = Vec<(&'t Source, usize, Document<'t>)>;

/// Calls `take` with the documents of all sources, in order, each with its source and its number there.
pub(super) fn read_ahead<'t>(sources: &'t [Source], mut take: impl FnMut(&'t Source, usize, Document<'t>)) {
    let parts = parts(sources);
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(parts.len());
    if threads < 2 {
        return one_by_one(sources, &mut take);
    }
    thread::scope(|scope| {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..threads).map(|_| sync_channel(AHEAD)).unzip();
        for (first, sender) in senders.into_iter().enumerate() {
            let own = parts.iter().skip(first).step_by(threads).filter(|part| !is_large(part));
            scope.spawn(move || own.for_each(|part| read(part, &sender)));
        }
        // Every thread has each so many-th part, so they are taken from one after the other.
        for (part, receiver) in parts.iter().zip(receivers.iter().cycle()) {
            if is_large(part) {
                one_by_one(part, &mut take);
            } else {
                let documents: Part = Receiver::recv(receiver).unwrap_or_default();
                documents.into_iter().for_each(|(source, number, document)| take(source, number, document));
            }
        }
    });
}

/// Reads a document when its turn comes, so that of a long source too only one is held.
fn one_by_one<'t>(sources: &'t [Source], take: &mut impl FnMut(&'t Source, usize, Document<'t>)) {
    for source in sources {
        numbered(source).for_each(|(number, document)| take(source, number, document));
    }
}

fn is_large(part: &[Source]) -> bool {
    part.iter().map(|source| source.text.len()).sum::<usize>() > LARGE
}

fn read<'t>(part: &'t [Source], sender: &SyncSender<Part<'t>>) {
    let all = part.iter().flat_map(|source| numbered(source).map(move |(number, document)| (source, number, document)));
    // It fails only if the other side has panicked, which the scope then tells.
    let _ = sender.send(all.collect());
}

fn numbered(source: &Source) -> impl Iterator<Item = (usize, Document<'_>)> {
    (1..).zip(documents(&source.text))
}

/// Sources that follow each other, together until they are large enough.
fn parts(sources: &[Source]) -> Vec<&[Source]> {
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (place, source) in sources.iter().enumerate() {
        bytes += source.text.len();
        if bytes >= PART || place + 1 == sources.len() {
            parts.extend(sources.get(start..=place));
            (start, bytes) = (place + 1, 0);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_in_order_whoever_read_them() {
        let text = |number: usize| format!("a: {number}\n---\nb: {}\n", "x".repeat(number * 37 % 9000));
        let mut sources: Vec<Source> =
            (0..500).map(|number| Source { name: number.to_string(), text: text(number) }).collect();
        sources[250].text.push_str(&"# a comment that is long\n".repeat(LARGE / 20));
        assert!(parts(&sources).iter().any(|part| is_large(part)));
        assert!(parts(&sources).len() > 8, "several parts for each thread");
        let mut found = Vec::new();
        read_ahead(&sources, |source, number, document| {
            assert!(document.content.is_ok());
            found.push((source.name.parse::<usize>().unwrap(), number));
        });
        let expected: Vec<_> = (0..500).flat_map(|source| [(source, 1), (source, 2)]).collect();
        assert_eq!(found, expected);
    }
}
