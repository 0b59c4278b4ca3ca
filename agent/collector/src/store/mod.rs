//! Where the collector keeps what it was told: SQLite in one file, or PostgreSQL. The same statements and the same tests for both.
//!
//! Who writes what:
//! - taking in segments: [`Store::accept`], from any replica;
//! - merging: the one replica that holds a [`Leader`], in one [`MergeTransaction`] a batch;
//! - reading for an export: a [`Snapshot`], consistent while the others go on;
//! - housekeeping: [`Store::prune`], [`Store::backup`], [`Store::migrate`].
//!
//! Bodies are texts and bytes whose meaning belongs to their writers. Times are milliseconds since 1970 in UTC.

mod accept;
mod backup;
mod batch;
mod certificates;
mod coverage;
mod error;
mod leader;
mod open;
mod prune;
mod rows;
mod segments;
mod snapshot;
mod transaction;

pub use accept::{Acceptance, InboxLoad};
pub use certificates::StoredCertificate;
pub use error::StoreError;
pub use leader::Leader;
pub use open::{Kind, Store};
pub use prune::{Pruned, Window};
pub use rows::{
    Arrival, CoverageRow, EndColumns, InboxRow, NewPending, ObjectRow, PendingRow, PodRow, StatementRow, UnresolvedRow,
};
pub use snapshot::{AgentRow, Gap, Snapshot, Totals};
pub use transaction::MergeTransaction;

/// What the functions of this module return.
pub type Result<T> = std::result::Result<T, StoreError>;
