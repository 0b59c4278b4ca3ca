//! What a merge writes, all of it or nothing.

use super::batch::{self, Insert, Query, signed};
use super::coverage;
use super::open::Write;
use super::{CoverageRow, EndColumns, NewPending, ObjectRow, PodRow, Result, StatementRow, StoreError, UnresolvedRow};
use std::collections::HashMap;
use std::hash::Hash;

/// A merge being written. Dropped, nothing of it has happened. Where rows of one call have the same key, the last counts.
pub struct MergeTransaction<'s> {
    write: Write<'s>,
}

impl<'s> MergeTransaction<'s> {
    pub(super) fn new(write: Write<'s>) -> Self {
        Self { write }
    }

    /// Writes statements, over those of the same digest.
    ///
    /// # Errors
    /// The database refuses, as with all that follow.
    pub async fn upsert_statements(&mut self, rows: &[StatementRow]) -> Result<()> {
        const INSERT: Insert = Insert {
            doing: "write statements",
            into: "INSERT INTO statement (digest, about, side, client_kind, client_namespace, client_workload_kind, client_name, \
                 server_kind, server_namespace, server_workload_kind, server_name, protocol, port, service_namespace, \
                 service_name, first_seen, last_seen, connections, failed, body)",
            columns: 20,
            then: "ON CONFLICT (digest) DO UPDATE SET service_namespace = excluded.service_namespace, \
                 service_name = excluded.service_name, first_seen = excluded.first_seen, last_seen = excluded.last_seen, \
                 connections = excluded.connections, failed = excluded.failed, body = excluded.body",
        };
        let rows = last_of(rows, |row| row.digest.as_slice());
        batch::insert(&mut self.write.transaction, INSERT, &rows, |query, row| bind_statement(query, row)).await
    }

    /// Writes unresolved flows, over those of the same digest.
    ///
    /// # Errors
    /// As above.
    pub async fn upsert_unresolved(&mut self, rows: &[UnresolvedRow]) -> Result<()> {
        const INSERT: Insert = Insert {
            doing: "write unresolved flows",
            into: "INSERT INTO unresolved (digest, node, reason, first_seen, last_seen, connections, failed, body)",
            columns: 8,
            then: "ON CONFLICT (digest) DO UPDATE SET first_seen = excluded.first_seen, last_seen = excluded.last_seen, \
                 connections = excluded.connections, failed = excluded.failed, body = excluded.body",
        };
        let rows = last_of(rows, |row| row.digest.as_slice());
        batch::insert(&mut self.write.transaction, INSERT, &rows, |query, row| {
            let query = query.bind(row.digest.clone()).bind(row.node.clone()).bind(row.reason.clone());
            let query = query.bind(row.first_seen).bind(row.last_seen).bind(signed(row.connections));
            query.bind(signed(row.failed)).bind(row.body.clone())
        })
        .await
    }

    /// Has flows wait.
    ///
    /// # Errors
    /// As above.
    pub async fn insert_pending(&mut self, rows: &[NewPending]) -> Result<()> {
        const INSERT: Insert = Insert {
            doing: "write flows that wait",
            into: "INSERT INTO pending (node, since, next_try, reason, body)",
            columns: 5,
            then: "",
        };
        batch::insert(&mut self.write.transaction, INSERT, rows, |query, row| {
            let query = query.bind(row.node.clone()).bind(row.since).bind(row.next_try);
            query.bind(row.reason.clone()).bind(row.body.clone())
        })
        .await
    }

    /// Flows that have been tried again.
    ///
    /// # Errors
    /// As above.
    pub async fn delete_pending(&mut self, ids: &[i64]) -> Result<()> {
        const SQL: (&str, &str) = ("DELETE FROM pending WHERE id IN", "");
        let doing = "remove flows that waited";
        batch::execute_in(&mut self.write.transaction, doing, SQL, ids, |query, id| query.bind(*id)).await.map(drop)
    }

    /// Writes stretches of watching; one that goes on without a loss where another ended becomes part of that.
    ///
    /// # Errors
    /// As above.
    pub async fn write_coverage(&mut self, rows: &[CoverageRow]) -> Result<()> {
        coverage::write(&mut self.write.transaction, rows).await
    }

    /// Writes objects of the inventory but pods.
    ///
    /// # Errors
    /// As above.
    pub async fn write_objects(&mut self, rows: &[ObjectRow]) -> Result<()> {
        const INSERT: Insert = Insert {
            doing: "write the inventory",
            into: "INSERT INTO object (kind, namespace, name, uid, seen_from, gone_at, body)",
            columns: 7,
            then: "ON CONFLICT (kind, namespace, name, uid) DO UPDATE SET gone_at = excluded.gone_at, body = excluded.body",
        };
        let rows = last_of(rows, |row| (&row.kind, &row.namespace, &row.name, &row.uid));
        batch::insert(&mut self.write.transaction, INSERT, &rows, |query, row| {
            let query = query.bind(row.kind.clone()).bind(row.namespace.clone()).bind(row.name.clone());
            query.bind(row.uid.clone()).bind(row.seen_from).bind(row.gone_at).bind(row.body.clone())
        })
        .await
    }

