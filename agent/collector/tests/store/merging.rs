//! Merging: all of a batch or nothing, by one process at a time.

use crate::accept::arrival;
use crate::databases::{Database, stories};
use netwright_collector::store::{
    CoverageRow, EndColumns, NewPending, ObjectRow, PodRow, StatementRow, StoreError, UnresolvedRow,
};
use std::collections::BTreeMap;

stories!(
    a_batch_is_whole,
    one_leads,
    taken_by_another,
    statements_are_replaced,
    flows_wait,
    stretches_are_joined,
    inventory_is_kept,
    many_rows,
);

fn digest(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

pub(crate) fn statement(number: u32, connections: u64) -> StatementRow {
    let workload = |name: &str| EndColumns {
        kind: "workload".into(),
        namespace: Some("shop".into()),
        workload_kind: Some("Deployment".into()),
        name: Some(name.into()),
    };
    StatementRow {
        digest: digest(number),
        about: "edge".into(),
        side: Some("client".into()),
        client: Some(workload("web")),
        server: Some(workload(&format!("server-{number}"))),
        protocol: Some("TCP".into()),
        port: Some(8080),
        service: None,
        first_seen: 86_400_000 * i64::from(number),
        last_seen: 86_400_000 * i64::from(number) + 5,
        connections,
        failed: 0,
        body: format!("{{\"connections\":{connections}}}"),
    }
}

async fn a_batch_is_whole(database: Database) {
    let store = database.open().await;
    store.accept(&[arrival("n1", "r1", 0), arrival("n1", "r1", 1)]).await.unwrap();
    let mut leader = store.lead().await.unwrap().unwrap();
    let ids: Vec<i64> = leader.inbox_after(0, 1000).await.unwrap().iter().map(|row| row.id).collect();
    let mut undone = leader.begin().await.unwrap();
    undone.upsert_statements(&[statement(1, 1)]).await.unwrap();
    undone.delete_inbox(&ids).await.unwrap();
    undone.count("collapsed", 3).await.unwrap();
    drop(undone);
    assert_eq!(leader.statements(&[digest(1)]).await.unwrap(), []);
    assert_eq!(leader.inbox_after(0, 1000).await.unwrap().len(), 2);

    let mut done = leader.begin().await.unwrap();
    done.upsert_statements(&[statement(1, 1)]).await.unwrap();
    done.delete_inbox(&ids).await.unwrap();
    done.count("collapsed", 4).await.unwrap();
    done.count("collapsed", 2).await.unwrap();
    done.count("collapsed", 0).await.unwrap();
    done.commit().await.unwrap();
    assert_eq!(leader.statements(&[digest(1)]).await.unwrap().len(), 1);
    assert_eq!(store.inbox_load().await.unwrap().segments, 0);
    let mut snapshot = store.snapshot().await.unwrap();
    assert_eq!((snapshot.counter("collapsed").await.unwrap(), snapshot.counter("none").await.unwrap()), (6, 0));
}

async fn one_leads(database: Database) {
    let (store, other) = (database.open().await, database.open().await);
    let leader = store.lead().await.unwrap().unwrap();
    assert!(other.lead().await.unwrap().is_none() && store.lead().await.unwrap().is_none());
    drop(leader);
    let mut tries = 0;
    let mut leader = loop {
        // A server needs a moment to see that a connection is gone.
        match other.lead().await.unwrap() {
            Some(leader) => break leader,
            None => tries += 1,
        }
        assert!(tries < 100);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    leader.check().await.unwrap();
}

async fn taken_by_another(database: Database) {
    let store = database.open().await;
    store.accept(&[arrival("n1", "r1", 0)]).await.unwrap();
    let mut leader = store.lead().await.unwrap().unwrap();
    let id = leader.inbox_after(0, 1000).await.unwrap()[0].id;
    let mut transaction = leader.begin().await.unwrap();
    let error = transaction.delete_inbox(&[id, id + 1]).await.unwrap_err();
    assert!(matches!(error, StoreError::TakenByAnother { expected: 2, found: 1 }), "{error}");
}

async fn statements_are_replaced(database: Database) {
    let store = database.open().await;
    let mut leader = store.lead().await.unwrap().unwrap();
    let mut transaction = leader.begin().await.unwrap();
    let empty = StatementRow { digest: vec![9; 16], about: "watched".into(), ..StatementRow::default() };
    let last = statement(1, 3);
    transaction.upsert_statements(&[statement(1, 1), statement(2, 2), last, empty]).await.unwrap();
    transaction.commit().await.unwrap();
    let bodies = leader.statements(&[digest(1), digest(2), b"none".to_vec()]).await.unwrap();
    let bodies: BTreeMap<Vec<u8>, String> = bodies.into_iter().collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[&digest(1)], "{\"connections\":3}", "the last of one call counts");
    let mut transaction = leader.begin().await.unwrap();
    transaction.upsert_statements(&[statement(1, 7)]).await.unwrap();
    let row = UnresolvedRow { digest: vec![1], node: "n1".into(), body: "{}".into(), ..UnresolvedRow::default() };
    transaction.upsert_unresolved(&[row.clone(), UnresolvedRow { connections: 5, ..row }]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(leader.statements(&[digest(1)]).await.unwrap()[0].1, "{\"connections\":7}");
    assert_eq!(leader.unresolved(&[vec![1], vec![2]]).await.unwrap().len(), 1);
    let mut snapshot = store.snapshot().await.unwrap();
    let totals = snapshot.totals().await.unwrap();
    assert_eq!((totals.edges, totals.unresolved), (2, 1));
    let mut bodies = 0;
    snapshot.each_statement(|_| bodies += 1).await.unwrap();
    assert_eq!(bodies, 3);
}

async fn flows_wait(database: Database) {
    let store = database.open().await;
    let mut leader = store.lead().await.unwrap().unwrap();
    let flow = |number: i64| NewPending {
        node: "n1".into(),
        since: number,
        next_try: 100 + number,
        reason: "address changed hands".into(),
        body: format!("{number}"),
    };
    let flows: Vec<NewPending> = (0..300).map(flow).collect();
    let mut transaction = leader.begin().await.unwrap();
    transaction.insert_pending(&flows).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(leader.due_pending(99, 10).await.unwrap().is_empty());
    let due = leader.due_pending(349, 1000).await.unwrap();
    assert_eq!((due.len(), &due[0].pending, &due[249].pending), (250, &flows[0], &flows[249]));
    let ids: Vec<i64> = due.iter().map(|row| row.id).collect();
    let mut transaction = leader.begin().await.unwrap();
    transaction.delete_pending(&ids[..200]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(leader.due_pending(349, 1000).await.unwrap().len(), 50);
    assert_eq!(leader.pending_count().await.unwrap(), 100);
    let (mut reasons, mut snapshot) = (0, store.snapshot().await.unwrap());
    snapshot.each_unresolved(|reason, _| reasons += usize::from(reason == "address changed hands")).await.unwrap();
    assert_eq!((reasons, snapshot.pending().await.unwrap()), (100, 100));
}

fn stretch(run: &str, since: i64, until: i64) -> CoverageRow {
    CoverageRow {
        node: "n1".into(),
        run: run.into(),
        since,
        until,
        ended: "continues".into(),
        lost: 0,
        losses: "{}".into(),
        notes: "[]".into(),
        segments: 1,
    }
}

async fn stretches_are_joined(database: Database) {
    let store = database.open().await;
    let mut leader = store.lead().await.unwrap().unwrap();
    let lossy = CoverageRow { lost: 5, losses: "{\"evicted\":5}".into(), ..stretch("r1", 40, 50) };
    let clean = CoverageRow { ended: "clean".into(), ..stretch("r1", 60, 70) };
    let batches = [
        vec![stretch("r1", 0, 10), stretch("r1", 10, 20), stretch("r2", 20, 30)],
        vec![stretch("r1", 30, 40), stretch("r1", 20, 30)],
        vec![lossy, stretch("r1", 50, 60)],
        vec![clean, stretch("r1", 70, 80)],
    ];
    for batch in batches {
        let mut transaction = leader.begin().await.unwrap();
        transaction.write_coverage(&batch).await.unwrap();
        transaction.commit().await.unwrap();
    }
    let rows = store.snapshot().await.unwrap().coverage().await.unwrap();
    let found: Vec<_> =
        rows.iter().map(|row| (row.run.as_str(), row.since, row.until, row.lost, row.segments)).collect();
    let expected =
        [("r1", 0, 40, 0, 4), ("r1", 40, 50, 5, 1), ("r1", 50, 70, 0, 2), ("r1", 70, 80, 0, 1), ("r2", 20, 30, 0, 1)];
    assert_eq!(found, expected);
    let mut snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.losses().await.unwrap(), ["{\"evicted\":5}"]);
}

async fn inventory_is_kept(database: Database) {
    let store = database.open().await;
    let mut leader = store.lead().await.unwrap().unwrap();
    let object = |name: &str, uid: &str| ObjectRow {
        kind: "service".into(),
        namespace: "shop".into(),
        name: name.into(),
        uid: uid.into(),
        seen_from: 1,
        gone_at: None,
        body: "{}".into(),
    };
    let pod = |uid: &str, seen_from: i64| PodRow {
        uid: uid.into(),
        namespace: "shop".into(),
        name: "cart".into(),
        node: None,
        seen_from,
        gone_at: None,
        body: "{}".into(),
    };
    let mut transaction = leader.begin().await.unwrap();
    transaction.write_objects(&[object("a", "1"), object("a", "2"), object("b", "3")]).await.unwrap();
    transaction.write_pods(&[pod("p1", 1), pod("p2", 1), pod("p3", 1)]).await.unwrap();
    transaction.commit().await.unwrap();
    let mut transaction = leader.begin().await.unwrap();
    let gone = ObjectRow { gone_at: Some(9), seen_from: 5, ..object("a", "1") };
    transaction.write_objects(&[gone]).await.unwrap();
    let placed = PodRow { node: Some("n1".into()), body: "{\"x\":1}".into(), ..pod("p1", 7) };
    transaction.write_pods(&[pod("p1", 7), placed.clone()]).await.unwrap();
    let forgotten = [("Pod", "", "p3"), ("Pod", "", "none"), ("service", "shop", "b")];
    let forgotten = forgotten.map(|(kind, namespace, name)| (kind.into(), namespace.into(), name.into()));
    transaction.forget_objects(&forgotten).await.unwrap();
    transaction.commit().await.unwrap();

    let mut snapshot = store.snapshot().await.unwrap();
    let (mut objects, mut pods) = (Vec::new(), Vec::new());
    snapshot.each_object(|_, _, name, gone, _| objects.push((name.to_owned(), gone))).await.unwrap();
    snapshot.each_pod(|uid, gone, body| pods.push((uid.to_owned(), gone, body.to_owned()))).await.unwrap();
    objects.sort();
    pods.sort();
    assert_eq!(objects, [("a".to_owned(), None), ("a".to_owned(), Some(9))]);
    let expected = [("p1", "{\"x\":1}"), ("p2", "{}")].map(|(uid, body)| (uid.to_owned(), None, body.to_owned()));
    assert_eq!(pods, expected);
}

async fn many_rows(database: Database) {
    let store = database.open().await;
    let mut leader = store.lead().await.unwrap().unwrap();
    let rows: Vec<StatementRow> = (0..5000).map(|number| statement(number, 1)).collect();
    for _ in 0..2 {
        let mut transaction = leader.begin().await.unwrap();
        transaction.upsert_statements(&rows).await.unwrap();
        transaction.commit().await.unwrap();
    }
    let mut snapshot = store.snapshot().await.unwrap();
    // What is written meanwhile is not seen.
    let mut transaction = leader.begin().await.unwrap();
    transaction.upsert_statements(&[statement(10_000, 1)]).await.unwrap();
    transaction.commit().await.unwrap();
    let mut found = 0;
    snapshot.each_statement(|_| found += 1).await.unwrap();
    assert_eq!(found, 5000);
    let mut all = 0;
    leader.each_statement(|_| all += 1).await.unwrap();
    assert_eq!(all, 5001);
    let digests: Vec<Vec<u8>> = (0..10_000).map(digest).collect();
    assert_eq!(leader.statements(&digests).await.unwrap().len(), 5000);
}
