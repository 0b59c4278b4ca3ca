//! The vocabulary of Netwright and the format of its observation files.
//!
//! Everything that crosses from one part to another is one of these types: what an agent saw
//! ([`flow::Flow`]), who the two ends were ([`edge::Edge`]), what the cluster consisted of
//! ([`inventory`]) and what was watched or lost ([`coverage::Coverage`]). The file format
//! (`netwright.observation/v1`, see [`mod@file`]) is one JSON object a line, zstd-compressed, so that
//! `zstdcat observation | jq` reads it.
//!
//! The crate does no I/O beyond `Read` and `Write` (and the beside-then-rename of [`file::write_atomically`])
//! and knows neither Kubernetes clients nor kernels, so it builds wherever Rust does.

pub mod activity;
pub mod collector;
pub mod coverage;
pub mod edge;
mod exact;
pub mod file;
pub mod flow;
mod hours;
pub mod inventory;
pub mod labels;
mod name;
pub mod observation;
mod set;

pub use activity::{Activity, Hours};
pub use coverage::{Coverage, Ended, Losses};
pub use edge::{Edge, Endpoint, ServiceRef, Unresolved};
pub use file::{Header, ReadError, Record, Warning, Window};
pub use flow::{Direction, Flow, Local, Protocol};
pub use labels::Labels;
pub use name::Name;
pub use observation::Observation;
pub use set::FlatSet;

/// An instant, written as RFC 3339 in UTC.
pub type Time = jiff::Timestamp;
