use super::*;
use netwright_record::inventory::{Labels, WorkloadRef};
use netwright_record::{Activity, Coverage, Direction, Ended, FlatSet, Flow, Header, Local, Name, Protocol, Window};
use std::collections::BTreeSet;

const AMPLE: Limits = Limits { bytes: 1 << 30, age: Duration::from_secs(3600) };

fn open(folder: &Path) -> Spool {
    Spool::open(folder, AMPLE, Time::now()).unwrap()
}

/// A segment with a flow of so many connections, a loss, and a pod.
fn segment(connections: u64) -> Observation {
    let window = Window { from: Time::UNIX_EPOCH, until: Time::UNIX_EPOCH };
    let mut segment = Observation::new(Header::new("test", window));
    segment.flows.push(Flow {
        node: "n".into(),
        direction: Direction::Egress,
        protocol: Protocol::Tcp,
        local: Local::Host { ip: None },
        remote: "198.18.0.1".parse().unwrap(),
        port: 443,
        remote_port: None,
        names: FlatSet::new(),
        activity: Activity { connections, ..Activity::once(Time::UNIX_EPOCH) },
    });
    segment.coverage.push(Coverage {
        node: "n".into(),
        run: "r".into(),
        from: window.from,
        to: window.until,
        ended: Ended::Continues,
        losses: Losses { map_full: 1, ..Losses::default() },
        notes: Vec::new(),
    });
    segment.inventory.pods.push(pod(&format!("pod-{connections}")));
    segment
}

fn pod(uid: &str) -> Pod {
    Pod {
        namespace: "shop".into(),
        name: "cart".into(),
        uid: uid.into(),
        node: None,
        workload: WorkloadRef { namespace: "shop".into(), kind: "Pod".into(), name: "cart".into() },
        labels: Labels::new(),
        addresses: Vec::new(),
        host_network: false,
        ports: Vec::new(),
        service_account: None,
    }
}

fn sequences(segments: &[SegmentId]) -> Vec<u64> {
    segments.iter().map(|id| id.sequence).collect()
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn segments_wait_oldest_first_until_they_are_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    for connections in 0..5 {
        spool.write(&segment(connections)).unwrap();
    }
    let first = spool.take_oldest(2);
    assert_eq!(sequences(&first), [0, 1]);
    assert_eq!(sequences(&spool.take_oldest(2)), [2, 3], "what is on its way is not taken twice");
    let (read, _) = file::read(spool.read(&first[1]).unwrap().as_slice(), Path::new("segment")).unwrap();
    assert_eq!(read, segment(1));
    spool.acknowledge(&first[1]);
    spool.release(&first[0]);
    assert_eq!(sequences(&spool.take_oldest(9)), [0, 4]);
    assert_eq!(spool.len(), 4);
    assert_eq!(names(folder.path()).len(), 5, "four segments and the lock");
}

#[test]
fn a_restart_goes_on_with_what_is_there_in_a_new_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    let first = spool.write(&segment(1)).unwrap();
    drop(spool);
    let partial = folder.path().join(format!(".{}.7.partial", first.file_name()));
    fs::write(&partial, "half").unwrap();
    fs::write(folder.path().join("0000000000001-00000000-00000000.zst"), "no segment").unwrap();
    fs::write(folder.path().join("README"), "somebody's").unwrap();
    // The clock was set back since.
    let mut spool = Spool::open(folder.path(), AMPLE, Time::UNIX_EPOCH).unwrap();
    assert_eq!(spool.take_dropped().segments, 1, "what is none is told");
    let second = spool.write(&segment(2)).unwrap();
    assert!(second.run > first.run && second.sequence == 0);
    assert_eq!(spool.take_oldest(9), [first, second]);
    let names = names(folder.path());
    assert!(!partial.exists() && names.contains("README"), "{names:?}");
    assert_eq!(names.iter().filter(|name| name.ends_with(".zst.bad")).count(), 1);
}

#[test]
fn two_agents_cannot_use_one_spool() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let error = Spool::open(folder.path(), AMPLE, Time::now()).unwrap_err();
    assert!(error.to_string().contains("another agent uses the spool"), "{error}");
    drop(spool);
    open(folder.path());
}

#[test]
fn what_is_too_much_goes_oldest_first_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let one = {
        let mut spool = open(folder.path());
        spool.write(&segment(1)).unwrap();
        spool.bytes()
    };
    let mut spool = Spool::open(folder.path(), Limits { bytes: 3 * one + one / 2, ..AMPLE }, Time::now()).unwrap();
    let taken = spool.take_oldest(1);
    for connections in [10, 100, 1000] {
        spool.write(&segment(connections)).unwrap();
    }
    let dropped = spool.take_dropped();
    assert_eq!((dropped.segments, dropped.connections), (1, 10), "the first is on its way, and stays");
    assert_eq!((dropped.losses.spool_full, dropped.losses.map_full), (10, 1));
    assert_eq!(dropped.pods.iter().map(|pod| pod.uid.as_str()).collect::<Vec<_>>(), ["pod-10"]);
    spool.acknowledge(&taken[0]);
    for connections in [10_000, 100_000] {
        spool.write(&segment(connections)).unwrap();
    }
    assert_eq!(spool.take_dropped().connections, 100);
    assert_eq!(spool.take_dropped().segments, 0, "told once");
    assert_eq!(sequences(&spool.take_oldest(9)), [2, 3, 4]);
}

