//! A round of merging against the store: what has arrived, what of it may be merged, and the one transaction that does.

use super::batch::{self, Collapsed, Input, Outcome};
use super::limits::Clients;
use super::waiting::{Resting, Waiting};
use super::{Options, rows};
use crate::store::{InboxRow, Leader, ObjectRow, PendingRow, PodRow, Result, StatementRow, StoreError};
use crate::watch::Shared;
use netwright_record::{Flow, Observation, Time, file};
use netwright_resolve::live::{Change, Kind, Live};
use netwright_resolve::resolve::{Statement, Statements};
use std::collections::HashMap;
use std::path::PathBuf;

/// How many rows of the inbox are looked at in one go: a few hundred megabytes at most.
const LOOKED_AT: usize = 256;

/// How many changes of the inventory are written in one go.
const CHANGES: usize = 5_000;

/// What one round did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Merged {
    /// Segments taken out of the inbox.
    pub segments: u64,
    /// Flows in them.
    pub flows: u64,
    /// Flows that had waited and were tried again.
    pub retried: u64,
    /// Subjects that something new was said about.
    pub statements: u64,
    /// Flows that wait from now on.
    pub pending: u64,
    /// Flows that were given up.
    pub unresolved: u64,
    /// Segments that could not be read after all, and are lost.
    pub unreadable: u64,
    /// Statements about outside destinations that were made one.
    pub collapsed: u64,
    /// Pods that an agent had no say about.
    pub disbelieved: u64,
}

