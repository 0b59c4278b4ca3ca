//! The agent's shipping against a receiver that gives every answer there is: oldest first, nothing lost, nothing removed before it was
//! acknowledged.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails panics")]

#[path = "common/segments.rs"]
mod segments;

use netwright_agent::metrics::Metrics;
use netwright_agent::ship::{Shipped, Shipper, Target};
use netwright_agent::spool::{Disk, Limits, SegmentId, Spool};
use netwright_record::Time;
use netwright_service::CancellationToken;
use netwright_tests::receiver::{Receiver, Reply, Upload};
use segments::{mark, segment};
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};

const PATIENCE: Duration = Duration::from_secs(30);

/// A spool with some segments, a receiver, and what ships from one to the other.
struct Stage {
    folder: TempDir,
    receiver: Receiver,
    disk: Disk,
    metrics: Arc<Metrics>,
    ids: Vec<SegmentId>,
}

impl Stage {
    fn with(segments: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { bytes: 1 << 30, age: Duration::from_secs(3600) };
        let mut spool = Spool::open(&folder.path().join("spool"), limits, Time::now()).unwrap();
        let ids = (1..=segments).map(|mark| spool.write(&segment(mark)).unwrap()).collect();
        let receiver = Receiver::start(&folder.path().join("receiver")).unwrap();
        Self { folder, receiver, disk: Disk::new(spool), metrics: Metrics::register().0, ids }
    }

    /// Ships until `done`, looked at often, says so; returns what became of segments.
    fn ship(&self, rate: f64, mut done: impl FnMut(&Receiver) -> bool) -> Vec<Shipped> {
        let target = Target {
            collector: self.receiver.url.parse().unwrap(),
            ca: self.receiver.ca(),
            token: self.receiver.token(),
            node: "node-1".into(),
        };
        let (sender, mut outcome) = mpsc::unbounded_channel();
        let mut shipper = Shipper::new(target, self.disk.clone(), rate, self.metrics.clone(), sender);
        let (notify, stop) = (Notify::new(), CancellationToken::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let watching = async {
                let deadline = Instant::now() + PATIENCE;
                while !done(&self.receiver) {
                    assert!(Instant::now() < deadline, "in vain: {:?}", self.receiver.seen().len());
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                // What was answered just now is still to be taken note of.
                tokio::time::sleep(Duration::from_millis(100)).await;
                stop.cancel();
            };
            tokio::join!(shipper.run(&notify, &stop), watching);
        });
        let mut shipped = Vec::new();
        while let Ok(one) = outcome.try_recv() {
            shipped.push(one);
        }
        shipped
    }

    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("spool")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !["lock", "untold.json"].contains(&name.as_str())).collect();
        names.sort();
        names
    }

    fn taken(&self) -> Vec<u64> {
        let mut marks: Vec<u64> = self.receiver.taken().values().map(|body| mark(body)).collect();
        marks.sort_unstable();
        marks
    }
}

fn all_taken(count: usize) -> impl FnMut(&Receiver) -> bool {
    move |receiver| receiver.taken().len() == count
}

#[test]
fn segments_arrive_as_they_are_oldest_first_and_go_when_they_are_acknowledged() {
    let stage = Stage::with(10);
    let shipped = stage.ship(1000.0, all_taken(10));
    assert_eq!(stage.taken(), (1..=10).collect::<Vec<_>>());
    assert!(stage.left().is_empty());
    assert_eq!(shipped.len(), 10);
    let seen = stage.receiver.seen();
    // A few are under way at once: only these may pass one another.
    for (place, upload) in seen.iter().enumerate() {
        assert_eq!(upload.sequence().unwrap() / 4, place as u64 / 4);
        assert_eq!((upload.token.as_str(), upload.content_type.as_str()), ("token-1", "application/zstd"));
    }
    assert!(seen.iter().any(|upload| upload.path == format!("/v1/segments/node-1/{}/0", stage.ids[0].run)));
}

#[test]
fn an_answer_that_says_later_is_waited_for() {
    let stage = Stage::with(1);
    let mut times = Vec::new();
    let (sender, received) = std::sync::mpsc::channel();
    stage.receiver.answer(move |_| {
        times.push(Instant::now());
        match times.len() {
            1 => Reply::Refuse(503, "Retry-After: 2\r\n"),
            _ => {
                let _ = sender.send(times[1] - times[0]);
                Reply::Take
            }
        }
    });
    stage.ship(1000.0, all_taken(1));
    assert!(received.recv().unwrap() >= Duration::from_secs(2));
    assert_eq!(stage.metrics.retries.get(), 1);
    assert!(stage.left().is_empty());
}

