//! What can be wrong with a review.yaml, told so that its author can mend it. All that is found in a file is told at once.

use super::pattern::PatternError;
use super::ports::PortsError;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the decisions in a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The file cannot be read.
    #[error("cannot read the review decisions in {path:?}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error(
        "cannot use the review decisions in {path:?}, so nothing was written:{}",
        .faults.iter().map(|fault| format!("\n  {fault}")).collect::<String>()
    )]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What; one at least.
        faults: Vec<Fault>,
    },
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, counted from 1, where it is known.
    pub line: Option<u64>,
    /// The field, `decisions[2].client`; empty for the file as a whole.
    pub field: String,
    /// What is wrong.
    pub problem: Problem,
}

/// Safe for a terminal: what is quoted is escaped.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", crate::text::plain(&self.field))?;
        }
        self.problem.fmt(f)
    }
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is no YAML, or has a field twice.
    #[error("cannot be read as YAML: {}", crate::text::visible(.0))]
    Syntax(String),
    /// A value of the wrong type.
    #[error("is {found}, must be {expected}")]
    Type {
        /// What stands there.
        found: &'static str,
        /// What should.
        expected: &'static str,
    },
    /// A field that must be there.
    #[error("is missing: {0}")]
    Missing(&'static str),
    /// A field that nobody knows.
    #[error("unknown field: must be one of {}", .0.join(", "))]
    Unknown(&'static [&'static str]),
    /// Text that must be another.
    #[error("{found:?} is not supported: must be {expected}")]
    Unsupported {
        /// What stands there.
        found: String,
        /// What may.
        expected: &'static str,
    },
    /// Text without anything in it.
    #[error("is empty: {0}")]
    Empty(&'static str),
    /// No pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// No port.
    #[error(transparent)]
    Ports(#[from] PortsError),
    /// No date.
    #[error("{found:?} is not a date: write YEAR-MONTH-DAY, 2027-01-31 ({why})")]
    Date {
        /// What stands there.
        found: String,
        /// Why it is none.
        why: String,
    },
    /// Clients taken together cannot be servers.
    #[error("internet stands for clients: write outside for servers outside the cluster")]
    InternetServer,
    /// The same entry again.
    #[error("decides the same about the same as decisions[{0}]: remove one of them")]
    Again(usize),
}