#[test]
fn what_may_have_been_sent_goes_but_for_what_it_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), Limits { bytes: 1, ..AMPLE }, Time::now()).unwrap();
    // On its way while it is too much: it stays until its answer, which is lost.
    spool.limits = AMPLE;
    let id = spool.write(&segment(7)).unwrap();
    assert_eq!(spool.take_oldest(1), std::slice::from_ref(&id));
    spool.release(&id);
    spool.limits = Limits { bytes: 1, ..AMPLE };
    spool.trim();
    let dropped = spool.take_dropped();
    assert_eq!(
        (dropped.segments, dropped.connections, dropped.losses),
        (1, 7, Losses::default()),
        "it tells its losses itself"
    );
    let stub = |path: &Path| {
        let (stub, _) = file::read_path(path).unwrap();
        let losses = stub.coverage[0].losses;
        assert_eq!((losses.spool_full, losses.map_full), (7, 1));
        assert!(stub.flows.is_empty() && stub.inventory.pods.len() == 1);
        assert_eq!(stub.coverage[0].from, stub.coverage[0].to, "not watched");
    };
    stub(&folder.path().join(id.file_name()));
    drop(spool);

    // Nor is it counted again by a run that finds it.
    let mut spool = Spool::open(folder.path(), Limits { bytes: 1, ..AMPLE }, Time::now()).unwrap();
    assert_eq!((spool.take_dropped().segments, spool.len()), (0, 1));
    stub(&folder.path().join(id.file_name()));
    assert_eq!(spool.take_oldest(9), std::slice::from_ref(&id));
    assert!(spool.acknowledge(&id), "told, not shipped");
    assert_eq!((spool.len(), spool.bytes()), (0, 0));
}

#[test]
fn what_was_dropped_and_not_told_is_told_by_the_next_run_once() {
    let folder = tempfile::tempdir().unwrap();
    let one_only = || Spool::open(folder.path(), Limits { bytes: 1, ..AMPLE }, Time::now()).unwrap();
    let mut spool = one_only();
    spool.write(&segment(7)).unwrap();
    drop(spool);
    let mut spool = one_only();
    assert_eq!(spool.take_dropped().connections, 7, "killed before anybody asked");
    drop(spool);
    let mut spool = one_only();
    let dropped = spool.take_dropped();
    assert_eq!(
        (dropped.segments, dropped.connections, dropped.losses.map_full),
        (1, 7, 1),
        "killed before it was told"
    );
    drop(spool);
    let mut spool = open(folder.path());
    spool.take_dropped();
    spool.write(&segment(8)).unwrap();
    drop(spool);
    assert_eq!(open(folder.path()).take_dropped().segments, 0, "it was told");
}

#[test]
fn a_kill_between_counting_and_dropping_or_between_writing_and_noting_counts_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    let (dropped, telling) = (spool.write(&segment(7)).unwrap(), spool.write(&segment(8)).unwrap());
    drop(spool);
    let account = |open: u64, taken: u64| {
        let amount =
            |connections: u64| Amount { segments: 1, losses: Losses { spool_full: connections, ..Losses::default() } };
        let text = serde_json::json!({
            "open": amount(open), "taken": amount(taken), "taken_in": telling.file_name(), "dropping": [dropped.file_name()],
        });
        fs::write(folder.path().join("untold.json"), text.to_string()).unwrap();
    };
    account(7, 100);
    let mut spool = open(folder.path());
    assert_eq!(spool.take_dropped().connections, 7, "what is told in a segment that is there is told");
    assert_eq!(sequences(&spool.take_oldest(9)), [1], "what is counted as dropped does not arrive");
}

#[test]
fn what_is_too_old_goes_even_if_nothing_else_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    for connections in 0..6 {
        spool.write(&segment(connections)).unwrap();
    }
    drop(spool);
    let age = Duration::from_millis(50);
    std::thread::sleep(age);
    let mut spool = Spool::open(folder.path(), Limits { age, ..AMPLE }, Time::now()).unwrap();
    // Of the first few nobody knows whether they were sent.
    assert_eq!((spool.len(), spool.take_dropped().connections), (SENT_AT_ONCE, 15));
}

#[test]
fn a_file_of_another_age_of_the_clock_is_not_old() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    let id = spool.write(&segment(5)).unwrap();
    drop(spool);
    let file = File::options().append(true).open(folder.path().join(id.file_name())).unwrap();
    for at in [std::time::SystemTime::UNIX_EPOCH, std::time::SystemTime::now() + 2 * AMPLE.age] {
        file.set_modified(at).unwrap();
        assert_eq!(open(folder.path()).len(), 1);
    }
}

#[test]
fn what_was_refused_is_set_aside_within_bounds_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    for connections in 0..20 {
        let id = spool.write(&segment(connections)).unwrap();
        spool.set_aside(&id);
    }
    assert_eq!((spool.len(), spool.bytes()), (0, 0));
    let dropped = spool.take_dropped();
    assert_eq!((dropped.segments, dropped.connections), (20, 190));
    assert_eq!(names(folder.path()).iter().filter(|name| name.ends_with(".bad")).count(), 16);
}

#[test]
fn a_write_that_fails_leaves_nothing_and_uses_no_number() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    spool.write(&segment(1)).unwrap();
    // A record that no reader would take fails in the middle of the file.
    let mut broken = segment(2);
    broken.coverage[0].notes.push("x".repeat(file::LONGEST_LINE));
    assert!(spool.write(&broken).is_err());
    assert_eq!(names(folder.path()).len(), 2);
    assert_eq!(spool.write(&segment(3)).unwrap().sequence, 1);
}

#[test]
fn a_file_that_somebody_removed_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    let id = spool.write(&segment(1)).unwrap();
    fs::remove_file(folder.path().join(id.file_name())).unwrap();
    assert!(spool.read(&id).is_err());
    spool.set_aside(&id);
    spool.acknowledge(&SegmentId { run: Name::from("never").to_string(), sequence: 0 });
    assert_eq!((spool.len(), spool.take_dropped().segments), (0, 1));
}
