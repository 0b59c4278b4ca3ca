//! Whether a body is the segment that its path names, before it is acknowledged.
//!
//! All of it is unpacked, in constant memory, and of each line as much is read as must not be believed: header and coverage in
//! full, of flows how they begin, since each names the node that saw it. A line that is no record further on is found by the merge, which counts
//! it: to read all twice would cost as much as all the rest of taking in.

use super::refusal::Refusal;
use netwright_record::file::{LONGEST_LINE, unpack};
use netwright_record::{Coverage, Header, Record};
use std::io::{BufRead, BufReader, ErrorKind, Read};

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The largest window that an unpacker is asked to hold, as a power of two: 8 MiB, which is what zstd uses up to level 19.
const WINDOW: u32 = 23;

/// What a body says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// The program that wrote it and its version.
    pub(super) written_by: String,
    /// Until when it speaks, in milliseconds since 1970.
    pub(super) until: i64,
    /// How many flows it holds.
    pub(super) flows: u64,
}

/// Checks `body` against the path. O(its size unpacked), of which no more than `most` is looked at.
pub(super) fn check(body: &[u8], node: &str, run: &str, most: u64) -> Result<Segment, Refusal> {
    if !body.starts_with(&MAGIC) {
        return Err(Refusal::NotZstd);
    }
    unpack::with_context(|context| {
        let mut decoder = zstd::stream::read::Decoder::with_context(body, context);
        decoder.window_log_max(WINDOW).map_err(damaged)?;
        read(decoder, Reading::new(node, run), most)
    })
}

fn read(unpacked: impl Read, mut reading: Reading<'_>, most: u64) -> Result<Segment, Refusal> {
    // One byte more than allowed proves that it is too much.
    let mut lines = BufReader::with_capacity(128 << 10, unpacked.take(most.saturating_add(1)));
    let (mut line, mut unpacked) = (Vec::new(), 0_u64);
    loop {
        line.clear();
        match lines.by_ref().take(LONGEST_LINE as u64 + 1).read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(length) => unpacked += length as u64,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(unreadable("it is cut short")),
            Err(error) => return Err(damaged(error)),
        }
        if unpacked > most {
            return Err(Refusal::TooLargeUnpacked(most));
        }
        if line.len() > LONGEST_LINE {
            return Err(unreadable("a line is longer than any record"));
        }
        reading.line(line.strip_suffix(b"\n").unwrap_or(&line))?;
    }
    reading.finish()
}

fn damaged(error: std::io::Error) -> Refusal {
    unreadable(format!("it cannot be unpacked: {error}"))
}

fn unreadable(why: impl Into<String>) -> Refusal {
    Refusal::Unreadable(why.into())
}

struct Reading<'a> {
    node: &'a str,
    run: &'a str,
    /// How each flow begins.
    flow: Vec<u8>,
    header: Option<Header>,
    coverage: Option<Coverage>,
    flows: u64,
    records: u64,
    end: Option<u64>,
}

impl<'a> Reading<'a> {
    fn new(node: &'a str, run: &'a str) -> Self {
        // The name of a node needs no escapes: `names` has seen to that.
        let flow = format!("{{\"record\":\"flow\",\"node\":\"{node}\",").into_bytes();
        Self { node, run, flow, header: None, coverage: None, flows: 0, records: 0, end: None }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if line.starts_with(&self.flow) {
            (self.flows, self.records) = (self.flows + 1, self.records + 1);
            return Ok(());
        }
        if line.is_empty() {
            return Ok(());
        }
        let kind = line.strip_prefix(b"{\"record\":\"").and_then(|rest| rest.split(|byte| *byte == b'"').next());
        self.records += u64::from(kind != Some(b"end"));
        match kind {
            Some(b"pod") => Ok(()),
            Some(b"flow") => Err(unreadable("it holds a flow of another node")),
            Some(b"header" | b"coverage" | b"end") => self.record(line),
            Some(b"namespace" | b"workload" | b"service" | b"node" | b"cron-job" | b"policy" | b"api-extension") => {
                Err(unreadable("it holds what agents do not report"))
            }
            Some(b"edge" | b"unresolved") => Err(unreadable("it holds what agents do not report")),
            // Of a later minor version: passed over when it is read.
            Some(_) => Ok(()),
            None => Err(unreadable("a line is no record, or does not begin as one")),
        }
    }

    fn record(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let bad = |error: serde_json::Error| unreadable(format!("a record cannot be read: {error}"));
        match serde_json::from_slice::<Record>(line).map_err(bad)? {
            Record::Header(header) if header.format != Header::new("", header.window).format => {
                Err(unreadable(format!("its format is {}", header.format.escape_debug())))
            }
            Record::Header(header) if self.header.is_none() => self.header(header),
            Record::Coverage(coverage) if self.coverage.is_none() => self.covers(coverage),
            Record::End { records } if self.end.is_none() => {
                self.end = Some(records);
                Ok(())
            }
            _ => Err(unreadable("a record stands in it twice that may stand once")),
        }
    }

    fn header(&mut self, header: Header) -> Result<(), Refusal> {
        self.header = Some(header);
        Ok(())
    }

    fn covers(&mut self, coverage: Coverage) -> Result<(), Refusal> {
        if coverage.node != self.node {
            return Err(unreadable("its coverage is of another node"));
        }
        if coverage.run != self.run {
            return Err(unreadable("its coverage is of another run"));
        }
        if coverage.to < coverage.from {
            return Err(unreadable("its coverage ends before it begins"));
        }
        self.coverage = Some(coverage);
        Ok(())
    }

