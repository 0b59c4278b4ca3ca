//! Why the store did not do what it was asked.

use std::path::PathBuf;

/// An error of the store. None of its texts contains a password.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no store.
    #[error(
        "the store {url:?} is none: expected sqlite:PATH, or postgres://USER:PASSWORD@HOST/DATABASE (its password is not shown here)"
    )]
    BadUrl {
        /// The URL as far as it may be shown.
        url: String,
    },
    /// It cannot be opened.
    #[error("cannot open the store {url}: {source}; is it there, and may this program read and write it?")]
    Open {
        /// The URL, without user and password.
        url: String,
        /// Why.
        source: sqlx::Error,
    },
    /// Its tables cannot be brought up to date.
    #[error(
        "cannot bring the tables of the store {url} up to date: {source}; a store that a later version wrote is read by that version"
    )]
    Migrate {
        /// The URL, without user and password.
        url: String,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
    /// A statement failed.
    #[error("the store cannot {doing}: {source}")]
    Sql {
        /// What it was to do.
        doing: &'static str,
        /// Why not.
        source: sqlx::Error,
    },
    /// Somebody else removed rows of the inbox that this merge had taken: nothing of it was written.
    #[error(
        "{expected} rows of the inbox were merged and {found} of them were still there: another collector merges into the same store"
    )]
    TakenByAnother {
        /// How many should have been there.
        expected: u64,
        /// How many were.
        found: u64,
    },
    /// A file beside the database cannot be used.
    #[error("cannot {doing} {path}: {source}")]
    File {
        /// What was to be done.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A row holds what this version does not understand.
    #[error("the store holds a {what} that cannot be read: {why}; a later version may have written it")]
    Unreadable {
        /// What the row is.
        what: &'static str,
        /// Why it cannot be read.
        why: serde_json::Error,
    },
    /// Rows hold what this version does not understand.
    #[error("the store holds {rows} rows that cannot be read; a later version may have written them")]
    Odd {
        /// How many.
        rows: u64,
    },
    /// An object of the inventory cannot be read.
    #[error("the inventory in the store cannot be read: {why}")]
    Inventory {
        /// Which one, and why.
        why: String,
    },
    /// A backup of PostgreSQL was asked for.
    #[error("a backup of PostgreSQL is made with its own tools: pg_dump, or those of who runs it")]
    BackupOfPostgres,
}

impl StoreError {
    /// Wraps an error of a statement: `map_err(StoreError::sql("read the inbox"))`.
    pub(super) fn sql(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
        move |source| StoreError::Sql { doing, source }
    }

    /// Whether the database itself is unwell or away, so that the same may succeed later.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Sql { .. } | Self::Open { .. } | Self::File { .. })
    }
}
