//! The file format `netwright.observation/v1`: one JSON object a line, zstd-compressed.
//!
//! Every line carries `"record"`, which says what it is. A file has one `header` and, when it was finished, one
//! `end` that counts the records, so that a file cut short is known to be. The order of the other lines means
//! nothing. A reader takes plain JSON lines too (what `zstdcat` prints).

use crate::coverage::Coverage;
use crate::edge::{Edge, Unresolved};
use crate::flow::Flow;
use crate::inventory::{CronJob, Namespace, Node, Pod, Policy, Service, Workload};
use crate::{Observation, Time};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// The name of the format, before the slash.
pub const FORMAT: &str = "netwright.observation";
/// The major version this crate reads and writes. A change that an older reader would misread raises it.
pub const MAJOR: u32 = 1;

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const ZSTD_LEVEL: i32 = 3;
/// A longer line is taken for damage: the longest honest record (a Service with 1,000 backends) stays far below.
const LONGEST_LINE: u64 = 16 << 20;

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// What the file is.
    Header(Header),
    /// A stretch of watching.
    Coverage(Coverage),
    /// A namespace of the inventory.
    Namespace(Namespace),
    /// A workload of the inventory.
    Workload(Workload),
    /// A pod of the inventory.
    Pod(Pod),
    /// A Service of the inventory.
    Service(Service),
    /// A node of the inventory.
    Node(Node),
    /// A CronJob of the inventory.
    CronJob(CronJob),
    /// An existing policy of the inventory.
    Policy(Policy),
    /// What one node saw.
    Flow(Flow),
    /// A flow with both ends named.
    Edge(Edge),
    /// A flow that could not be named, and why.
    Unresolved(Unresolved),
    /// The end of a finished file.
    End {
        /// How many records stand in the file, header included, this one not.
        records: u64,
    },
}

/// What the file is, and over which time it speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// `netwright.observation/v1`.
    pub format: String,
    /// The program that wrote it and its version: `netwright-agent 0.1.0`.
    pub written_by: String,
    /// The cluster's name, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The time over which was watched.
    pub window: Window,
}

impl Header {
    /// A header of the current format.
    pub fn new(written_by: impl Into<String>, window: Window) -> Self {
        Self { format: format!("{FORMAT}/v{MAJOR}"), written_by: written_by.into(), cluster: None, window }
    }
}

/// A stretch of time, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// From when.
    pub from: Time,
    /// Until when; not before `from`.
    pub until: Time,
}

/// Why a file could not be read. Each names what to do where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be opened or read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The first line is not a record.
    #[error(
        "{path} is not an observation file: line 1 is not a JSON record ({reason}); expected what `netwright-agent observe --out` writes"
    )]
    NotAnObservation {
        /// Which file.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// A line in the middle is not a record.
    #[error("{path}:{line}: bad record: {reason}; the file is damaged or was edited: remove the line to read the rest")]
    BadRecord {
        /// Which file.
        path: PathBuf,
        /// Which line of the decompressed text, from 1.
        line: u64,
        /// What the parser said.
        reason: String,
    },
    /// No header line.
    #[error("{path} has no header record: it is not a (whole) observation file")]
    NoHeader {
        /// Which file.
        path: PathBuf,
    },
    /// A second header line.
    #[error(
        "{path}:{line}: a second header: two files were joined; use `netwright-agent assemble` to combine recordings"
    )]
    SecondHeader {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
    },
    /// Another format, or a later major version.
    #[error(
        "{path}:{line}: format {found:?} is not supported: this version reads {FORMAT}/v{MAJOR}; use the version of Netwright that wrote the file, or a later one"
    )]
    Unsupported {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What the header says.
        found: String,
    },
}

