//! Ships segments from the spool to the collector: oldest first, again until it has acknowledged each, and never faster than allowed.

pub mod answer;
pub mod client;

pub use answer::Answer;
pub use client::{Client, Target};

use crate::metrics::Metrics;
use crate::seldom::Seldom;
use crate::spool::store::SENT_AT_ONCE;
use crate::spool::{Disk, SegmentId};
use futures_util::future::join_all;
use netwright_service::CancellationToken;
use netwright_service::backoff::Backoff;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

/// The longest wait after the first failure, and after many.
const BASE: Duration = Duration::from_millis(500);
const CAP: Duration = Duration::from_secs(60);
/// How often a failure of the same kind is told.
const SELDOM: Duration = Duration::from_secs(60);

/// What became of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shipped {
    /// The collector has it.
    Acknowledged(SegmentId),
    /// It was dropped, and the collector has what tells so, unless it had the whole already.
    Told(SegmentId),
    /// It never will: what it held was counted as dropped.
    Refused(SegmentId),
}

/// See the module.
#[derive(Debug)]
pub struct Shipper {
    client: Client,
    disk: Disk,
    /// How many segments go in a second, at most.
    rate: f64,
    backoff: Backoff,
    seldom: Seldom,
    metrics: Arc<Metrics>,
    outcome: mpsc::UnboundedSender<Shipped>,
}

/// How one upload came out.
enum Upload {
    Done,
    /// With how long to wait at least.
    Failed(Option<Duration>),
}

impl Shipper {
    /// Ships what is in the spool of `disk`, `rate` segments a second at most. What became of each is sent to `outcome`.
    pub fn new(
        target: Target,
        disk: Disk,
        rate: f64,
        metrics: Arc<Metrics>,
        outcome: mpsc::UnboundedSender<Shipped>,
    ) -> Self {
        let (client, backoff, seldom) = (Client::new(target), Backoff::new(BASE, CAP), Seldom::new(SELDOM));
        Self { client, disk, rate, backoff, seldom, metrics, outcome }
    }

    /// Ships whenever `written` says that there is something, until `stop`.
    pub async fn run(&mut self, written: &Notify, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let wait = tokio::select! {
                () = stop.cancelled() => return,
                wait = self.round() => wait,
            };
            let next = async {
                match wait {
                    Some(wait) => sleep(wait).await,
                    None => written.notified().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = next => {}
            }
        }
    }

    /// Ships until the spool is empty or `deadline` has come. A failure is tried again a little later: the collector may just be
    /// restarting.
    pub async fn flush(&mut self, deadline: Instant) {
        self.backoff.reset();
        // A round that was cut off by the stop has taken segments and not given them back.
        if self.disk.with(|spool| spool.release_all()).await.is_err() {
            return;
        }
        let shipping = async {
            while let Some(wait) = self.round().await {
                sleep(wait).await;
            }
        };
        tokio::select! {
            () = sleep_until(deadline) => {}
            () = shipping => {}
        }
    }

    /// Uploads the oldest few. Returns how long to wait before the next round; nothing if nothing is left.
    async fn round(&mut self) -> Option<Duration> {
        let segments = match self.disk.with(|spool| spool.take_oldest(SENT_AT_ONCE)).await {
            Ok(segments) if segments.is_empty() => return None,
            Ok(segments) => segments,
            Err(error) => return Some(self.failed(&format!("{error:#}"), None)),
        };
        let begun = Instant::now();
        if let Err(error) = self.client.refresh() {
            self.release(&segments).await;
            return Some(self.failed(&format!("{error:#}"), None));
        }
        let count = segments.len();
        let uploads = join_all(segments.into_iter().map(|id| self.upload(id))).await;
        let waits: Vec<Option<Duration>> = uploads
            .into_iter()
            .filter_map(|upload| if let Upload::Failed(wait) = upload { Some(wait) } else { None })
            .collect();
        if let Some(longest) = waits.iter().max() {
            let drawn = self.backoff.next_wait();
            return Some(drawn.max(longest.unwrap_or_default()));
        }
        if self.backoff.failures() > 0 {
            tracing::info!(failures = self.backoff.failures(), "segments are shipped again");
            self.backoff.reset();
        }
        Some(Duration::from_secs_f64(count as f64 / self.rate).saturating_sub(begun.elapsed()))
    }

    async fn upload(&self, id: SegmentId) -> Upload {
        let of = id.clone();
        let bytes = match self.disk.with(move |spool| spool.read(&of)).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => return self.refused(id, &format!("it cannot be read: {error}")).await,
            Err(error) => return self.later(&id, &format!("{error:#}"), None).await,
        };
        match self.client.upload(&id, bytes).await {
            Ok(Answer::Acknowledged) => self.acknowledged(id).await,
            Ok(Answer::Refused { why }) => self.refused(id, &why).await,
            Ok(Answer::Later { why, wait }) => self.later(&id, &why, wait).await,
            Err(error) => self.later(&id, &format!("{error:#}"), None).await,
        }
    }

    async fn acknowledged(&self, id: SegmentId) -> Upload {
        let of = id.clone();
        if let Ok(was_stub) = self.disk.with(move |spool| spool.acknowledge(&of)).await {
            self.metrics.shipped.inc();
            // Nobody listens any more when the agent ends.
            let _ = self.outcome.send(if was_stub { Shipped::Told(id) } else { Shipped::Acknowledged(id) });
        }
        Upload::Done
    }

    async fn refused(&self, id: SegmentId, why: &str) -> Upload {
        tracing::error!(segment = %id, why, "a segment was refused; it is set aside and what it held is counted as lost");
        let of = id.clone();
        if self.disk.with(move |spool| spool.set_aside(&of)).await.is_ok() {
            self.metrics.refused.inc();
            let _ = self.outcome.send(Shipped::Refused(id));
        }
        Upload::Done
    }

    async fn later(&self, id: &SegmentId, why: &str, wait: Option<Duration>) -> Upload {
        self.metrics.retries.inc();
        if self.seldom.is_due() {
            tracing::warn!(segment = %id, why, "a segment could not be shipped; it stays in the spool");
        }
        self.release(std::slice::from_ref(id)).await;
        Upload::Failed(wait)
    }

    fn failed(&mut self, why: &str, wait: Option<Duration>) -> Duration {
        self.metrics.retries.inc();
        if self.seldom.is_due() {
            tracing::warn!(why, "segments cannot be shipped; they stay in the spool");
        }
        self.backoff.next_wait().max(wait.unwrap_or_default())
    }

    async fn release(&self, segments: &[SegmentId]) {
        let segments = segments.to_vec();
        // Else the runtime is shutting down, and nothing is left to be done.
        let _ = self.disk.with(move |spool| segments.iter().for_each(|id| spool.release(id))).await;
    }
}
