//! Rounds against a real store: what agents sent becomes edges, once.

use super::round::Merger;
use super::{Options, Settling};
use crate::observation::observation;
use crate::store::{Acceptance, Arrival, Store};
use crate::watch::Shared;
use jiff::SignedDuration;
use netwright_record::inventory::Pod;
use netwright_record::{
    Activity, Coverage, Direction, Ended, Endpoint, Flow, Header, Local, Losses, Observation, Protocol, Time, Window,
    file,
};
use serde_json::json;

fn at(second: i64) -> Time {
    Time::from_second(1_800_000_000 + second).unwrap()
}

fn pod(name: &str, node: &str, ip: &str, (from, until): (i64, Option<i64>)) -> Pod {
    serde_json::from_value(json!({
        "namespace": "shop", "name": name, "uid": format!("uid-{name}"), "node": node,
        "workload": {"namespace": "shop", "workload_kind": "StatefulSet", "name": name},
        "addresses": [{"ip": ip, "from": at(from), "until": until.map(at)}],
    }))
    .unwrap()
}

fn flow(node: &str, direction: Direction, (name, ip): (&str, &str), remote: &str, port: u16, second: i64) -> Flow {
    Flow {
        node: node.into(),
        direction,
        protocol: Protocol::Tcp,
        local: Local::Pod { uid: format!("uid-{name}").into(), ip: Some(ip.parse().unwrap()) },
        remote: remote.parse().unwrap(),
        port,
        remote_port: None,
        names: [].into(),
        activity: Activity::once(at(second)),
    }
}

fn segment(node: &str, sequence: u64, (from, until): (i64, i64), pods: Vec<Pod>, flows: Vec<Flow>) -> Arrival {
    let mut segment = Observation::new(Header::new("test", Window { from: at(from), until: at(until) }));
    segment.coverage.push(Coverage {
        node: node.into(),
        run: "r1".into(),
        from: at(from),
        to: at(until),
        ended: Ended::Continues,
        losses: Losses::default(),
        notes: Vec::new(),
    });
    segment.inventory.pods = pods;
    segment.flows = flows;
    let mut bytes = Vec::new();
    file::write(&segment, &mut bytes).unwrap();
    Arrival {
        node: node.into(),
        run: "r1".into(),
        sequence,
        written_by: "test".into(),
        received: at(until).as_millisecond(),
        until: at(until).as_millisecond(),
        flows: segment.flows.len() as u64,
        bytes,
    }
}

struct World {
    store: Store,
    inventory: Shared,
    options: Options,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", folder.path().join("store.db").display())).await.unwrap();
        store.migrate().await.unwrap();
        Self { store, inventory: Shared::default(), options, _folder: folder }
    }

    /// Merges everything that is in the inbox, as one who has just begun.
    async fn merge(&self, second: i64) {
        let mut leader = self.store.lead().await.unwrap().unwrap();
        let mut merger = Merger::new(self.options, self.inventory.clone(), &mut leader, at(-10_000)).await.unwrap();
        while !merger.round(&mut leader, at(second)).await.unwrap().is_idle() {}
    }

    async fn export(&self, second: i64) -> Observation {
        let mut snapshot = self.store.snapshot().await.unwrap();
        observation(&mut snapshot, Some("test".into()), at(second)).await.unwrap()
    }

    async fn edges(&self, second: i64) -> Vec<String> {
        let observation = self.export(second).await;
        let edges = observation.edges.iter();
        edges
            .map(|edge| format!("{} -> {}:{} x{}", edge.client, edge.server, edge.port, edge.activity.connections))
            .collect()
    }
}

fn both_ends() -> [Arrival; 2] {
    let client = flow("n1", Direction::Egress, ("a", "10.244.1.1"), "10.244.2.2", 80, 5);
    let server = flow("n2", Direction::Ingress, ("b", "10.244.2.2"), "10.244.1.1", 80, 5);
    [
        segment("n1", 0, (0, 10), vec![pod("a", "n1", "10.244.1.1", (0, None))], vec![client]),
        segment("n2", 0, (0, 10), vec![pod("b", "n2", "10.244.2.2", (0, None))], vec![server]),
    ]
}