impl Merged {
    /// Adds another round.
    pub fn add(&mut self, other: &Self) {
        let Self { segments, flows, retried, statements, pending, unresolved, unreadable, collapsed, disbelieved } =
            other;
        for (mine, theirs) in [
            (&mut self.segments, segments),
            (&mut self.flows, flows),
            (&mut self.retried, retried),
            (&mut self.statements, statements),
            (&mut self.pending, pending),
            (&mut self.unresolved, unresolved),
            (&mut self.unreadable, unreadable),
            (&mut self.collapsed, collapsed),
            (&mut self.disbelieved, disbelieved),
        ] {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// Whether there was nothing to do.
    pub fn is_idle(&self) -> bool {
        self.segments == 0 && self.retried == 0
    }
}

/// What changed of the inventory.
#[derive(Debug, Default)]
struct Changed {
    objects: Vec<ObjectRow>,
    pods: Vec<PodRow>,
    /// Kind, namespace and name; for a pod its UID as the name.
    forgotten: Vec<(String, String, String)>,
}

/// The one who merges, and what it remembers between two rounds. All of it can be made anew.
pub(super) struct Merger {
    options: Options,
    inventory: Shared,
    waiting: Waiting,
    witnesses: Vec<Flow>,
    clients: Clients,
}

impl Merger {
    /// Begins after a start, or when this replica takes over: counts what is kept of each client.
    pub(super) async fn new(options: Options, inventory: Shared, leader: &mut Leader, now: Time) -> Result<Self> {
        let mut clients = Clients::new(options.most_destinations);
        leader
            .each_statement(|body| {
                if let Ok((subject, _)) = rows::read_statement(body) {
                    clients.known(&subject);
                }
            })
            .await?;
        let waiting = Waiting::new(options.settling, now);
        Ok(Self { options, inventory, waiting, witnesses: Vec::new(), clients })
    }

    /// How many segments rest, and since when the oldest does.
    pub(super) fn resting(&self) -> (usize, Option<Time>) {
        (self.waiting.len(), self.waiting.oldest())
    }

    /// One round. Nothing of it has happened where it fails.
    pub(super) async fn round(&mut self, leader: &mut Leader, now: Time) -> Result<Merged> {
        self.look(leader).await?;
        self.write_changes(leader, now).await?;
        let ids = self.waiting.ready(now, self.options.batch_flows, self.options.batch_bytes);
        let due = leader.due_pending(now.as_millisecond(), self.options.batch_pending).await?;
        if ids.is_empty() && due.is_empty() {
            return Ok(Merged::default());
        }
        let taken = leader.inbox(&ids).await?;
        let (input, unreadable) = read(taken, &due);
        let mut merged = Merged {
            segments: count(ids.len()),
            retried: count(due.len()),
            unreadable: count(unreadable.len()),
            ..Merged::default()
        };
        let (outcome, changes) = self.resolve(input, now).await;
        (merged.flows, merged.disbelieved) = (outcome.flows, outcome.disbelieved);
        let written = self.write(leader, outcome, &changes, (&ids, &due), unreadable, now, &mut merged).await;
        match written {
            Ok(()) => self.waiting.done(&ids),
            Err(_) => self.inventory.lock().put_back(&changes),
        }
        written.map(|()| merged)
    }

    /// Writes what changed of the inventory, a portion at a time: after a list there is much of it. What the next batch tells of pods is
    /// written with that.
    async fn write_changes(&mut self, leader: &mut Leader, now: Time) -> Result<()> {
        loop {
            let changes = self.inventory.lock().take_changes(CHANGES);
            if changes.is_empty() {
                return Ok(());
            }
            let changed = self.changed(&changes, now);
            let written = write_changed(leader, changed).await;
            if written.is_err() {
                self.inventory.lock().put_back(&changes);
                return written;
            }
        }
    }

    /// Takes note of what has arrived, and of the pods that it tells of: others may be waiting for these.
    async fn look(&mut self, leader: &mut Leader) -> Result<()> {
        loop {
            let arrived = leader.inbox_after(self.waiting.seen(), LOOKED_AT).await?;
            let more = arrived.len() == LOOKED_AT;
            for row in arrived {
                self.look_at(&row);
            }
            if !more {
                return Ok(());
            }
        }
    }

    fn look_at(&mut self, row: &InboxRow) {
        let (received, bytes) = (rows::time(row.received), count(row.bytes.len()));
        let until = match file::read_head(row.bytes.as_slice(), &name(row)) {
            Ok(head) => {
                let mut live = self.inventory.lock();
                for pod in head.inventory.pods {
                    live.report(&row.node, pod);
                }
                head.header.window.until
            }
            // It is told when its turn comes.
            Err(_) => received,
        };
        let node = row.node.as_str().into();
        self.waiting.add(row.id, Resting { node, until, received, flows: row.flows, bytes });
    }

    async fn resolve(&mut self, input: Input, now: Time) -> (Outcome, Vec<Change>) {
        let (inventory, patience) = (self.inventory.clone(), self.options.patience);
        let witnesses = std::mem::take(&mut self.witnesses);
        let resolved = tokio::task::spawn_blocking(move || {
            let mut live = inventory.lock();
            let outcome = batch::resolve(&mut live, input, &witnesses, now, patience);
            (outcome, live.take_changes(usize::MAX), witnesses)
        });
        match resolved.await {
            Ok((outcome, changes, witnesses)) => {
                self.witnesses = witnesses;
                (outcome, changes)
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all of one transaction")]
    async fn write(
        &mut self,
        leader: &mut Leader,
        outcome: Outcome,
        changes: &[Change],
        (ids, due): (&[i64], &[PendingRow]),
        unreadable: Vec<InboxRow>,
        now: Time,
        merged: &mut Merged,
    ) -> Result<()> {
        let Outcome { statements, mut pending, mut unresolved, coverage, witnesses, .. } = outcome;
        let mut collapsed = Collapsed::default();
        let mut statement_rows = self.add(leader, statements, &mut collapsed).await?;
        let waiting = leader.pending_count().await?.saturating_sub(count(due.len()));
        let room = usize::try_from(self.options.most_pending.saturating_sub(waiting)).unwrap_or(usize::MAX);
        let given_up = pending.split_off(pending.len().min(room));
        unresolved.extend(given_up.iter().filter_map(|row| {
            let flow = rows::read_flow(&row.body).ok()?;
            Some(rows::unresolved(rows::unresolved_digest(&flow, &row.reason), &flow, &row.reason))
        }));
        self.add_unresolved(leader, &mut unresolved).await?;
        statement_rows.sort_by(|a, b| a.digest.cmp(&b.digest));
        let coverage: Vec<_> = coverage.iter().map(rows::coverage).collect();
        let Changed { objects, pods, forgotten } = self.changed(changes, now);

        let mut transaction = leader.begin().await?;
        transaction.upsert_statements(&statement_rows).await?;
        transaction.upsert_unresolved(&unresolved).await?;
        transaction.insert_pending(&pending).await?;
        transaction.write_coverage(&coverage).await?;
        transaction.write_objects(&objects).await?;
        transaction.write_pods(&pods).await?;
        transaction.forget_objects(&forgotten).await?;
        transaction.count("collapsed_destinations", collapsed.outside).await?;
        transaction.count("uncounted_attempts", collapsed.attempts).await?;
        transaction.count("unreadable_segments", count(unreadable.len())).await?;
        transaction.delete_pending(&due.iter().map(|row| row.id).collect::<Vec<_>>()).await?;
        transaction.delete_inbox(ids).await?;
        transaction.commit().await?;

        (merged.statements, merged.collapsed) = (count(statement_rows.len()), collapsed.outside);
        (merged.pending, merged.unresolved) = (count(pending.len()), count(unresolved.len()));
        for row in unreadable {
            tracing::error!(
                node = row.node.escape_debug().to_string(),
                sequence = row.sequence,
                "a segment could not be read after all; its flows are lost: {}",
                row.flows
            );
        }
        batch::remember(&mut self.witnesses, witnesses, now);
        Ok(())
    }

    /// The rows of all statements, with what is kept already.
    async fn add(
        &mut self,
        leader: &mut Leader,
        new: Statements,
        collapsed: &mut Collapsed,
    ) -> Result<Vec<StatementRow>> {
        let new = batch::digested(new);
        let known = load(leader, &new).await?;
        let (mut written, again) = batch::add(new, known, &mut self.clients, collapsed);
        if !again.is_empty() {
            let again = batch::digested(again);
            let known = load(leader, &again).await?;
            // Something may have been said in this batch about everything outside as well.
            let known = written
                .iter()
                .filter(|row| again.iter().any(|(digest, ..)| *digest == row.digest))
                .filter_map(|row| Some((row.digest.clone(), rows::read_statement(&row.body).ok()?.1)))
                .fold(known, |mut known, (digest, statement)| {
                    known.insert(digest, statement);
                    known
                });
            let (more, _) = batch::add(again, known, &mut self.clients, collapsed);
            written.retain(|row| more.iter().all(|other| other.digest != row.digest));
            written.extend(more);
        }
        Ok(written)
    }

    async fn add_unresolved(&self, leader: &mut Leader, new: &mut Vec<crate::store::UnresolvedRow>) -> Result<()> {
        new.sort_by(|a, b| a.digest.cmp(&b.digest));
        new.dedup_by(|later, first| {
            let same = later.digest == first.digest;
            if same && let Ok(flow) = rows::read_flow(&later.body) {
                batch::add_unresolved(std::slice::from_mut(first), &HashMap::from([(later.digest.clone(), flow)]));
            }
            same
        });
        let digests: Vec<Vec<u8>> = new.iter().map(|row| row.digest.clone()).collect();
        let known = leader.unresolved(&digests).await?;
        let read = |(digest, body): (Vec<u8>, String)| Some((digest, rows::read_flow(&body).ok()?));
        batch::add_unresolved(new, &known.into_iter().filter_map(read).collect());
        Ok(())
    }

    /// What changed of the inventory, as rows.
    fn changed(&self, changes: &[Change], now: Time) -> Changed {
        let mut changed = Changed::default();
        let live: &mut Live = &mut self.inventory.lock();
        for change in changes {
            let (namespace, name) = (change.namespace.to_string(), change.name.to_string());
            let (seen_from, gone_at) = (now.as_millisecond(), change.gone.map(Time::as_millisecond));
            let Some(body) = change.body.clone() else {
                changed.forgotten.push((change.kind.clone(), namespace, name));
                continue;
            };
            if change.kind != Kind::Pod.as_str() {
                let (kind, uid) = (change.kind.clone(), String::new());
                changed.objects.push(ObjectRow { kind, namespace, name, uid, seen_from, gone_at, body });
            } else if let Some(pod) = live.pod(&change.name) {
                let (namespace, pod_name) = (pod.namespace.to_string(), pod.name.to_string());
                let node = pod.node.as_ref().map(ToString::to_string);
                changed.pods.push(PodRow { uid: name, namespace, name: pod_name, node, seen_from, gone_at, body });
            }
        }
        changed
    }
}

async fn write_changed(leader: &mut Leader, changed: Changed) -> Result<()> {
    let mut transaction = leader.begin().await?;
    transaction.write_objects(&changed.objects).await?;
    transaction.write_pods(&changed.pods).await?;
    transaction.forget_objects(&changed.forgotten).await?;
    transaction.commit().await
}

async fn load(
    leader: &mut Leader,
    wanted: &[(Vec<u8>, netwright_resolve::resolve::Subject, Statement)],
) -> Result<HashMap<Vec<u8>, Statement>> {
    let digests: Vec<Vec<u8>> = wanted.iter().map(|(digest, ..)| digest.clone()).collect();
    let found = leader.statements(&digests).await?;
    found
        .into_iter()
        .map(|(digest, body)| match rows::read_statement(&body) {
            Ok((_, statement)) => Ok((digest, statement)),
            Err(why) => Err(StoreError::Unreadable { what: "statement", why }),
        })
        .collect()
}

/// The segments of `taken`, with flows that are `due`; and the rows that cannot be read.
fn read(taken: Vec<InboxRow>, due: &[PendingRow]) -> (Input, Vec<InboxRow>) {
    let (mut segments, mut unreadable): (Vec<Observation>, Vec<InboxRow>) = (Vec::new(), Vec::new());
    for row in taken {
        match file::read(row.bytes.as_slice(), &name(&row)) {
            Ok((segment, _)) => segments.push(segment),
            Err(_) => unreadable.push(row),
        }
    }
    let pending = due.iter().filter_map(|row| rows::read_flow(&row.pending.body).ok()).collect();
    (Input { segments, pending }, unreadable)
}

/// What a segment is called in messages.
fn name(row: &InboxRow) -> PathBuf {
    format!("{}/{}/{}", row.node, row.run, row.sequence).into()
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
