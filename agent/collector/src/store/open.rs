//! Opens a store, and brings its tables up to date.

use super::{Result, StoreError};
use sqlx::any::{Any, AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{
    AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, SqlSafeStr as _,
    Transaction,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// Connections of one process. Reads need few; writes of SQLite go one after the other anyway.
const CONNECTIONS: u32 = 8;
/// How long a caller waits for a connection before it is told that the store is unwell.
const ACQUIRE: Duration = Duration::from_secs(10);

/// What each connection to SQLite is told.
///
/// - WAL: readers and the writer do not wait for each other.
/// - `synchronous = FULL`: a commit is on the disk before it returns. In WAL mode NORMAL would let a power cut undo the last
///   commits, and with them segments that agents were told are safe and have deleted.
/// - The log is folded back after 16 MiB and cut to 64 MiB, since segments pass through the inbox by the megabyte.
/// - A page cache of 16 MiB for each connection holds the inner pages of a store of gigabytes; the others come from the kernel's cache.
///   Space of what was pruned is given back bit by bit.
const SQLITE: &str = "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA busy_timeout = 10000; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864; \
     PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON";

/// Which database a store is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One file.
    Sqlite,
    /// A server, for several replicas.
    Postgres,
}

/// A store. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) kind: Kind,
    pub(super) pool: AnyPool,
    /// The file, for SQLite.
    pub(super) path: Option<PathBuf>,
    /// The URL without user and password.
    shown: String,
    /// SQLite has one writer. Whoever waits here is served in order, which SQLite's own waiting does not promise.
    writer: Mutex<()>,
}

impl Store {
    /// Opens `sqlite:PATH` (the file is made if need be) or `postgres://…`. The tables are left as they are: see
    /// [`Store::migrate`].
    ///
    /// # Errors
    /// The URL is none of the two, or the database cannot be reached.
    pub async fn open(url: &str) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let (kind, path) = kind_of(url)?;
        let shown = shown(url);
        let open = |source| StoreError::Open { url: shown.clone(), source };
        let connect = path.as_deref().map_or_else(|| url.to_owned(), sqlite_url);
        let options: AnyConnectOptions = connect.parse().map_err(open)?;
        // A statement may hold what pods are called; the caller logs errors.
        let options = options.disable_statement_logging();
        let mut pool = AnyPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE);
        if kind == Kind::Sqlite {
            pool =
                pool.after_connect(|connection, _| Box::pin(async move { connection.execute(SQLITE).await.map(drop) }));
        }
        let pool = pool.connect_with(options).await.map_err(open)?;
        Ok(Self { inner: Arc::new(Inner { kind, pool, path, shown, writer: Mutex::new(()) }) })
    }

    /// Makes the tables, or brings those of an earlier version up to date. Replicas that do so at once wait for each other.
    ///
    /// # Errors
    /// The database refuses, or a later version has been here.
    pub async fn migrate(&self) -> Result<()> {
        let _one = self.inner.writer.lock().await;
        let migrate = |source| StoreError::Migrate { url: self.inner.shown.clone(), source };
        Migrator::with_migrations(migrations(self.inner.kind)).run(&self.inner.pool).await.map_err(migrate)
    }

    /// Which database it is in.
    pub fn kind(&self) -> Kind {
        self.inner.kind
    }

    /// The URL, without user and password.
    pub fn shown(&self) -> &str {
        &self.inner.shown
    }

    /// Ends all connections, after what they are doing.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    /// Asks the database for nothing, to learn whether it answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.inner.pool).await.map(drop).map_err(StoreError::sql("answer"))
    }

    /// Begins to write.
    pub(super) async fn write(&self, doing: &'static str) -> Result<Write<'_>> {
        let turn = self.turn().await;
        let transaction = self.inner.pool.begin_with(self.begins()).await.map_err(StoreError::sql(doing))?;
        Ok(Write { transaction, _turn: turn })
    }

    /// As [`Store::write`], on a connection of the caller's.
    pub(super) async fn write_on<'s>(
        &'s self,
        connection: &'s mut AnyConnection,
        doing: &'static str,
    ) -> Result<Write<'s>> {
        let turn = self.turn().await;
        let transaction = connection.begin_with(self.begins()).await.map_err(StoreError::sql(doing))?;
        Ok(Write { transaction, _turn: turn })
    }

    fn begins(&self) -> &'static str {
        match self.inner.kind {
            // Takes the right to write at once. One that reads first could find that it may not write any more.
            Kind::Sqlite => "BEGIN IMMEDIATE",
            Kind::Postgres => "BEGIN",
        }
    }

    /// Waits for the right to write, where there is one writer.
    pub(super) async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        match self.inner.kind {
            Kind::Sqlite => Some(self.inner.writer.lock().await),
            Kind::Postgres => None,
        }
    }
}

