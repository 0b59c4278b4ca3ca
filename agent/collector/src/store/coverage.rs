//! What was watched. A segment speaks of seconds; two weeks of them are joined to one row as long as nothing was lost.

use super::batch::{self, Insert, count, insert, signed};
use super::{CoverageRow, Result, StoreError};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};
use std::collections::BTreeMap;

const DOING: &str = "write what was watched";

const COVERAGE: Insert = Insert {
    doing: DOING,
    into: "INSERT INTO coverage (node, run, since, until, ended, lost, losses, notes, segments)",
    columns: 9,
    then: "ON CONFLICT (node, run, since) DO UPDATE SET until = excluded.until, ended = excluded.ended, \
         lost = excluded.lost, losses = excluded.losses, notes = excluded.notes, segments = excluded.segments",
};

type Place<'a> = (&'a str, &'a str, i64);

/// Adds stretches. Each continues the one of its run that ends where it begins, unless something was lost in either, or the
/// notes differ.
pub(super) async fn write(connection: &mut AnyConnection, new: &[CoverageRow]) -> Result<()> {
    let mut new: Vec<&CoverageRow> = new.iter().collect();
    new.sort_by_key(|row| (&row.node, &row.run, row.since));
    let stored = ending_where(connection, &new).await?;
    let mut by_end: BTreeMap<Place<'_>, CoverageRow> = BTreeMap::new();
    for row in &stored {
        by_end.insert((&row.node, &row.run, row.until), row.clone());
    }
    let mut written: BTreeMap<Place<'_>, CoverageRow> = BTreeMap::new();
    for row in new {
        let before = by_end.remove(&(row.node.as_str(), row.run.as_str(), row.since));
        let joined = match before {
            Some(before) if continues(&before, row) => join(before, row),
            _ => row.clone(),
        };
        by_end.insert((&row.node, &row.run, row.until), joined.clone());
        written.insert((&row.node, &row.run, joined.since), joined);
    }
    let written: Vec<CoverageRow> = written.into_values().collect();
    insert(connection, COVERAGE, &written, |query, row| {
        query
            .bind(row.node.clone())
            .bind(row.run.clone())
            .bind(row.since)
            .bind(row.until)
            .bind(row.ended.clone())
            .bind(signed(row.lost))
            .bind(row.losses.clone())
            .bind(row.notes.clone())
            .bind(signed(row.segments))
    })
    .await
}

fn continues(before: &CoverageRow, row: &CoverageRow) -> bool {
    before.lost == 0 && row.lost == 0 && before.ended == "continues" && before.notes == row.notes
}

fn join(before: CoverageRow, row: &CoverageRow) -> CoverageRow {
    let segments = before.segments.saturating_add(row.segments);
    CoverageRow { until: row.until, ended: row.ended.clone(), segments, ..before }
}

/// The stored stretches that end where one of `new` begins.
async fn ending_where(connection: &mut AnyConnection, new: &[&CoverageRow]) -> Result<Vec<CoverageRow>> {
    let mut found = Vec::new();
    for chunk in new.chunks(64) {
        let size = chunk.len().next_power_of_two();
        let values = batch::values(connection, size, 3);
        let sql = format!("SELECT * FROM coverage WHERE (node, run, until) IN (VALUES {values})");
        let filled = chunk.iter().chain(std::iter::repeat_n(chunk.last(), size - chunk.len()).flatten());
        let query = filled.fold(sqlx::query(AssertSqlSafe(sql)), |query, row| {
            query.bind(row.node.clone()).bind(row.run.clone()).bind(row.since)
        });
        let rows = query.fetch_all(&mut *connection).await;
        let rows: sqlx::Result<Vec<_>> = rows.and_then(|rows| rows.iter().map(read).collect());
        found.extend(rows.map_err(StoreError::sql(DOING))?);
    }
    Ok(found)
}

/// One row, from all columns.
pub(super) fn read(row: &AnyRow) -> sqlx::Result<CoverageRow> {
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
}
