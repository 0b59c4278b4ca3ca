//! Decisions of people about what was seen: `review.yaml`, beside the policies. Serves inference and its proof.
//!
//! ```yaml
#![doc = include_str!("example.yaml")]
//! ```
//!
//! # What a decision does
//!
//! | decision | what becomes of the edges it matches |
//! |---|---|
//! | `allow` | A rule, also where there would be none: never established, metadata, link-local. Where client and server each name one workload or one block of addresses, and a port is given, also without an edge. |
//! | `deny` | No rule, though they were seen; the proof then expects them to be denied. Of a server exposed to the internet, `deny` of a block takes that block out. |
//! | `ignore` | As if they had never been observed: no rule, and nothing to review. |
//! | `note` | Nothing. The reason stands in the evidence and in the manifest. |
//!
//! For each edge, and each of its addresses, the first `allow`, `deny` or `ignore` that matches holds. Two that match the
//! same and say different things are reported, unless the earlier is an exception to the later: its client, server and
//! ports all lie within the other's.
//!
//! A metadata or link-local address is allowed only by its own name: `metadata`, `link-local` (which does not mean
//! metadata), the address, or for link-local addresses a block of such. `*`, `outside`, a DNS name that leads there, and
//! a wider block do not open it.
//!
//! # Patterns of `client` and `server`
//!
//! | pattern | what it matches |
//! |---|---|
//! | `NAMESPACE/NAME`, `NAMESPACE/KIND/NAME` | workloads, also those in the network of their node |
//! | `billing.example`, `*.example` | ends outside that were reached by that name, by a name below that one; several names of one address: any of them |
//! | `198.18.0.7`, `198.18.0.0/15`, `2001:db8::/32` | those addresses of ends outside the cluster, and of link-local ones; nodes and pods go by their names |
//! | `internet` | clients outside the cluster taken together, as they are of exposed servers |
//! | `outside` | all ends outside the cluster, named or not |
//! | `node`, `node:NAME` | processes of nodes |
//! | `api-server` | the API server |
//! | `metadata`, `link-local` | cloud metadata addresses; the other link-local ones |
//! | `*` | every end |
//!
//! A part of a workload's name and a node's name may be `*` or end in `*`. `port` is the port at which the server's pods
//! listen, `5432/TCP` or `8000-8100/TCP`; without it every port is meant.
//!
//! # Expiry
//!
//! `expires` is the last day, in UTC, on which a decision holds. `allow` and `ignore` need one: they open what nobody saw
//! in use, or take something from the eyes of reviewers, and both are forgotten easily. `deny` and `note` may have one;
//! a `deny` that ended by itself would open again what somebody closed. What has expired is not honoured and reported, as
//! is what matches nothing. The day it is compared with is the one thing in a result that does not come from the
//! observation: a run that must give the same bytes next year states it (`--as-of`).

mod additional;
mod book;
mod decide;
mod decided;
mod error;
mod pattern;
mod ports;
mod read;
#[cfg(test)]
mod tests;
mod tree;

pub use additional::{Additional, Who};
pub use decided::{Contradiction, Decided, Unused, WhyUnused};
pub use error::{Fault, Problem, ReviewError};
pub use pattern::{Extent, Glob, Pattern, PatternError};
pub use ports::{Ports, PortsError};

use jiff::civil::Date;
use netwright_record::{Observation, Time};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file's name, beside the policies.
pub const FILE: &str = "review.yaml";
/// `apiVersion` of the file.
pub const API_VERSION: &str = "netwright.io/v1";
/// `kind` of the file.
pub const KIND: &str = "Review";

/// The decisions of one file, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Review {
    /// The file; empty where there is none.
    pub path: PathBuf,
    /// The decisions: each stands at its own number.
    pub decisions: Vec<Decision>,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Its place in the list, counted from 0.
    pub number: usize,
    /// The line on which it begins, counted from 1.
    pub line: u64,
    /// What was decided.
    pub action: Action,
    /// About which clients.
    pub client: Pattern,
    /// About which servers.
    pub server: Pattern,
    /// About which ports; all where there are none.
    pub ports: Option<Ports>,
    /// Why. Text of a person, to be escaped where it is shown.
    pub reason: String,
    /// Who decided. Text of a person, to be escaped where it is shown.
    pub by: Option<String>,
    /// The last day on which it holds, in UTC.
    pub expires: Option<Date>,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// There is to be a rule.
    Allow,
    /// There is to be none.
    Deny,
    /// It is to be taken as never observed.
    Ignore,
    /// Somebody has something to say about it.
    Note,
}

impl Action {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Allow => "allow",
            Action::Deny => "deny",
            Action::Ignore => "ignore",
            Action::Note => "note",
        }
    }

    /// Whether it may not hold for ever.
    pub fn must_expire(self) -> bool {
        matches!(self, Action::Allow | Action::Ignore)
    }
}

impl Decision {
    /// Whether it no longer holds on the day `as_of`.
    pub fn expired(&self, as_of: Date) -> bool {
        self.expires.is_some_and(|last| last < as_of)
    }

    /// Whether it is about these ports.
    fn is_about(&self, ports: &Ports) -> bool {
        self.ports.is_none_or(|mine| ports.within(&mine))
    }

    /// Whether everything it is about is something that `other` is about too.
    fn within(&self, other: &Decision) -> bool {
        let ports = match (self.ports, other.ports) {
            (_, None) => true,
            (Some(mine), Some(theirs)) => mine.within(&theirs),
            (None, Some(_)) => false,
        };
        ports && self.client.within(&other.client) && self.server.within(&other.server)
    }
}

/// `line 7: allow shop/job -> metadata 80/TCP`; safe for a terminal.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} {} -> {}", self.line, self.action.as_str(), self.client, self.server)?;
        self.ports.map_or(Ok(()), |ports| write!(f, " {ports}"))
    }
}

impl Review {
    /// Reads a file that must be there.
    ///
    /// # Errors
    ///
    /// It cannot be read, or something in it is wrong: then everything that is.
    pub fn load(path: &Path) -> Result<Self, ReviewError> {
        let text = fs::read_to_string(path).map_err(|source| ReviewError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Reads [`FILE`] in the folder of the policies; no decisions where there is no such file.
    ///
    /// # Errors
    ///
    /// As [`Review::load`].
    pub fn beside(folder: &Path) -> Result<Self, ReviewError> {
        match Self::load(&folder.join(FILE)) {
            Err(ReviewError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            read => read,
        }
    }

    /// Reads the text of a file; `path` is for messages.
    ///
    /// # Errors
    ///
    /// Everything that is wrong in it.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ReviewError> {
        read::read(path, text)
    }

    /// What the decisions that hold on the day `as_of` say about each edge of `observation`, and what they allow
    /// besides. O(edges + distinct ends x decisions with wildcards).
    pub fn apply(&self, observation: &Observation, as_of: Date) -> Decided {
        decide::decide(self, observation, as_of)
    }
}

/// The day in UTC at `now`.
pub fn day(now: Time) -> Date {
    now.to_zoned(jiff::tz::TimeZone::UTC).date()
}
