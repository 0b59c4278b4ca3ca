//! `netwright-agent run` without a Kubernetes: segments to a receiver, through a full disk and a kill.

use crate::scene::{Scene, path};
use netwright_record::{Ended, Losses, Observation, file};
use netwright_tests::receiver::{Receiver, Reply};
use netwright_tests::world::{prerequisites, signal};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
/// Starts the agent and nothing else.
const PLAIN: &str = "exec \"$@\"";

/// The agent of a scene, its spool and its receiver.
struct Run<'a> {
    scene: &'a Scene,
    receiver: Receiver,
    health: u16,
    pid: u32,
    label: &'static str,
}

impl<'a> Run<'a> {
    /// Starts it by a script of a mount namespace of its own, whose `$0` is the spool's folder and `$@` the agent.
    fn start(scene: &'a Scene, script: &str) -> Self {
        let receiver = Receiver::start(&scene.directory().join("receiver")).unwrap();
        let health = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut run = Self { scene, receiver, health, pid: 0, label: "run" };
        run.again("run", script);
        run
    }

    /// Starts the agent, with the spool that is there.
    fn again(&mut self, label: &'static str, script: &str) {
        let program = prerequisites::program("netwright-agent").unwrap();
        let flags = [
            ("--collector", self.receiver.url.clone()),
            ("--collector-ca", path(&self.receiver.ca()).to_owned()),
            ("--collector-token", path(&self.receiver.token()).to_owned()),
            ("--cgroup", path(&self.scene.cgroup()).to_owned()),
            ("--spool", path(&self.spool()).to_owned()),
            ("--node", "node".to_owned()),
            ("--interval", "500ms".to_owned()),
            ("--drain", "10s".to_owned()),
            ("--health-listen", format!("127.0.0.1:{}", self.health)),
        ];
        let spool = self.spool();
        let begin = ["unshare", "--mount", "sh", "-c", script, path(&spool)];
        let agent = ["env", "KUBECONFIG=/nowhere", path(&program), "run"];
        let mut command: Vec<String> = begin.into_iter().chain(agent).map(str::to_owned).collect();
        command.extend(flags.into_iter().map(|(flag, value)| format!("{flag}={value}")));
        (self.pid, self.label) = (self.scene.start(label, &command), label);
        self.wait("it watches", |run| run.log().contains("\"watching\""));
    }

    fn spool(&self) -> PathBuf {
        self.scene.directory().join("spool")
    }

    fn log(&self) -> String {
        self.scene.output(self.label)
    }

    fn get(&self, path: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.health)) else { return String::new() };
        let request = format!("GET {path} HTTP/1.1\r\nhost: agent\r\nconnection: close\r\n\r\n");
        let mut text = String::new();
        // Of one that is just ending there may be no answer.
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut text));
        text
    }

    /// The figure of that name.
    fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0)
    }

    fn wait(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < deadline, "waited in vain until {what}:\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    fn end(&self, name: &str) -> bool {
        signal(self.pid, name).unwrap();
        self.wait("it has ended", |run| run.scene.ended(run.pid).is_some());
        self.scene.ended(self.pid).unwrap().success()
    }

    /// What has arrived, run by run in order.
    fn arrived(&self) -> Vec<Observation> {
        let mut segments: Vec<Observation> = self
            .receiver
            .taken()
            .values()
            .map(|body| file::read(body.as_slice(), Path::new("segment")).unwrap().0)
            .collect();
        segments.sort_by_key(|segment| (segment.coverage[0].run.clone(), segment.header.window.until));
        segments
    }
}

fn connections(segments: &[Observation]) -> u64 {
    segments.iter().flat_map(|segment| &segment.flows).map(|flow| flow.activity.connections).sum()
}

fn losses(segments: &[Observation]) -> Losses {
    let mut losses = Losses::default();
    segments.iter().flat_map(|segment| &segment.coverage).for_each(|part| losses.add(&part.losses));
    losses
}

/// Each part of a run begins where the one before has ended.
fn assert_without_gaps(segments: &[Observation]) {
    for pair in segments.windows(2) {
        let [one, next] = [&pair[0].coverage[0], &pair[1].coverage[0]];
        assert!(one.run != next.run || one.to == next.from, "{one:?} {next:?}");
    }
}

/// Writes to the file until nothing more goes onto the disk.
fn fill(filler: &Path) {
    let mut file = fs::File::options().create(true).append(true).open(filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost_by_it() {
    let Some(scene) = Scene::open("full-disk") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let _listener = server.listen("0.0.0.0:8080");
    // A disk that only the agent sees, and that goes with it.
    let run = Run::start(&scene, "mkdir -p \"$0\" && mount -t tmpfs -o size=256k none \"$0\" && exec \"$@\"");
    run.wait("the first segment is shipped", |run| !run.receiver.taken().is_empty());
    assert!(run.get("/readyz").contains("[+] spool"));
    let spool = run.spool();
    let filler = PathBuf::from(format!("/proc/{}/root{}/filler", run.pid, path(&spool)));
    // Segments that are shipped make room: until one cannot be written.
    run.wait("the disk is full", |run| {
        fill(&filler);
        run.metric("netwright_agent_segment_write_failures_total") > 0
    });
    for _ in 0..7 {
        client.tcp(server.at(8080)).close();
    }
    run.wait("it says so", |run| {
        run.metric("netwright_agent_segment_write_failures_total") >= 3 && run.get("/readyz").contains("[-] spool")
    });
    assert!(run.log().contains("cannot write a segment to the spool"), "{}", run.log());
    assert_eq!(connections(&run.arrived()), 0);
    fs::remove_file(filler).unwrap();
    run.wait("it is ready again", |run| run.get("/readyz").contains("[+] spool"));
    assert!(run.end("TERM"), "{}", run.log());
    let segments = run.arrived();
    assert_eq!((connections(&segments), losses(&segments)), (14, Losses::default()));
    assert_without_gaps(&segments);
    assert_eq!(segments.last().unwrap().coverage[0].ended, Ended::Clean);
    let numbers: Vec<u64> = run.receiver.seen().iter().filter_map(|upload| upload.sequence()).collect();
    assert_eq!(
        numbers.iter().max().map(|last| last + 1),
        Some(run.receiver.taken().len() as u64),
        "no number was skipped"
    );
}

#[test]
fn what_a_killed_agent_has_written_is_shipped_by_the_next() {
    let Some(scene) = Scene::open("killed-run") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let _listener = server.listen("0.0.0.0:8080");
    let mut run = Run::start(&scene, PLAIN);
    run.receiver.answer(|_| Reply::Refuse(503, ""));
    for _ in 0..3 {
        client.tcp(server.at(8080)).close();
    }
    run.wait("it is written", |run| run.metric("netwright_agent_connections_total") == 6);
    assert!(!run.end("KILL"));
    run.receiver.answer(|_| Reply::Take);
    run.again("run-again", PLAIN);
    for _ in 0..2 {
        client.tcp(server.at(8080)).close();
    }
    assert!(run.end("TERM"), "{}", run.log());
    let segments = run.arrived();
    assert_eq!((connections(&segments), losses(&segments)), (10, Losses::default()));
    assert_without_gaps(&segments);
    let mut runs: Vec<&str> = segments.iter().map(|segment| segment.coverage[0].run.as_str()).collect();
    runs.dedup();
    assert_eq!(runs.len(), 2);
    let left = fs::read_dir(run.spool()).unwrap().count();
    assert_eq!(left, 1, "nothing but the lock");
}
