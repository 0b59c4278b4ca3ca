//! `netwright diff` from the outside: policy sets by what they allow, observations by what they saw.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

#[path = "common/command.rs"]
mod command;
mod common;

use command::{netwright, stderr, stdout};
use common::{World, shop};
use netwright_record::{Observation, file};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/shop");

fn run(arguments: &[&str]) -> Output {
    netwright(&[&["diff"], arguments].concat())
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The shop's policies after an edit.
fn edited(edit: impl Fn(String) -> String) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let policies = fs::read_to_string(format!("{SHOP}/policies.yaml")).unwrap();
    let edited = edit(policies.clone());
    assert_ne!(edited, policies, "the edit found nothing to change");
    fs::write(folder.path().join("policies.yaml"), edited).unwrap();
    folder
}

/// A wider range of ports on the one hand, a bigger hole in a block on the other.
fn changed() -> TempDir {
    edited(|text| {
        text.replace("endPort: 9110", "endPort: 9120").replace("except: [198.18.0.0/17]", "except: [198.18.0.0/16]")
    })
}

#[test]
fn the_same_meaning_in_other_words_is_no_difference() {
    let other = edited(|text| {
        // One block instead of two halves, a number instead of a name, one range in two pieces, rules the other way round.
        text.replace(
            "[{ipBlock: {cidr: 0.0.0.0/0, except: [128.0.0.0/1]}}, {ipBlock: {cidr: 128.0.0.0/1}}]",
            "[{ipBlock: {cidr: 0.0.0.0/0}}]",
        )
        .replace(
            "[{port: http}, {port: 9100, endPort: 9110}]",
            "[{port: 9105, endPort: 9110}, {port: 9000}, {port: 9100, endPort: 9105}]",
        )
    });
    let output = run(&[SHOP, text(other.path())]);
    assert_eq!(stdout(&output), format!("both allow the same, for the 4 workloads of {SHOP}\n"));
    assert_eq!(code(&output), 0, "{}", stderr(&output));
}

#[test]
fn what_is_newly_allowed_and_newly_denied_is_told_by_ends_and_ports() {
    let changed = changed();
    let output = run(&[SHOP, text(changed.path())]);
    insta::assert_snapshot!(stdout(&output).replace(SHOP, "SHOP"), @r"
    CHANGE   SOURCE                 DESTINATION          PORTS
    allowed  shop/Deployment/front  shop/Deployment/api  TCP 9111-9120
    denied   shop/Deployment/api    198.18.128.0/17      TCP 443
    1 newly allowed, 1 newly denied, for the 4 workloads of SHOP
    ");
    assert_eq!(code(&output), 1);
}

#[test]
fn the_other_way_round_allowed_and_denied_change_places() {
    let changed = changed();
    let read = |arguments: &[&str]| serde_json::from_str::<Value>(&stdout(&run(arguments))).unwrap();
    let there = read(&[SHOP, text(changed.path()), "-o", "json"]);
    let back = read(&[text(changed.path()), SHOP, "-o", "json"]);
    assert_eq!((&there["allowed"], &there["denied"]), (&back["denied"], &back["allowed"]));
    assert_eq!(there["equal"], json!(false));
    insta::assert_snapshot!(stdout(&run(&[SHOP, text(changed.path()), "-o", "json"])));
}

#[test]
fn as_yaml_it_says_what_it_says_as_json() {
    let changed = changed();
    let form = |form: &str| stdout(&run(&[SHOP, text(changed.path()), "-o", form]));
    let yaml = form("yaml");
    assert_eq!(serde_yaml::from_str::<Value>(&yaml).unwrap(), serde_json::from_str::<Value>(&form("json")).unwrap());
    insta::assert_snapshot!(yaml);
}

#[test]
fn a_folder_without_policies_allows_everything() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(format!("{SHOP}/workloads.yaml"), folder.path().join("workloads.yaml")).unwrap();
    let output = run(&[text(folder.path()), SHOP]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("holds no NetworkPolicy: it allows everything"), "{}", stderr(&output));
    // Nobody gains anything; what each of three policies shuts is told.
    let output = stdout(&output);
    let last = output.lines().last().unwrap();
    assert!(last.starts_with("0 newly allowed, ") && !last.contains(" 0 newly denied"), "{output}");
    assert!(
        output.lines().skip(1).take_while(|line| *line != last).all(|line| line.starts_with("denied ")),
        "{output}"
    );
}

