//! The loop of `run`: from the session and the pods to segments in the spool.

use crate::metrics::Metrics;
use crate::pods::Feed;
use crate::seldom::Seldom;
use crate::session::{Session, Tick, Ticks};
use crate::ship::Shipped;
use crate::spool::{Disk, Dropped, SegmentId, Spool};
use anyhow::{Context as _, bail};
use netwright_record::{Ended, Losses, Observation};
use netwright_service::CancellationToken;
use netwright_service::health::{Condition, Health, Heartbeat};
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

/// How often a disk that takes nothing is told.
const SELDOM: Duration = Duration::from_secs(60);
/// How long to wait before the last segment is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// What the recording shows of itself.
pub(super) struct Signs {
    pub(super) attached: Condition,
    pub(super) metrics: Arc<Metrics>,
    spool: Condition,
    beat: Heartbeat,
}

impl Signs {
    /// The programs are not attached yet, the spool is taken to be well.
    pub(super) fn new(health: &Health, silence: Duration, metrics: Arc<Metrics>) -> Self {
        let spool = health.readiness("spool");
        spool.met();
        Self { attached: health.startup("programs"), metrics, spool, beat: health.heartbeat("recording", silence) }
    }
}

/// See the module.
pub(super) struct Recording {
    session: Session,
    feed: Feed,
    disk: Disk,
    /// Tells the shipper that there is something.
    notify: Arc<Notify>,
    shipped: UnboundedReceiver<Shipped>,
    /// A segment on its way to the disk.
    writing: Option<JoinHandle<anyhow::Result<Written>>>,
    signs: Signs,
    seldom: Seldom,
}

/// How the writing of a segment came out.
struct Written {
    result: io::Result<SegmentId>,
    segment: Observation,
    dropped: Dropped,
    standing: Standing,
}

/// How the spool stands.
struct Standing {
    segments: usize,
    bytes: u64,
    oldest: Duration,
}

impl Recording {
    pub(super) fn new(
        session: Session,
        feed: Feed,
        disk: Disk,
        notify: Arc<Notify>,
        shipped: UnboundedReceiver<Shipped>,
        signs: Signs,
    ) -> Self {
        let (writing, seldom) = (None, Seldom::new(SELDOM));
        Self { session, feed, disk, notify, shipped, writing, signs, seldom }
    }

