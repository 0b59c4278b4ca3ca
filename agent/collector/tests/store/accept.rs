//! Segments: each once, whatever is sent again.

use crate::databases::{Database, stories};
use netwright_collector::store::Acceptance::{Known, Stored};
use netwright_collector::store::{Arrival, Store};

stories!(
    each_once,
    gaps_are_told,
    replicas_at_once,
    whoever_looks_for_new_rows_sees_all,
    agents_are_known,
    order_is_kept,
    the_inbox_has_a_load,
    many_gaps_take_little_space
);

/// Segment `sequence` of a run.
pub(crate) fn arrival(node: &str, run: &str, sequence: u64) -> Arrival {
    Arrival {
        node: node.into(),
        run: run.into(),
        sequence,
        written_by: "netwright-agent 0.1.0".into(),
        received: 1_000_000 + i64::try_from(sequence).unwrap(),
        until: 900_000 + i64::try_from(sequence).unwrap(),
        flows: 10,
        bytes: format!("{node} {run} {sequence}").into_bytes(),
    }
}

async fn waiting(store: &Store) -> Vec<(String, u64)> {
    let mut leader = store.lead().await.unwrap().unwrap();
    let rows = leader.inbox_after(0, 1000).await.unwrap();
    for row in &rows {
        assert_eq!(row.bytes, format!("{} {} {}", row.node, row.run, row.sequence).into_bytes());
    }
    rows.into_iter().map(|row| (row.node, row.sequence)).collect()
}

async fn missing(store: &Store) -> Vec<(String, u64)> {
    let gaps = store.snapshot().await.unwrap().gaps().await.unwrap();
    gaps.into_iter().map(|gap| (gap.node, gap.missing)).collect()
}

async fn each_once(database: Database) {
    let store = database.open().await;
    let two = [arrival("n1", "r1", 0), arrival("n1", "r1", 1)];
    assert_eq!(store.accept(&two).await.unwrap(), [Stored, Stored]);
    assert_eq!(store.accept(&two).await.unwrap(), [Known, Known]);
    let mixed = [arrival("n1", "r1", 2), arrival("n1", "r1", 1), arrival("n1", "r1", 2), arrival("n2", "r1", 0)];
    assert_eq!(store.accept(&mixed).await.unwrap(), [Stored, Known, Known, Stored]);
    assert_eq!(waiting(&store).await.len(), 4);
    store.close().await;
    let again = database.open().await;
    assert_eq!(again.accept(&mixed).await.unwrap(), [Known; 4], "also by the next process");
    assert_eq!(again.accept(&[]).await.unwrap(), []);
}

async fn gaps_are_told(database: Database) {
    let store = database.open().await;
    let runs = |sequences: &[u64]| sequences.iter().map(|n| arrival("n1", "r1", *n)).collect::<Vec<_>>();
    store.accept(&runs(&[3, 4, 9])).await.unwrap();
    store.accept(&[arrival("n2", "r1", 0)]).await.unwrap();
    assert_eq!(missing(&store).await, [("n1".to_owned(), 7)]);
    store.accept(&runs(&[0, 1, 2, 5, 6, 7])).await.unwrap();
    assert_eq!(missing(&store).await, [("n1".to_owned(), 1)]);
    store.accept(&runs(&[8])).await.unwrap();
    assert_eq!(missing(&store).await, []);
}

async fn replicas_at_once(database: Database) {
    let stores = [database.open().await, database.open().await];
    let mut tasks = Vec::new();
    for (index, store) in stores.iter().cycle().take(8).cloned().enumerate() {
        tasks.push(tokio::spawn(async move {
            let mut stored = 0;
            for part in 0..5 {
                // All send the same, in different order.
                let mut group: Vec<Arrival> =
                    (0..20).map(|n| arrival(["n1", "n2", "n3"][n % 3], "r1", part * 20 + n as u64)).collect();
                group.rotate_left(index);
                let accepted = store.accept(&group).await.unwrap();
                stored += accepted.iter().filter(|acceptance| **acceptance == Stored).count();
            }
            stored
        }));
    }
    let mut stored = 0;
    for task in tasks {
        stored += task.await.unwrap();
    }
    assert_eq!((stored, waiting(&stores[0]).await.len()), (100, 100));
}

