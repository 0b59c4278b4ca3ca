//! What Prometheus is told: counts and ages, without names of pods or addresses.

use crate::merge::Monitor;
use crate::store::Store;
use netwright_record::Time;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    cause: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Resource {
    resource: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    segments: Family<Outcome, Counter>,
    received_flows: Counter,
    received_bytes: Counter,
    refused: Family<Cause, Counter>,
    merged_flows: Gauge,
    merged_segments: Gauge,
    unreadable_segments: Gauge,
    collapsed: Gauge,
    merge_failures: Gauge,
    leading: Gauge,
    inbox_segments: Gauge,
    inbox_bytes: Gauge,
    inbox_oldest: Seconds,
    pending_flows: Gauge,
    unresolved_flows: Gauge,
    edges: Gauge,
    pods: Gauge,
    agents: Gauge,
    silent_agents: Gauge,
    unwatched_nodes: Gauge,
    missing_segments: Gauge,
    lost: Family<Cause, Gauge>,
    watch_failures: Family<Resource, Gauge>,
    watch_broken: Gauge,
    store_errors: Counter,
    certificate_expiry: Seconds,
}

/// An agent that has not been heard of for so long is silent: milliseconds.
const SILENT: i64 = 120_000;

impl Metrics {
    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("netwright_collector");
        registry.register("segments", "Segments that agents sent, by what became of them", self.segments.clone());
        registry.register("received_flows", "Flows in segments that were stored", self.received_flows.clone());
        registry.register("received_bytes", "Bytes of segments that were sent", self.received_bytes.clone());
        registry.register("refused", "Requests that were refused, by cause", self.refused.clone());
        registry.register("merged_flows", "Flows merged by this replica since its start", self.merged_flows.clone());
        registry.register(
            "merged_segments",
            "Segments merged by this replica since its start",
            self.merged_segments.clone(),
        );
        registry.register(
            "unreadable_segments",
            "Stored segments that could not be read, and are lost",
            self.unreadable_segments.clone(),
        );
        registry.register(
            "collapsed",
            "Destinations kept in less detail than seen, since the limit of a client was reached",
            self.collapsed.clone(),
        );
        registry.register(
            "merge_failures",
            "Rounds of merging that failed and were taken up again",
            self.merge_failures.clone(),
        );
        registry.register("leading", "Whether this replica merges", self.leading.clone());
        registry.register("inbox_segments", "Segments that wait to be merged", self.inbox_segments.clone());
        registry.register("inbox_bytes", "Bytes of segments that wait to be merged", self.inbox_bytes.clone());
        registry.register("inbox_oldest_seconds", "Age of the oldest segment that waits", self.inbox_oldest.clone());
        registry.register("pending_flows", "Flows that wait for the name of an end", self.pending_flows.clone());
        registry.register("unresolved_flows", "Flows whose ends could not be named", self.unresolved_flows.clone());
        registry.register("edges", "Distinct edges in the window", self.edges.clone());
        registry.register("pods", "Pods known, those that are gone included", self.pods.clone());
        registry.register("agents", "Agents heard of in the window", self.agents.clone());
        registry.register(
            "silent_agents",
            "Agents on nodes of the cluster that have not been heard of for two minutes",
            self.silent_agents.clone(),
        );
        registry.register(
            "unwatched_nodes",
            "Nodes of the cluster without an agent that reports",
            self.unwatched_nodes.clone(),
        );
        registry.register(
            "missing_segments",
            "Segments missing between others that arrived",
            self.missing_segments.clone(),
        );
        registry.register("lost", "What agents lost over the window, by cause", self.lost.clone());
        registry.register("watch_failures", "How often a watch of the API server broke", self.watch_failures.clone());
        registry.register("watch_broken", "Watches of the API server that are broken now", self.watch_broken.clone());
        registry.register("store_errors", "Times the store did not answer", self.store_errors.clone());
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the certificate in use expires",
            self.certificate_expiry.clone(),
        );
    }

    /// A segment was sent.
    pub fn segment(&self, outcome: &'static str, flows: u64, bytes: u64) {
        self.segments.get_or_create(&Outcome { outcome }).inc();
        self.received_flows.inc_by(flows);
        self.received_bytes.inc_by(bytes);
    }

    /// A request was refused.
    pub fn refused(&self, cause: &'static str) {
        self.refused.get_or_create(&Cause { cause }).inc();
    }

    /// The store did not answer.
    pub fn store_error(&self) {
        self.store_errors.inc();
    }

    /// When the certificate in use expires.
    pub fn certificate_expires(&self, time: Option<Time>) {
        self.certificate_expiry.set(time.map_or(0.0, |time| time.as_duration().as_secs_f64()));
    }

    /// Takes over how merging goes.
    pub fn merging(&self, monitor: &Monitor) {
        let state = monitor.state();
        self.merged_flows.set(signed(state.merged.flows));
        self.merged_segments.set(signed(state.merged.segments));
        self.unreadable_segments.set(signed(state.merged.unreadable));
        self.merge_failures.set(signed(state.failures));
        self.leading.set(i64::from(state.leading));
        self.pods.set(i64::try_from(state.pods).unwrap_or(i64::MAX));
        let watches = state.watch.map(|watch| watch.states()).unwrap_or_default();
        self.watch_broken
            .set(watches.values().filter(|state| state.broken.is_some()).count().try_into().unwrap_or(i64::MAX));
        for (resource, state) in watches {
            self.watch_failures.get_or_create(&Resource { resource }).set(signed(state.errors));
        }
    }

    /// Takes over what the store says.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn stored(&self, store: &Store, now: Time) -> Result<(), crate::store::StoreError> {
        let load = store.inbox_load().await?;
        self.inbox_segments.set(signed(load.segments));
        self.inbox_bytes.set(signed(load.bytes));
        let age = load.oldest.map_or(0, |oldest| now.as_millisecond().saturating_sub(oldest));
        self.inbox_oldest.set(std::time::Duration::from_millis(u64::try_from(age).unwrap_or(0)).as_secs_f64());
        let mut snapshot = store.snapshot().await?;
        let totals = snapshot.totals().await?;
        self.pending_flows.set(signed(totals.pending));
        self.unresolved_flows.set(signed(totals.unresolved));
        self.edges.set(signed(totals.edges));
        self.collapsed.set(signed(snapshot.counter("collapsed_destinations").await?));
        self.missing_segments.set(signed(snapshot.gaps().await?.iter().map(|gap| gap.missing).sum()));
        let agents = snapshot.agents().await?;
        self.agents.set(i64::try_from(agents.len()).unwrap_or(i64::MAX));
        let nodes = snapshot.node_names().await?;
        let silent = |node: &&String| {
            let heard = agents.iter().find(|agent| agent.node == **node).map(|agent| agent.received);
            heard.is_some_and(|heard| now.as_millisecond().saturating_sub(heard) > SILENT)
        };
        self.silent_agents.set(i64::try_from(nodes.iter().filter(silent).count()).unwrap_or(i64::MAX));
        let unwatched = nodes.iter().filter(|node| agents.iter().all(|agent| agent.node != **node)).count();
        self.unwatched_nodes.set(i64::try_from(unwatched).unwrap_or(i64::MAX));
        let mut losses = netwright_record::Losses::default();
        for row in snapshot.coverage().await?.iter().filter(|row| row.lost > 0) {
            if let Ok(lost) = serde_json::from_str(&row.losses) {
                losses.add(&lost);
            }
        }
        for (cause, lost) in losses.named() {
            self.lost.get_or_create(&Cause { cause }).set(signed(lost));
        }
        Ok(())
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
