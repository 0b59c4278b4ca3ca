use super::*;
use netwright_record::inventory::{Labels, WorkloadRef};

fn at(milliseconds: i64) -> Time {
    Time::from_millisecond(milliseconds).unwrap()
}

fn listed(uid: &str, addresses: &[&str]) -> Listed {
    let workload = WorkloadRef { namespace: "shop".into(), kind: "Job".into(), name: "report".into() };
    let pod = Pod {
        namespace: "shop".into(),
        name: format!("report-{uid}").into(),
        uid: uid.into(),
        node: Some("n".into()),
        workload,
        labels: Labels::new(),
        addresses: Vec::new(),
        host_network: false,
        ports: Vec::new(),
        service_account: None,
    };
    Listed { pod, addresses: addresses.iter().map(|ip| ip.parse().unwrap()).collect(), started: Some(at(1)) }
}

/// Each address with its time, as text.
fn held(pods: &[Pod]) -> Vec<String> {
    let time = |time: Option<Time>| time.map_or("-".to_owned(), |time| time.as_millisecond().to_string());
    let one = |pod: &Pod| {
        let addresses =
            pod.addresses.iter().map(|held| format!("{} {}..{}", held.ip, time(held.from), time(held.until)));
        format!("{}: {}", pod.uid, addresses.collect::<Vec<_>>().join(", "))
    };
    pods.iter().map(one).collect()
}

#[test]
fn two_pods_have_one_address_one_after_the_other() {
    let mut pods = Pods::default();
    pods.apply(listed("a", &[]), at(0));
    pods.made(&"a".into(), "sandbox".into(), Some(at(100)));
    pods.made(&"a".into(), "app".into(), Some(at(200)));
    pods.apply(listed("a", &["10.244.0.7"]), at(300));
    pods.removed("a", "app", at(400));
    pods.removed("a", "sandbox", at(410));
    pods.pod_removed("a", at(900));
    pods.apply(listed("b", &[]), at(405));
    pods.made(&"b".into(), "sandbox".into(), Some(at(412)));
    pods.apply(listed("b", &["10.244.0.7"]), at(800));
    let mut told = held(&pods.take(false, at(1000)));
    told.sort();
    assert_eq!(told, ["a: 10.244.0.7 100..410", "b: 10.244.0.7 412..-"]);
    assert!(pods.take(false, at(1000)).is_empty(), "nothing has changed since");
    assert_eq!(pods.take(true, at(1000)).len(), 2);
}

#[test]
fn a_pod_is_told_once_more_when_it_is_gone_and_forgotten_once_that_has_arrived() {
    let mut pods = Pods::default();
    pods.apply(listed("a", &["10.244.0.7"]), at(0));
    pods.made(&"a".into(), "c".into(), Some(at(100)));
    let told = pods.take(false, at(1000));
    pods.written(&told, 0);
    pods.delete("a");
    pods.removed("a", "c", at(200));
    assert!(pods.acknowledged(0).is_empty(), "its end was not told yet");
    let told = pods.take(false, at(1000));
    assert_eq!(held(&told), ["a: 10.244.0.7 100..200"]);
    pods.written(&told, 1);
    assert!(pods.acknowledged(0).is_empty());
    assert_eq!(pods.acknowledged(1), [Name::from("a")]);
    assert!(pods.take(true, at(1000)).is_empty());
}

#[test]
fn what_was_in_a_segment_that_was_dropped_is_told_again() {
    let mut pods = Pods::default();
    pods.apply(listed("a", &["10.244.0.7"]), at(0));
    pods.made(&"a".into(), "c".into(), Some(at(100)));
    let of_a = pods.take(false, at(1000));
    let of_former_run = listed("z", &[]).pod;
    pods.again(of_a.into_iter().chain([of_former_run.clone()]).collect());
    pods.again(vec![of_former_run]);
    let mut uids: Vec<Name> = pods.take(false, at(1000)).into_iter().map(|pod| pod.uid).collect();
    uids.sort();
    assert_eq!(uids, ["a", "z"]);
    assert!(pods.take(false, at(1000)).is_empty());
}

#[test]
fn the_object_may_come_after_the_pod_has_gone() {
    let mut pods = Pods::default();
    pods.made(&"a".into(), "c".into(), Some(at(100)));
    pods.learned("a", "10.244.0.7".parse().unwrap());
    pods.learned("a", "127.0.0.1".parse().unwrap());
    pods.removed("a", "c", at(150));
    assert!(pods.take(false, at(1000)).is_empty(), "nobody knows who it was");
    pods.apply(listed("a", &[]), at(300));
    pods.delete("a");
    assert_eq!(held(&pods.take(false, at(1000))), ["a: 10.244.0.7 100..150"]);
}

