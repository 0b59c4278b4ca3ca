//! A file cut short at any byte: what stands before the cut is read, and the cut is told.

use crate::sample::{Read, compressed, plain, read_bytes, sample};
use netwright_record::Observation;
use netwright_record::file::{ReadError, Warning};
use std::io::Write;

/// What each number of first lines holds; none holds nothing.
fn prefixes(text: &str) -> Vec<Option<Observation>> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    (0..=lines.len())
        .map(|count| read_bytes(lines[..count].concat()).ok().map(|(observation, _)| observation))
        .collect()
}

/// How many lines a cut file says it holds whole.
fn told(warnings: &[Warning]) -> usize {
    match warnings {
        [Warning::Truncated { line, .. }] => usize::try_from(*line).unwrap(),
        other => panic!("one warning of a cut expected: {other:?}"),
    }
}

/// Either an error that says that nothing can be made of it, or a prefix and a warning. Returns how many lines were read.
fn is_prefix(read: Read, prefixes: &[Option<Observation>]) -> usize {
    match read {
        Ok((observation, warnings)) => {
            let lines = told(&warnings);
            assert_eq!(Some(&observation), prefixes[lines].as_ref());
            lines
        }
        Err(ReadError::NoHeader { .. } | ReadError::NotAnObservation { .. }) => 0,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_plain_file_cut_anywhere_keeps_its_whole_lines() {
    let text = plain(&sample());
    let prefixes = prefixes(&text);
    for length in 0..text.len() - 1 {
        let cut = &text.as_bytes()[..length];
        let whole = cut.iter().filter(|byte| **byte == b'\n').count();
        // A line that lacks nothing but its end is whole.
        let whole = whole + usize::from(text.as_bytes()[length] == b'\n');
        assert_eq!(is_prefix(read_bytes(cut), &prefixes), whole, "cut at {length}");
    }
    assert_eq!(read_bytes(text.trim_end()).unwrap(), (sample(), Vec::new()));
}

#[test]
fn a_compressed_file_cut_anywhere_is_known_to_be() {
    let bytes = compressed(&sample());
    let prefixes = prefixes(&plain(&sample()));
    for length in 0..bytes.len() {
        is_prefix(read_bytes(&bytes[..length]), &prefixes);
    }
}

#[test]
fn a_compressed_file_of_many_blocks_keeps_those_that_are_whole() {
    let text = plain(&sample());
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    for line in text.split_inclusive('\n') {
        encoder.write_all(line.as_bytes()).unwrap();
        encoder.flush().unwrap();
    }
    let bytes = encoder.finish().unwrap();
    let prefixes = prefixes(&text);
    let mut most = 0;
    for length in 0..bytes.len() {
        let lines = is_prefix(read_bytes(&bytes[..length]), &prefixes);
        assert!(lines >= most, "cut at {length}");
        most = lines;
    }
    assert_eq!(most, text.lines().count());
}

#[test]
fn the_warning_names_the_last_whole_line() {
    let text = plain(&sample());
    let (_, warnings) = read_bytes(&text[..text.len() - 5]).unwrap();
    let message = warnings[0].to_string();
    let lines = text.lines().count() - 1;
    assert!(message.starts_with(&format!("file is cut short after line {lines}: ")), "{message}");
    let end = text.trim_end().rfind('\n').unwrap() + 1;
    let (_, warnings) = read_bytes(&text[..end]).unwrap();
    assert!(warnings[0].to_string().contains("there is no end record"));
}
