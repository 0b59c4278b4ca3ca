//! Takes segments in: once each, whatever is sent again, and for good when the transaction is committed.

use super::batch::{self, Insert, count, insert, signed, unsigned};
use super::segments::Ranges;
use super::{Arrival, Kind, Result, Store, StoreError};
use sqlx::AnyConnection;
use sqlx::{AssertSqlSafe, Row as _};
use std::collections::BTreeMap;

const DOING: &str = "take in segments";

/// An advisory lock of PostgreSQL beside that of whoever merges ([`super::leader`]).
const INBOX_LOCK: i64 = super::leader::LOCK + 1;

/// What became of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It is in the inbox.
    Stored,
    /// It was there before, or has been merged by now.
    Known,
}

/// What waits in the inbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InboxLoad {
    /// Segments.
    pub segments: u64,
    /// Bytes of segments.
    pub bytes: u64,
    /// Flows in them.
    pub flows: u64,
    /// When the one that waits longest arrived.
    pub oldest: Option<i64>,
}

type Runs<'a> = BTreeMap<(&'a str, &'a str), Ranges>;

impl Store {
    /// Takes in segments of any agents, in one transaction: when this returns, each is safe. One that was taken in before is not
    /// taken again, also if it was merged since; [`Store::prune`] forgets a run only long after its last segment.
    ///
    /// # Errors
    /// The database fails: none of them was taken in, or the commit's answer was lost and all were. Both are right when they
    /// are sent again.
    pub async fn accept(&self, arrivals: &[Arrival]) -> Result<Vec<Acceptance>> {
        if arrivals.is_empty() {
            return Ok(Vec::new());
        }
        let mut write = self.write(DOING).await?;
        let connection = &mut *write.transaction;
        note_runs(connection, arrivals).await?;
        let before = load(connection, arrivals).await?;
        let mut after = before.clone();
        let mut accepted = Vec::with_capacity(arrivals.len());
        let mut new = Vec::new();
        for arrival in arrivals {
            let is_new = after.entry(run_of(arrival)).or_default().add(arrival.sequence);
            accepted.push(if is_new { Acceptance::Stored } else { Acceptance::Known });
            new.extend(is_new.then_some(arrival));
        }
        if self.kind() == Kind::Postgres && !new.is_empty() {
            take_turn(connection).await?;
        }
        put_in_inbox(connection, &new).await?;
        save(connection, &before, &after).await?;
        note_agents(connection, &new).await?;
        write.commit(DOING).await?;
        Ok(accepted)
    }

    /// How much waits to be merged. Reads an index alone.
    ///
    /// # Errors
    /// The database fails.
    pub async fn inbox_load(&self) -> Result<InboxLoad> {
        const LOAD: &str = "SELECT COUNT(*) AS segments, CAST(COALESCE(SUM(size), 0) AS BIGINT) AS bytes, \
             CAST(COALESCE(SUM(flows), 0) AS BIGINT) AS flows, MIN(received) AS oldest FROM inbox";
        let read = |row: sqlx::any::AnyRow| {
            Ok(InboxLoad {
                segments: count(&row, "segments")?,
                bytes: count(&row, "bytes")?,
                flows: count(&row, "flows")?,
                oldest: row.try_get("oldest")?,
            })
        };
        let row = sqlx::query(LOAD).fetch_one(&self.inner.pool).await;
        row.and_then(read).map_err(StoreError::sql("tell how much waits in the inbox"))
    }
}

fn run_of(arrival: &Arrival) -> (&str, &str) {
    (&arrival.node, &arrival.run)
}

/// Writes a row for each run, in one order for all, so that another replica that has the same segments waits here.
async fn note_runs(connection: &mut AnyConnection, arrivals: &[Arrival]) -> Result<()> {
    const RUNS: Insert = Insert {
        doing: DOING,
        into: "INSERT INTO segment_run (node, run, first_received, last_received, given_up)",
        columns: 5,
        then: "ON CONFLICT (node, run) DO UPDATE SET last_received = excluded.last_received",
    };
    let mut runs = BTreeMap::new();
    for arrival in arrivals {
        let latest = runs.entry(run_of(arrival)).or_insert(arrival.received);
        *latest = arrival.received.max(*latest);
    }
    let runs: Vec<_> =
        runs.into_iter().map(|((node, run), received)| (node.to_owned(), run.to_owned(), received)).collect();
    insert(connection, RUNS, &runs, |query, (node, run, received)| {
        query.bind(node.clone()).bind(run.clone()).bind(*received).bind(*received).bind(0_i64)
    })
    .await
}

/// The ranges of all runs of `arrivals`.
async fn load<'a>(connection: &mut AnyConnection, arrivals: &'a [Arrival]) -> Result<Runs<'a>> {
    let mut runs: Runs<'a> = arrivals.iter().map(|arrival| (run_of(arrival), Ranges::default())).collect();
    let keys: Vec<(&str, &str)> = runs.keys().copied().collect();
    // All in one go, of few different sizes; what fills it up is the last run again.
    for chunk in keys.chunks(64) {
        let size = chunk.len().next_power_of_two();
        let values = batch::values(connection, size, 2);
        let sql = format!("SELECT node, run, first, next FROM segment_range WHERE (node, run) IN (VALUES {values})");
        let filled = chunk.iter().chain(std::iter::repeat_n(chunk.last(), size - chunk.len()).flatten());
        let query = filled.fold(sqlx::query(AssertSqlSafe(sql)), |query, (node, run)| {
            query.bind((*node).to_owned()).bind((*run).to_owned())
        });
        for row in query.fetch_all(&mut *connection).await.map_err(StoreError::sql(DOING))? {
            let read = || -> sqlx::Result<_> {
                Ok(((row.try_get("node")?, row.try_get("run")?), (row.try_get("first")?, row.try_get("next")?)))
            };
            let ((node, run), (first, next)): ((&str, &str), (i64, i64)) = read().map_err(StoreError::sql(DOING))?;
            let key = keys.binary_search_by(|key| (key.0, key.1).cmp(&(node, run))).ok().and_then(|at| keys.get(at));
            if let Some(ranges) = key.and_then(|key| runs.get_mut(key)) {
                ranges.load(unsigned(first), unsigned(next));
            }
        }
    }
    Ok(runs)
}

