//! Everything at one moment, read while others write.

use super::batch::count;
use super::{CoverageRow, Kind, Result, Store, StoreError};
use futures_util::TryStreamExt as _;
use sqlx::any::{Any, AnyRow};
use sqlx::{AssertSqlSafe, Row as _, Transaction};

/// A view of the store at one moment.
pub struct Snapshot {
    transaction: Transaction<'static, Any>,
}

/// What is known of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRow {
    /// Its node.
    pub node: String,
    /// Its latest run.
    pub run: String,
    /// The program and its version.
    pub version: String,
    /// When its latest segment arrived.
    pub received: i64,
    /// Up to when, by its own clock, it has reported.
    pub reported_until: i64,
    /// How many segments it has sent.
    pub segments: u64,
    /// How many flows were in them.
    pub flows: u64,
}

/// Segments that are missing between others of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The node.
    pub node: String,
    /// The run of its agent.
    pub run: String,
    /// How many are missing.
    pub missing: u64,
}

/// How much there is of everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Segments in the inbox.
    pub inbox: u64,
    /// Flows that wait for a name.
    pub pending: u64,
    /// Edges, seen from either end.
    pub edges: u64,
    /// Flows that were given up.
    pub unresolved: u64,
}

const READ: &str = "read everything";

impl Store {
    /// A view of the store as it is now.
    ///
    /// # Errors
    /// The database refuses, as with all that follow.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let begin = match self.kind() {
            // In WAL mode the first read fixes the moment.
            Kind::Sqlite => "BEGIN",
            Kind::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        let mut transaction = self.inner.pool.begin_with(begin).await.map_err(StoreError::sql(READ))?;
        let first = sqlx::query("SELECT COUNT(*) FROM counter").fetch_one(&mut *transaction).await;
        first.map_err(StoreError::sql(READ))?;
        Ok(Snapshot { transaction })
    }
}

impl Snapshot {
    /// Calls `each` with the body of every statement.
    ///
    /// # Errors
    /// As above.
    pub async fn each_statement(&mut self, mut each: impl FnMut(&str)) -> Result<()> {
        self.each("SELECT body FROM statement", |row| {
            each(&row.try_get::<String, _>("body")?);
            Ok(())
        })
        .await
    }

    /// Calls `each` with reason and body of every flow without a name: of those that were given up, and of those that still wait.
    ///
    /// # Errors
    /// As above.
    pub async fn each_unresolved(&mut self, mut each: impl FnMut(&str, &str)) -> Result<()> {
        self.each("SELECT reason, body FROM unresolved UNION ALL SELECT reason, body FROM pending", |row| {
            each(&row.try_get::<String, _>("reason")?, &row.try_get::<String, _>("body")?);
            Ok(())
        })
        .await
    }

    /// Calls `each` with kind, namespace, name, end and body of every object.
    ///
    /// # Errors
    /// As above.
    pub async fn each_object(&mut self, mut each: impl FnMut(&str, &str, &str, Option<i64>, &str)) -> Result<()> {
        self.each("SELECT kind, namespace, name, gone_at, body FROM object", |row| {
            let text = |column: &str| row.try_get::<String, _>(column);
            each(&text("kind")?, &text("namespace")?, &text("name")?, row.try_get("gone_at")?, &text("body")?);
            Ok(())
        })
        .await
    }

    /// Calls `each` with UID, end and body of every pod.
    ///
    /// # Errors
    /// As above.
    pub async fn each_pod(&mut self, mut each: impl FnMut(&str, Option<i64>, &str)) -> Result<()> {
        self.each("SELECT uid, gone_at, body FROM pod", |row| {
            let text = |column: &str| row.try_get::<String, _>(column);
            each(&text("uid")?, row.try_get("gone_at")?, &text("body")?);
            Ok(())
        })
        .await
    }

    /// What was lost in each stretch in which something was, as JSON.
    ///
    /// # Errors
    /// As above.
    pub async fn losses(&mut self) -> Result<Vec<String>> {
        self.all("SELECT losses FROM coverage WHERE lost > 0", |row| row.try_get("losses")).await
    }

    /// How many flows wait for a name.
    ///
    /// # Errors
    /// As above.
    pub async fn pending(&mut self) -> Result<u64> {
        self.one("SELECT COUNT(*) AS many FROM pending").await
    }

    /// All stretches of watching.
    ///
    /// # Errors
    /// As above.
    pub async fn coverage(&mut self) -> Result<Vec<CoverageRow>> {
        const SQL: &str = "SELECT node, run, since, until, ended, lost, losses, notes, segments FROM coverage ORDER BY node, run, since";
        self.all(SQL, |row| {
            Ok(CoverageRow {
                node: row.try_get("node")?,
                run: row.try_get("run")?,
                since: row.try_get("since")?,
                until: row.try_get("until")?,
                ended: row.try_get("ended")?,
                lost: count(row, "lost")?,
                losses: row.try_get("losses")?,
                notes: row.try_get("notes")?,
                segments: count(row, "segments")?,
            })
        })
        .await
    }

