//! Who merges: one replica at a time, and what it reads while it does.

use super::batch::{self, count};
use super::transaction::MergeTransaction;
use super::{InboxRow, Kind, NewPending, PendingRow, Result, Store, StoreError};
use futures_util::TryStreamExt as _;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// The advisory lock of PostgreSQL, of this database: any number that nobody else is likely to take, the letters of the name.
pub(super) const LOCK: i64 = 0x6e65_7477_7269_6768;

/// The right to merge. It is given back when this is dropped, or the process or its connection ends.
///
/// In PostgreSQL it is an advisory lock of the session that all its transactions go through: who loses the one loses the other, so
/// that nothing of a former leader can come after what the next one read. With SQLite it is a lock on a file beside the
/// database, for the moment in which an old process has not ended yet.
#[derive(Debug)]
pub struct Leader {
    store: Store,
    /// Apart from the pool: what the pool gets back stays open, and a lock with it.
    connection: AnyConnection,
    _file: Option<File>,
}

impl Store {
    /// The right to merge, unless another process has it.
    ///
    /// # Errors
    /// The database refuses, or the file beside it cannot be made.
    pub async fn lead(&self) -> Result<Option<Leader>> {
        let error = || StoreError::sql("take the right to merge");
        let file = match &self.inner.path {
            None => None,
            Some(path) => match lock_beside(path)? {
                None => return Ok(None),
                locked => locked,
            },
        };
        let mut connection = self.inner.pool.acquire().await.map_err(error())?.detach();
        if self.kind() == Kind::Postgres {
            let asked = sqlx::query("SELECT pg_try_advisory_lock($1) AS taken").bind(LOCK);
            let row = asked.fetch_one(&mut connection).await;
            if !row.and_then(|row| row.try_get::<bool, _>("taken")).map_err(error())? {
                return Ok(None);
            }
        }
        Ok(Some(Leader { store: self.clone(), connection, _file: file }))
    }
}

/// A lock that ends with the file; `None` while another process has it.
fn lock_beside(path: &Path) -> Result<Option<File>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".merging");
    let path = PathBuf::from(name);
    let failed = |source| StoreError::File { doing: "lock", path: path.clone(), source };
    let file = File::options().create(true).write(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

impl Leader {
    /// Asks whether the right is still held.
    ///
    /// # Errors
    /// It is not: the session that held it is gone.
    pub async fn check(&mut self) -> Result<()> {
        let asked = sqlx::query("SELECT 1").execute(&mut self.connection).await;
        asked.map(drop).map_err(StoreError::sql("keep the right to merge"))
    }

    /// The rows of the inbox above `id`, in order, at most so many.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn inbox_after(&mut self, id: i64, most: usize) -> Result<Vec<InboxRow>> {
        const SQL: &str =
            "SELECT id, node, run, sequence, received, flows, bytes FROM inbox WHERE id > $1 ORDER BY id LIMIT $2";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = sqlx::query(SQL).bind(id).bind(most).fetch_all(&mut self.connection).await;
        let rows = rows.map_err(StoreError::sql("read the inbox"))?;
        rows.iter().map(inbox_row).collect::<sqlx::Result<_>>().map_err(StoreError::sql("read the inbox"))
    }

    /// The rows of the inbox with these `ids`, in order; those that are gone are left out.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn inbox(&mut self, ids: &[i64]) -> Result<Vec<InboxRow>> {
        const SQL: (&str, &str) =
            ("SELECT id, node, run, sequence, received, flows, bytes FROM inbox WHERE id IN", "ORDER BY id");
        let found = batch::fetch_in(&mut self.connection, "read the inbox", SQL, ids, |q, id| q.bind(*id), inbox_row);
        let mut rows = found.await?;
        // Each statement orders its own part.
        rows.sort_by_key(|row| row.id);
        Ok(rows)
    }

    /// Flows that wait and are due at `now`, at most so many.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn due_pending(&mut self, now: i64, most: usize) -> Result<Vec<PendingRow>> {
        const SQL: &str = "SELECT id, node, since, next_try, reason, body FROM pending WHERE next_try <= $1 \
             ORDER BY next_try, id LIMIT $2";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let error = || StoreError::sql("read the flows that wait");
        let rows = sqlx::query(SQL).bind(now).bind(most).fetch_all(&mut self.connection).await.map_err(error())?;
        let read = |row: &AnyRow| {
            let pending = NewPending {
                node: row.try_get("node")?,
                since: row.try_get("since")?,
                next_try: row.try_get("next_try")?,
                reason: row.try_get("reason")?,
                body: row.try_get("body")?,
            };
            Ok(PendingRow { id: row.try_get("id")?, pending })
        };
        rows.iter().map(read).collect::<sqlx::Result<_>>().map_err(error())
    }

    /// How many flows wait.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn pending_count(&mut self) -> Result<u64> {
        let error = || StoreError::sql("count the flows that wait");
        let row = sqlx::query("SELECT COUNT(*) AS waiting FROM pending").fetch_one(&mut self.connection).await;
        row.and_then(|row| count(&row, "waiting")).map_err(error())
    }

    /// Digest and body of those of the statements that are known.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn statements(&mut self, digests: &[Vec<u8>]) -> Result<Vec<(Vec<u8>, String)>> {
        const SQL: (&str, &str) = ("SELECT digest, body FROM statement WHERE digest IN", "");
        batch::fetch_in(
            &mut self.connection,
            "read statements",
            SQL,
            digests,
            |query, digest| query.bind(digest.clone()),
            with_body,
        )
        .await
    }

    /// Digest and body of those of the unresolved flows that are known.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn unresolved(&mut self, digests: &[Vec<u8>]) -> Result<Vec<(Vec<u8>, String)>> {
        const SQL: (&str, &str) = ("SELECT digest, body FROM unresolved WHERE digest IN", "");
        batch::fetch_in(
            &mut self.connection,
            "read unresolved flows",
            SQL,
            digests,
            |query, digest| query.bind(digest.clone()),
            with_body,
        )
        .await
    }

    /// Calls `each` with the body of every statement.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn each_statement(&mut self, mut each: impl FnMut(&str)) -> Result<()> {
        let error = || StoreError::sql("read all statements");
        let mut rows = sqlx::query(AssertSqlSafe("SELECT body FROM statement".to_owned())).fetch(&mut self.connection);
        while let Some(row) = rows.try_next().await.map_err(error())? {
            each(&row.try_get::<String, _>("body").map_err(error())?);
        }
        Ok(())
    }

    /// Begins to write what came of a batch.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn begin(&mut self) -> Result<MergeTransaction<'_>> {
        Ok(MergeTransaction::new(self.store.write_on(&mut self.connection, "begin to merge").await?))
    }
}

fn inbox_row(row: &AnyRow) -> sqlx::Result<InboxRow> {
    Ok(InboxRow {
        id: row.try_get("id")?,
        node: row.try_get("node")?,
        run: row.try_get("run")?,
        sequence: count(row, "sequence")?,
        received: row.try_get("received")?,
        flows: count(row, "flows")?,
        bytes: row.try_get("bytes")?,
    })
}

fn with_body(row: &AnyRow) -> sqlx::Result<(Vec<u8>, String)> {
    Ok((row.try_get("digest")?, row.try_get("body")?))
}
