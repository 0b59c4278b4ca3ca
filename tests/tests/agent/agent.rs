//! The agent of a node, and what it has told so far.

use netwright_record::Observation;
use netwright_record::file;
use netwright_record::inventory::{HeldAddress, Pod};
use netwright_tests::cluster::{Cluster, Node};
use netwright_tests::receiver::Receiver;
use netwright_tests::world::{prerequisites, signal};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running agent. It is killed when this is dropped.
pub(crate) struct Agent {
    child: Child,
    log: PathBuf,
    health: u16,
}

impl Agent {
    /// Starts one for a node, with its spool in `folder`.
    pub(crate) fn start(cluster: &Cluster, node: &Node, receiver: &Receiver, folder: &Path) -> Self {
        let program = prerequisites::program("netwright-agent").unwrap();
        let (log, health) = (folder.join("agent.log"), free_port());
        let output = File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(program)
            .arg("run")
            .args(["--collector", &receiver.url, "--node", &node.name, "--interval", "1s", "--drain", "10s"])
            .args(["--log-format", "json", "--health-listen", &format!("127.0.0.1:{health}")])
            .arg("--collector-ca")
            .arg(receiver.ca())
            .arg("--collector-token")
            .arg(receiver.token())
            .arg("--spool")
            .arg(folder.join("spool"))
            .arg("--cgroup")
            .arg(cluster.cgroup_root(node).unwrap())
            .env("KUBECONFIG", cluster.kubectl().kubeconfig())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let agent = Self { child, log, health };
        agent.wait("it has started", || agent.get("/startupz").0 == 200);
        agent
    }

    /// Tells it to stop, and waits for a good end.
    pub(crate) fn stop(mut self) {
        signal(self.child.id(), "TERM").unwrap();
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(Instant::now() < deadline, "it does not end:\n{}", self.log()),
            }
            sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{}", self.log());
    }

    /// Ends it without a word.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks its port for health and metrics.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        use std::io::{Read as _, Write as _};
        let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", self.health)) else {
            return (0, String::new());
        };
        let request = format!("GET {path} HTTP/1.1\r\nhost: agent\r\nconnection: close\r\n\r\n");
        let mut text = String::new();
        let answered = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut text));
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        (answered.ok().and(status).unwrap_or(0), text)
    }

    fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            assert!(Instant::now() < deadline, "waited in vain until {what}:\n{}", self.log());
            sleep(Duration::from_millis(50));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What has arrived, in the order of segments.
pub(crate) fn arrived(receiver: &Receiver) -> Vec<Observation> {
    let mut taken: Vec<(String, u64, Vec<u8>)> = receiver
        .taken()
        .into_iter()
        .map(|(path, body)| {
            let (run, sequence) = path.rsplit_once('/').unwrap();
            (run.to_owned(), sequence.parse().unwrap(), body)
        })
        .collect();
    taken.sort();
    taken
        .into_iter()
        .map(|(_, _, body)| {
            let (segment, warnings) = file::read(body.as_slice(), Path::new("segment")).unwrap();
            assert!(warnings.is_empty(), "{warnings:?}");
            segment
        })
        .collect()
}

/// The pods that were told, each as it was told last, by UID.
pub(crate) fn pods(receiver: &Receiver) -> BTreeMap<String, Pod> {
    let segments = arrived(receiver);
    segments.into_iter().flat_map(|segment| segment.inventory.pods).map(|pod| (pod.uid.to_string(), pod)).collect()
}

/// Asserts that no address was held by two pods at once; returns how often one went from a pod to another.
pub(crate) fn assert_disjoint(pods: &BTreeMap<String, Pod>) -> usize {
    let mut held: BTreeMap<_, Vec<(&HeldAddress, &Pod)>> = BTreeMap::new();
    for pod in pods.values() {
        pod.addresses.iter().for_each(|address| held.entry(address.ip).or_default().push((address, pod)));
    }
    let mut reuses = 0;
    for (ip, holders) in &mut held {
        holders.sort_by_key(|(held, _)| held.from);
        for pair in holders.windows(2) {
            let [(first, one), (second, other)] = pair else { continue };
            let apart = first.until.is_some_and(|until| second.from.is_some_and(|from| until <= from));
            assert!(apart, "{ip}: {} {first:?} and {} {second:?}", one.name, other.name);
            reuses += 1;
        }
    }
    reuses
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
