//! Merging over random observations, and the cases that decide what is counted.

use super::*;
use netwright_record::inventory::{HeldAddress, Namespace, Pod, Workload, WorkloadRef};
use netwright_record::{Activity, Coverage, Ended, Endpoint, Labels, Losses, Protocol, Time};
use proptest::prelude::*;

const DAY: i64 = 86_400;

fn at(second: i64) -> Time {
    Time::from_second(second).unwrap()
}

fn workload(name: &str) -> WorkloadRef {
    WorkloadRef { namespace: "shop".into(), kind: "Deployment".into(), name: name.into() }
}

fn edge(client: &str, port: u16, connections: u64, failed: u64, day: i64) -> Edge {
    let activity = Activity {
        first: at(day * DAY),
        last: at(day * DAY + 60),
        connections,
        failed: failed.min(connections),
        bytes: None,
        hours: [day * 24].into_iter().collect(),
    };
    Edge {
        client: Endpoint::Workload(workload(client)),
        server: Endpoint::Internet,
        protocol: Protocol::Tcp,
        port,
        services: FlatSet::new(),
        client_addresses: FlatSet::new(),
        server_addresses: [IpAddr::from([198, 18, 0, u8::try_from(day).unwrap()])].into(),
        addresses_dropped: 0,
        activity,
        nodes: ["n1".into()].into(),
    }
}

fn stretch(run: &str, from: i64, to: i64) -> Coverage {
    Coverage {
        node: "n1".into(),
        run: run.into(),
        from: at(from * DAY),
        to: at(to * DAY),
        ended: Ended::Continues,
        losses: Losses::default(),
        notes: Vec::new(),
    }
}

/// Days `from` to `until` of cluster `eu`.
fn days(from: i64, until: i64) -> Observation {
    let window = Window { from: at(from * DAY), until: at(until * DAY) };
    let mut observation = Observation::new(Header { cluster: Some("eu".into()), ..Header::new("test", window) });
    observation.coverage = vec![stretch("r", from, until)];
    observation
}

fn with(mut observation: Observation, edges: Vec<Edge>) -> Observation {
    observation.edges = edges;
    observation
}

fn described(selector: Labels, labels: Labels) -> Workload {
    Workload {
        workload: workload("web"),
        selector,
        labels,
        ports: Vec::new(),
        host_network: false,
        replicas: None,
        service_account: None,
        created: None,
    }
}

fn sources(observations: Vec<Observation>) -> Vec<Source> {
    let name = |(index, observation)| Source { name: format!("file {index}"), observation };
    observations.into_iter().enumerate().map(name).collect()
}

fn try_merged(observations: Vec<Observation>, across_clusters: bool) -> Result<Merged, MergeError> {
    merge(sources(observations), &Options { cluster: None, across_clusters }, "test")
}

fn merged(observations: Vec<Observation>) -> Merged {
    try_merged(observations, false).unwrap()
}

fn counts(merged: &Merged) -> Vec<(u64, u64)> {
    merged.observation.edges.iter().map(|it| (it.activity.connections, it.activity.failed)).collect()
}

#[test]
fn windows_after_one_another_are_added_up() {
    let merged = merged(vec![
        with(days(0, 7), vec![edge("web", 443, 10, 2, 1)]),
        with(days(7, 14), vec![edge("web", 443, 5, 0, 8)]),
    ]);
    assert_eq!(counts(&merged), [(15, 2)]);
    assert_eq!(merged.overlapping, [] as [Vec<String>; 0]);
    let edge = &merged.observation.edges[0];
    assert_eq!(edge.activity.hours.iter().collect::<Vec<_>>(), [24, 192]);
    assert_eq!((edge.server_addresses.len(), merged.observation.header.window.until), (2, at(14 * DAY)));
}

#[test]
fn what_overlapping_windows_both_saw_counts_once() {
    let merged = merged(vec![
        with(days(0, 10), vec![edge("web", 443, 10, 10, 1)]),
        with(days(3, 14), vec![edge("web", 443, 6, 1, 8)]),
    ]);
    assert_eq!(counts(&merged), [(10, 5)], "five got through in the later window, whatever failed in the earlier");
    assert_eq!(merged.overlapping, [vec!["file 0".to_owned(), "file 1".to_owned()]]);
    assert_eq!(merged.observation.coverage, [stretch("r", 0, 14)], "one run, seen twice");
}

