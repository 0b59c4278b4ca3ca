//! A recording under way, between two segments: what `observe` and `run` have in common. They differ in where segments go.

use crate::clock::Clock;
use crate::recorder::{Drained, Recorder};
use crate::spool::segments::WRITTEN_BY;
use netwright_record::{Coverage, Ended, Header, Losses, Name, Observation, Time, Window};
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often announcements are looked at. Sets how fast the cgroup of a short-lived pod must be found, and how long the first words of a new
/// UDP server stay ambiguous.
const POLL: Duration = Duration::from_millis(100);
/// How often long-lived connections are looked for.
const SIGHT: Duration = Duration::from_secs(300);
/// By how much the time of day may go astray of the monotonic clock between two segments before it is told: milliseconds.
const STEP: i64 = 1000;

/// Something that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// To look at announcements.
    Poll,
    /// To read the counters.
    Drain,
    /// To look for connections that stay open.
    Sight,
}

/// What is due when. A tick that was missed is made up for once.
#[derive(Debug)]
pub struct Ticks {
    poll: Interval,
    drain: Interval,
    sight: Interval,
}

impl Ticks {
    /// Counters are read each `drain`, the first time after that long.
    pub async fn start(drain: Duration) -> Self {
        let mut ticks = Self { poll: interval(POLL), drain: interval(drain), sight: interval(SIGHT) };
        for timer in [&mut ticks.poll, &mut ticks.drain, &mut ticks.sight] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        // The first tick of an interval comes at once.
        ticks.sight.tick().await;
        ticks.drain.tick().await;
        ticks
    }

    /// Waits for the next one. May be dropped while it waits.
    pub async fn next(&mut self) -> Tick {
        tokio::select! {
            _ = self.poll.tick() => Tick::Poll,
            _ = self.drain.tick() => Tick::Drain,
            _ = self.sight.tick() => Tick::Sight,
        }
    }
}

/// See the module.
pub struct Session {
    recorder: Recorder,
    node: Name,
    run: String,
    cluster: Option<String>,
    /// Up to when everything is in a segment.
    from: Time,
    /// What is in no segment.
    pending: Drained,
    /// What else coverage has to say.
    notes: Vec<String>,
    clock: Clock,
}

impl Session {
    /// Begins with a recorder that has just started.
    pub fn new(recorder: Recorder, node: Name, run: String, cluster: Option<String>) -> Self {
        let clock = Clock::read();
        let (from, pending) = (clock.now(), Drained::default());
        Self { recorder, node, run, cluster, from, pending, notes: Vec::new(), clock }
    }

    /// Does what is due. Returns whether it is time for a segment.
    ///
    /// # Errors
    /// The kernel's maps cannot be read.
    pub fn turn(&mut self, tick: Tick) -> anyhow::Result<bool> {
        match tick {
            Tick::Poll => {
                self.recorder.poll()?;
                return Ok(self.recorder.is_pressed());
            }
            Tick::Sight => self.recorder.sight_open(),
            Tick::Drain => return Ok(true),
        }
        Ok(false)
    }

    /// Reads the counters; `last` says that nothing follows. Returns what was lost since the last call.
    ///
    /// # Errors
    /// The kernel's maps cannot be read.
    pub fn collect(&mut self, last: bool) -> anyhow::Result<Losses> {
        let drained = self.recorder.drain(last)?;
        self.pending.flows.extend(drained.flows);
        self.pending.losses.add(&drained.losses);
        let mut lost = drained.losses;
        lost.add(&self.pending.bound());
        Ok(lost)
    }

    /// Makes a segment of all that was collected and is in none yet. If it cannot be written, [`Session::put_back`] keeps it for
    /// the next one.
    pub fn segment(&mut self, ended: Ended) -> Observation {
        let clock = Clock::read();
        self.note_step(&clock);
        let window = Window { from: self.from, until: clock.now().max(self.from) };
        let pending = std::mem::take(&mut self.pending);
        let mut header = Header::new(WRITTEN_BY, window);
        header.cluster.clone_from(&self.cluster);
        let mut segment = Observation::new(header);
        let mut notes = self.recorder.notes().to_vec();
        notes.append(&mut self.notes);
        segment.coverage.push(Coverage {
            node: self.node.clone(),
            run: self.run.clone(),
            from: window.from,
            to: window.until,
            ended,
            losses: pending.losses,
            notes,
        });
        segment.flows = pending.flows;
        self.from = window.until;
        segment
    }

    /// Keeps what a segment holds that could not be written (the disk is full), within bounds. What was collected since follows it.
    /// Returns what of it cannot be kept.
    pub fn put_back(&mut self, segment: Observation) -> Losses {
        let newer = std::mem::replace(&mut self.pending.flows, segment.flows);
        self.pending.flows.extend(newer);
        for coverage in segment.coverage {
            self.pending.losses.add(&coverage.losses);
            self.notes.extend(coverage.notes.into_iter().filter(|note| !self.recorder.notes().contains(note)));
        }
        self.from = self.from.min(segment.header.window.from);
        self.pending.bound()
    }

    /// Adds to what the next segment says was lost.
    pub fn lost(&mut self, losses: &Losses) {
        self.pending.losses.add(losses);
    }

    /// Adds a sentence to the next segment's coverage.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Which run this is.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// How many flows are in no segment.
    pub fn pending(&self) -> usize {
        self.pending.flows.len()
    }

    /// The recorder, to be asked.
    pub fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    /// The time of day was set: times before and after do not fit together.
    fn note_step(&mut self, clock: &Clock) {
        let by = clock.step_since(&self.clock);
        if by.abs() > STEP {
            let (direction, seconds) = (if by > 0 { "forward" } else { "back" }, by.abs() as f64 / 1000.0);
            tracing::warn!(seconds, direction, "the clock of this node was set");
            self.notes.push(format!("the clock was set {direction} by {seconds:.1} s before {}", clock.now()));
        }
        self.clock = *clock;
    }
}
