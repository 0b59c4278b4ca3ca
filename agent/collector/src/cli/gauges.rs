//! Brings metrics and health up to date with what the store and the merge say, every few seconds.

use crate::ingest::Ingest;
use crate::merge::{Monitor, State};
use crate::metrics::{Metrics, raise, set};
use crate::store::{InboxLoad, Store, StoreError};
use crate::watch::Watch;
use netwright_record::{Losses, Time};
use netwright_service::CancellationToken;
use netwright_service::health::{Condition, Heartbeat};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How often the inbox is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// Every so many times, agents and coverage are looked at as well.
const AGENTS: u32 = 15;
/// After so long without a word an agent is silent, in milliseconds.
const SILENT: i64 = 120_000;

pub(super) struct Gauges {
    store: Store,
    ingest: Arc<Ingest>,
    monitor: Monitor,
    metrics: Metrics,
    /// Whether the store answers.
    answers: Condition,
    /// Whether the merge, where it is this replica's, goes on.
    merges: Condition,
    heartbeat: Heartbeat,
}

impl Gauges {
    /// Begins.
    pub(super) fn new(
        (store, ingest, monitor): (Store, Arc<Ingest>, Monitor),
        metrics: Metrics,
        (answers, merges): (Condition, Condition),
        heartbeat: Heartbeat,
    ) -> Self {
        Self { store, ingest, monitor, metrics, answers, merges, heartbeat }
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        let mut round = 0_u32;
        while !stop.is_cancelled() {
            self.heartbeat.beat();
            let state = self.monitor.state();
            self.merging(&state);
            self.merge_condition(&state);
            let mut looked = self.inbox().await;
            if looked.is_ok() && round.is_multiple_of(AGENTS) {
                looked = self.agents(Time::now().as_millisecond()).await;
            }
            match looked {
                Ok(()) => self.answers.met(),
                Err(error) => {
                    self.metrics.store_errors.inc();
                    self.answers.unmet(error.to_string());
                }
            }
            round = round.wrapping_add(1);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn inbox(&self) -> Result<(), StoreError> {
        let InboxLoad { segments, bytes, oldest, .. } = self.store.inbox_load().await?;
        self.ingest.set_inbox(bytes);
        set(&self.metrics.inbox_segments, segments);
        set(&self.metrics.inbox_bytes, bytes);
        let age = oldest.map_or(0, |oldest| Time::now().as_millisecond().saturating_sub(oldest).max(0) / 1000);
        self.metrics.inbox_oldest.set(age);
        Ok(())
    }

    fn merging(&self, state: &State) {
        let metrics = &self.metrics;
        metrics.leading.set(i64::from(state.leading));
        raise(&metrics.merged_segments, state.merged.segments);
        raise(&metrics.merged_flows, state.merged.flows);
        raise(&metrics.merged_statements, state.merged.statements);
        raise(&metrics.given_up, state.merged.unresolved);
        raise(&metrics.unreadable, state.merged.unreadable);
        raise(&metrics.collapsed, state.merged.collapsed);
        raise(&metrics.merge_failures, state.failures);
        set(&metrics.pods, state.pods as u64);
        let states = state.watch.as_ref().map(Watch::states).unwrap_or_default();
        for (resource, state) in &states {
            raise(&metrics.watch_failures.get_or_create(&[("resource", *resource)]), state.errors);
        }
        set(&metrics.watch_broken, states.values().filter(|state| state.since.is_some()).count() as u64);
        set(&metrics.watch_age, state.watch.as_ref().map_or(0, |watch| watch.age().as_secs()));
    }

    /// Not being the one who merges is no failing.
    fn merge_condition(&self, state: &State) {
        let missing = state.watch.as_ref().and_then(Watch::missing);
        let missing = missing.map(|missing| format!("waits for lists of {missing}"));
        let undecided = (!state.decided).then(|| "not asked yet whether this replica merges".to_owned());
        match state.failure.clone().or(missing).or(undecided) {
            Some(reason) => self.merges.unmet(reason),
            None => self.merges.met(),
        }
    }

    async fn agents(&self, now: i64) -> Result<(), StoreError> {
        let metrics = &self.metrics;
        let mut snapshot = self.store.snapshot().await?;
        let agents = snapshot.agents().await?;
        let nodes: BTreeSet<String> = snapshot.node_names().await?.into_iter().collect();
        let reported: BTreeSet<&str> = agents.iter().map(|agent| agent.node.as_str()).collect();
        set(&metrics.agents, agents.len() as u64);
        let unwatched = nodes.iter().filter(|node| !reported.contains(node.as_str())).count();
        set(&metrics.unwatched_nodes, unwatched as u64);
        let (silent, fresh): (Vec<_>, Vec<_>) = agents
            .iter()
            .filter(|agent| nodes.contains(&agent.node))
            .partition(|agent| now.saturating_sub(agent.received) > SILENT);
        set(&metrics.silent_agents, silent.len() as u64);
        let lag = fresh.iter().map(|agent| now.saturating_sub(agent.reported_until)).max().unwrap_or(0);
        metrics.agent_lag.set(lag.max(0) / 1000);
        let missing = snapshot.gaps().await?.iter().map(|gap| gap.missing).sum::<u64>();
        set(&metrics.missing_segments, missing);
        set(&metrics.pending, snapshot.pending().await?);
        let mut losses = Losses::default();
        for row in snapshot.losses().await? {
            // What a later version wrote is shown by that.
            losses.add(&serde_json::from_str(&row).unwrap_or_default());
        }
        for (cause, count) in losses.named() {
            set(&metrics.lost.get_or_create(&[("cause", cause)]), count);
        }
        Ok(())
    }
}