    fn finish(self) -> Result<Segment, Refusal> {
        let header = self.header.ok_or_else(|| unreadable("it has no header"))?;
        let coverage = self.coverage.ok_or_else(|| unreadable("it has no coverage"))?;
        let end = self.end.ok_or_else(|| unreadable("it has no end: it was cut short"))?;
        if end != self.records {
            return Err(unreadable(format!("its end counts {end} records, and there are {}", self.records)));
        }
        let written_by = header.written_by.chars().take(100).collect();
        Ok(Segment { written_by, until: coverage.to.as_millisecond(), flows: self.flows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"record":"header","format":"netwright.observation/v1","written_by":"netwright-agent 0.1.0","window":{"from":"2026-11-01T00:00:00Z","until":"2026-11-01T00:00:10Z"}}"#;
    const COVERAGE: &str = r#"{"record":"coverage","node":"n1","run":"r1","from":"2026-11-01T00:00:00Z","to":"2026-11-01T00:00:10Z","ended":"continues"}"#;
    const FLOW: &str = r#"{"record":"flow","node":"n1","anything":1}"#;
    const POD: &str = r#"{"record":"pod","namespace":"shop"}"#;

    fn checked(lines: &[&str]) -> Result<Segment, Refusal> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        check(&zstd::encode_all(text.as_bytes(), 3).unwrap(), "n1", "r1", 1 << 20)
    }

    fn why(lines: &[&str]) -> String {
        match checked(lines) {
            Err(Refusal::Unreadable(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_segment_is_taken_in() {
        let segment = checked(&[HEADER, COVERAGE, POD, FLOW, FLOW, r#"{"record":"end","records":5}"#]).unwrap();
        assert_eq!((segment.written_by.as_str(), segment.flows), ("netwright-agent 0.1.0", 2));
        assert_eq!(segment.until, "2026-11-01T00:00:10Z".parse::<netwright_record::Time>().unwrap().as_millisecond());
    }

    #[test]
    fn what_speaks_for_another_node_is_refused() {
        let end = r#"{"record":"end","records":3}"#;
        for flow in [
            r#"{"record":"flow","node":"n2","anything":1}"#,
            r#"{"record":"flow","anything":1,"node":"n2"}"#,
            r#"{"node":"n2","record":"flow"}"#,
            r#" {"record":"flow","node":"n2"}"#,
        ] {
            why(&[HEADER, COVERAGE, flow, end]);
        }
        assert!(why(&[HEADER, &COVERAGE.replace("n1", "n2"), end]).contains("another node"));
        assert!(why(&[HEADER, &COVERAGE.replace("r1", "r2"), end]).contains("another run"));
        let edge = r#"{"record":"edge","client":1}"#;
        assert!(why(&[HEADER, COVERAGE, edge, end]).contains("do not report"));
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let end = r#"{"record":"end","records":2}"#;
        assert!(why(&[HEADER, COVERAGE]).contains("no end"));
        assert!(why(&[HEADER, COVERAGE, FLOW, end]).contains("counts 2 records, and there are 3"));
        assert!(why(&[COVERAGE, end]).contains("no header"));
        assert!(why(&[HEADER, end]).contains("no coverage"));
        assert!(why(&[HEADER, HEADER, COVERAGE, end]).contains("twice"));
        assert!(why(&[&HEADER.replace("/v1", "/v2"), COVERAGE, end]).contains("/v2"));
        assert!(why(&["[]"]).contains("no record"));
        let text = format!("{HEADER}\n{COVERAGE}\n");
        let whole = zstd::encode_all(text.as_bytes(), 3).unwrap();
        let cut = check(&whole[..whole.len() - 5], "n1", "r1", 1 << 20);
        assert!(matches!(cut, Err(Refusal::Unreadable(_))), "{cut:?}");
    }

    #[test]
    fn what_is_not_packed_or_too_large_is_refused() {
        assert_eq!(check(HEADER.as_bytes(), "n1", "r1", 100), Err(Refusal::NotZstd));
        assert_eq!(check(b"", "n1", "r1", 100), Err(Refusal::NotZstd));
        let bomb = zstd::encode_all(std::io::repeat(b' ').take(64 << 20), 19).unwrap();
        assert!(bomb.len() < 10_000, "{}", bomb.len());
        let refused = check(&bomb, "n1", "r1", 32 << 20);
        assert!(matches!(refused, Err(Refusal::Unreadable(_) | Refusal::TooLargeUnpacked(_))), "{refused:?}");
        let lines = format!("{HEADER}\n{COVERAGE}\n{}", format!("{FLOW}\n").repeat(10_000));
        let packed = zstd::encode_all(lines.as_bytes(), 3).unwrap();
        assert_eq!(check(&packed, "n1", "r1", 100_000), Err(Refusal::TooLargeUnpacked(100_000)));
    }

    #[test]
    fn a_window_that_would_take_much_memory_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(27).unwrap();
        std::io::Write::write_all(&mut encoder, format!("{HEADER}\n").repeat(10).as_bytes()).unwrap();
        let refused = check(&encoder.finish().unwrap(), "n1", "r1", 1 << 30);
        assert!(matches!(&refused, Err(Refusal::Unreadable(why)) if why.contains("unpacked")), "{refused:?}");
    }
}
