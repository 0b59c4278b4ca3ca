//! Forgets what lies before the window.

use super::batch::signed;
use super::{Kind, Result, Store, StoreError};
use sqlx::AssertSqlSafe;

/// What was forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Statements that nothing was added to within the window.
    pub statements: u64,
    /// Flows without a name, last seen before the window.
    pub unresolved: u64,
    /// Stretches of watching that ended before it.
    pub coverage: u64,
    /// Agents and runs that have not been heard of in it.
    pub agents: u64,
}

impl Pruned {
    /// Adds what was forgotten at another time.
    pub fn add(&mut self, other: &Self) {
        let Self { statements, unresolved, coverage, agents } = other;
        self.statements += statements;
        self.unresolved += unresolved;
        self.coverage += coverage;
        self.agents += agents;
    }
}

/// What is kept, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From when.
    pub from: i64,
    /// Now.
    pub now: i64,
}

impl Window {
    /// Whether a segment that speaks until then is too old to be taken in. It could say nothing that is kept; and whoever sent it
    /// again after its run was forgotten would have it counted twice.
    pub fn refuses(&self, until: i64) -> bool {
        until < self.from
    }

    /// Runs are known for one window more than anything they said is taken in.
    fn runs_from(&self) -> i64 {
        self.from.saturating_sub(self.now.saturating_sub(self.from))
    }
}

const PRUNE: &str = "forget what is older than the window";
/// Rows of one transaction: what is under way elsewhere does not wait long.
const AT_ONCE: i64 = 20_000;

/// A table, its key, and what of it is old; `$1` is the time.
type Old = (&'static str, &'static str, &'static str);

const STATEMENTS: Old = ("statement", "digest", "last_seen < $1");
const UNRESOLVED: Old = ("unresolved", "digest", "last_seen < $1");
const COVERAGE: Old = ("coverage", "node, run, since", "until < $1");
const AGENTS: Old = ("agent", "node", "received < $1");
/// First, as their runs are gone afterwards.
const RANGES: Old = (
    "segment_range",
    "node, run, first",
    "EXISTS (SELECT 1 FROM segment_run WHERE segment_run.node = segment_range.node \
     AND segment_run.run = segment_range.run AND segment_run.last_received < $1)",
);
const RUNS: Old = ("segment_run", "node, run", "last_received < $1");

impl Store {
    /// Forgets what was last seen before the window, thousands of rows at a time. The inbox and what waits are left alone: they have
    /// limits of their own. Which segments of a run have arrived is known for two windows after the last: see [`Window::refuses`].
    ///
    /// # Errors
    /// The database refuses. What was forgotten by then is.
    pub async fn prune(&self, window: Window) -> Result<Pruned> {
        let pruned = Pruned {
            statements: self.forget(STATEMENTS, window.from).await?,
            unresolved: self.forget(UNRESOLVED, window.from).await?,
            coverage: self.forget(COVERAGE, window.from).await?,
            agents: self.forget(AGENTS, window.from).await?,
        };
        self.forget(RANGES, window.runs_from()).await?;
        self.forget(RUNS, window.runs_from()).await?;
        if self.kind() == Kind::Sqlite {
            let _turn = self.turn().await;
            // A few pages at a time: what is under way elsewhere waits for it.
            let given_back = sqlx::query("PRAGMA incremental_vacuum(2000)").fetch_all(&self.inner.pool).await;
            given_back.map_err(StoreError::sql(PRUNE))?;
        }
        Ok(pruned)
    }

    async fn forget(&self, (table, key, old): Old, before: i64) -> Result<u64> {
        let sql = format!("DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {old} LIMIT $2)");
        let mut forgotten = 0;
        loop {
            let mut write = self.write(PRUNE).await?;
            let query = sqlx::query(AssertSqlSafe(sql.clone())).bind(before).bind(AT_ONCE);
            let done = query.execute(&mut *write.transaction).await.map_err(StoreError::sql(PRUNE))?;
            write.commit(PRUNE).await?;
            forgotten += done.rows_affected();
            if signed(done.rows_affected()) < AT_ONCE {
                return Ok(forgotten);
            }
        }
    }
}
