//! The agent's recorder in this process, looked after by the test: it polls and drains when the test says so, and not by a clock.

use crate::pod::Pod;
use crate::scene::{self, Scene};
use crate::told;
use netwright_agent::probe::{Config, UdpHooks};
use netwright_agent::recorder::Recorder;
use netwright_agent::spool::assemble;
use netwright_record::{Coverage, Ended, Header, Losses, Observation, Time, Window};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// Longer than the agent waits for a watched server's answer before it watches the asker.
const PATIENCE: Duration = Duration::from_millis(1200);

/// See the module.
pub(crate) struct Watch {
    recorder: Recorder,
    segments: Vec<Observation>,
}

impl Watch {
    /// Attaches at the scene's cgroup with the defaults.
    pub(crate) fn start(scene: &Scene) -> Self {
        Self::with(Config::new(scene.cgroup()))
    }

    /// The same, with UDP seen on every packet.
    pub(crate) fn packets(scene: &Scene) -> Self {
        Self::with(Config { udp: Some(UdpHooks::Packets), ..Config::new(scene.cgroup()) })
    }

    /// Attaches as `config` says.
    pub(crate) fn with(config: Config) -> Self {
        let recorder = Recorder::start(config, "node".into(), Path::new("/proc"), &scene::mount()).unwrap();
        Self { recorder, segments: Vec::new() }
    }

    /// Takes in what was announced, and attaches where that makes it necessary.
    pub(crate) fn poll(&mut self) {
        self.recorder.poll().unwrap();
    }

    /// Takes in questions, and gives up waiting for a watched server to answer them.
    pub(crate) fn poll_patiently(&mut self) {
        self.poll();
        sleep(PATIENCE);
        self.poll();
    }

    /// Takes in the counters: the end of one interval.
    pub(crate) fn drain(&mut self) {
        self.take(false);
    }

    /// Ends the recording; returns all of it, put together as the agent does.
    pub(crate) fn finish(mut self) -> Recorded {
        self.take(true);
        Recorded(assemble(self.segments, None, None).unwrap().observation)
    }

    fn take(&mut self, last: bool) {
        let drained = self.recorder.drain(last).unwrap();
        let now = Time::now();
        let mut segment = Observation::new(Header::new("test", Window { from: now, until: now }));
        segment.flows = drained.flows;
        segment.coverage.push(Coverage {
            node: "node".into(),
            run: "run".into(),
            from: now,
            to: now,
            ended: if last { Ended::Clean } else { Ended::Continues },
            losses: drained.losses,
            notes: Vec::new(),
        });
        self.segments.push(segment);
    }
}

/// What came of a recording.
pub(crate) struct Recorded(pub(crate) Observation);

impl Recorded {
    /// What was lost, over all of it.
    pub(crate) fn losses(&self) -> Losses {
        let mut losses = Losses::default();
        for coverage in &self.0.coverage {
            losses.add(&coverage.losses);
        }
        losses
    }

    /// The connections in all flows.
    pub(crate) fn connections(&self) -> u64 {
        self.0.flows.iter().map(|flow| flow.activity.connections).sum()
    }

    /// Every flow, as [`told`] tells them.
    pub(crate) fn flows(&self, pods: &[&Pod]) -> Vec<String> {
        told::flows(&self.0.flows, pods)
    }

    /// Asserts that these are the flows, all of them, and that nothing was lost.
    pub(crate) fn assert(&self, pods: &[&Pod], expected: &[&str]) {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(self.flows(pods), expected);
        assert!(self.losses().is_empty(), "{:?}", self.losses());
    }
}
