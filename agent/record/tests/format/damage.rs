//! Files that are damaged, edited, joined, hostile or something else: a clear word about it, and never a crash.

use crate::sample::{compressed, plain, read_bytes, sample};
use netwright_record::file::{LONGEST_LINE, ReadError, Warning, read, read_path};
use proptest::prelude::*;
use std::io::{self, Read};
use std::path::Path;

/// The sample with line `number` (from 1) made something else.
fn with_line(number: usize, line: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = plain(&sample()).lines().map(|line| line.as_bytes().to_vec()).collect();
    lines[number - 1] = line.to_vec();
    let mut text = lines.join(&b'\n');
    text.push(b'\n');
    text
}

fn message(bytes: impl AsRef<[u8]>) -> String {
    read_bytes(bytes).unwrap_err().to_string()
}

/// A few bytes over and over, without end.
struct Endless {
    start: Vec<u8>,
    again: Vec<u8>,
    at: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for byte in buffer.iter_mut() {
            let past = self.at.saturating_sub(self.start.len());
            *byte = *self.start.get(self.at).unwrap_or_else(|| &self.again[past % self.again.len()]);
            self.at += 1;
        }
        Ok(buffer.len())
    }
}

#[test]
fn a_bad_record_is_named_by_file_line_and_field() {
    for (line, expected) in [
        (&b"garbage"[..], "expected value, column 1"),
        (br#"{"record":"edge"}"#, "missing field `client`"),
        (br#"{"record":"namespace","name":7}"#, "invalid type: integer `7`, expected a string"),
        (br#"{"name":"shop"}"#, "missing field `record`"),
        (br#"{"record":"node","name":"n","addresses":["300.1.1.1"]}"#, "invalid IP address"),
        (br#"["weather"]"#, "expected a JSON object"),
        (br#"["namespace","shop"]"#, "expected a JSON object"),
        (br#"{"record":99}"#, "invalid type: integer `99`"),
        (br#"{"record":["edge"]}"#, "expected variant identifier"),
        (b"{\"record\":\"node\",\"name\":\"\xff\xfe\"}", "invalid unicode"),
        (b"\x00\x01\x02", "column"),
    ] {
        let message = message(with_line(4, line));
        assert!(message.starts_with("file:4: bad record: ") && message.contains(expected), "{message}");
        assert!(message.contains("remove the line"), "{message}");
    }
}

#[test]
fn messages_repeat_no_control_characters_and_no_long_text() {
    let long = format!(r#"{{"record":"edge","client":{{"kind":"\u001b[2J\u202e{}"}}}}"#, "x".repeat(1_000_000));
    let message = message(with_line(4, long.as_bytes()));
    assert!(message.contains(r"\u{1b}[2J\u{202e}xxx") && message.len() < 1000, "{message}");
}

#[test]
fn what_is_no_observation_is_said_to_be_none() {
    for text in [
        &b"apiVersion: v1\nkind: Pod\n"[..],
        b"{}\n{}\n",
        b"\x7fELF\x02\x01",
        b"\xff\xfe{\x00",
        b"\x1f\x8b\x08",
        b"null",
    ] {
        let message = message(text);
        assert!(
            message.starts_with("file is not an observation file: line 1") && message.contains("observe"),
            "{message}"
        );
    }
}

#[test]
fn an_empty_file_has_no_header() {
    for text in [&b""[..], b"\n\n", b"{\"record\":\"end\",\"records\":0}\n", &zstd::encode_all(&b""[..], 3).unwrap()] {
        let error = read_bytes(text).unwrap_err();
        assert!(matches!(error, ReadError::NoHeader { .. }), "{error}");
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    for (path, kind) in [(folder.path(), io::ErrorKind::IsADirectory), (&missing, io::ErrorKind::NotFound)] {
        let error = read_path(path).unwrap_err();
        assert!(error.to_string().starts_with(&format!("cannot read {}: ", path.display())), "{error}");
        let ReadError::Io { source, .. } = error else { panic!("{error}") };
        assert_eq!(source.kind(), kind);
    }
}

#[test]
fn joined_files_are_refused() {
    let text = plain(&sample());
    let second = text.lines().count() + 1;
    let expected = format!("file:{second}: a second header: two files were joined");
    assert!(message(format!("{text}{text}")).starts_with(&expected));
    assert!(message([compressed(&sample()), compressed(&sample())].concat()).starts_with(&expected));
}

#[test]
fn a_wrong_count_is_told() {
    let text = plain(&sample());
    let less: String = text.split_inclusive('\n').filter(|line| !line.contains("\"cron-job\"")).collect();
    let (observation, warnings) = read_bytes(less).unwrap();
    assert!(observation.inventory.cron_jobs.is_empty());
    let expected = text.lines().count() as u64 - 1;
    assert_eq!(warnings, [Warning::Miscounted { path: "file".into(), expected, found: expected - 1 }]);
}

#[test]
fn an_endless_line_is_refused_before_it_fills_the_memory() {
    let plain = Endless { start: Vec::new(), again: vec![b'a'], at: 0 };
    // RFC 8878, 3.1.1: a frame with a window of 128 KiB, and then blocks of 128 KiB of one byte each, none of which is the last.
    let bomb = Endless { start: vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38], again: vec![0x02, 0x00, 0x10, b'a'], at: 0 };
    for endless in [plain, bomb] {
        let error = read(endless, Path::new("file")).unwrap_err();
        assert!(matches!(error, ReadError::LineTooLong { line: 1, .. }), "{error}");
        assert!(error.to_string().contains("longer than any record (16 MiB)"), "{error}");
    }
}

#[test]
fn the_longest_line_is_read_and_one_byte_more_is_not() {
    let line = |length: usize| {
        let start = br#"{"record":"namespace","name":""#;
        let mut line = start.to_vec();
        line.resize(length - 2, b'a');
        line.extend(b"\"}");
        line
    };
    assert!(read_bytes(with_line(4, &line(LONGEST_LINE))).is_ok());
    let error = read_bytes(with_line(4, &line(LONGEST_LINE + 1))).unwrap_err();
    assert!(matches!(error, ReadError::LineTooLong { line: 4, .. }), "{error}");
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let deep = format!(r#"{{"record":"policy","manifest":{}"#, "[".repeat(1_000_000));
    assert!(message(with_line(4, deep.as_bytes())).contains("recursion limit"));
}

#[test]
fn a_flipped_bit_in_any_byte_of_a_compressed_file_is_noticed() {
    let whole = compressed(&sample());
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        if let Ok((observation, warnings)) = read_bytes(&bytes) {
            assert!(observation == sample() || !warnings.is_empty(), "byte {at} changed what is read");
        }
    }
}

#[test]
fn damage_in_a_compressed_file_says_what_is_whole() {
    let mut bytes = compressed(&sample());
    *bytes.last_mut().unwrap() ^= 1;
    let lines = plain(&sample()).lines().count();
    let message = message(bytes);
    assert!(message.starts_with(&format!("file is damaged after line {lines}: ")), "{message}");
    assert!(message.contains(&format!("head -n {lines}")), "{message}");
}

proptest! {
    #[test]
    fn nothing_that_is_read_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), compress: bool) {
        let bytes = if compress { zstd::encode_all(&bytes[..], 1).unwrap() } else { bytes };
        let _ = read_bytes(bytes);
    }

    #[test]
    fn nor_does_garbage_in_the_middle(at: prop::sample::Index, garbage in prop::collection::vec(any::<u8>(), 1..20), plain_text: bool) {
        let mut bytes = if plain_text { plain(&sample()).into_bytes() } else { compressed(&sample()) };
        let at = at.index(bytes.len());
        let end = (at + garbage.len()).min(bytes.len());
        bytes.splice(at..end, garbage);
        let _ = read_bytes(bytes);
    }
}

/// A large file is parsed in parts, at the same time.
#[test]
fn a_bad_line_far_into_a_large_file_is_named() {
    let mut text = with_line(4, b"");
    let end = text.trim_ascii_end().iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let tail = text.split_off(end);
    let filler = format!("{{\"record\":\"namespace\",\"name\":\"{}\"}}\n", "n".repeat(1000));
    let first = text.iter().filter(|byte| **byte == b'\n').count();
    text.extend(filler.as_bytes().repeat(3000));
    text.extend(b"{\"record\":\"namespace\"}\n");
    text.extend(filler.as_bytes().repeat(500));
    text.extend(b"also bad\n");
    text.extend(tail);
    let error = read_bytes(&text).unwrap_err();
    let ReadError::BadRecord { line, .. } = error else { panic!("{error}") };
    assert_eq!(line, first as u64 + 3001);
}