/// From here to the commit one replica at a time: rows become visible in the order of their ids, so that whoever merges can ask
/// for those above the last one it saw ([`super::Leader::inbox_after`]). Taken last of all locks, it cannot be part of a circle.
async fn take_turn(connection: &mut AnyConnection) -> Result<()> {
    let locked = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(INBOX_LOCK).execute(connection).await;
    locked.map(drop).map_err(StoreError::sql(DOING))
}

async fn put_in_inbox(connection: &mut AnyConnection, new: &[&Arrival]) -> Result<()> {
    const INBOX: Insert = Insert {
        doing: DOING,
        into: "INSERT INTO inbox (node, run, sequence, received, size, flows, bytes)",
        columns: 7,
        then: "",
    };
    insert(connection, INBOX, new, |query, arrival| {
        query
            .bind(arrival.node.clone())
            .bind(arrival.run.clone())
            .bind(signed(arrival.sequence))
            .bind(arrival.received)
            .bind(signed(arrival.bytes.len() as u64))
            .bind(signed(arrival.flows))
            .bind(arrival.bytes.clone())
    })
    .await
}

/// Writes what changed between `before` and `after`.
async fn save(connection: &mut AnyConnection, before: &Runs<'_>, after: &Runs<'_>) -> Result<()> {
    const RANGES: Insert = Insert {
        doing: DOING,
        into: "INSERT INTO segment_range (node, run, first, next)",
        columns: 4,
        then: "ON CONFLICT (node, run, first) DO UPDATE SET next = excluded.next",
    };
    let none = Ranges::default();
    let mut written = Vec::new();
    for ((node, run), ranges) in after {
        let (gone, changed) = ranges.changes(before.get(&(*node, *run)).unwrap_or(&none));
        written.extend(changed.into_iter().map(|(first, next)| (*node, *run, first, next)));
        for first in gone {
            let delete = sqlx::query("DELETE FROM segment_range WHERE node = $1 AND run = $2 AND first = $3");
            let delete = delete.bind((*node).to_owned()).bind((*run).to_owned()).bind(signed(first));
            delete.execute(&mut *connection).await.map_err(StoreError::sql(DOING))?;
        }
        if ranges.given_up > 0 {
            let add = sqlx::query("UPDATE segment_run SET given_up = given_up + $1 WHERE node = $2 AND run = $3");
            let add = add.bind(signed(ranges.given_up)).bind((*node).to_owned()).bind((*run).to_owned());
            add.execute(&mut *connection).await.map_err(StoreError::sql(DOING))?;
        }
    }
    insert(connection, RANGES, &written, |query, (node, run, first, next)| {
        query.bind((*node).to_owned()).bind((*run).to_owned()).bind(signed(*first)).bind(signed(*next))
    })
    .await
}

/// What one agent sent in this transaction.
struct Sent<'a> {
    latest: &'a Arrival,
    until: i64,
    segments: u64,
    flows: u64,
    bytes: u64,
}

/// Keeps what is known of each agent. The latest run, by its name, and its latest segment are shown.
async fn note_agents(connection: &mut AnyConnection, new: &[&Arrival]) -> Result<()> {
    const AGENTS: Insert = Insert {
        doing: DOING,
        into: "INSERT INTO agent (node, run, sequence, version, received, reported_until, segments, flows, bytes)",
        columns: 9,
        then: "ON CONFLICT (node) DO UPDATE SET \
             run = CASE WHEN excluded.run >= agent.run THEN excluded.run ELSE agent.run END, \
             version = CASE WHEN excluded.run >= agent.run THEN excluded.version ELSE agent.version END, \
             sequence = CASE WHEN excluded.run > agent.run OR (excluded.run = agent.run AND excluded.sequence > agent.sequence) \
                 THEN excluded.sequence ELSE agent.sequence END, \
             received = excluded.received, \
             reported_until = CASE WHEN excluded.reported_until > agent.reported_until \
                 THEN excluded.reported_until ELSE agent.reported_until END, \
             segments = agent.segments + excluded.segments, flows = agent.flows + excluded.flows, \
             bytes = agent.bytes + excluded.bytes",
    };
    let mut agents: BTreeMap<&str, Sent<'_>> = BTreeMap::new();
    for arrival in new {
        let none = Sent { latest: arrival, until: arrival.until, segments: 0, flows: 0, bytes: 0 };
        let sent = agents.entry(&arrival.node).or_insert(none);
        if (&arrival.run, arrival.sequence) > (&sent.latest.run, sent.latest.sequence) {
            sent.latest = arrival;
        }
        sent.until = sent.until.max(arrival.until);
        sent.segments += 1;
        sent.flows += arrival.flows;
        sent.bytes += arrival.bytes.len() as u64;
    }
    let agents: Vec<Sent<'_>> = agents.into_values().collect();
    insert(connection, AGENTS, &agents, |query, sent| {
        let latest = sent.latest;
        query
            .bind(latest.node.clone())
            .bind(latest.run.clone())
            .bind(signed(latest.sequence))
            .bind(latest.written_by.clone())
            .bind(latest.received)
            .bind(sent.until)
            .bind(signed(sent.segments))
            .bind(signed(sent.flows))
            .bind(signed(sent.bytes))
    })
    .await
}
