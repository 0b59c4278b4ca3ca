//! Many rows a statement: what a statement costs by itself is shared by its rows.

use super::{Result, StoreError};
use sqlx::AnyConnection;
use sqlx::any::{Any, AnyArguments};
use sqlx::{AssertSqlSafe, Row as _};
use std::fmt::Write as _;

pub(super) type Query<'q> = sqlx::query::Query<'q, Any, AnyArguments>;

/// How many rows a statement takes. Few different numbers, so that the prepared ones are found again, but one for each bit: a
/// statement by itself costs more than a row. None above 256, as SQLite takes 32,766 parameters and PostgreSQL 65,535.
const SIZES: [usize; 9] = [256, 128, 64, 32, 16, 8, 4, 2, 1];

/// A statement that writes rows. Its three texts are constants of this crate; values are bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Insert {
    /// What it does, for errors.
    pub(super) doing: &'static str,
    /// `INSERT INTO table (columns)`.
    pub(super) into: &'static str,
    /// How many columns that names.
    pub(super) columns: usize,
    /// What follows the rows: `ON CONFLICT …`.
    pub(super) then: &'static str,
}

/// Writes all of `rows`, in their order. `bind` binds one row's columns.
pub(super) async fn insert<T>(
    connection: &mut AnyConnection,
    insert: Insert,
    rows: &[T],
    bind: impl for<'q> Fn(Query<'q>, &T) -> Query<'q>,
) -> Result<()> {
    for chunk in chunks(rows) {
        let values = values(connection, chunk.len(), insert.columns);
        let sql = format!("{} VALUES {values} {}", insert.into, insert.then);
        let query = chunk.iter().fold(sqlx::query(AssertSqlSafe(sql)), &bind);
        query.execute(&mut *connection).await.map_err(StoreError::sql(insert.doing))?;
    }
    Ok(())
}

/// Runs `sql`, in which `{}` stands for the list of placeholders, over all `keys`. Returns how many rows were affected.
pub(super) async fn execute_in<T>(
    connection: &mut AnyConnection,
    doing: &'static str,
    (before, after): (&'static str, &'static str),
    keys: &[T],
    bind: impl for<'q> Fn(Query<'q>, &T) -> Query<'q>,
) -> Result<u64> {
    let mut affected = 0;
    for chunk in chunks(keys) {
        let query = chunk.iter().fold(sqlx::query(AssertSqlSafe(list(connection, before, chunk.len(), after))), &bind);
        affected += query.execute(&mut *connection).await.map_err(StoreError::sql(doing))?.rows_affected();
    }
    Ok(affected)
}

/// Reads with `sql`, made as for [`execute_in`], over all `keys`.
pub(super) async fn fetch_in<T, R>(
    connection: &mut AnyConnection,
    doing: &'static str,
    (before, after): (&'static str, &'static str),
    keys: &[T],
    bind: impl for<'q> Fn(Query<'q>, &T) -> Query<'q>,
    read: impl Fn(&sqlx::any::AnyRow) -> sqlx::Result<R>,
) -> Result<Vec<R>> {
    let mut found = Vec::new();
    for chunk in chunks(keys) {
        let query = chunk.iter().fold(sqlx::query(AssertSqlSafe(list(connection, before, chunk.len(), after))), &bind);
        let rows = query.fetch_all(&mut *connection).await.map_err(StoreError::sql(doing))?;
        for row in &rows {
            found.push(read(row).map_err(StoreError::sql(doing))?);
        }
    }
    Ok(found)
}

fn list(connection: &AnyConnection, before: &str, count: usize, after: &str) -> String {
    let mut sql = format!("{before} (");
    placeholders(&mut sql, connection, 0, count);
    sql.push_str(") ");
    sql.push_str(after);
    sql
}

/// Rows of values in parentheses, for `IN (VALUES …)`.
pub(super) fn values(connection: &AnyConnection, rows: usize, columns: usize) -> String {
    let mut sql = String::new();
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        placeholders(&mut sql, connection, row * columns, columns);
        sql.push(')');
    }
    sql
}

/// SQLite's are without numbers: with them, what it does to bind a statement grows with the square of their number.
fn placeholders(sql: &mut String, connection: &AnyConnection, after: usize, count: usize) {
    let numbered = connection.backend_name() != "SQLite";
    for index in 1..=count {
        sql.push_str(if index == 1 { "" } else { ", " });
        if numbered {
            // Memory takes all.
            let _ = write!(sql, "${}", after + index);
        } else {
            sql.push('?');
        }
    }
}

/// Cuts `rows` into pieces of the sizes that statements have.
fn chunks<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rest.len())?;
        let (chunk, others) = rest.split_at_checked(size)?;
        rest = others;
        Some(chunk)
    })
}

/// A count, which the databases hold as a signed number.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count, back again.
pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// A count of a row.
pub(super) fn count(row: &sqlx::any::AnyRow, column: &str) -> sqlx::Result<u64> {
    row.try_get(column).map(unsigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_few_sizes() {
        let rows: Vec<usize> = (0..600).collect();
        let sizes: Vec<usize> = chunks(&rows).map(<[_]>::len).collect();
        assert_eq!(sizes, [256, 256, 64, 16, 8]);
        assert_eq!(chunks(&rows).flatten().copied().collect::<Vec<_>>(), rows);
        assert_eq!(chunks::<u8>(&[]).count(), 0);
    }
}