/// A transaction that writes. What is not committed is undone.
pub(super) struct Write<'s> {
    pub(super) transaction: Transaction<'s, Any>,
    _turn: Option<MutexGuard<'s, ()>>,
}

impl Write<'_> {
    pub(super) async fn commit(self, doing: &'static str) -> Result<()> {
        self.transaction.commit().await.map_err(StoreError::sql(doing))
    }
}

fn kind_of(url: &str) -> Result<(Kind, Option<PathBuf>)> {
    if let Some(path) = url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest))
        && !path.is_empty()
        && !path.starts_with(':')
    {
        return Ok((Kind::Sqlite, Some(path.into())));
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok((Kind::Postgres, None));
    }
    Err(StoreError::BadUrl { url: shown(url) })
}

/// The URL of a file, whatever its name.
pub(super) fn sqlite_url(path: &Path) -> String {
    let mut url = String::from("sqlite://");
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => url.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url + "?mode=rwc"
}

/// A URL without what stands before its host, and without its parameters: each may hold a password.
fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let separator = if scheme.is_empty() { "" } else { "://" };
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let rest = rest.split_once('?').map_or(rest, |(path, _)| path);
    format!("{scheme}{separator}{rest}").escape_debug().to_string()
}

fn migrations(kind: Kind) -> Vec<Migration> {
    let tables = include_str!("../../migrations/0001_tables.sql");
    let (tables, views) = match kind {
        Kind::Sqlite => (tables.to_owned(), include_str!("../../migrations/0002_views.sqlite.sql")),
        Kind::Postgres => {
            let tables = tables
                .replace(" BLOB ", " BYTEA ")
                .replace("INTEGER PRIMARY KEY AUTOINCREMENT", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY");
            (tables, include_str!("../../migrations/0002_views.postgres.sql"))
        }
    };
    [("tables", tables), ("views", views.to_owned())]
        .into_iter()
        .zip(1..)
        .map(|((name, sql), version)| {
            Migration::new(version, name.into(), MigrationType::Simple, AssertSqlSafe(sql).into_sql_str(), false)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (url, expected) in [
            (
                "postgres://user:secret@db.example:5432/netwright?sslmode=require",
                "postgres://db.example:5432/netwright",
            ),
            ("postgres://user:se@cret@db/netwright", "postgres://db/netwright"),
            ("postgres://db/netwright?user=a&password=secret", "postgres://db/netwright"),
            ("mysql://user:secret@db/x", "mysql://db/x"),
            ("sqlite:/var/lib/netwright/store.db", "sqlite:/var/lib/netwright/store.db"),
        ] {
            assert_eq!(shown(url), expected);
        }
        assert!(matches!(kind_of("mysql://user:secret@db/x"), Err(error) if !error.to_string().contains("secret")));
    }

    #[test]
    fn other_urls_are_refused() {
        for url in ["", "sqlite:", "sqlite::memory:", "/var/lib/store.db", "mysql://db/x", "postgres:db"] {
            assert!(matches!(kind_of(url), Err(StoreError::BadUrl { .. })), "{url}");
        }
    }

    #[test]
    fn any_name_of_a_file_is_a_url() {
        assert_eq!(sqlite_url(Path::new("/a b/c?d#e%.db")), "sqlite:///a%20b/c%3Fd%23e%25.db?mode=rwc");
    }
}
