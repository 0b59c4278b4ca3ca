//! What Prometheus may know of an agent: counts and ages, nothing of pods, names or addresses.

use netwright_record::Losses;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// The first part of every name.
const PREFIX: &str = "netwright_agent";

/// Why something was lost: a field of [`Losses`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    cause: &'static str,
}

/// The figures of one agent.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections in the flows that were recorded.
    pub connections: Counter,
    /// Segments written to the spool.
    pub written: Counter,
    /// Segments the collector has acknowledged.
    pub shipped: Counter,
    /// Segments the collector refused.
    pub refused: Counter,
    /// Segments dropped from the spool.
    pub dropped: Counter,
    /// Attempts to ship that have to be repeated.
    pub retries: Counter,
    /// Attempts to write a segment that have failed.
    pub write_failures: Counter,
    /// Segments in the spool, and their bytes.
    pub spool_segments: Gauge,
    /// See above.
    pub spool_bytes: Gauge,
    /// How long the oldest of them has waited, seconds.
    pub spool_oldest: Gauge,
    /// Pods that are known.
    pub pods: Gauge,
    /// Pods that were seen by their cgroups and that the API server has not told of.
    pub pods_unnamed: Gauge,
    /// Times that the watch of the API server had to begin anew.
    pub watch_failures: Counter,
    lost: Family<Cause, Counter>,
    /// When the kernel's counters were last read.
    read: Arc<LastRead>,
}

impl Metrics {
    /// All of them, registered.
    pub fn register() -> (Arc<Self>, Registry) {
        let metrics = Arc::new(Self::default());
        let mut registry = Registry::with_prefix(PREFIX);
        metrics.register_counters(&mut registry);
        metrics.register_gauges(&mut registry);
        // A cause that has not struck yet is there, too: rate() needs a beginning.
        metrics.lost(&Losses::default());
        registry.register_collector(Box::new(Age(metrics.read.clone())));
        (metrics, registry)
    }

    /// Adds what was lost, by cause.
    pub fn lost(&self, losses: &Losses) {
        for (cause, count) in losses.named() {
            self.lost.get_or_create(&Cause { cause }).inc_by(count);
        }
    }

    /// The kernel's counters were just read.
    pub fn observed(&self) {
        self.read.set();
    }

    fn register_counters(&self, registry: &mut Registry) {
        let counters = [
            ("connections", "Connections recorded", &self.connections),
            ("segments_written", "Segments written to the spool", &self.written),
            ("segments_shipped", "Segments that the collector acknowledged", &self.shipped),
            ("segments_refused", "Segments that the collector will never take", &self.refused),
            (
                "segments_dropped",
                "Segments dropped from the spool since it was full or they were too old",
                &self.dropped,
            ),
            ("ship_retries", "Attempts to ship that have to be repeated", &self.retries),
            ("segment_write_failures", "Segments that could not be written when they were due", &self.write_failures),
            ("pod_watch_failures", "Failures of the watch of this node's pods", &self.watch_failures),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register("lost", "What happened and is not in the records in full, by cause", self.lost.clone());
    }

    fn register_gauges(&self, registry: &mut Registry) {
        registry.register("spool_segments", "Segments that wait to be shipped", self.spool_segments.clone());
        registry.register_with_unit("spool", "Bytes of these segments", Unit::Bytes, self.spool_bytes.clone());
        let oldest = "How long the oldest of these segments has waited";
        registry.register_with_unit("spool_oldest", oldest, Unit::Seconds, self.spool_oldest.clone());
        registry.register("pods", "Pods of this node that are known", self.pods.clone());
        let unnamed = "Pods that run and that the API server has not told of";
        registry.register("pods_unnamed", unnamed, self.pods_unnamed.clone());
    }
}

/// When something happened last.
#[derive(Debug)]
struct LastRead {
    since: Instant,
    milliseconds: AtomicU64,
}

impl Default for LastRead {
    fn default() -> Self {
        Self { since: Instant::now(), milliseconds: AtomicU64::new(0) }
    }
}

impl LastRead {
    fn set(&self) {
        self.milliseconds.store(u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    fn age(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.milliseconds.load(Relaxed)))
    }
}

/// Says how long ago that was, at the moment it is asked: also when nothing turns any more.
#[derive(Debug)]
struct Age(Arc<LastRead>);

impl Collector for Age {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let age = ConstGauge::new(self.0.age().as_secs_f64());
        let help = "How long ago the kernel's counters were read";
        let encoder =
            encoder.encode_descriptor("last_observation_age", help, Some(&Unit::Seconds), age.metric_type())?;
        age.encode(encoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text;

    #[test]
    fn every_cause_of_loss_is_there_from_the_beginning() {
        let (metrics, registry) = Metrics::register();
        metrics.lost(&Losses { map_full: 3, ..Losses::default() });
        let mut told = String::new();
        text::encode(&mut told, &registry).unwrap();
        assert!(told.contains("netwright_agent_lost_total{cause=\"map_full\"} 3"), "{told}");
        assert!(told.contains("netwright_agent_lost_total{cause=\"ring_full\"} 0"), "{told}");
        assert!(told.contains("netwright_agent_last_observation_age_seconds "), "{told}");
        assert!(told.contains("netwright_agent_spool_bytes 0"), "{told}");
    }
}
