//! What can be wrong with a file: errors, after which there is no observation, and warnings, which come with one.

use super::{FORMAT, LONGEST_LINE, MAJOR};
use std::io;
use std::path::PathBuf;

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
    /// The compressed data is not what was written.
    #[error(
        "{path} is damaged after line {line}: {reason}; copy it again from where it was recorded, or keep what is whole with \
         `zstdcat {path} | head -n {line}`, which can be read as it is"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// The last whole line, from 1.
        line: u64,
        /// What the decompressor said.
        reason: String,
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
    #[error(
        "{path}:{line}: bad record: {reason}; the file is damaged, was edited, or is a later version's: read it with the version of \
         Netwright that wrote it, or remove the line to read the rest"
    )]
    BadRecord {
        /// Which file.
        path: PathBuf,
        /// Which line of the decompressed text, from 1.
        line: u64,
        /// What the parser said.
        reason: String,
    },
    /// A line longer than [`LONGEST_LINE`].
    #[error(
        "{path}:{line}: the line is longer than any record ({} MiB): the file is damaged, or no observation file; \
         expected what `netwright-agent observe --out` writes",
        LONGEST_LINE >> 20
    )]
    LineTooLong {
        /// Which file.
        path: PathBuf,
        /// Which line of the decompressed text, from 1.
        line: u64,
    },
    /// No header line.
    #[error(
        "{path} has no header record: it is empty, cut short, or no observation file; expected what `netwright-agent observe --out` writes"
    )]
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
    /// Records of kinds that a later minor version brought.
    #[error(
        "{path}: {records} records of kinds this version does not know were passed over ({}; the first is line {line}): \
         the rest was read; use the version of Netwright that wrote the file to read them too",
        kinds.join(", ")
    )]
    UnknownRecords {
        /// Which file.
        path: PathBuf,
        /// Where the first of them stands, from 1.
        line: u64,
        /// How many there are.
        records: u64,
        /// Their kinds, the first few, fit to be shown.
        kinds: Vec<String>,
    },
}
