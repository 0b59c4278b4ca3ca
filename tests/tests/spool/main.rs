//! A spool whose agent is killed again and again, at any point, while a slow receiver takes what it gets: whatever was written is
//! with the receiver or still on disk, and nothing has two names.
//!
//! The agent here is this program itself: it writes segments and ships them as fast as it can, and says what it has written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails panics")]

#[path = "../common/segments.rs"]
mod segments;

use libtest_mimic::{Arguments, Trial};
use netwright_agent::metrics::Metrics;
use netwright_agent::ship::{Shipper, Target};
use netwright_agent::spool::{Disk, Limits, Spool};
use netwright_record::Time;
use netwright_service::CancellationToken;
use netwright_tests::receiver::{Receiver, Reply};
use segments::{mark, segment};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// The variable that makes this program the agent.
const WORKER: &str = "NETWRIGHT_SPOOL_WORKER";
/// How often it is killed. `NETWRIGHT_KILLS` is another number.
const KILLS: u64 = 60;

fn main() -> ExitCode {
    if let Some(folder) = std::env::var_os(WORKER) {
        let mut arguments = std::env::args().skip(1);
        let (url, first) = (arguments.next().unwrap(), arguments.next().unwrap());
        work(Path::new(&folder), &url, first.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    let trials = vec![Trial::test("what_was_written_arrives_or_waits_however_often_its_writer_is_killed", || {
        kill_again_and_again();
        Ok(())
    })];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Writes segments, marks counting up from `first`, and ships them; notes each mark once it is written.
fn work(folder: &Path, url: &str, first: u64) {
    let limits = Limits { bytes: 1 << 30, age: Duration::from_secs(3600) };
    let spool = Spool::open(&folder.join("spool"), limits, Time::now()).unwrap();
    let mut written = File::options().create(true).append(true).open(folder.join("written")).unwrap();
    let disk = Disk::new(spool);
    let target = Target {
        collector: url.parse().unwrap(),
        ca: folder.join("receiver/ca.crt"),
        token: folder.join("receiver/token"),
        node: "node".into(),
    };
    let (outcome, _received) = mpsc::unbounded_channel();
    let mut shipper = Shipper::new(target, disk.clone(), 10_000.0, Metrics::register().0, outcome);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let notify = Arc::new(Notify::new());
        let stop = CancellationToken::new();
        let writing = async {
            // Not for ever: whoever kills it may have failed.
            for mark in first..first + 60_000 {
                disk.with(move |spool| spool.write(&segment(mark)).unwrap()).await.unwrap();
                writeln!(written, "{mark}").unwrap();
                notify.notify_one();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::join!(writing, shipper.run(&notify, &stop));
    });
}

fn kill_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&folder.path().join("receiver")).unwrap();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut answer = random;
    receiver.answer(move |_| match answer(10) {
        0 => Reply::Cut,
        1 => Reply::TakeSilently,
        2 => Reply::Refuse(503, ""),
        _ => Reply::TakeAfter(Duration::from_millis(answer(8))),
    });
    let kills = std::env::var("NETWRIGHT_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    for round in 0..kills {
        // No mark is used twice, whatever of the round before was written and not noted.
        let mut worker = Command::new(std::env::current_exe().unwrap())
            .env(WORKER, folder.path())
            .args([&receiver.url, &(round * 1_000_000 + 1).to_string()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(30 + random(200)));
        assert!(worker.try_wait().unwrap().is_none(), "the worker ended by itself");
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    check(folder.path(), &receiver);
}

fn check(folder: &Path, receiver: &Receiver) {
    assert!(receiver.conflicts().is_empty(), "{:?}", receiver.conflicts());
    let mut names: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    let taken = receiver.taken();
    for (path, body) in &taken {
        names.entry(mark(body)).or_default().insert(path.trim_start_matches("/v1/segments/node/").replace('/', "-"));
    }
    let limits = Limits { bytes: 1 << 30, age: Duration::from_secs(3600) };
    let mut spool = Spool::open(&folder.join("spool"), limits, Time::now()).unwrap();
    assert_eq!(spool.take_dropped().segments, 0, "no segment is damaged");
    let waiting = spool.take_oldest(usize::MAX);
    for id in &waiting {
        names.entry(mark(&spool.read(id).unwrap())).or_default().insert(id.to_string());
    }
    let written = fs::read_to_string(folder.join("written")).unwrap();
    let written: Vec<u64> = written.lines().map(|line| line.parse().unwrap()).collect();
    assert!(written.len() > 100 && taken.len() > 50, "{} written, {} taken", written.len(), taken.len());
    for mark in &written {
        assert!(names.contains_key(mark), "segment {mark} was written and is nowhere");
    }
    for (mark, names) in &names {
        assert_eq!(names.len(), 1, "segment {mark} has several names: {names:?}");
    }
    let left = fs::read_dir(folder.join("spool")).unwrap();
    let partial = left.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".partial"));
    assert_eq!(partial.count(), 0);
}