#[tokio::test]
async fn both_ends_become_one_edge_however_often_they_are_sent() {
    let world = World::new(Options::default()).await;
    let arrivals = both_ends();
    assert_eq!(world.store.accept(&arrivals).await.unwrap(), [Acceptance::Stored; 2]);
    assert_eq!(world.store.accept(&arrivals).await.unwrap(), [Acceptance::Known; 2]);
    world.merge(200).await;
    assert_eq!(world.edges(200).await, ["shop/StatefulSet/a -> shop/StatefulSet/b:80 x1"]);
    assert_eq!(world.store.accept(&arrivals).await.unwrap(), [Acceptance::Known; 2], "also once it is merged");
    world.merge(400).await;
    assert_eq!(world.edges(400).await, ["shop/StatefulSet/a -> shop/StatefulSet/b:80 x1"]);
    let observation = world.export(400).await;
    assert_eq!((observation.coverage.len(), observation.inventory.pods.len()), (2, 2));
    assert_eq!((observation.header.window.from, observation.header.window.until), (at(0), at(10)));
}

#[tokio::test]
async fn what_is_told_later_is_added() {
    let world = World::new(Options::default()).await;
    world.store.accept(&both_ends()).await.unwrap();
    world.merge(200).await;
    let again = flow("n1", Direction::Egress, ("a", "10.244.1.1"), "10.244.2.2", 80, 3700);
    world.store.accept(&[segment("n1", 1, (10, 3710), vec![], vec![again])]).await.unwrap();
    world.merge(4000).await;
    let observation = world.export(4000).await;
    let [edge] = observation.edges.as_slice() else { panic!("{:?}", observation.edges) };
    assert_eq!((edge.activity.connections, edge.activity.hours.iter().count()), (2, 2));
    let stretches: Vec<_> = observation.coverage.iter().map(|stretch| (stretch.from, stretch.to)).collect();
    assert_eq!(stretches, [(at(0), at(3710)), (at(0), at(10))], "what follows without a loss is one");
}

#[tokio::test]
async fn a_flow_waits_for_the_pod_at_its_other_end() {
    let world = World::new(Options::default()).await;
    let [client, server] = both_ends();
    // A node that is watched, so that the address is known to be a pod's.
    let node =
        serde_json::from_value(json!({"metadata": {"name": "n2"}, "spec": {"podCIDRs": ["10.244.2.0/24"]}})).unwrap();
    world.inventory.lock().apply(&netwright_resolve::live::Object::Node(&node), at(0)).unwrap();
    world.store.accept(&[client]).await.unwrap();
    world.merge(200).await;
    let observation = world.export(200).await;
    assert_eq!((observation.edges.len(), observation.unresolved.len()), (0, 1));
    assert!(observation.unresolved.iter().all(|flow| flow.reason.contains("pod address not in the inventory")));
    world.store.accept(&[server]).await.unwrap();
    world.merge(400).await;
    assert_eq!(world.edges(400).await, ["shop/StatefulSet/a -> shop/StatefulSet/b:80 x1"]);
    assert_eq!(world.export(400).await.unresolved, []);
}

