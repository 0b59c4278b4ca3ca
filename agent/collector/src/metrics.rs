//! What Prometheus reads of a collector. No label names a pod, an address or a node: their number would have no bound.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// One label and its value, of those that this crate knows.
pub type Label = [(&'static str, &'static str); 1];

/// All metrics. Their names begin with `netwright_collector_`; those of counters end with `_total`.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Segments taken in, by outcome: stored or known.
    pub segments: Family<Label, Counter>,
    /// Requests that were refused, by cause.
    pub refused: Family<Label, Counter>,
    /// Bytes of segments that were stored.
    pub received_bytes: Counter,
    /// Flows in segments that were stored.
    pub received_flows: Counter,
    /// Times the store failed.
    pub store_errors: Counter,
    /// Snapshots that were made for people.
    pub exports: Counter,
    /// When the certificate in use ends, since 1970.
    pub certificate_expiry: Gauge,
    /// Errors with certificates: made, read or published.
    pub certificate_errors: Counter,
    /// Segments that wait to be merged.
    pub inbox_segments: Gauge,
    /// Bytes of segments that wait to be merged.
    pub inbox_bytes: Gauge,
    /// For how long the oldest segment has waited to be merged.
    pub inbox_oldest: Gauge,
    /// Whether this replica merges.
    pub leading: Gauge,
    /// Segments merged by this replica.
    pub merged_segments: Counter,
    /// Flows merged by this replica.
    pub merged_flows: Counter,
    /// Statements written by this replica.
    pub merged_statements: Counter,
    /// Flows that were given up without a name.
    pub given_up: Counter,
    /// Stored segments that could not be read, and are lost.
    pub unreadable: Counter,
    /// Destinations kept in less detail than seen, since the limit of a client was reached.
    pub collapsed: Counter,
    /// Rounds of merging that failed and were taken up again.
    pub merge_failures: Counter,
    /// Flows that wait for the name of an end.
    pub pending: Gauge,
    /// Pods known, those that are gone included.
    pub pods: Gauge,
    /// How often a watch of the API server broke, by resource.
    pub watch_failures: Family<Label, Counter>,
    /// Watches of the API server that are not current: broken, or without a list yet.
    pub watch_broken: Gauge,
    /// For how long something of the API server has not been watched; 0 while all is.
    pub watch_age: Gauge,
    /// Agents heard of in the window.
    pub agents: Gauge,
    /// Agents on nodes of the cluster that have not been heard of for two minutes.
    pub silent_agents: Gauge,
    /// Nodes of the cluster that no agent has reported from.
    pub unwatched_nodes: Gauge,
    /// How far the agent that is furthest behind is, of those that are not silent.
    pub agent_lag: Gauge,
    /// Segments missing now between others of their runs.
    pub missing_segments: Gauge,
    /// What agents lost within the window, by cause.
    pub lost: Family<Label, Gauge>,
}

impl Metrics {
    /// Makes them and a registry that holds them.
    pub fn new() -> (Self, Registry) {
        let (metrics, mut registry) = (Self::default(), Registry::with_prefix("netwright_collector"));
        metrics.register_taking_in(&mut registry);
        metrics.register_merging(&mut registry);
        metrics.register_watching(&mut registry);
        (metrics, registry)
    }

    fn register_taking_in(&self, registry: &mut Registry) {
        registry.register("segments", "Segments taken in, by outcome: stored or known", self.segments.clone());
        registry.register("refused", "Requests that were refused, by cause", self.refused.clone());
        registry.register("received_bytes", "Bytes of segments that were stored", self.received_bytes.clone());
        registry.register("received_flows", "Flows in segments that were stored", self.received_flows.clone());
        registry.register("store_errors", "Times the store failed", self.store_errors.clone());
        registry.register("exports", "Snapshots that were made for people", self.exports.clone());
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the certificate in use ends, since 1970",
            self.certificate_expiry.clone(),
        );
        registry.register(
            "certificate_errors",
            "Errors with certificates: made, read or published",
            self.certificate_errors.clone(),
        );
    }

    fn register_merging(&self, registry: &mut Registry) {
        registry.register("inbox_segments", "Segments that wait to be merged", self.inbox_segments.clone());
        registry.register("inbox_bytes", "Bytes of segments that wait to be merged", self.inbox_bytes.clone());
        registry.register(
            "inbox_oldest_seconds",
            "For how long the oldest segment has waited to be merged",
            self.inbox_oldest.clone(),
        );
        registry.register("leading", "Whether this replica merges", self.leading.clone());
        registry.register("merged_segments", "Segments merged by this replica", self.merged_segments.clone());
        registry.register("merged_flows", "Flows merged by this replica", self.merged_flows.clone());
        registry.register("merged_statements", "Statements written by this replica", self.merged_statements.clone());
        registry.register("given_up_flows", "Flows that were given up without a name", self.given_up.clone());
        registry.register(
            "unreadable_segments",
            "Stored segments that could not be read, and are lost",
            self.unreadable.clone(),
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
        registry.register("pending_flows", "Flows that wait for the name of an end", self.pending.clone());
    }

    fn register_watching(&self, registry: &mut Registry) {
        registry.register("pods", "Pods known, those that are gone included", self.pods.clone());
        registry.register(
            "watch_failures",
            "How often a watch of the API server broke, by resource",
            self.watch_failures.clone(),
        );
        registry.register(
            "watch_broken",
            "Watches of the API server that are not current: broken, or without a list yet",
            self.watch_broken.clone(),
        );
        registry.register(
            "watch_age_seconds",
            "For how long something of the API server has not been watched; 0 while all is",
            self.watch_age.clone(),
        );
        registry.register("agents", "Agents heard of in the window", self.agents.clone());
        registry.register(
            "silent_agents",
            "Agents on nodes of the cluster that have not been heard of for two minutes",
            self.silent_agents.clone(),
        );
        registry.register(
            "unwatched_nodes",
            "Nodes of the cluster that no agent has reported from",
            self.unwatched_nodes.clone(),
        );
        registry.register(
            "agent_lag_seconds",
            "How far the agent that is furthest behind is, of those that are not silent",
            self.agent_lag.clone(),
        );
        registry.register(
            "missing_segments",
            "Segments missing now between others of their runs",
            self.missing_segments.clone(),
        );
        registry.register("lost", "What agents lost within the window, by cause", self.lost.clone());
    }
}

/// Sets a counter to a sum that is kept elsewhere, unless that began anew.
pub fn raise(counter: &Counter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

/// Sets a gauge to a count.
pub fn set(gauge: &Gauge, to: u64) {
    gauge.set(i64::try_from(to).unwrap_or(i64::MAX));
}