    /// All agents, by node.
    ///
    /// # Errors
    /// As above.
    pub async fn agents(&mut self) -> Result<Vec<AgentRow>> {
        const SQL: &str =
            "SELECT node, run, version, received, reported_until, segments, flows FROM agent ORDER BY node";
        self.all(SQL, |row| {
            Ok(AgentRow {
                node: row.try_get("node")?,
                run: row.try_get("run")?,
                version: row.try_get("version")?,
                received: row.try_get("received")?,
                reported_until: row.try_get("reported_until")?,
                segments: count(row, "segments")?,
                flows: count(row, "flows")?,
            })
        })
        .await
    }

    /// The names of the nodes that are in the cluster.
    ///
    /// # Errors
    /// As above.
    pub async fn node_names(&mut self) -> Result<Vec<String>> {
        const SQL: &str = "SELECT name FROM object WHERE kind = 'Node' AND gone_at IS NULL ORDER BY name";
        self.all(SQL, |row| row.try_get("name")).await
    }

    /// How many segments are missing of each run that others came of. A run begins with 0.
    ///
    /// # Errors
    /// As above.
    pub async fn gaps(&mut self) -> Result<Vec<Gap>> {
        const SQL: &str = "SELECT node, run, CAST(MAX(next) - SUM(next - first) AS BIGINT) AS missing FROM segment_range \
             GROUP BY node, run HAVING MAX(next) - SUM(next - first) > 0 ORDER BY node, run";
        self.all(SQL, |row| {
            Ok(Gap { node: row.try_get("node")?, run: row.try_get("run")?, missing: count(row, "missing")? })
        })
        .await
    }

    /// How much there is of everything.
    ///
    /// # Errors
    /// As above.
    pub async fn totals(&mut self) -> Result<Totals> {
        const EDGES: &str = "SELECT COUNT(*) AS many FROM (SELECT DISTINCT client_kind, client_namespace, client_workload_kind, \
             client_name, server_kind, server_namespace, server_workload_kind, server_name, protocol, port \
             FROM statement WHERE about = 'edge') AS edges";
        Ok(Totals {
            inbox: self.one("SELECT COUNT(*) AS many FROM inbox").await?,
            pending: self.one("SELECT COUNT(*) AS many FROM pending").await?,
            edges: self.one(EDGES).await?,
            unresolved: self.one("SELECT COUNT(*) AS many FROM unresolved").await?,
        })
    }

    /// For each day (milliseconds of its begin) how many statements about edges begin in it.
    ///
    /// # Errors
    /// As above.
    pub async fn new_edges(&mut self) -> Result<Vec<(i64, u64)>> {
        const SQL: &str = "SELECT first_seen / 86400000 AS day, COUNT(*) AS many FROM statement \
             WHERE about = 'edge' AND side = 'client' AND connections > 0 GROUP BY first_seen / 86400000 ORDER BY day";
        self.all(SQL, |row| Ok((row.try_get::<i64, _>("day")?.saturating_mul(86_400_000), count(row, "many")?))).await
    }

    /// A counter.
    ///
    /// # Errors
    /// As above.
    pub async fn counter(&mut self, name: &'static str) -> Result<u64> {
        let query = sqlx::query("SELECT value FROM counter WHERE name = $1").bind(name);
        let row = query.fetch_optional(&mut *self.transaction).await.map_err(StoreError::sql(READ))?;
        row.map_or(Ok(0), |row| count(&row, "value")).map_err(StoreError::sql(READ))
    }

    async fn one(&mut self, sql: &'static str) -> Result<u64> {
        let row = sqlx::query(sql).fetch_one(&mut *self.transaction).await;
        row.and_then(|row| count(&row, "many")).map_err(StoreError::sql(READ))
    }

    async fn all<R>(&mut self, sql: &'static str, read: impl Fn(&AnyRow) -> sqlx::Result<R>) -> Result<Vec<R>> {
        let mut found = Vec::new();
        self.each(sql, |row| {
            found.push(read(row)?);
            Ok(())
        })
        .await?;
        Ok(found)
    }

    async fn each(&mut self, sql: &'static str, mut each: impl FnMut(&AnyRow) -> sqlx::Result<()>) -> Result<()> {
        let mut rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch(&mut *self.transaction);
        while let Some(row) = rows.try_next().await.map_err(StoreError::sql(READ))? {
            each(&row).map_err(StoreError::sql(READ))?;
        }
        Ok(())
    }
}
