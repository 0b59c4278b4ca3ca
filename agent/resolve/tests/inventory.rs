//! Reading an inventory from what `kubectl get` prints.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use netwright_record::inventory::{Inventory, Labels, Pod, Workload};
use netwright_record::{Protocol, Time};
use netwright_resolve::inventory::{InventoryError, InventoryWarning, read_kubectl};
use proptest::prelude::*;

const SHOP: &str = include_str!("fixtures/shop.yaml");
const OWNERS: &str = include_str!("fixtures/owners.yaml");

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

fn now() -> Time {
    at("2026-11-15T00:00:00Z")
}

fn read(text: &str) -> (Inventory, Vec<InventoryWarning>) {
    read_kubectl(text, "inv.yaml", now()).unwrap()
}

fn refused(text: &str) -> String {
    read_kubectl(text, "inv.yaml", now()).unwrap_err().to_string()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn workload<'a>(inventory: &'a Inventory, name: &str) -> &'a Workload {
    let found = inventory.workloads.iter().find(|workload| workload.workload.to_string() == name);
    found.unwrap_or_else(|| panic!("no {name} among {:?}", inventory.workloads))
}

fn pod<'a>(inventory: &'a Inventory, uid: &str) -> &'a Pod {
    inventory.pods.iter().find(|pod| pod.uid == uid).unwrap()
}

#[test]
fn a_deployment_is_selected_by_its_match_labels() {
    let (inventory, _) = read(SHOP);
    let cart = workload(&inventory, "shop/Deployment/cart");
    assert_eq!(cart.selector, labels(&[("app", "cart")]));
    assert_eq!(cart.replicas, Some(2));
    assert_eq!(cart.service_account.as_deref(), Some("cart"));
    assert_eq!(cart.created, Some(at("2026-10-01T08:00:00Z")));
}

#[test]
fn stable_labels_are_those_of_the_template_that_all_pods_have() {
    let (inventory, _) = read(SHOP);
    // `track` is missing on one pod, the version changes with each release.
    assert_eq!(workload(&inventory, "shop/Deployment/cart").labels, labels(&[("app", "cart"), ("tier", "web")]));
}

#[test]
fn declared_ports_include_those_of_sidecars_among_the_init_containers() {
    let (inventory, _) = read(SHOP);
    let ports: Vec<_> = workload(&inventory, "shop/Deployment/cart").ports.iter().map(|port| port.port).collect();
    assert_eq!(ports, [8080, 15090]);
}

#[test]
fn what_does_not_run_is_still_a_workload() {
    let (inventory, _) = read(SHOP);
    assert_eq!(workload(&inventory, "shop/Deployment/idle").replicas, Some(0));
    assert_eq!(workload(&inventory, "shop/CronJob/report").selector, labels(&[("app", "report")]));
    assert_eq!(inventory.cron_jobs[0].schedule, "0 3 * * 1");
    assert_eq!(inventory.cron_jobs[0].time_zone.as_deref(), Some("Europe/Zurich"));
    assert_eq!(inventory.cron_jobs[0].last_scheduled, Some(at("2026-11-02T02:00:00Z")));
}

#[test]
fn what_runs_pods_for_another_is_no_workload() {
    let (inventory, _) = read(SHOP);
    let names: Vec<_> = inventory.workloads.iter().map(|workload| workload.workload.to_string()).collect();
    let expected = ["shop/CronJob/report", "shop/DaemonSet/exporter", "shop/Deployment/cart", "shop/Deployment/idle"];
    assert_eq!(names, expected);
}

#[test]
fn a_pod_holds_its_addresses_of_both_families_from_its_start() {
    let (inventory, _) = read(SHOP);
    let held = &pod(&inventory, "cart-1").addresses;
    let ips: Vec<_> = held.iter().map(|held| held.ip.to_string()).collect();
    assert_eq!(ips, ["10.244.1.10", "fd00:244:0:1::10"]);
    assert!(held.iter().all(|held| held.from == Some(at("2026-11-01T10:00:00Z")) && held.until.is_none()));
}

#[test]
fn a_pod_without_start_time_counts_from_its_creation_and_deletion_does_not_end_it() {
    let (inventory, _) = read(SHOP);
    let held = &pod(&inventory, "cart-2").addresses[0];
    assert_eq!((held.from, held.until), (Some(at("2026-11-02T01:00:00Z")), None));
}

#[test]
fn a_finished_pod_held_its_address_until_its_last_container_ended() {
    let (inventory, _) = read(OWNERS);
    // 03:04:05 was rounded down.
    assert_eq!(pod(&inventory, "job-gone").addresses[0].until, Some(at("2026-11-01T03:04:06Z")));
}

#[test]
fn a_finished_pod_of_which_the_end_is_not_known_held_its_address_until_now() {
    let (inventory, _) = read(OWNERS);
    assert_eq!(pod(&inventory, "job-of-cron-job").addresses[0].until, Some(now()));
}

#[test]
fn a_host_network_pod_has_no_address_of_its_own() {
    let (inventory, _) = read(SHOP);
    let exporter = pod(&inventory, "exporter-1");
    assert!(exporter.host_network && exporter.addresses.is_empty());
    assert!(workload(&inventory, "shop/DaemonSet/exporter").host_network);
}

