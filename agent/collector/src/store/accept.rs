//! Takes segments in: each once, however often it is sent.
//!
//! Which segments of a run are known is kept as ranges of their numbers, forever and in little space, as numbers have gaps only where
//! something was lost or is under way.

use super::batch::{self, Insert, signed};
use super::{Arrival, Result, Store, StoreError};
use sqlx::AnyConnection;
use sqlx::Row as _;

/// What became of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It is in the inbox now, on the disk.
    Stored,
    /// It was taken in before.
    Known,
}

/// What waits in the inbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InboxLoad {
    /// How many segments.
    pub segments: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many flows they hold.
    pub flows: u64,
    /// When the oldest arrived.
    pub oldest: Option<i64>,
}

const ACCEPT: &str = "take in segments";

impl Store {
    /// Takes in `arrivals`, in one transaction: on success each is on the disk, or was before. The answers are in their order.
    ///
    /// # Errors
    /// The database refuses; then none of them was taken in.
    pub async fn accept(&self, arrivals: &[Arrival]) -> Result<Vec<Acceptance>> {
        let mut write = self.write(ACCEPT).await?;
        let mut accepted = Vec::with_capacity(arrivals.len());
        let mut order: Vec<(usize, &Arrival)> = arrivals.iter().enumerate().collect();
        // Always in one order, so that two replicas cannot wait for each other.
        order.sort_by(|(_, a), (_, b)| (&a.node, &a.run, a.sequence).cmp(&(&b.node, &b.run, b.sequence)));
        for (place, arrival) in order {
            accepted.push((place, accept(&mut write.transaction, arrival).await?));
        }
        write.commit(ACCEPT).await?;
        accepted.sort_by_key(|(place, _)| *place);
        Ok(accepted.into_iter().map(|(_, acceptance)| acceptance).collect())
    }

    /// What waits in the inbox.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn inbox_load(&self) -> Result<InboxLoad> {
        const SQL: &str = "SELECT COUNT(*) AS segments, CAST(COALESCE(SUM(size), 0) AS BIGINT) AS bytes, \
             CAST(COALESCE(SUM(flows), 0) AS BIGINT) AS flows, MIN(received) AS oldest FROM inbox";
        let error = || StoreError::sql("read how much waits in the inbox");
        let row = sqlx::query(SQL).fetch_one(&self.inner.pool).await.map_err(error())?;
        let read = || {
            Ok(InboxLoad {
                segments: batch::count(&row, "segments")?,
                bytes: batch::count(&row, "bytes")?,
                flows: batch::count(&row, "flows")?,
                oldest: row.try_get("oldest")?,
            })
        };
        read().map_err(error())
    }
}

async fn accept(connection: &mut AnyConnection, arrival: &Arrival) -> Result<Acceptance> {
    // Locks the run until the end of the transaction: another replica may be taking in the same segment.
    const RUN: &str = "INSERT INTO segment_run (node, run, first_received, last_received, given_up) VALUES ($1, $2, $3, $3, 0) \
         ON CONFLICT (node, run) DO UPDATE SET last_received = excluded.last_received";
    let run = sqlx::query(RUN).bind(&arrival.node).bind(&arrival.run).bind(arrival.received);
    run.execute(&mut *connection).await.map_err(StoreError::sql(ACCEPT))?;
    if !take_number(connection, arrival).await? {
        return Ok(Acceptance::Known);
    }
    const INBOX: Insert = Insert {
        doing: ACCEPT,
        into: "INSERT INTO inbox (node, run, sequence, received, size, flows, bytes)",
        columns: 7,
        then: "",
    };
    batch::insert(connection, INBOX, std::slice::from_ref(arrival), |query, arrival| {
        let size = i64::try_from(arrival.bytes.len()).unwrap_or(i64::MAX);
        let query = query.bind(arrival.node.clone()).bind(arrival.run.clone()).bind(signed(arrival.sequence));
        query.bind(arrival.received).bind(size).bind(signed(arrival.flows)).bind(arrival.bytes.clone())
    })
    .await?;
    note_agent(connection, arrival).await?;
    Ok(Acceptance::Stored)
}

/// Notes that the number of `arrival` is known from now on. Returns whether it was not before.
async fn take_number(connection: &mut AnyConnection, arrival: &Arrival) -> Result<bool> {
    const AROUND: &str =
        "SELECT first, next FROM segment_range WHERE node = $1 AND run = $2 AND first <= $3 AND next >= $4";
    let (number, after) = (signed(arrival.sequence), signed(arrival.sequence).saturating_add(1));
    let query = sqlx::query(AROUND).bind(&arrival.node).bind(&arrival.run).bind(after).bind(number);
    let rows = query.fetch_all(&mut *connection).await.map_err(StoreError::sql(ACCEPT))?;
    let (mut first, mut next) = (number, after);
    for row in &rows {
        let range = || Ok((row.try_get::<i64, _>("first")?, row.try_get::<i64, _>("next")?));
        let (from, to) = range().map_err(StoreError::sql(ACCEPT))?;
        if from <= number && number < to {
            return Ok(false);
        }
        (first, next) = (first.min(from), next.max(to));
    }
    if !rows.is_empty() {
        const JOINED: &str = "DELETE FROM segment_range WHERE node = $1 AND run = $2 AND first >= $3 AND next <= $4";
        let query = sqlx::query(JOINED).bind(&arrival.node).bind(&arrival.run).bind(first).bind(next);
        query.execute(&mut *connection).await.map_err(StoreError::sql(ACCEPT))?;
    }
    const RANGE: &str = "INSERT INTO segment_range (node, run, first, next) VALUES ($1, $2, $3, $4)";
    let query = sqlx::query(RANGE).bind(&arrival.node).bind(&arrival.run).bind(first).bind(next);
    query.execute(&mut *connection).await.map_err(StoreError::sql(ACCEPT))?;
    Ok(true)
}

async fn note_agent(connection: &mut AnyConnection, arrival: &Arrival) -> Result<()> {
    const AGENT: &str = "INSERT INTO agent (node, run, sequence, version, received, reported_until, segments, flows, bytes) \
         VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8) ON CONFLICT (node) DO UPDATE SET \
         run = CASE WHEN excluded.run >= agent.run THEN excluded.run ELSE agent.run END, \
         sequence = CASE WHEN excluded.run >= agent.run THEN excluded.sequence ELSE agent.sequence END, \
         version = excluded.version, received = excluded.received, \
         reported_until = CASE WHEN excluded.reported_until > agent.reported_until THEN excluded.reported_until \
         ELSE agent.reported_until END, \
         segments = agent.segments + 1, flows = agent.flows + excluded.flows, bytes = agent.bytes + excluded.bytes";
    let size = i64::try_from(arrival.bytes.len()).unwrap_or(i64::MAX);
    let query = sqlx::query(AGENT).bind(&arrival.node).bind(&arrival.run).bind(signed(arrival.sequence));
    let query = query.bind(&arrival.written_by).bind(arrival.received).bind(arrival.until);
    let query = query.bind(signed(arrival.flows)).bind(size);
    query.execute(&mut *connection).await.map(drop).map_err(StoreError::sql(ACCEPT))
}