#[test]
fn a_policy_for_pods_on_the_network_of_their_node_is_a_difference_by_address_only() {
    let hosts = concat!(
        "\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: InternalIP, address: 198.18.0.1}]}\n---\n",
        include_str!("fixtures/host-network.yaml")
    );
    let policy = |cidr: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: api, namespace: shop}}\nspec:\n  \
             podSelector: {{}}\n  policyTypes: [Ingress]\n  ingress: [{{from: [{{ipBlock: {{cidr: {cidr}}}}}], ports: [{{port: 80}}]}}]\n"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (a, b) = (write("a.yaml", &policy("198.18.0.0/31")), write("b.yaml", &policy("198.18.0.0/32")));
    let inventory = write("hosts.yaml", hosts);
    let output = run(&[text(&a), text(&b), "--inventory", text(&inventory)]);
    let table = stdout(&output);
    assert!(table.contains("denied  kube-system/Pod/agent (host network)  shop/Pod/api  TCP 80"), "{table}");
    assert!(table.contains("denied  198.18.0.1/32                         shop/Pod/api  TCP 80"), "{table}");
    assert!(table.contains("0 newly allowed, 2 newly denied"), "{table}");
}

#[test]
fn what_cannot_be_compared_is_trouble() {
    let world = shop();
    let (_folder, observation) = saved(&world.build());
    for (arguments, says) in [
        (vec![SHOP, "/nowhere/at/all"], "cannot read \"/nowhere/at/all\""),
        (vec![text(&observation), SHOP], "is an observation and"),
        (vec![SHOP, SHOP, "--map-namespace", "a=b"], "--map-namespace is for observations"),
        (
            vec![text(&observation), text(&observation), "--inventory", SHOP],
            "--inventory and --strict are for policies",
        ),
        (vec![SHOP, SHOP, "--map-namespace", "a"], "must be two names like staging=production"),
        (vec![SHOP], "<B>"),
    ] {
        let output = run(&arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(stderr(&output).contains(says), "{arguments:?}: {}", stderr(&output));
    }
}

fn saved(observation: &Observation) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("observation.nwo");
    let mut bytes = Vec::new();
    file::write(observation, &mut bytes).unwrap();
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// The shop as it looks in another cluster: its namespace and nodes have other names there.
fn staging() -> World {
    let mut world = shop();
    let edges = serde_json::to_string(&world.observation.edges).unwrap();
    let edges =
        edges.replace(r#""namespace":"shop""#, r#""namespace":"shop-staging""#).replace(r#""n1""#, r#""stage-7""#);
    world.observation.edges = serde_json::from_str(&edges).unwrap();
    world
}

#[test]
fn staging_and_production_are_compared_by_the_names_of_workloads() {
    let (_a, a) = saved(&staging().build());
    let (_b, b) = saved(&shop().build());
    let output = run(&[text(&a), text(&b), "--map-namespace", "shop-staging=shop"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert!(stdout(&output).contains("0 only in A"), "{}", stdout(&output));
    let unmapped = run(&[text(&a), text(&b)]);
    assert_eq!(code(&unmapped), 1);
    let misspelt = run(&[text(&a), text(&b), "--map-namespace", "shop-stagin=shop"]);
    assert!(stderr(&misspelt).contains("the first observation has no such namespace"), "{}", stderr(&misspelt));
}

#[test]
fn a_connection_that_only_one_observation_saw_is_told() {
    let (_b, b) = saved(&shop().build());
    let mut less = shop();
    let established = less.observation.edges.iter().position(|edge| edge.activity.established()).unwrap();
    let gone = less.observation.edges.remove(established);
    let (_a, a) = saved(&less.build());
    let output = run(&[text(&a), text(&b), "-o", "json"]);
    assert_eq!(code(&output), 1);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["onlyInFirst"], json!([]));
    assert_eq!(report["onlyInSecond"][0]["port"], json!(gone.port));
    assert_eq!(report["onlyInSecond"].as_array().unwrap().len(), 1);
    insta::assert_snapshot!(stdout(&run(&[text(&a), text(&b)])).replace(text(&a), "A.nwo").replace(text(&b), "B.nwo"), @r"
    ONLY IN  CLIENT                       SERVER                 PORT
    B        clients outside the cluster  shop/Deployment/front  8080/TCP
    12 established connections in both, 0 only in A (A.nwo), 1 only in B (B.nwo)
    ");
}
