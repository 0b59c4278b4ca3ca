//! From the inbox to statements: names both ends of what agents saw, adds it up, and keeps it.
//!
//! One replica at a time does this. Each round ([`round`]) it looks at what has arrived, takes what has settled ([`waiting`]), resolves
//! it against the inventory ([`batch`]), and in one transaction writes the outcome and removes the rows it came from.

mod batch;
mod limits;
mod round;
pub(crate) mod rows;
#[cfg(test)]
mod tests;
mod waiting;

pub use round::Merged;
pub use waiting::Settling;

use crate::observation;
use crate::store::{Leader, Pruned, Result, Store, Window};
use crate::watch::{self, Shared, Watch};
use jiff::SignedDuration;
use kube::Client;
use netwright_record::Time;
use netwright_service::CancellationToken;
use netwright_service::health::Heartbeat;
use round::Merger;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long between two rounds in which there was nothing to do.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a replica that may not merge waits until it asks again, and one that failed until it tries again.
const AGAIN: Duration = Duration::from_secs(5);
/// How often what is older than the window is forgotten.
const PRUNED_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// How merging is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long is waited for others.
    pub settling: Settling,
    /// For how long a flow without a name is tried again.
    pub patience: SignedDuration,
    /// How many destinations are kept of one client.
    pub most_destinations: u32,
    /// How many flows wait for a name at most.
    pub most_pending: u64,
    /// How many flows are taken at once.
    pub batch_flows: u64,
    /// How many bytes of segments are taken at once.
    pub batch_bytes: u64,
    /// How many flows that waited are tried at once.
    pub batch_pending: usize,
    /// How far back is remembered.
    pub window: SignedDuration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            settling: Settling::default(),
            patience: SignedDuration::from_hours(48),
            most_destinations: 4096,
            most_pending: 100_000,
            batch_flows: 100_000,
            batch_bytes: 32 << 20,
            batch_pending: 20_000,
            window: SignedDuration::from_hours(14 * 24),
        }
    }
}

/// How merging goes, for whoever asks.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Whether it was found out once whether this replica merges.
    pub decided: bool,
    /// Whether this replica merges.
    pub leading: bool,
    /// Its watch of the API server, while it merges.
    pub watch: Option<Watch>,
    /// Everything merged since the start.
    pub merged: Merged,
    /// What was forgotten since the start.
    pub pruned: Pruned,
    /// Segments that rest in the inbox.
    pub resting: usize,
    /// When the oldest of them arrived.
    pub oldest: Option<Time>,
    /// Pods that are known, those that are gone included.
    pub pods: usize,
    /// Why the last round failed, if it did.
    pub failure: Option<String>,
    /// How many rounds failed.
    pub failures: u64,
}

/// A handle to the [`State`].
#[derive(Debug, Clone, Default)]
pub struct Monitor {
    state: Arc<Mutex<State>>,
}

impl Monitor {
    /// The state as it is now.
    pub fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Merges whenever it is this replica's turn, until `stop` is cancelled. Nothing is merged before the API server has told once all that
/// an inventory is made of: names would be wrong.
pub async fn run(
    store: &Store,
    client: &Client,
    options: Options,
    monitor: &Monitor,
    heartbeat: &Heartbeat,
    stop: &CancellationToken,
) {
    while !stop.is_cancelled() {
        let led = match store.lead().await {
            Ok(Some(leader)) => lead(store, client, options, monitor, heartbeat, stop, leader).await,
            Ok(None) => {
                monitor.change(|state| state.decided = true);
                Ok(())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = led {
            tracing::error!("merging stopped, and begins again in {AGAIN:?}: {error}");
            monitor.change(|state| {
                state.failure = Some(error.to_string());
                state.failures += 1;
            });
        }
        heartbeat.beat();
        rest(AGAIN, stop).await;
    }
}

/// Merges until told to stop, or until something fails.
async fn lead(
    store: &Store,
    client: &Client,
    options: Options,
    monitor: &Monitor,
    heartbeat: &Heartbeat,
    stop: &CancellationToken,
    mut leader: Leader,
) -> Result<()> {
    let mut snapshot = store.snapshot().await?;
    let inventory = Shared::new(observation::live(&mut snapshot).await?);
    drop(snapshot);
    let stop_watch = stop.child_token();
    let (watch, mut tasks) = watch::start(client, &inventory, &stop_watch);
    monitor.change(|state| (state.decided, state.leading, state.watch) = (true, true, Some(watch.clone())));
    tracing::info!("merging");
    let merged = merge(store, options, monitor, heartbeat, stop, &mut leader, (&inventory, &watch)).await;
    stop_watch.cancel();
    while tasks.join_next().await.is_some() {}
    monitor.change(|state| (state.leading, state.watch) = (false, None));
    merged
}

async fn merge(
    store: &Store,
    options: Options,
    monitor: &Monitor,
    heartbeat: &Heartbeat,
    stop: &CancellationToken,
    leader: &mut Leader,
    (inventory, watch): (&Shared, &Watch),
) -> Result<()> {
    while watch.missing().is_some() && !stop.is_cancelled() {
        heartbeat.beat();
        rest(PAUSE, stop).await;
    }
    let mut merger = Merger::new(options, inventory.clone(), leader, now()).await?;
    let mut pruned_at = Time::MIN;
    while !stop.is_cancelled() {
        let now = now();
        let merged = merger.round(leader, now).await?;
        heartbeat.beat();
        if now.duration_since(pruned_at) > PRUNED_EVERY {
            prune(store, options, inventory, monitor, now).await?;
            pruned_at = now;
        }
        let ((resting, oldest), pods) = (merger.resting(), inventory.lock().pods());
        monitor.change(|state| {
            state.merged.add(&merged);
            (state.resting, state.oldest, state.pods, state.failure) = (resting, oldest, pods, None);
        });
        if merged.is_idle() {
            rest(PAUSE, stop).await;
        }
    }
    Ok(())
}

async fn prune(store: &Store, options: Options, inventory: &Shared, monitor: &Monitor, now: Time) -> Result<()> {
    let before = |ago: SignedDuration| now.saturating_sub(ago).unwrap_or(Time::MIN);
    let pruned =
        store.prune(Window { from: before(options.window).as_millisecond(), now: now.as_millisecond() }).await?;
    // Pods are needed for as long as flows of their time may be tried.
    let forgotten = inventory.lock().prune(before(options.patience));
    if pruned != Pruned::default() || forgotten > 0 {
        tracing::info!(
            statements = pruned.statements,
            unresolved = pruned.unresolved,
            coverage = pruned.coverage,
            agents = pruned.agents,
            objects = forgotten,
            "forgotten what is older than the window"
        );
    }
    monitor.change(|state| state.pruned.add(&pruned));
    Ok(())
}

async fn rest(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}

/// The time of day, to the millisecond.
fn now() -> Time {
    let now = Time::now();
    Time::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