#[test]
fn a_node_has_the_addresses_of_its_bridge_and_tunnels_too() {
    let (inventory, _) = read(SHOP);
    let addresses: Vec<_> = inventory.nodes[0].addresses.iter().map(ToString::to_string).collect();
    let expected = ["10.244.1.0", "10.244.1.1", "10.244.1.128", "192.0.2.11", "fd00:244:0:1::", "fd00:244:0:1::1"];
    assert_eq!(addresses, expected);
    assert_eq!(inventory.nodes[0].pod_cidrs, ["10.244.1.0/24", "fd00:244:0:1::/64"]);
}

#[test]
fn an_address_that_a_pod_holds_is_not_the_nodes() {
    let (inventory, _) = read(&SHOP.replace("10.244.1.10", "10.244.1.1"));
    assert!(!inventory.nodes[0].addresses.contains(&"10.244.1.1".parse().unwrap()));
}

#[test]
fn a_service_has_all_its_addresses_ports_and_backends_ready_or_not() {
    let (inventory, _) = read(SHOP);
    let cart = &inventory.services[0];
    assert_eq!(cart.service_type, "LoadBalancer");
    assert_eq!(cart.cluster_ips.len(), 2);
    let external: Vec<_> = cart.external_ips.iter().map(ToString::to_string).collect();
    assert_eq!(external, ["198.18.0.7", "198.18.0.8"]);
    assert_eq!((cart.ports[0].port, cart.ports[0].node_port), (80, Some(30080)));
    let backends: Vec<_> = cart.backends.iter().map(|backend| backend.pod_uid.as_deref()).collect();
    assert_eq!(backends, [Some("cart-1"), Some("cart-2")]);
    assert_eq!((cart.backends[0].ports[0].port, cart.backends[0].ports[0].name.as_deref()), (8080, Some("web")));
}

#[test]
fn a_headless_service_has_no_cluster_ip_and_tcp_by_default() {
    let (inventory, _) = read(SHOP);
    assert!(inventory.services[1].cluster_ips.is_empty());
    assert_eq!(inventory.services[1].ports[0].protocol, Protocol::Tcp);
}

#[test]
fn an_existing_policy_is_kept_without_bookkeeping() {
    let (inventory, _) = read(SHOP);
    let manifest = &inventory.policies[0].manifest;
    assert_eq!(manifest["spec"]["podSelector"]["matchLabels"]["app"], "cart");
    assert!(manifest.get("status").is_none() && manifest["metadata"].get("managedFields").is_none());
}

#[test]
fn namespaces_keep_their_labels() {
    let (inventory, _) = read(SHOP);
    assert_eq!(inventory.namespaces[0].labels, labels(&[("kubernetes.io/metadata.name", "shop"), ("team", "retail")]));
}

#[test]
fn nothing_of_a_secret_or_an_environment_is_kept_and_unknown_kinds_are_counted() {
    let (inventory, warnings) = read(SHOP);
    let everything = format!("{inventory:?}{warnings:?}");
    assert!(!everything.contains("hunter2") && !everything.contains("aHVudGVyMg") && !everything.contains("not-for"));
    assert!(warnings.contains(&InventoryWarning::Confidential { kind: "Secret".into(), count: 1 }), "{warnings:?}");
    let api_version = "serving.knative.dev/v1".into();
    assert!(warnings.contains(&InventoryWarning::UnknownKind { api_version, kind: "Service".into(), count: 1 }));
}

#[test]
fn the_owner_of_a_pod_is_followed_to_the_top() {
    let (inventory, _) = read(OWNERS);
    for (uid, expected) in [
        ("known-to-a-rollout", "o/Rollout/web"),
        ("replica-set-gone", "o/Deployment/gone"),
        ("job-gone", "o/CronJob/nightly"),
        ("job-gone-no-cron-job", "o/Job/other-29300000"),
        ("job-of-cron-job", "o/CronJob/hourly"),
        ("stateful", "o/StatefulSet/db"),
        ("of-the-cgroup", "kube-system/Pod/kube-apiserver-n1"),
        ("bare", "default/Pod/debug"),
        ("not-controlled", "o/Pod/follower"),
    ] {
        assert_eq!(pod(&inventory, uid).workload.to_string(), expected);
    }
}

#[test]
fn without_match_labels_the_selector_is_what_all_pods_share_and_keep() {
    let (inventory, _) = read(OWNERS);
    let selector = |name| workload(&inventory, name).selector.clone();
    assert_eq!(selector("o/Rollout/web"), labels(&[("app", "web"), ("shared", "yes")]));
    assert_eq!(selector("o/CronJob/nightly"), labels(&[("app", "nightly")]));
    assert_eq!(selector("o/CronJob/hourly"), labels(&[("app", "hourly")]));
    assert_eq!(selector("o/StatefulSet/db"), labels(&[("app", "db")]));
    assert_eq!(selector("o/Job/other-29300000"), labels(&[]));
    assert_eq!(selector("default/Pod/debug"), labels(&[]));
}