/// Something odd about a file that was read all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// The file stops before its end record.
    #[error("{path} is cut short after line {line}: what stands before was read, the rest is missing ({reason})")]
    Truncated {
        /// Which file.
        path: PathBuf,
        /// The last whole line, from 1.
        line: u64,
        /// How it shows.
        reason: String,
    },
    /// The end record counts another number of records than there are.
    #[error("{path}: the end record counts {expected} records, the file holds {found}: lines were removed or added")]
    Miscounted {
        /// Which file.
        path: PathBuf,
        /// What the end record says.
        expected: u64,
        /// What was read.
        found: u64,
    },
}

/// Reads the file at `path`. See [`read`].
pub fn read_path(path: &Path) -> Result<(Observation, Vec<Warning>), ReadError> {
    let file = File::open(path).map_err(|source| ReadError::Io { path: path.into(), source })?;
    read(file, path)
}

/// Reads an observation, compressed or plain. `path` is for messages only.
///
/// A tail that was cut off (in the middle of a line or of a compressed block) is a [`Warning`], and so is a wrong
/// count of records; a bad line that is followed by others is an error with its number.
pub fn read(input: impl Read, path: &Path) -> Result<(Observation, Vec<Warning>), ReadError> {
    let io_error = |source| ReadError::Io { path: path.into(), source };
    let mut input = BufReader::new(input);
    let compressed = input.fill_buf().map_err(io_error)?.starts_with(&ZSTD_MAGIC);
    let lines: Box<dyn BufRead> = if compressed {
        let decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(io_error)?;
        Box::new(BufReader::new(decoder))
    } else {
        Box::new(input)
    };
    let mut reading = Reading::new(path, compressed);
    reading.lines(lines)?;
    reading.finish()
}

/// The state of reading one file.
struct Reading<'a> {
    path: &'a Path,
    compressed: bool,
    header: Option<Header>,
    observation: Parts,
    records: u64,
    end: Option<u64>,
    warnings: Vec<Warning>,
}

#[derive(Default)]
struct Parts {
    coverage: Vec<Coverage>,
    inventory: crate::inventory::Inventory,
    flows: Vec<Flow>,
    edges: Vec<Edge>,
    unresolved: Vec<Unresolved>,
}

impl<'a> Reading<'a> {
    fn new(path: &'a Path, compressed: bool) -> Self {
        Self {
            path,
            compressed,
            header: None,
            observation: Parts::default(),
            records: 0,
            end: None,
            warnings: Vec::new(),
        }
    }

