//! Coverage: one row for each stretch without a loss, however many segments told of it.

use super::batch::signed;
use super::{CoverageRow, Result, StoreError};
use sqlx::AnyConnection;

const WRITE: &str = "write coverage";

/// Writes `rows`. One that begins where another of the same run ended becomes part of it, if neither lost anything.
pub(super) async fn write(connection: &mut AnyConnection, rows: &[CoverageRow]) -> Result<()> {
    for row in joined(rows) {
        if row.lost > 0 || !lengthen(connection, &row).await? {
            insert(connection, &row).await?;
        }
    }
    Ok(())
}

/// Joins among themselves those that belong together.
fn joined(rows: &[CoverageRow]) -> Vec<CoverageRow> {
    let mut sorted: Vec<CoverageRow> = rows.to_vec();
    sorted.sort_by(|a, b| (&a.node, &a.run, a.since).cmp(&(&b.node, &b.run, b.since)));
    let mut joined: Vec<CoverageRow> = Vec::new();
    for row in sorted {
        match joined.last_mut() {
            Some(last) if goes_on(last, &row) => {
                (last.until, last.ended) = (row.until, row.ended);
                last.segments = last.segments.saturating_add(row.segments);
            }
            _ => joined.push(row),
        }
    }
    joined
}

fn goes_on(last: &CoverageRow, next: &CoverageRow) -> bool {
    (&last.node, &last.run, last.until, &last.notes) == (&next.node, &next.run, next.since, &next.notes)
        && last.lost == 0
        && next.lost == 0
}

async fn lengthen(connection: &mut AnyConnection, row: &CoverageRow) -> Result<bool> {
    const SQL: &str = "UPDATE coverage SET until = $1, ended = $2, segments = segments + $3 \
         WHERE node = $4 AND run = $5 AND until = $6 AND notes = $7 AND lost = 0";
    let query = sqlx::query(SQL).bind(row.until).bind(&row.ended).bind(signed(row.segments));
    let query = query.bind(&row.node).bind(&row.run).bind(row.since).bind(&row.notes);
    let done = query.execute(connection).await.map_err(StoreError::sql(WRITE))?;
    Ok(done.rows_affected() > 0)
}

async fn insert(connection: &mut AnyConnection, row: &CoverageRow) -> Result<()> {
    const SQL: &str = "INSERT INTO coverage (node, run, since, until, ended, lost, losses, notes, segments) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (node, run, since) DO NOTHING";
    let query = sqlx::query(SQL).bind(&row.node).bind(&row.run).bind(row.since).bind(row.until).bind(&row.ended);
    let query = query.bind(signed(row.lost)).bind(&row.losses).bind(&row.notes).bind(signed(row.segments));
    query.execute(connection).await.map(drop).map_err(StoreError::sql(WRITE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(run: &str, since: i64, until: i64, lost: u64) -> CoverageRow {
        CoverageRow {
            node: "n1".into(),
            run: run.into(),
            since,
            until,
            ended: "continues".into(),
            lost,
            losses: "{}".into(),
            notes: "[]".into(),
            segments: 1,
        }
    }

    #[test]
    fn stretches_that_follow_each_other_without_a_loss_are_one() {
        let rows = [
            row("a", 20, 30, 0),
            row("a", 0, 10, 0),
            row("a", 10, 20, 0),
            row("a", 30, 40, 1),
            row("a", 40, 50, 0),
            row("b", 50, 60, 0),
        ];
        let found: Vec<_> = joined(&rows).into_iter().map(|row| (row.since, row.until, row.segments)).collect();
        assert_eq!(found, [(0, 30, 3), (30, 40, 1), (40, 50, 1), (50, 60, 1)]);
    }
}