    /// Writes pods of the inventory.
    ///
    /// # Errors
    /// As above.
    pub async fn write_pods(&mut self, rows: &[PodRow]) -> Result<()> {
        const INSERT: Insert = Insert {
            doing: "write the inventory",
            into: "INSERT INTO pod (uid, namespace, name, node, seen_from, gone_at, body)",
            columns: 7,
            then: "ON CONFLICT (uid) DO UPDATE SET node = excluded.node, gone_at = excluded.gone_at, body = excluded.body",
        };
        let rows = last_of(rows, |row| &row.uid);
        batch::insert(&mut self.write.transaction, INSERT, &rows, |query, row| {
            let query = query.bind(row.uid.clone()).bind(row.namespace.clone()).bind(row.name.clone());
            query.bind(row.node.clone()).bind(row.seen_from).bind(row.gone_at).bind(row.body.clone())
        })
        .await
    }

    /// Removes objects of the inventory: kind, namespace and name of each; for a pod its UID as the name.
    ///
    /// # Errors
    /// As above.
    pub async fn forget_objects(&mut self, keys: &[(String, String, String)]) -> Result<()> {
        const POD: &str = "DELETE FROM pod WHERE uid = $1";
        const OBJECT: &str = "DELETE FROM object WHERE kind = $1 AND namespace = $2 AND name = $3";
        for (kind, namespace, name) in keys {
            let query = match kind.as_str() {
                "Pod" => sqlx::query(POD).bind(name),
                _ => sqlx::query(OBJECT).bind(kind).bind(namespace).bind(name),
            };
            let done = query.execute(&mut *self.write.transaction).await;
            done.map_err(StoreError::sql("forget what is gone"))?;
        }
        Ok(())
    }

    /// Adds `by` to a counter.
    ///
    /// # Errors
    /// As above.
    pub async fn count(&mut self, name: &'static str, by: u64) -> Result<()> {
        const SQL: &str = "INSERT INTO counter (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value";
        if by == 0 {
            return Ok(());
        }
        let done = sqlx::query(SQL).bind(name).bind(signed(by)).execute(&mut *self.write.transaction).await;
        done.map(drop).map_err(StoreError::sql("count"))
    }

    /// Removes what was merged from the inbox.
    ///
    /// # Errors
    /// Not all of it was there: another replica merges too, and nothing of this may be written.
    pub async fn delete_inbox(&mut self, ids: &[i64]) -> Result<()> {
        const SQL: (&str, &str) = ("DELETE FROM inbox WHERE id IN", "");
        let doing = "empty the inbox";
        let found =
            batch::execute_in(&mut self.write.transaction, doing, SQL, ids, |query, id| query.bind(*id)).await?;
        let expected = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        if found == expected { Ok(()) } else { Err(StoreError::TakenByAnother { expected, found }) }
    }

    /// Makes it all last.
    ///
    /// # Errors
    /// As above.
    pub async fn commit(self) -> Result<()> {
        self.write.commit("merge").await
    }
}

/// The last of the rows of each key: PostgreSQL does not let one statement write a row twice.
fn last_of<'r, T, K: Eq + Hash>(rows: &'r [T], key: impl Fn(&'r T) -> K) -> Vec<&'r T> {
    let last: HashMap<K, &T> = rows.iter().map(|row| (key(row), row)).collect();
    if last.len() == rows.len() { rows.iter().collect() } else { last.into_values().collect() }
}

fn bind_statement<'q>(query: Query<'q>, row: &StatementRow) -> Query<'q> {
    let query = query.bind(row.digest.clone()).bind(row.about.clone()).bind(row.side.clone());
    let query = [&row.client, &row.server].into_iter().fold(query, |query, end| {
        let EndColumns { kind, namespace, workload_kind, name } = end.clone().unwrap_or_default();
        query.bind(end.is_some().then_some(kind)).bind(namespace).bind(workload_kind).bind(name)
    });
    let (service_namespace, service_name) = row.service.clone().unzip();
    let query = query.bind(row.protocol.clone()).bind(row.port.map(i64::from));
    let query = query.bind(service_namespace).bind(service_name).bind(row.first_seen).bind(row.last_seen);
    query.bind(signed(row.connections)).bind(signed(row.failed)).bind(row.body.clone())
}
