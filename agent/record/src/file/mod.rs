//! The file format `netwright.observation/v1`: one JSON object a line, zstd-compressed.
//!
//! Every line carries `"record"`, which says what it is. A file has one `header` and, when it was finished, one
//! `end` that counts the records, so that a file cut short is known to be. The order of the other lines means
//! nothing. A reader takes plain JSON lines too (what `zstdcat` prints).
//!
//! Within a major version the format may grow: a reader passes over fields it does not know, and over whole records of a kind
//! it does not know, the latter with a [`Warning`]. What an older reader would misread raises the major version, which it refuses.

mod error;
mod parallel;
mod parse;
mod read;
pub mod unpack;
mod write;

pub use error::{ReadError, Warning};
pub use read::{Outline, outline, read, read_head, read_path};
pub use write::{write, write_atomically, write_path, write_plain};

use crate::Time;
use crate::coverage::Coverage;
use crate::edge::{Edge, Unresolved};
use crate::flow::Flow;
use crate::inventory::{ApiExtension, CronJob, Namespace, Node, Pod, Policy, Service, Workload};
use serde::{Deserialize, Serialize};

/// The name of the format, before the slash.
pub const FORMAT: &str = "netwright.observation";
/// The major version this crate reads and writes. A change that an older reader would misread raises it.
pub const MAJOR: u32 = 1;
/// The most bytes of a line, its end not counted. A longer one is taken for damage: the longest honest record (a Service with
/// thousands of backends) stays far below.
pub const LONGEST_LINE: usize = 16 << 20;

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
    /// What makes the API server call a Service, of the inventory.
    ApiExtension(ApiExtension),
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
    /// Only ever read: a kind that a later minor version brought.
    #[serde(other, skip_serializing)]
    Unknown,
}

/// A [`Record`] that is only written. Its form is that of the other.
#[derive(Debug, Serialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub(crate) enum RecordRef<'a> {
    Header(&'a Header),
    Coverage(&'a Coverage),
    Namespace(&'a Namespace),
    Workload(&'a Workload),
    Pod(&'a Pod),
    Service(&'a Service),
    Node(&'a Node),
    CronJob(&'a CronJob),
    Policy(&'a Policy),
    ApiExtension(&'a ApiExtension),
    Flow(&'a Flow),
    Edge(&'a Edge),
    Unresolved(&'a Unresolved),
    End { records: u64 },
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
        Self { format: current_format(), written_by: written_by.into(), cluster: None, window }
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

fn current_format() -> String {
    format!("{FORMAT}/v{MAJOR}")
}