    /// Records until `stop`.
    pub(super) async fn run(&mut self, interval: Duration, stop: &CancellationToken) -> anyhow::Result<()> {
        // What an earlier run has left is counted in the first segment.
        let dropped = self.disk.with(Spool::take_dropped).await?;
        self.take_dropped(dropped);
        let mut ticks = Ticks::start(interval).await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                written = finished(&mut self.writing) => self.take_written(written?),
                tick = ticks.next() => self.turn(tick)?,
            }
        }
    }

    /// Ends the recording: the last segment, written before `deadline`.
    pub(super) async fn finish(&mut self, deadline: Instant) -> anyhow::Result<()> {
        timeout_at(deadline, self.write_last()).await.unwrap_or_else(|_| {
            bail!("the last segment could not be written in time: {} flows are lost", self.session.pending())
        })
    }

    /// Says how the spool is left behind.
    pub(super) async fn tell_end(&mut self) {
        if let Ok(standing) = self.disk.with(|spool| Standing::of(spool)).await {
            tracing::info!(
                segments = standing.segments,
                bytes = standing.bytes,
                "ended; so much waits for the next start"
            );
        }
    }

    fn turn(&mut self, tick: Tick) -> anyhow::Result<()> {
        self.signs.beat.beat();
        let is_due = self.session.turn(tick)?;
        self.feed.poll(self.session.recorder());
        self.take_shipped();
        if is_due {
            self.collect(false)?;
            if self.writing.is_none() {
                self.begin_segment(Ended::Continues);
            }
        }
        Ok(())
    }

    /// Reads the kernel's counters.
    fn collect(&mut self, last: bool) -> anyhow::Result<()> {
        let losses = self.session.collect(last)?;
        self.signs.metrics.lost(&losses);
        self.signs.metrics.observed();
        self.feed.forget_departed(self.session.recorder());
        Ok(())
    }

    /// Makes a segment of all there is and has it written.
    fn begin_segment(&mut self, ended: Ended) {
        let mut segment = self.session.segment(ended);
        segment.inventory.pods = self.feed.due();
        if let Some(coverage) = segment.coverage.first_mut() {
            coverage.notes.extend_from_slice(self.feed.notes());
        }
        let (named, unnamed) = self.feed.pods().count();
        self.signs.metrics.pods.set(i64::try_from(named).unwrap_or(i64::MAX));
        self.signs.metrics.pods_unnamed.set(i64::try_from(unnamed).unwrap_or(i64::MAX));
        let disk = self.disk.clone();
        self.writing = Some(tokio::spawn(async move { disk.with(move |spool| Written::of(spool, segment)).await }));
    }

    fn take_written(&mut self, written: Written) {
        let Written { result, mut segment, dropped, standing } = written;
        standing.show(&self.signs.metrics);
        match result {
            Ok(id) => {
                self.feed.pods().written(&segment.inventory.pods, id.sequence);
                let connections = segment.flows.iter().map(|flow| flow.activity.connections).sum();
                self.signs.metrics.connections.inc_by(connections);
                self.signs.metrics.written.inc();
                self.signs.spool.met();
                self.notify.notify_one();
            }
            Err(error) => {
                self.signs.metrics.write_failures.inc();
                self.signs.spool.unmet(format!("a segment cannot be written: {error}"));
                if self.seldom.is_due() {
                    let flows = segment.flows.len();
                    tracing::error!(%error, flows, "cannot write a segment to the spool; its flows are kept in memory, within bounds");
                }
                self.feed.again(std::mem::take(&mut segment.inventory.pods));
                let lost = self.session.put_back(segment);
                self.signs.metrics.lost(&lost);
            }
        }
        self.take_dropped(dropped);
    }

    /// What segments held that will never arrive is told in the next one. Of its losses only what was dropped now is new.
    fn take_dropped(&mut self, dropped: Dropped) {
        let Dropped { segments, connections, losses, pods } = dropped;
        if segments == 0 {
            return;
        }
        tracing::warn!(segments, connections, "segments were dropped from the spool");
        self.signs.metrics.dropped.inc_by(segments);
        self.signs.metrics.lost(&Losses { spool_full: connections, ..Losses::default() });
        self.session.lost(&losses);
        self.session.note(format!("the spool dropped {segments} segments with {connections} connections"));
        self.feed.again(pods);
    }

    /// Lets go of pods that are gone, once the collector knows.
    fn take_shipped(&mut self) {
        while let Ok(shipped) = self.shipped.try_recv() {
            if let Shipped::Acknowledged(id) | Shipped::Told(id) = shipped
                && id.run == self.session.run()
            {
                self.feed.pods().acknowledged(id.sequence);
            }
        }
    }

    async fn write_last(&mut self) -> anyhow::Result<()> {
        if self.writing.is_some() {
            let written = finished(&mut self.writing).await?;
            self.take_written(written);
        }
        let dropped = self.disk.with(Spool::take_dropped).await?;
        self.take_dropped(dropped);
        self.feed.poll(self.session.recorder());
        self.collect(true)?;
        loop {
            self.begin_segment(Ended::Clean);
            let written = finished(&mut self.writing).await?;
            let is_written = written.result.is_ok();
            self.take_written(written);
            if is_written {
                return Ok(());
            }
            sleep(AGAIN).await;
        }
    }
}

impl Written {
    fn of(spool: &mut Spool, segment: Observation) -> Self {
        let result = spool.write(&segment);
        Self { result, segment, dropped: spool.take_dropped(), standing: Standing::of(spool) }
    }
}

impl Standing {
    fn of(spool: &Spool) -> Self {
        Self { segments: spool.len(), bytes: spool.bytes(), oldest: spool.oldest_age() }
    }

    fn show(&self, metrics: &Metrics) {
        metrics.spool_segments.set(i64::try_from(self.segments).unwrap_or(i64::MAX));
        metrics.spool_bytes.set(i64::try_from(self.bytes).unwrap_or(i64::MAX));
        metrics.spool_oldest.set(i64::try_from(self.oldest.as_secs()).unwrap_or(i64::MAX));
    }
}

/// Waits for the segment that is being written; for ever if none is.
async fn finished(writing: &mut Option<JoinHandle<anyhow::Result<Written>>>) -> anyhow::Result<Written> {
    let written = match writing {
        Some(task) => task.await.context("the writing of a segment broke down")?,
        None => pending().await,
    };
    *writing = None;
    written
}
