//! Reads an observation, from whoever wrote it: a whole file, one cut short, a damaged one, or something else altogether.
//!
//! Nothing in a file makes the reader panic or take memory out of proportion: a line is bounded by [`LONGEST_LINE`], also
//! where a few compressed bytes would become an endless one.

use super::error::{ReadError, Warning};
use super::parallel::{CHUNK, Chunk, ParsedChunk, parse_all};
use super::parse::parse;
use super::{FORMAT, Header, LONGEST_LINE, Record, current_format, unpack};
use crate::Observation;
use crate::coverage::Coverage;
use crate::edge::{Edge, Unresolved};
use crate::flow::Flow;
use crate::inventory::Inventory;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use zstd::stream::read::Decoder;

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// How many unknown kinds a warning names.
const KINDS_NAMED: usize = 8;
/// How many characters of foreign text an error or a warning repeats.
const LONGEST_QUOTE: usize = 200;

/// Reads the file at `path`. See [`read`].
pub fn read_path(path: &Path) -> Result<(Observation, Vec<Warning>), ReadError> {
    let file = File::open(path).map_err(|source| ReadError::Io { path: path.into(), source })?;
    read(file, path)
}

/// Reads an observation, compressed or plain. `path` is for messages only.
///
/// A tail that was cut off (in the middle of a line or of a compressed block) is a [`Warning`], and so are a wrong
/// count of records and records of an unknown kind; a bad line that is followed by others is an error with its number.
pub fn read(mut input: impl Read, path: &Path) -> Result<(Observation, Vec<Warning>), ReadError> {
    let io_error = |source| ReadError::Io { path: path.into(), source };
    let (start, compressed) = beginning(&mut input).map_err(io_error)?;
    let input = BufReader::new(start.chain(input));
    let mut reading = Reading::new(path, compressed);
    if compressed {
        unpack::with_context(|context| reading.lines(BufReader::new(Decoder::with_context(input, context))))?;
    } else {
        reading.lines(input)?;
    }
    reading.finish()
}

/// Reads what stands before the first flow, edge or unresolved flow: in what is written here, everything else. O(that part).
///
/// # Errors
///
/// As [`read`]; also where the file is cut short within that part.
pub fn read_head(mut input: impl Read, path: &Path) -> Result<Observation, ReadError> {
    let io_error = |source| ReadError::Io { path: path.into(), source };
    let (start, compressed) = beginning(&mut input).map_err(io_error)?;
    let input = BufReader::new(start.chain(input));
    let mut reading = Reading::new(path, compressed);
    if compressed {
        unpack::with_context(|context| reading.head(BufReader::new(Decoder::with_context(input, context))))?;
    } else {
        reading.head(input)?;
    }
    reading.finish().map(|(head, _)| head)
}

/// What a file holds, without reading what was seen.
#[derive(Debug)]
pub struct Outline {
    /// Everything before the first flow; see [`read_head`].
    pub head: Observation,
    /// How many lines follow the head, the end record not counted: in a segment, its flows.
    pub others: u64,
}

/// Reads the head of a file, and counts the lines of the rest without parsing them. O(size), much less than [`read`].
///
/// # Errors
///
/// As [`read_head`]; the file is cut short, has no end record, or is larger than `most_bytes` once decompressed.
pub fn outline(mut input: impl Read, path: &Path, most_bytes: u64) -> Result<Outline, ReadError> {
    let io_error = |source| ReadError::Io { path: path.into(), source };
    let (start, compressed) = beginning(&mut input).map_err(io_error)?;
    let input = BufReader::new(start.chain(input));
    let mut reading = Reading::new(path, compressed);
    let others = if compressed {
        unpack::with_context(|context| {
            let decoder = Decoder::with_context(input, context);
            reading.outline(BufReader::new(decoder.take(most_bytes)))
        })?
    } else {
        reading.outline(input.take(most_bytes))?
    };
    Ok(Outline { head: reading.finish()?.0, others })
}

