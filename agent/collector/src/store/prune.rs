//! Forgets what lies before the window.

use super::{Result, Store, StoreError};

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

const PRUNE: &str = "forget what is older than the window";

impl Store {
    /// Forgets what was last seen before `time`, in one transaction. The inbox and what waits are left alone: they have limits of
    /// their own.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn prune(&self, time: i64) -> Result<Pruned> {
        let mut write = self.write(PRUNE).await?;
        let mut counts = [0; 5];
        let deletes = [
            "DELETE FROM statement WHERE last_seen < $1",
            "DELETE FROM unresolved WHERE last_seen < $1",
            "DELETE FROM coverage WHERE until < $1",
            "DELETE FROM segment_range WHERE EXISTS (SELECT 1 FROM segment_run WHERE segment_run.node = segment_range.node \
             AND segment_run.run = segment_range.run AND segment_run.last_received < $1)",
            "DELETE FROM agent WHERE received < $1",
        ];
        for (sql, count) in deletes.into_iter().zip(&mut counts) {
            let done = sqlx::query(sql).bind(time).execute(&mut *write.transaction).await;
            *count = done.map_err(StoreError::sql(PRUNE))?.rows_affected();
        }
        let runs = sqlx::query("DELETE FROM segment_run WHERE last_received < $1").bind(time);
        runs.execute(&mut *write.transaction).await.map_err(StoreError::sql(PRUNE))?;
        write.commit(PRUNE).await?;
        let [statements, unresolved, coverage, _, agents] = counts;
        Ok(Pruned { statements, unresolved, coverage, agents })
    }
}