#[test]
fn a_run_that_seemed_cut_off_went_on() {
    let mut cut = days(0, 7);
    cut.coverage[0].ended = Ended::CutOff;
    let mut later = days(7, 14);
    later.coverage[0].ended = Ended::Clean;
    let ended: Vec<Ended> = merged(vec![later, cut]).observation.coverage.iter().map(|it| it.ended).collect();
    assert_eq!(ended, [Ended::Continues, Ended::Clean]);
}

#[test]
fn the_latest_file_describes_a_workload_by_labels_it_always_had() {
    let (mut early, mut late) = (days(0, 7), days(7, 14));
    early.inventory.workloads =
        vec![described([("app", "web")].into(), [("app", "web"), ("tier", "front"), ("rev", "1")].into())];
    let now = described([("app", "web")].into(), [("app", "web"), ("tier", "front"), ("rev", "2")].into());
    late.inventory.workloads = vec![Workload { replicas: Some(3), ..now }];
    let merged = merged(vec![late, early]).observation;
    let web = &merged.inventory.workloads[0];
    assert_eq!((web.replicas, &web.labels), (Some(3), &[("app", "web"), ("tier", "front")].into()));
}

#[test]
fn a_pods_address_has_the_ends_that_either_file_knows() {
    let held = |from: Option<i64>, until: Option<i64>| HeldAddress {
        ip: [10, 244, 0, 9].into(),
        from: from.map(at),
        until: until.map(at),
    };
    let pod = |held: Vec<HeldAddress>| Pod {
        namespace: "shop".into(),
        name: "web-1".into(),
        uid: "u".into(),
        node: None,
        workload: workload("web"),
        labels: Labels::default(),
        addresses: held,
        host_network: false,
        ports: Vec::new(),
        service_account: None,
    };
    let (mut early, mut late) = (days(0, 7), days(7, 14));
    early.inventory.pods = vec![pod(vec![held(Some(100), None)])];
    late.inventory.pods = vec![pod(vec![held(None, Some(900_000)), held(Some(950_000), Some(960_000))])];
    let merged = merged(vec![early, late]).observation;
    let expected = [held(Some(100), Some(900_000)), held(Some(950_000), Some(960_000))];
    assert_eq!(merged.inventory.pods[0].addresses, expected);
}

#[test]
fn clusters_are_one_only_when_asked_and_only_where_they_agree() {
    let mut other = days(0, 7);
    other.header.cluster = Some("us".into());
    let (one, other) =
        (with(days(0, 7), vec![edge("web", 443, 10, 0, 1)]), with(other, vec![edge("web", 443, 4, 0, 2)]));
    assert!(matches!(try_merged(vec![one.clone(), other.clone()], false), Err(MergeError::Clusters(_))));
    let both = try_merged(vec![one.clone(), other.clone()], true).unwrap();
    assert_eq!((counts(&both), both.observation.header.cluster.as_deref()), (vec![(14, 0)], Some("eu+us")));
    let selected = |mut observation: Observation, app: &str| {
        observation.inventory.workloads = vec![described([("app", app)].into(), [("app", app)].into())];
        observation
    };
    let differ = try_merged(vec![selected(one, "web"), selected(other, "site")], true);
    assert!(differ.unwrap_err().to_string().contains("shop/Deployment/web is not the same"), "a selector that differs");
}

#[test]
fn labels_of_a_namespace_are_those_it_has_in_all_clusters() {
    let named = |cluster: &str, labels: Labels| {
        let mut observation = days(0, 7);
        observation.header.cluster = Some(cluster.into());
        observation.inventory.namespaces = vec![Namespace { name: "shop".into(), labels }];
        observation
    };
    let both = vec![
        named("eu", [("team", "a"), ("region", "eu")].into()),
        named("us", [("team", "a"), ("region", "us")].into()),
    ];
    let merged = try_merged(both, true).unwrap().observation;
    assert_eq!(merged.inventory.namespaces[0].labels, [("team", "a")].into());
}