#[tokio::test]
async fn an_address_that_was_used_again_is_told_by_the_other_end_even_if_that_comes_later() {
    let world = World::new(Options::default()).await;
    let ip = "10.244.2.2";
    let client = flow("n1", Direction::Egress, ("a", "10.244.1.1"), ip, 80, 4);
    let mut client = Flow { activity: Activity { connections: 2, ..client.activity.clone() }, ..client };
    client.activity.last = at(8);
    let heard = |name: &str, second| flow("n2", Direction::Ingress, (name, ip), "10.244.1.1", 80, second);
    let pods = vec![pod("b", "n2", ip, (0, Some(6))), pod("c", "n2", ip, (7, None))];
    world
        .store
        .accept(&[segment("n1", 0, (0, 10), vec![pod("a", "n1", "10.244.1.1", (0, None))], vec![client])])
        .await
        .unwrap();
    world.store.accept(&[segment("n2", 0, (0, 5), pods, vec![heard("b", 4)])]).await.unwrap();
    let mut leader = world.store.lead().await.unwrap().unwrap();
    let mut merger = Merger::new(world.options, world.inventory.clone(), &mut leader, at(-10_000)).await.unwrap();
    while !merger.round(&mut leader, at(200)).await.unwrap().is_idle() {}
    assert_eq!(world.export(200).await.unresolved.len(), 1, "one of the two was heard by nobody yet");
    world.store.accept(&[segment("n2", 1, (5, 10), vec![], vec![heard("c", 8)])]).await.unwrap();
    while !merger.round(&mut leader, at(400)).await.unwrap().is_idle() {}
    assert_eq!(
        world.edges(400).await,
        ["shop/StatefulSet/a -> shop/StatefulSet/b:80 x1", "shop/StatefulSet/a -> shop/StatefulSet/c:80 x1"]
    );
    assert_eq!(world.export(400).await.unresolved, []);
}

#[tokio::test]
async fn a_client_of_the_whole_world_is_kept_small() {
    let world = World::new(Options { most_destinations: 10, ..Options::default() }).await;
    let to = |number: u8| flow("n1", Direction::Egress, ("a", "10.244.1.1"), &format!("198.18.0.{number}"), 443, 5);
    let flows = (0..100).map(to).collect();
    let pods = vec![pod("a", "n1", "10.244.1.1", (0, None))];
    world.store.accept(&[segment("n1", 0, (0, 10), pods, flows)]).await.unwrap();
    world.merge(200).await;
    let observation = world.export(200).await;
    assert_eq!(observation.edges.len(), 11);
    let rest = observation.edges.iter().find(|edge| edge.server == Endpoint::Internet).unwrap();
    assert_eq!((rest.activity.connections, rest.server_addresses.len()), (90, 90));
    // The same again changes no number of edges.
    world.store.accept(&[segment("n1", 1, (10, 20), vec![], (0..100).map(to).collect())]).await.unwrap();
    world.merge(400).await;
    let observation = world.export(400).await;
    let total: u64 = observation.edges.iter().map(|edge| edge.activity.connections).sum();
    assert_eq!((observation.edges.len(), total), (11, 200));
    let mut snapshot = world.store.snapshot().await.unwrap();
    assert_eq!(snapshot.counter("collapsed_destinations").await.unwrap(), 180);
}

#[tokio::test]
async fn an_inventory_outlives_its_collector() {
    let world = World::new(Options::default()).await;
    world.store.accept(&both_ends()).await.unwrap();
    world.merge(200).await;
    let mut snapshot = world.store.snapshot().await.unwrap();
    let live = crate::observation::live(&mut snapshot).await.unwrap();
    assert_eq!(live.pods(), 2);
}

#[tokio::test]
async fn a_segment_that_cannot_be_read_is_counted_and_does_not_stop_the_others() {
    let world = World::new(Options {
        settling: Settling { margin: SignedDuration::ZERO, ..Settling::default() },
        ..Options::default()
    })
    .await;
    let [mut broken, good] = both_ends();
    broken.bytes.truncate(20);
    world.store.accept(&[broken, good]).await.unwrap();
    world.merge(200).await;
    assert_eq!(world.export(200).await.coverage.len(), 1);
    let mut snapshot = world.store.snapshot().await.unwrap();
    assert_eq!(snapshot.counter("unreadable_segments").await.unwrap(), 1);
    assert_eq!(snapshot.totals().await.unwrap().inbox, 0);
}
