//! An agent without a kernel below it: the spool and the shipping of the agent, fed with segments whose content follows from their number.
//!
//! It is this test's own program in a process of its own, and does with the spool what `netwright-agent run` does. Beside the disk of the
//! spool it notes what it has done, so that the test knows it without asking those who are tested.

use netwright_agent::metrics::Metrics;
use netwright_agent::ship::{Shipped, Shipper, Target};
use netwright_agent::spool::{Disk, Limits, SegmentId, Spool};
use netwright_record::{
    Activity, Coverage, Direction, Ended, FlatSet, Flow, Header, Local, Losses, Observation, Protocol, Time, Window,
};
use netwright_service::CancellationToken;
use std::fs::File;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

/// The variable that makes this program an agent: its folder.
pub(crate) const WORKER: &str = "NETWRIGHT_CHAOS_WORKER";
/// What one segment speaks of: by the times of what was watched it is known which segments were merged.
pub(crate) const STEP: i64 = 10;
/// Destinations in each segment.
pub(crate) const DESTINATIONS: u8 = 3;
/// So little that a second without a collector is too long.
const LIMITS: Limits = Limits { bytes: 48 << 10, age: Duration::from_secs(3600) };
/// Not for ever: whoever ends it may have failed.
const MOST: u64 = 200_000;

/// How many connections segment `sequence` of any run has to one destination.
pub(crate) fn connections(sequence: u64, destination: u8) -> u64 {
    1 + (sequence * 31 + u64::from(destination) * 17) % 97
}

/// How many it has together.
pub(crate) fn all_connections(sequence: u64) -> u64 {
    (0..DESTINATIONS).map(|destination| connections(sequence, destination)).sum()
}

/// An address outside of the cluster.
pub(crate) fn address(destination: u8) -> IpAddr {
    [198, 18, 0, destination + 1].into()
}

/// One agent.
struct Worker {
    folder: PathBuf,
    node: String,
    run: String,
    /// Milliseconds.
    start: i64,
    disk: Disk,
    notes: File,
    /// To be told in the next segment.
    losses: Losses,
}

/// Writes and ships until the file `finish` is there; then ships all there is, tells the end, and returns.
pub(crate) fn work(folder: &Path, url: &str, node: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut spool = loop {
            match Spool::open(&folder.join("disk/spool"), LIMITS, Time::now()) {
                Ok(spool) => break spool,
                // The disk is full, or whoever was killed has not ended yet.
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        };
        let target = Target {
            collector: url.parse().unwrap(),
            ca: folder.join("../store/data/ca.crt"),
            token: folder.join("token"),
            node: node.to_owned(),
        };
        let (run, start) = (spool.run().to_owned(), Time::now().as_millisecond());
        let mut notes = File::options().create(true).append(true).open(folder.join("notes")).unwrap();
        note(&mut notes, &format!("run {run} {start}"));
        // What earlier runs dropped and did not come to tell is told by the first segment.
        let losses = spool.take_dropped().losses;
        let disk = Disk::new(spool);
        let (sender, mut shipped) = mpsc::unbounded_channel();
        let mut shipper = Shipper::new(target, disk.clone(), 10_000.0, Metrics::register().0, sender);
        let (notify, stop) = (Notify::new(), CancellationToken::new());
        let mut acknowledged = notes.try_clone().unwrap();
        let taking = async {
            while let Some(outcome) = shipped.recv().await {
                match outcome {
                    Shipped::Acknowledged(id) => {
                        note(&mut acknowledged, &format!("acknowledged {} {}", id.run, id.sequence))
                    }
                    Shipped::Told(id) => note(&mut acknowledged, &format!("told {} {}", id.run, id.sequence)),
                    Shipped::Refused(id) => note(&mut acknowledged, &format!("refused {} {}", id.run, id.sequence)),
                }
            }
        };
        let mut worker = Worker { folder: folder.to_owned(), node: node.to_owned(), run, start, disk, notes, losses };
        let writing = async {
            worker.write_all(&notify).await;
            stop.cancel();
        };
        tokio::select! {
            ((), ()) = async { tokio::join!(writing, shipper.run(&notify, &stop)) } => {}
            () = taking => {}
        }
    });
}

fn note(notes: &mut File, line: &str) {
    // One call a line: a kill leaves no half.
    notes.write_all(format!("{line}\n").as_bytes()).unwrap();
}

impl Worker {
    async fn write_all(&mut self, notify: &Notify) {
        let finish = self.folder.join("finish");
        let mut sequence = 0;
        while sequence < MOST && !finish.exists() {
            sequence += u64::from(self.write(sequence, Ended::Continues, notify).await);
            sleep(Duration::from_millis(2 + sequence % 10)).await;
        }
        self.empty().await;
        while !self.write(sequence, Ended::Clean, notify).await {
            sleep(Duration::from_millis(20)).await;
        }
        self.empty().await;
    }

    /// Waits until all is shipped.
    async fn empty(&self) {
        while self.disk.with(|spool| !spool.is_empty()).await.unwrap() {
            sleep(Duration::from_millis(20)).await;
        }
        // For what is still to be noted.
        sleep(Duration::from_millis(50)).await;
    }

    /// Whether it could be written; else the same segment is to be tried again.
    async fn write(&mut self, sequence: u64, ended: Ended, notify: &Notify) -> bool {
        let segment = self.segment(sequence, ended);
        let (written, dropped) =
            self.disk.with(move |spool| (spool.write(&segment), spool.take_dropped())).await.unwrap();
        match &written {
            Ok(SegmentId { run, sequence: number }) => {
                assert_eq!((run, *number), (&self.run, sequence));
                note(&mut self.notes, &format!("written {run} {number}"));
                self.losses = Losses::default();
                notify.notify_one();
            }
            Err(_) => note(&mut self.notes, &format!("failed {} {sequence}", self.run)),
        }
        self.losses.add(&dropped.losses);
        written.is_ok()
    }

    fn segment(&self, sequence: u64, ended: Ended) -> Observation {
        let from = self.start + i64::try_from(sequence).unwrap() * STEP;
        let time = |milliseconds| Time::from_millisecond(milliseconds).unwrap();
        let window = Window { from: time(from), until: time(from + STEP) };
        let mut segment = Observation::new(Header::new("netwright-agent chaos", window));
        segment.coverage.push(Coverage {
            node: self.node.as_str().into(),
            run: self.run.clone(),
            from: window.from,
            to: window.until,
            ended,
            losses: self.losses,
            notes: Vec::new(),
        });
        segment.flows.extend((0..DESTINATIONS).map(|destination| Flow {
            node: self.node.as_str().into(),
            direction: Direction::Egress,
            protocol: Protocol::Tcp,
            local: Local::Host { ip: None },
            remote: address(destination),
            port: 443,
            remote_port: None,
            names: FlatSet::new(),
            activity: Activity { connections: connections(sequence, destination), ..Activity::once(window.from) },
        }));
        segment
    }
}