#[test]
fn a_file_without_a_clusters_name_is_asked_about() {
    let unnamed = || {
        let mut observation = days(7, 14);
        observation.header.cluster = None;
        observation
    };
    assert!(matches!(try_merged(vec![days(0, 7), unnamed()], false), Err(MergeError::Unnamed { .. })));
    let options = Options { cluster: Some("eu".into()), across_clusters: false };
    assert!(merge(sources(vec![days(0, 7), unnamed()]), &options, "test").is_ok());
    assert!(matches!(try_merged(Vec::new(), false), Err(MergeError::Nothing)));
}

/// One cluster over random windows, with random edges, stretches, pods and workloads.
fn observation() -> impl Strategy<Value = Observation> {
    let client = prop_oneof![Just("web"), Just("api")];
    let edges = prop::collection::btree_map((client, 1..4u16), (0..9u64, 0..9u64, 0..20i64), 0..5);
    let labels = prop::collection::btree_map("[ab]", "[xy]", 0..3);
    (0..12i64, 1..8i64, edges, labels, any::<bool>()).prop_map(|(from, length, edges, labels, clean)| {
        let mut observation = days(from, from + length);
        observation.coverage[0].ended = if clean { Ended::Clean } else { Ended::CutOff };
        let edge = |((client, port), (connections, failed, day))| edge(client, port, connections, failed, day);
        observation.edges = edges.into_iter().map(edge).collect();
        let selector: Labels = [("app", "web")].into();
        let mut all: Labels = labels.into_iter().collect();
        all.extend(selector.clone());
        observation.inventory.workloads = vec![described(selector, all)];
        observation.sort();
        observation
    })
}

proptest! {
    #[test]
    fn the_order_of_files_changes_nothing(files in prop::collection::vec(observation(), 1..5), turn in 0..5usize) {
        let mut turned = files.clone();
        turned.rotate_left(turn % files.len());
        turned.reverse();
        prop_assert_eq!(merged(files).observation.digest(), merged(turned).observation.digest());
    }

    #[test]
    fn a_file_with_itself_is_that_file(file in observation(), times in 1..4usize) {
        let merged = merged(vec![file.clone(); times]);
        prop_assert_eq!(merged.same.len(), times - 1);
        prop_assert_eq!(merged.observation, file);
    }

    #[test]
    fn what_was_merged_already_adds_nothing(files in prop::collection::vec(observation(), 1..4)) {
        let once = merged(files.clone()).observation;
        let again = merged(files.into_iter().chain([once.clone()]).collect()).observation;
        prop_assert_eq!(again.edges.len(), once.edges.len());
        for (one, other) in once.edges.iter().zip(&again.edges) {
            prop_assert_eq!(&one.activity, &other.activity);
        }
        prop_assert_eq!(again.coverage, once.coverage);
    }

    #[test]
    fn no_edge_and_no_hour_is_lost_and_no_count_is_above_the_sum(files in prop::collection::vec(observation(), 1..5)) {
        let whole = merged(files.clone()).observation;
        for edge in &whole.edges {
            let parts: Vec<&Edge> = files.iter().flat_map(|it| &it.edges).filter(|it| it.key() == edge.key()).collect();
            let counted = |it: &&Edge| it.activity.connections;
            let (largest, sum) = (parts.iter().map(counted).max().unwrap_or(0), parts.iter().map(counted).sum::<u64>());
            prop_assert!((largest..=sum).contains(&edge.activity.connections));
            prop_assert_eq!(edge.activity.established(), parts.iter().any(|it| it.activity.established()));
            prop_assert!(parts.iter().all(|it| it.activity.hours.iter().all(|hour| edge.activity.hours.iter().any(|own| own == hour))));
        }
        let keys = files.iter().flat_map(|it| &it.edges).map(Seen::key).collect::<std::collections::BTreeSet<_>>();
        prop_assert_eq!(keys.len(), whole.edges.len());
    }
}