async fn whoever_looks_for_new_rows_sees_all(database: Database) {
    let (store, other) = (database.open().await, database.open().await);
    let mut leader = store.lead().await.unwrap().unwrap();
    let mut tasks = Vec::new();
    for (index, store) in [&store, &other].into_iter().cycle().take(6).cloned().enumerate() {
        tasks.push(tokio::spawn(async move {
            for group in 0..40 {
                // Some take longer than others.
                let many = if index % 2 == 0 { 1 } else { 40 };
                let run = format!("r{index}");
                let group: Vec<_> = (0..many).map(|n| arrival("n1", &run, group * many + n)).collect();
                store.accept(&group).await.unwrap();
            }
        }));
    }
    let (mut seen, mut count) = (0, 0);
    loop {
        let are_done = tasks.iter().all(tokio::task::JoinHandle::is_finished);
        let rows = leader.inbox_after(seen, 10_000).await.unwrap();
        count += rows.len();
        seen = rows.last().map_or(seen, |row| row.id);
        if are_done {
            break;
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(count, 3 * 40 * 41, "none with a number below that of one that was there before it");
}

async fn agents_are_known(database: Database) {
    let store = database.open().await;
    store.accept(&[arrival("n1", "r2", 7), arrival("n1", "r2", 8)]).await.unwrap();
    store.accept(&[Arrival { received: 5_000_000, ..arrival("n1", "r1", 100) }]).await.unwrap();
    let agents = store.snapshot().await.unwrap().agents().await.unwrap();
    let [agent] = agents.as_slice() else { panic!("{agents:?}") };
    assert_eq!((agent.run.as_str(), agent.received), ("r2", 5_000_000), "an old run changes little");
    assert_eq!((agent.segments, agent.flows), (3, 30));
    assert_eq!(agent.reported_until, 900_100);
}

async fn order_is_kept(database: Database) {
    let store = database.open().await;
    for sequence in 0..30 {
        store.accept(&[arrival("n1", "r1", sequence)]).await.unwrap();
    }
    let mut leader = store.lead().await.unwrap().unwrap();
    let first = leader.inbox_after(0, 2).await.unwrap();
    assert_eq!(first.iter().map(|row| row.sequence).collect::<Vec<_>>(), [0, 1]);
    let next = leader.inbox_after(first[1].id, 1).await.unwrap();
    assert_eq!(next.iter().map(|row| row.sequence).collect::<Vec<_>>(), [2]);
    let chosen = leader.inbox(&[next[0].id, first[0].id, i64::MAX]).await.unwrap();
    assert_eq!(
        chosen.iter().map(|row| row.sequence).collect::<Vec<_>>(),
        [0, 2],
        "in order, without what is not there"
    );
}

async fn the_inbox_has_a_load(database: Database) {
    let store = database.open().await;
    assert_eq!(store.inbox_load().await.unwrap(), Default::default());
    store.accept(&[arrival("n1", "r1", 5), arrival("n1", "r1", 4)]).await.unwrap();
    let load = store.inbox_load().await.unwrap();
    assert_eq!((load.segments, load.bytes, load.flows, load.oldest), (2, 14, 20, Some(1_000_004)));
}

async fn many_gaps_take_little_space(database: Database) {
    let store = database.open().await;
    let every_other: Vec<Arrival> = (0..2500).map(|n| arrival("n1", "r1", n * 2)).collect();
    for group in every_other.chunks(250) {
        assert_eq!(store.accept(group).await.unwrap(), [Stored; 250]);
    }
    let gaps = missing(&store).await;
    assert!(gaps[0].1 >= 999, "{gaps:?}: those that are left; the others were given up");
    assert_eq!(store.accept(&[arrival("n1", "r1", 4999), arrival("n1", "r1", 1)]).await.unwrap(), [Stored, Known]);
}