    fn lines(&mut self, mut input: Box<dyn BufRead + '_>) -> Result<(), ReadError> {
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let got = input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
            match got {
                Ok(0) => break,
                Ok(_) => {}
                // A compressed stream that ends in mid-block; anything before it was decoded.
                Err(error) if self.compressed && number > 1 => {
                    self.truncated(number - 1, error.to_string());
                    break;
                }
                Err(source) => return Err(ReadError::Io { path: self.path.into(), source }),
            }
            let whole = line.ends_with(b"\n");
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Record>(&line) {
                Ok(record) => self.take(record, number)?,
                Err(error) => {
                    if let Some(found) = foreign_format(&line) {
                        return Err(ReadError::Unsupported { path: self.path.into(), line: number, found });
                    }
                    let reason = describe(&error);
                    if number == 1 {
                        return Err(ReadError::NotAnObservation { path: self.path.into(), reason });
                    }
                    if !whole {
                        self.truncated(number - 1, reason);
                        break;
                    }
                    return Err(ReadError::BadRecord { path: self.path.into(), line: number, reason });
                }
            }
        }
        Ok(())
    }

    fn truncated(&mut self, line: u64, reason: String) {
        self.warnings.push(Warning::Truncated { path: self.path.into(), line, reason });
    }

    fn take(&mut self, record: Record, line: u64) -> Result<(), ReadError> {
        if !matches!(record, Record::End { .. }) {
            self.records += 1;
        }
        let inventory = &mut self.observation.inventory;
        match record {
            Record::Header(header) => return self.take_header(header, line),
            Record::Coverage(coverage) => self.observation.coverage.push(coverage),
            Record::Namespace(namespace) => inventory.namespaces.push(namespace),
            Record::Workload(workload) => inventory.workloads.push(workload),
            Record::Pod(pod) => inventory.pods.push(pod),
            Record::Service(service) => inventory.services.push(service),
            Record::Node(node) => inventory.nodes.push(node),
            Record::CronJob(cron_job) => inventory.cron_jobs.push(cron_job),
            Record::Policy(policy) => inventory.policies.push(policy),
            Record::Flow(flow) => self.observation.flows.push(flow),
            Record::Edge(edge) => self.observation.edges.push(edge),
            Record::Unresolved(unresolved) => self.observation.unresolved.push(unresolved),
            Record::End { records } => self.end = Some(records),
        }
        Ok(())
    }

    fn take_header(&mut self, header: Header, line: u64) -> Result<(), ReadError> {
        if header.format != format!("{FORMAT}/v{MAJOR}") {
            return Err(ReadError::Unsupported { path: self.path.into(), line, found: header.format });
        }
        if self.header.replace(header).is_some() {
            return Err(ReadError::SecondHeader { path: self.path.into(), line });
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Observation, Vec<Warning>), ReadError> {
        let header = self.header.take().ok_or(ReadError::NoHeader { path: self.path.into() })?;
        match self.end {
            None if self.warnings.is_empty() => {
                self.truncated(self.records, "there is no end record".into());
            }
            Some(expected) if expected != self.records => {
                self.warnings.push(Warning::Miscounted { path: self.path.into(), expected, found: self.records })
            }
            _ => {}
        }
        let Parts { coverage, inventory, flows, edges, unresolved } = self.observation;
        let mut observation = Observation { header, coverage, inventory, flows, edges, unresolved };
        observation.sort();
        Ok((observation, self.warnings))
    }
}

/// The format of a header whose other fields this version cannot read: a newer major version may have changed them.
fn foreign_format(line: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
    let format = value.get("format")?.as_str()?;
    (format != format!("{FORMAT}/v{MAJOR}")).then(|| format.to_owned())
}

/// What serde_json says, with the column but without its line number, which is always 1 here.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(" at line ") {
        Some((what, _)) => format!("{what}, column {}", error.column()),
        None => text,
    }
}

/// Writes `observation` to `path`, sorted, compressed and atomically. See [`write_atomically`].
pub fn write_path(observation: &Observation, path: &Path) -> io::Result<()> {
    write_atomically(path, |output| write(observation, output))
}

/// Writes `observation`, compressed. The order of the lines, and so every byte, depends on the content alone.
pub fn write(observation: &Observation, output: impl Write) -> io::Result<()> {
    let mut encoder = zstd::stream::write::Encoder::new(output, ZSTD_LEVEL)?;
    write_plain(observation, &mut encoder)?;
    encoder.finish()?.flush()
}

/// Writes `observation` as plain lines.
pub fn write_plain(observation: &Observation, output: impl Write) -> io::Result<()> {
    let mut sorted = observation.clone();
    sorted.sort();
    let mut output = BufWriter::new(output);
    let mut records = 0;
    for record in sorted.into_records() {
        serde_json::to_writer(&mut output, &record)?;
        output.write_all(b"\n")?;
        records += 1;
    }
    serde_json::to_writer(&mut output, &Record::End { records })?;
    output.write_all(b"\n")?;
    output.flush()
}

/// Writes a file beside `path`, syncs it and renames it over `path`: a reader finds the old file or the whole new one.
/// On an error the file beside is removed and `path` is as it was.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let beside = beside(path)?;
    let written = File::create(&beside).and_then(|mut file| {
        write(&mut file)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&beside, path)).inspect_err(|_| {
        // The first error is the one to report; a file left over is named so that it is recognised.
        let _ = fs::remove_file(&beside);
    })
}

fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{} does not name a file", path.display()))
    })?;
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.partial", std::process::id()));
    Ok(path.with_file_name(beside))
}