#[test]
fn nothing_is_given_up_for_want_of_rights_or_of_a_collector() {
    let stage = Stage::with(3);
    let mut replies = vec![
        Reply::Cut,
        Reply::Refuse(401, ""),
        Reply::Refuse(403, ""),
        Reply::Refuse(404, ""),
        Reply::Refuse(500, ""),
        Reply::Refuse(200, ""),
        Reply::TakeSilently,
        Reply::Refuse(429, "Retry-After: 0\r\n"),
    ]
    .into_iter();
    stage.receiver.answer(move |_| replies.next().unwrap_or(Reply::Take));
    let folder = stage.folder.path().join("spool");
    stage.ship(1000.0, |_| fs::read_dir(&folder).unwrap().count() == 1);
    assert_eq!(stage.taken(), [1, 2, 3]);
    assert!(stage.receiver.conflicts().is_empty(), "the same bytes each time");
    assert!(stage.receiver.seen().len() >= 9);
}

#[test]
fn what_will_never_be_taken_is_set_aside_and_the_rest_goes_on() {
    let stage = Stage::with(5);
    stage.receiver.answer(|upload: &Upload| match upload.sequence() {
        Some(1) => Reply::Refuse(400, ""),
        Some(3) => Reply::Refuse(413, ""),
        _ => Reply::Take,
    });
    let shipped = stage.ship(1000.0, all_taken(3));
    assert_eq!(stage.taken(), [1, 3, 5]);
    let left = stage.left();
    assert!(left.len() == 2 && left.iter().all(|name| name.ends_with(".zst.bad")), "{left:?}");
    let refused: Vec<_> = shipped.iter().filter(|one| matches!(one, Shipped::Refused(_))).collect();
    assert_eq!((refused.len(), stage.metrics.refused.get()), (2, 2));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let dropped = runtime.block_on(stage.disk.with(Spool::take_dropped)).unwrap();
    assert_eq!((dropped.segments, dropped.connections, dropped.losses.spool_full), (2, 6, 6));
}

#[test]
fn certificates_are_checked_and_read_again_when_they_change() {
    let stage = Stage::with(2);
    let trusted = fs::read_to_string(stage.receiver.ca()).unwrap();
    // Of another name, but by an authority that is trusted.
    fs::write(stage.receiver.ca(), stage.receiver.renew("elsewhere").unwrap()).unwrap();
    let failures = stage.metrics.clone();
    stage.ship(1000.0, |_| failures.retries.get() >= 2);
    // Of this name, by an authority that is not.
    let right = stage.receiver.renew("localhost").unwrap();
    fs::write(stage.receiver.ca(), trusted).unwrap();
    let known = failures.retries.get();
    stage.ship(1000.0, |_| failures.retries.get() >= known + 2);
    // The file is not there yet, or empty, as before the collector's first start.
    fs::remove_file(stage.receiver.ca()).unwrap();
    let known = failures.retries.get();
    stage.ship(1000.0, |_| failures.retries.get() > known);
    assert!(stage.receiver.seen().is_empty(), "no token was sent to a stranger");
    fs::write(stage.receiver.ca(), "").unwrap();
    let mut rounds = 0;
    let ca = stage.receiver.ca();
    stage.ship(1000.0, |receiver| {
        rounds += 1;
        if rounds == 20 {
            fs::write(&ca, &right).unwrap();
        }
        receiver.taken().len() == 2
    });
    assert!(stage.left().is_empty());
}

#[test]
fn the_token_is_read_again_for_each_round() {
    let stage = Stage::with(1);
    let token = stage.receiver.token();
    stage.receiver.answer(move |upload: &Upload| {
        if upload.token == "token-2" {
            return Reply::Take;
        }
        fs::write(&token, "token-2").unwrap();
        Reply::Refuse(401, "")
    });
    stage.ship(1000.0, all_taken(1));
    assert_eq!(
        stage.receiver.seen().iter().map(|upload| upload.token.as_str()).collect::<Vec<_>>(),
        ["token-1", "token-2"]
    );
}

#[test]
fn catching_up_has_a_bounded_rate() {
    let stage = Stage::with(20);
    let begun = Instant::now();
    stage.ship(10.0, all_taken(20));
    assert!(begun.elapsed() >= Duration::from_millis(1500), "{:?}", begun.elapsed());
}

#[test]
fn what_is_left_is_shipped_at_the_end_until_the_time_is_up() {
    let stage = Stage::with(3);
    let target = Target {
        collector: stage.receiver.url.parse().unwrap(),
        ca: stage.receiver.ca(),
        token: stage.receiver.token(),
        node: "node-1".into(),
    };
    stage.receiver.answer(|upload: &Upload| match upload.sequence() {
        Some(2) => Reply::Refuse(503, ""),
        _ => Reply::Take,
    });
    let (sender, _outcome) = mpsc::unbounded_channel();
    let mut shipper = Shipper::new(target, stage.disk.clone(), 1000.0, stage.metrics.clone(), sender);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    runtime.block_on(async { shipper.flush(tokio::time::Instant::now() + Duration::from_secs(2)).await });
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert_eq!((stage.taken(), stage.left().len()), (vec![1, 2], 1));
}