/// The first bytes, and whether they say that the rest is compressed.
fn beginning(input: &mut impl Read) -> io::Result<(Cursor<Vec<u8>>, bool)> {
    let mut start = Vec::new();
    input.take(ZSTD_MAGIC.len() as u64).read_to_end(&mut start)?;
    let compressed = start == ZSTD_MAGIC;
    Ok((Cursor::new(start), compressed))
}

/// The state of reading one file.
struct Reading<'a> {
    path: &'a Path,
    compressed: bool,
    /// How many lines were read whole.
    lines: u64,
    records: u64,
    header: Option<Header>,
    content: Content,
    unknown: Unknown,
    end: Option<u64>,
    cut_short: Option<String>,
}

#[derive(Default)]
struct Content {
    coverage: Vec<Coverage>,
    inventory: Inventory,
    flows: Vec<Flow>,
    edges: Vec<Edge>,
    unresolved: Vec<Unresolved>,
}

/// Records of unknown kinds.
#[derive(Default)]
struct Unknown {
    first_line: u64,
    records: u64,
    kinds: Vec<String>,
}

/// Why there are no more lines.
enum Stop {
    /// The end of the file.
    End,
    /// The compressed data stops.
    CutShort(String),
    /// A line longer than any record.
    TooLong,
    /// The compressed data is damaged.
    Damaged(String),
    /// The file cannot be read.
    Failed(io::Error),
}

/// Takes lines from a file, until something stops it.
struct Lines<R> {
    input: R,
    compressed: bool,
    stop: Option<Stop>,
}

impl<R: BufRead> Lines<R> {
    /// The next lines, some [`CHUNK`] bytes; `None` where there are no more.
    fn chunk(&mut self) -> Option<Chunk> {
        let mut chunk = Chunk::default();
        while self.stop.is_none() && chunk.bytes.len() < CHUNK {
            let start = chunk.bytes.len();
            self.stop = self.line(&mut chunk.bytes);
            if self.stop.is_none() {
                chunk.lines.push(start..chunk.bytes.len());
            }
        }
        (!chunk.lines.is_empty()).then_some(chunk)
    }

    /// Adds one line, with its end unless it is the last of the file. What is there of a line that is cut short in the
    /// middle of compressed data is worth nothing.
    fn line(&mut self, into: &mut Vec<u8>) -> Option<Stop> {
        // One byte more than a line may have: its end, or the proof that it is too long.
        match self.input.by_ref().take(LONGEST_LINE as u64 + 1).read_until(b'\n', into) {
            Ok(0) => Some(Stop::End),
            Ok(length) if length > LONGEST_LINE && !into.ends_with(b"\n") => Some(Stop::TooLong),
            Ok(_) => None,
            Err(error) if self.compressed && error.kind() == io::ErrorKind::UnexpectedEof => {
                Some(Stop::CutShort(error.to_string()))
            }
            // The decompressor's own errors carry no code of the operating system.
            Err(error) if self.compressed && error.raw_os_error().is_none() => Some(Stop::Damaged(error.to_string())),
            Err(error) => Some(Stop::Failed(error)),
        }
    }
}

impl<'a> Reading<'a> {
    fn new(path: &'a Path, compressed: bool) -> Self {
        Self {
            path,
            compressed,
            lines: 0,
            records: 0,
            header: None,
            content: Content::default(),
            unknown: Unknown::default(),
            end: None,
            cut_short: None,
        }
    }

    /// Takes lines up to the first that is part of what was seen, and counts it and those that follow.
    fn outline(&mut self, input: impl BufRead) -> Result<u64, ReadError> {
        let mut lines = Lines { input, compressed: self.compressed, stop: None };
        self.head_of(&mut lines)?;
        let mut others = u64::from(lines.stop.is_none());
        let (mut line, mut ended) = (Vec::new(), self.end.is_some());
        while lines.stop.is_none() {
            line.clear();
            lines.stop = lines.line(&mut line);
            if lines.stop.is_none() && !line.trim_ascii().is_empty() {
                ended = line.starts_with(b"{\"record\":\"end\"") && line.ends_with(b"}\n");
                others += u64::from(!ended);
            }
        }
        self.stopped(lines.stop)?;
        match ended {
            true => Ok(others),
            false => {
                let reason = "it has no end record, or is larger than is taken".to_owned();
                Err(ReadError::Damaged { path: self.path.into(), line: self.lines, reason })
            }
        }
    }

