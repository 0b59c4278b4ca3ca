//! Who merges: one replica at a time, and what it reads while it does.

use super::batch::{self, count};
use super::transaction::MergeTransaction;
use super::{InboxRow, Kind, NewPending, PendingRow, Result, Store, StoreError};
use futures_util::TryStreamExt as _;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

/// Any number that nobody else is likely to take: the letters of the name.
const LOCK: i64 = 0x6e65_7477_7269_6768;

/// The right to merge. It is given back when this is dropped, or the process or its connection ends.
#[derive(Debug)]
pub struct Leader {
    store: Store,
    /// The connection whose session holds the lock, for PostgreSQL.
    lock: Option<AnyConnection>,
}

impl Store {
    /// The right to merge, unless another replica has it. SQLite has one process, and so always that.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn lead(&self) -> Result<Option<Leader>> {
        if self.kind() == Kind::Sqlite {
            return Ok(Some(Leader { store: self.clone(), lock: None }));
        }
        let error = || StoreError::sql("take the right to merge");
        // Apart from the pool: what the pool gets back stays open, and the lock with it.
        let mut connection = self.inner.pool.acquire().await.map_err(error())?.detach();
        let row = sqlx::query("SELECT pg_try_advisory_lock($1) AS taken").bind(LOCK).fetch_one(&mut connection).await;
        let taken: bool = row.and_then(|row| row.try_get("taken")).map_err(error())?;
        Ok(taken.then(|| Leader { store: self.clone(), lock: Some(connection) }))
    }
}

impl Leader {
    /// Asks whether the right is still held.
    ///
    /// # Errors
    /// It is not: the session that held it is gone.
    pub async fn check(&mut self) -> Result<()> {
        match &mut self.lock {
            None => Ok(()),
            Some(session) => {
                let asked = sqlx::query("SELECT 1").execute(session).await;
                asked.map(drop).map_err(StoreError::sql("keep the right to merge"))
            }
        }
    }

    /// The rows of the inbox above `id`, in order, at most so many.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn inbox_after(&mut self, id: i64, most: usize) -> Result<Vec<InboxRow>> {
        const SQL: &str =
            "SELECT id, node, run, sequence, received, flows, bytes FROM inbox WHERE id > $1 ORDER BY id LIMIT $2";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = sqlx::query(SQL).bind(id).bind(most).fetch_all(&self.store.inner.pool).await;
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
        fetch(&self.store, "read the inbox", SQL, ids, |query, id| query.bind(*id), inbox_row).await
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
        let rows = sqlx::query(SQL).bind(now).bind(most).fetch_all(&self.store.inner.pool).await.map_err(error())?;
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
        let row = sqlx::query("SELECT COUNT(*) AS waiting FROM pending").fetch_one(&self.store.inner.pool).await;
        row.and_then(|row| count(&row, "waiting")).map_err(error())
    }

    /// Digest and body of those of the statements that are known.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn statements(&mut self, digests: &[Vec<u8>]) -> Result<Vec<(Vec<u8>, String)>> {
        const SQL: (&str, &str) = ("SELECT digest, body FROM statement WHERE digest IN", "");
        fetch(&self.store, "read statements", SQL, digests, |query, digest| query.bind(digest.clone()), with_body).await
    }

    /// Digest and body of those of the unresolved flows that are known.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn unresolved(&mut self, digests: &[Vec<u8>]) -> Result<Vec<(Vec<u8>, String)>> {
        const SQL: (&str, &str) = ("SELECT digest, body FROM unresolved WHERE digest IN", "");
        fetch(&self.store, "read unresolved flows", SQL, digests, |query, digest| query.bind(digest.clone()), with_body)
            .await
    }

    /// Calls `each` with the body of every statement.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn each_statement(&mut self, mut each: impl FnMut(&str)) -> Result<()> {
        let error = || StoreError::sql("read all statements");
        let mut rows =
            sqlx::query(AssertSqlSafe("SELECT body FROM statement".to_owned())).fetch(&self.store.inner.pool);
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
        self.check().await?;
        Ok(MergeTransaction::new(self.store.write("begin to merge").await?))
    }
}

async fn fetch<T, R>(
    store: &Store,
    doing: &'static str,
    sql: (&'static str, &'static str),
    keys: &[T],
    bind: impl for<'q> Fn(batch::Query<'q>, &T) -> batch::Query<'q>,
    read: impl Fn(&AnyRow) -> sqlx::Result<R>,
) -> Result<Vec<R>> {
    let mut connection = store.inner.pool.acquire().await.map_err(StoreError::sql(doing))?;
    batch::fetch_in(&mut connection, doing, sql, keys, bind, read).await
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