#[test]
fn addresses_that_sockets_show_count_until_some_are_listed() {
    let mut pods = Pods::default();
    pods.apply(listed("a", &[]), at(0));
    pods.made(&"a".into(), "c".into(), Some(at(100)));
    pods.learned("a", "10.244.0.7".parse().unwrap());
    assert_eq!(held(&pods.take(false, at(1000))), ["a: 10.244.0.7 100..-"]);
    pods.apply(listed("a", &["10.244.0.7", "fd00:244::7"]), at(200));
    assert_eq!(held(&pods.take(false, at(1000))), ["a: 10.244.0.7 100..-, fd00:244::7 100..-"]);
}

#[test]
fn a_sandbox_that_is_made_anew_has_addresses_of_its_own() {
    let mut pods = Pods::default();
    pods.apply(listed("a", &["10.244.0.7"]), at(0));
    pods.made(&"a".into(), "one".into(), Some(at(100)));
    pods.removed("a", "one", at(200));
    pods.made(&"a".into(), "two".into(), Some(at(300)));
    // The API server still lists the old address.
    pods.apply(listed("a", &["10.244.0.7"]), at(310));
    assert_eq!(held(&pods.take(false, at(1000))), ["a: 10.244.0.7 100..200"]);
    pods.apply(listed("a", &["10.244.0.9"]), at(400));
    assert_eq!(held(&pods.take(false, at(1000))), ["a: 10.244.0.7 100..200, 10.244.0.9 300..-"]);
}

#[test]
fn a_sandbox_that_is_made_anew_may_keep_its_address() {
    let mut pods = Pods::default();
    pods.apply(listed("a", &["10.244.0.7"]), at(0));
    pods.made(&"a".into(), "one".into(), Some(at(100)));
    pods.removed("a", "one", at(200));
    pods.made(&"a".into(), "two".into(), Some(at(300)));
    assert_eq!(held(&pods.take(false, at(1000))), ["a: 10.244.0.7 100..200"]);
    assert_eq!(held(&pods.take(false, at(6000))), ["a: 10.244.0.7 100..200, 10.244.0.7 300..-"]);
}

#[test]
fn what_was_there_before_has_been_there_since_the_pods_start() {
    let mut pods = Pods::default();
    pods.look(&[("a".into(), HashSet::from(["c".to_owned()]))].into(), |_| None, at(500));
    pods.apply(listed("a", &["10.244.0.7"]), at(510));
    assert_eq!(held(&pods.take(false, at(1000))), ["a: 10.244.0.7 1..-"]);
    // A second look takes what went in between to have lasted as long as it may.
    pods.look(&[("b".into(), HashSet::from(["c".to_owned()]))].into(), |_| Some(at(500)), at(900));
    pods.apply(listed("b", &["10.244.0.8"]), at(910));
    let mut told = held(&pods.take(false, at(1000)));
    told.sort();
    assert_eq!(told, ["a: 10.244.0.7 1..900", "b: 10.244.0.8 500..-"]);
}

#[test]
fn a_pod_that_was_over_before_anyone_looked_is_not_told() {
    let mut pods = Pods::default();
    pods.apply(listed("a", &["10.244.0.7"]), at(0));
    assert!(pods.take(true, at(1000)).is_empty());
    let mut of_host = listed("b", &["172.30.0.10"]);
    of_host.pod.host_network = true;
    pods.apply(of_host, at(0));
    assert_eq!(held(&pods.take(true, at(1000))), ["b: "]);
}

#[test]
fn pods_that_are_not_listed_any_more_are_gone() {
    let mut pods = Pods::default();
    for uid in ["a", "b"] {
        pods.apply(listed(uid, &[]), at(0));
    }
    pods.relist(&HashSet::from(["b".into()]));
    assert_eq!(pods.count(), (1, 0));
    pods.made(&"c".into(), "x".into(), Some(at(1)));
    assert_eq!(pods.count(), (1, 1));
}

#[test]
fn memory_is_bounded_however_many_pods_go_while_the_collector_is_away() {
    let mut pods = Pods::default();
    for number in 0..3 * MOST_GONE {
        let uid: Name = format!("{number}").into();
        pods.apply(listed(&uid, &[]), at(0));
        pods.made(&uid, "c".into(), Some(at(1)));
        pods.removed(&uid, "c", at(2));
        let told = pods.take(false, at(1000));
        pods.written(&told, number as u64);
        pods.delete(&uid);
        pods.made(&format!("unnamed-{number}").into(), "c".into(), Some(at(1)));
        pods.removed(&format!("unnamed-{number}"), "c", at(2));
    }
    assert!(pods.known.len() <= MOST_GONE + MOST_UNNAMED + 2, "{}", pods.known.len());
}
