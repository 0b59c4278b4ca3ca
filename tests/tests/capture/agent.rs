//! `netwright-agent observe` as a process of its own, by its own clock: for what depends on how it ends.

use crate::scene::{Scene, path};
use crate::watch::Recorded;
use netwright_record::file;
use netwright_tests::world::{prerequisites, signal};
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// See the module.
pub(crate) struct Agent<'a> {
    scene: &'a Scene,
    label: &'static str,
    pid: u32,
}

impl<'a> Agent<'a> {
    /// Starts it for the scene and waits until it watches.
    pub(crate) fn start(scene: &'a Scene, options: &[&str]) -> Self {
        Self::labelled(scene, "agent", options)
    }

    /// The same, for a test that starts more than one.
    pub(crate) fn labelled(scene: &'a Scene, label: &'static str, options: &[&str]) -> Self {
        let mut command = observe(scene, &out(scene));
        command.extend(options.iter().map(|option| (*option).to_owned()));
        Self::run(scene, label, command)
    }

    /// The same, with the whole command given.
    pub(crate) fn run(scene: &'a Scene, label: &'static str, command: Vec<String>) -> Self {
        let pid = scene.start(label, &command);
        let agent = Self { scene, label, pid };
        agent.wait("it watches", || agent.output().contains("watching cgroup="));
        agent
    }

    /// Tells it to stop; returns what it wrote.
    pub(crate) fn stop(self) -> Recorded {
        self.signal("TERM")
    }

    /// Sends it a signal upon which it ends well; returns what it wrote.
    pub(crate) fn signal(self, name: &str) -> Recorded {
        signal(self.pid, name).unwrap();
        let mut status = None;
        self.wait("it has ended", || {
            status = self.scene.ended(self.pid);
            status.is_some()
        });
        assert!(status.unwrap().success(), "{}", self.output());
        read(&out(self.scene))
    }

    /// Ends it without a word.
    pub(crate) fn kill(self) {
        signal(self.pid, "KILL").unwrap();
        self.wait("it is killed", || self.scene.ended(self.pid).is_some());
    }

    /// Waits until the segments, put together, hold that many connections.
    pub(crate) fn wait_for_segments(&self, connections: u64) {
        self.wait("the segments are written", || {
            // None there yet, or one that is replaced at this moment.
            assemble(self.scene).is_ok_and(|recorded| recorded.connections() >= connections)
        });
    }

    fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            assert!(Instant::now() < deadline, "waited in vain until {what}:\n{}", self.output());
            sleep(POLL);
        }
    }

    fn output(&self) -> String {
        self.scene.output(self.label)
    }
}

/// The command that observes the scene.
pub(crate) fn observe(scene: &Scene, out: &std::path::Path) -> Vec<String> {
    let program = prerequisites::program("netwright-agent").unwrap();
    let cgroup = scene.cgroup();
    ["env", "NO_COLOR=1", path(&program), "observe", "--node", "node", "--cgroup", path(&cgroup), "--out", path(out)]
        .map(str::to_owned)
        .to_vec()
}

/// Where the scene's agent writes.
pub(crate) fn out(scene: &Scene) -> PathBuf {
    scene.directory().join("observation.jsonl.zst")
}

/// What `netwright-agent assemble` makes of the segments that lie there, or what it complains of.
pub(crate) fn assemble(scene: &Scene) -> Result<Recorded, String> {
    let segments = scene.directory().join("observation.jsonl.zst.segments");
    let assembled = scene.directory().join("assembled.jsonl.zst");
    let output = Command::new(prerequisites::program("netwright-agent").unwrap())
        .arg("assemble")
        .arg(segments)
        .arg("--out")
        .arg(&assembled)
        .output()
        .unwrap();
    match output.status.success() {
        true => Ok(read(&assembled)),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn read(path: &std::path::Path) -> Recorded {
    let (observation, warnings) = file::read_path(path).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    Recorded(observation)
}