    /// Takes lines up to the first that is part of what was seen.
    fn head(&mut self, input: impl BufRead) -> Result<(), ReadError> {
        let mut lines = Lines { input, compressed: self.compressed, stop: None };
        self.head_of(&mut lines)?;
        self.stopped(lines.stop)
    }

    fn head_of(&mut self, lines: &mut Lines<impl BufRead>) -> Result<(), ReadError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            lines.stop = lines.line(&mut line);
            if lines.stop.is_some() {
                return Ok(());
            }
            if line.trim_ascii().is_empty() {
                self.lines += 1;
                continue;
            }
            match parse(&line) {
                Ok(Record::Flow(_) | Record::Edge(_) | Record::Unresolved(_)) => return Ok(()),
                Ok(record) => {
                    self.lines += 1;
                    self.take(record, &line)?;
                }
                Err(error) => self.bad(&error, &line)?,
            }
        }
    }

    fn lines(&mut self, input: impl BufRead) -> Result<(), ReadError> {
        let mut lines = Lines { input, compressed: self.compressed, stop: None };
        parse_all(|| lines.chunk(), |chunk| self.chunk(chunk))?;
        self.stopped(lines.stop)
    }

    fn stopped(&mut self, stop: Option<Stop>) -> Result<(), ReadError> {
        let path = self.path.into();
        match stop {
            // A line that was cut off stands before it, or after it nothing.
            Some(Stop::CutShort(reason)) => self.cut_short = self.cut_short.take().or(Some(reason)),
            Some(Stop::TooLong) => return Err(ReadError::LineTooLong { path, line: self.lines + 1 }),
            Some(Stop::Damaged(reason)) => return Err(ReadError::Damaged { path, line: self.lines, reason }),
            Some(Stop::Failed(source)) => return Err(ReadError::Io { path, source }),
            Some(Stop::End) | None => {}
        }
        Ok(())
    }

    fn chunk(&mut self, ParsedChunk { bytes, lines }: ParsedChunk) -> Result<(), ReadError> {
        for (line, record) in lines {
            let text = bytes.get(line).unwrap_or_default();
            match record {
                None => self.lines += 1,
                Some(Ok(record)) => {
                    self.lines += 1;
                    self.take(record, text)?;
                }
                Some(Err(error)) => self.bad(&error, text)?,
            }
        }
        Ok(())
    }

    /// Decides about a line that is not a record: the cut-off last one, or an error.
    fn bad(&mut self, error: &serde_json::Error, text: &[u8]) -> Result<(), ReadError> {
        let (path, line) = (self.path.into(), self.lines + 1);
        if let Some(found) = foreign_format(text) {
            return Err(ReadError::Unsupported { path, line, found });
        }
        let reason = describe(error);
        if line == 1 {
            return Err(ReadError::NotAnObservation { path, reason });
        }
        if text.ends_with(b"\n") {
            return Err(ReadError::BadRecord { path, line, reason });
        }
        self.cut_short = Some(reason);
        Ok(())
    }

    fn take(&mut self, record: Record, text: &[u8]) -> Result<(), ReadError> {
        self.records += u64::from(!matches!(record, Record::End { .. }));
        let inventory = &mut self.content.inventory;
        match record {
            Record::Header(header) => return self.take_header(header),
            Record::Coverage(coverage) => self.content.coverage.push(coverage),
            Record::Namespace(namespace) => inventory.namespaces.push(namespace),
            Record::Workload(workload) => inventory.workloads.push(workload),
            Record::Pod(pod) => inventory.pods.push(pod),
            Record::Service(service) => inventory.services.push(service),
            Record::Node(node) => inventory.nodes.push(node),
            Record::CronJob(cron_job) => inventory.cron_jobs.push(cron_job),
            Record::Policy(policy) => inventory.policies.push(policy),
            Record::ApiExtension(extension) => inventory.api_extensions.push(extension),
            Record::Flow(flow) => self.content.flows.push(flow),
            Record::Edge(edge) => self.content.edges.push(edge),
            Record::Unresolved(unresolved) => self.content.unresolved.push(unresolved),
            Record::End { records } => self.end = Some(records),
            Record::Unknown => return self.take_unknown(text),
        }
        Ok(())
    }

    fn take_header(&mut self, header: Header) -> Result<(), ReadError> {
        let (path, line) = (self.path.into(), self.lines);
        if header.format != current_format() {
            return Err(ReadError::Unsupported { path, line, found: quote(&header.format) });
        }
        if self.header.replace(header).is_some() {
            return Err(ReadError::SecondHeader { path, line });
        }
        Ok(())
    }

    /// Passes over a record of an unknown kind, unless it is the header of a format in which that kind has another name.
    fn take_unknown(&mut self, text: &[u8]) -> Result<(), ReadError> {
        if let Some(found) = foreign_format(text) {
            return Err(ReadError::Unsupported { path: self.path.into(), line: self.lines, found });
        }
        let unknown = &mut self.unknown;
        if unknown.records == 0 {
            unknown.first_line = self.lines;
        }
        unknown.records += 1;
        let kind = quote(&kind_of(text).unwrap_or_default());
        if unknown.kinds.len() < KINDS_NAMED && !unknown.kinds.contains(&kind) {
            unknown.kinds.push(kind);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Observation, Vec<Warning>), ReadError> {
        let warnings = self.warnings();
        let header = self.header.ok_or(ReadError::NoHeader { path: self.path.into() })?;
        let Content { coverage, inventory, flows, edges, unresolved } = self.content;
        let mut observation = Observation { header, coverage, inventory, flows, edges, unresolved };
        observation.sort();
        Ok((observation, warnings))
    }

    fn warnings(&mut self) -> Vec<Warning> {
        let path = || self.path.into();
        let Unknown { first_line, records, kinds } = std::mem::take(&mut self.unknown);
        let unknown = (records > 0).then(|| Warning::UnknownRecords { path: path(), line: first_line, records, kinds });
        let no_end = || self.end.is_none().then(|| "there is no end record".to_owned());
        let truncated = self.cut_short.take().or_else(no_end).map(|reason| Warning::Truncated {
            path: path(),
            line: self.lines,
            reason,
        });
        let miscounted = self.end.filter(|expected| *expected != self.records).map(|expected| Warning::Miscounted {
            path: path(),
            expected,
            found: self.records,
        });
        [truncated, miscounted, unknown].into_iter().flatten().collect()
    }
}

/// What kind of record the line says it is, whatever else is in it.
fn kind_of(line: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Kind {
        record: String,
    }
    serde_json::from_slice::<Kind>(line).ok().map(|kind| kind.record)
}

/// The format of a header that this version cannot read: another major version may have changed its fields and its name.
fn foreign_format(line: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Format {
        format: String,
    }
    let Format { format } = serde_json::from_slice(line).ok()?;
    let is_header = format.starts_with(FORMAT) || kind_of(line).as_deref() == Some("header");
    (is_header && format != current_format()).then(|| quote(&format))
}

/// What serde_json says, with the column but without its line number, which is always 1 here.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) => format!("{}, column {}", quote(what), error.column()),
        None => quote(&text),
    }
}

/// Text from a file, fit to be shown: control characters and those that change the direction of writing escaped, cut where it is long.
fn quote(text: &str) -> String {
    let mut quoted = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(LONGEST_QUOTE) {
        match character {
            '"' | '\'' | '\\' => quoted.push(character),
            other => quoted.extend(other.escape_debug()),
        }
    }
    if characters.next().is_some() {
        quoted.push('…');
    }
    quoted
}