#[test]
fn a_job_with_a_name_of_its_own_is_selected_by_it() {
    let (inventory, _) = read(OWNERS);
    assert_eq!(workload(&inventory, "o/Job/migrate").selector, labels(&[("batch.kubernetes.io/job-name", "migrate")]));
    let (inventory, _) = read(&OWNERS.replace("{name: migrate,", "{name: migrate, generateName: migra,"));
    assert_eq!(workload(&inventory, "o/Job/migrate").selector, labels(&[]));
}

#[test]
fn json_and_yaml_read_alike() {
    let value: serde_json::Value = serde_yaml::from_str(SHOP).unwrap();
    assert_eq!(read(SHOP), read(&value.to_string()));
    assert_eq!(read(SHOP), read(&serde_json::to_string_pretty(&value).unwrap()));
}

#[test]
fn the_order_of_the_items_changes_nothing() {
    let mut value: serde_json::Value = serde_yaml::from_str(SHOP).unwrap();
    value["items"].as_array_mut().unwrap().reverse();
    assert_eq!(read(SHOP).0, read(&value.to_string()).0);
}

#[test]
fn an_object_listed_twice_counts_once() {
    let twice = format!("{SHOP}---\n{SHOP}");
    assert_eq!(read(SHOP).0, read(&twice).0);
}

#[test]
fn an_inventory_without_pods_says_what_to_run() {
    let error = refused("apiVersion: v1\nkind: List\nitems: []\n");
    assert!(error.contains("inv.yaml holds no pods") && error.contains("kubectl get ns,nodes,pods"), "{error}");
    assert!(refused("").contains("holds no pods"));
}

#[test]
fn a_broken_pod_is_an_error_that_names_item_field_and_value() {
    let error = refused(&SHOP.replace("- ip: 10.244.1.10", "- ip: 10.244.1"));
    let expected = "inventory inv.yaml, document 1, item 3 (Pod shop/cart-6c9d7bf4f8-x2x7q): status.podIPs[0].ip: \
                    \"10.244.1\" is no IP address";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn a_field_of_the_wrong_type_is_named_by_its_path() {
    let error = refused(&SHOP.replace("      port: 80\n", "      port: eighty\n"));
    assert!(error.contains("(Service shop/cart): spec.ports[0].port: invalid type"), "{error}");
    let error = refused(&SHOP.replace("      port: 80\n", "      port: 80000\n"));
    assert!(error.contains("spec.ports[0].port: 80000 is no port: expected 1 to 65535"), "{error}");
}

#[test]
fn a_pod_without_uid_is_an_error() {
    assert!(refused(&SHOP.replace("\n    uid: cart-1\n", "\n")).contains("metadata.uid: is missing"));
}

#[test]
fn a_broken_cron_job_is_left_out_with_a_warning() {
    let (inventory, warnings) = read(&SHOP.replace("schedule: 0 3 * * 1", "schedule: [3]"));
    assert!(inventory.cron_jobs.is_empty());
    let said = warnings.iter().map(ToString::to_string).find(|text| text.contains("left out")).unwrap();
    assert!(said.contains("(CronJob shop/report) left out: spec.schedule: invalid type"), "{said}");
}

#[test]
fn names_in_messages_are_escaped() {
    let error = refused("apiVersion: v1\nkind: Pod\nmetadata: {name: \"a\\e[31mb\"}\nspec: {containers: 3}");
    assert!(error.contains("a\\u{1b}[31mb") && !error.contains('\u{1b}'), "{error:?}");
}

#[test]
fn what_is_missing_altogether_is_said_with_what_suffers() {
    let (_, warnings) = read(OWNERS);
    let missing: Vec<_> = warnings
        .iter()
        .filter_map(|warning| match warning {
            InventoryWarning::Missing { kind, .. } => Some(*kind),
            _ => None,
        })
        .collect();
    assert_eq!(missing, ["Deployment", "Namespace", "Node", "Service"]);
    let (_, warnings) = read(&SHOP.replace("discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"));
    assert!(warnings.iter().any(|warning| warning.to_string().starts_with("no EndpointSlice")), "{warnings:?}");
    let (_, warnings) = read(&SHOP.replace("podCIDR", "other"));
    assert!(warnings.iter().any(|warning| warning.to_string().contains("podCIDRs")), "{warnings:?}");
}

#[test]
fn a_whole_inventory_gives_no_other_warnings() {
    let (_, warnings) = read(SHOP);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        let _ = read_kubectl(&text, "garbage", now());
    }

    /// Close enough to an inventory to get past the parser now and then.
    #[test]
    fn no_damage_makes_the_reader_panic(from in 0..SHOP.len(), length in 0usize..60, instead in "[ -~\n]{0,8}") {
        let to = (from + length).min(SHOP.len());
        let damaged = format!("{}{instead}{}", &SHOP[..from], &SHOP[to..]);
        match read_kubectl(&damaged, "damaged", now()) {
            Ok((inventory, _)) => prop_assert!(!inventory.pods.is_empty()),
            Err(InventoryError::NoPods { .. }) => {}
            Err(error) => prop_assert!(error.to_string().contains("damaged")),
        }
    }
}
