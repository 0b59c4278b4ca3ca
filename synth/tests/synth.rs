//! `netwright synth` and `netwright check` from the outside: files, bytes, exit codes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

#[path = "common/command.rs"]
mod command;
mod common;

use command::{netwright, stderr, stdout, with_stdin};
use common::{World, address, shop};
use netwright_record::{Endpoint, Observation, Protocol, file};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

/// A folder with an observation in it.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn with(observation: &Observation) -> Self {
        let folder = tempfile::tempdir().unwrap();
        file::write_path(observation, &folder.path().join("observation")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn synth(&self, out: &str) -> Output {
        netwright(&["synth", &self.text("observation"), "--out", &self.text(out)])
    }

    fn check(&self, policies: &str) -> Output {
        netwright(&["check", &self.text("observation"), "--policies", &self.text(policies)])
    }
}

/// Every file below `folder`, with its bytes.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            files.extend(tree(&entry.path()).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    files
}

#[test]
fn a_shop_becomes_proven_policies() {
    let desk = Desk::with(&shop().build());
    let output = desk.synth("policies");
    assert!(output.status.success(), "{}", stderr(&output));
    let names: Vec<String> = tree(&desk.path("policies")).into_keys().collect();
    let expected = [
        "data/db.yaml",
        "data/kustomization.yaml",
        "evidence.json",
        "kube-system/default-deny.yaml",
        "kube-system/dns.yaml",
        "kube-system/kustomization.yaml",
        "kustomization.yaml",
        "rollout.json",
        "rollout.md",
        "shop/api.yaml",
        "shop/default-deny.yaml",
        "shop/front.yaml",
        "shop/job.yaml",
        "shop/kustomization.yaml",
    ];
    assert_eq!(names, expected);
    let summary = stdout(&output).replace(&desk.text("policies"), "DIR");
    insta::assert_snapshot!("summary", summary);
    let check = desk.check("policies");
    assert_eq!(check.status.code(), Some(0), "{}", stderr(&check));
    assert!(stdout(&check).contains("0 denied, 1 left out on purpose; 1 never established"), "{}", stdout(&check));
    let entries = fs::read_dir(desk.folder.path()).unwrap().count();
    assert_eq!(entries, 2, "only the observation and the policies are left");
}

/// Many addresses make the proof long enough to interrupt.
#[cfg(unix)]
fn long_to_prove() -> Observation {
    let mut world = World::new();
    for number in 0..40 {
        let client = Endpoint::Workload(world.running("shop", &format!("client{number}")));
        let server = Endpoint::ExternalName { names: ["objects.example".into()].into() };
        world.edge(client, server, Protocol::Tcp, 443).server_addresses =
            (0..400u16).map(|host| [198, 18, (host / 250) as u8, (host % 250) as u8].into()).collect();
    }
    world.build()
}

#[cfg(unix)]
#[test]
fn an_interrupted_synthesis_leaves_nothing_behind() {
    for signal in ["INT", "TERM"] {
        let desk = Desk::with(&long_to_prove());
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("netwright"))
            .args(["synth", &desk.text("observation"), "--out", &desk.text("policies")])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while fs::read_dir(desk.folder.path()).unwrap().count() < 2 {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let kill = std::process::Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
        let left: Vec<String> = tree(desk.folder.path()).into_keys().collect();
        assert_eq!(left, ["observation"], "{signal}");
    }
}

#[test]
fn what_is_printed_or_written_as_json_cannot_act_on_a_terminal() {
    let mut world = World::new();
    let web = Endpoint::Workload(world.running("n", "web"));
    let names = ["\u{9b}31m\u{202e}\u{7f}.example".into()].into();
    world.edge(web, Endpoint::ExternalName { names }, Protocol::Tcp, 443).server_addresses =
        [address("198.18.0.7")].into();
    world.observation.header.cluster = Some("\u{9b}31m\u{202e}\u{7f}".to_owned());
    let desk = Desk::with(&world.build());
    assert!(desk.synth("policies").status.success());
    let evidence = fs::read_to_string(desk.path("policies/evidence.json")).unwrap();
    let inspected = stdout(&netwright(&["inspect", &desk.text("observation"), "--output", "json"]));
    for text in [&evidence, &inspected] {
        assert!(text.contains("\\u202e"), "{text}");
        assert!(text.bytes().all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte)), "{text:?}");
    }
}

#[test]
fn the_manifests_of_a_shop() {
    let desk = Desk::with(&shop().build());
    assert!(desk.synth("policies").status.success());
    let digest = shop().build().digest();
    for (name, bytes) in tree(&desk.path("policies")) {
        let text =
            String::from_utf8(bytes).unwrap().replace(&digest, "DIGEST").replace(env!("CARGO_PKG_VERSION"), "VERSION");
        let text = without_digest(&text);
        insta::assert_snapshot!(name.replace('/', "-"), text);
    }
}

#[test]
fn two_runs_and_shuffled_lines_give_the_same_bytes() {
    let desk = Desk::with(&shop().build());
    assert!(desk.synth("first").status.success());
    assert!(desk.synth("second").status.success());
    let mut plain = Vec::new();
    file::write_plain(&shop().build(), &mut plain).unwrap();
    let text = String::from_utf8(plain).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    // The header stays first and the end record last; between them everything is turned round and interleaved.
    let last = lines.len() - 1;
    lines[1..last].reverse();
    lines[1..last].rotate_left(7);
    fs::write(desk.path("observation"), lines.join("\n") + "\n").unwrap();
    assert!(desk.synth("third").status.success());
    let first = tree(&desk.path("first"));
    assert_eq!(first, tree(&desk.path("second")));
    assert_eq!(first, tree(&desk.path("third")));
}

#[test]
fn a_broken_policy_is_found_with_its_edge_and_its_end() {
    let desk = Desk::with(&shop().build());
    assert!(desk.synth("policies").status.success());
    let file = desk.path("policies/data/db.yaml");
    let broken = fs::read_to_string(&file).unwrap().replace("port: 5432", "port: 5439");
    fs::write(&file, broken).unwrap();
    let output = desk.check("policies");
    assert_eq!(output.status.code(), Some(3));
    let line = stdout(&output).lines().find(|line| line.contains("5432/TCP")).unwrap().to_owned();
    assert!(line.contains("shop/Deployment/api -> data/Deployment/db"), "{line}");
    assert!(line.contains("ingress") && line.contains("data/db") && line.contains("db.yaml"), "{line}");
    assert!(stdout(&output).contains("1 denied"));
}

#[test]
fn check_reads_stdin_and_writes_json() {
    let desk = Desk::with(&shop().build());
    let deny = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: data}\nspec: {podSelector: {}}\n";
    let output = with_stdin(&["check", &desk.text("observation"), "--policies", "-", "-o", "json"], deny);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let denied: Vec<&str> =
        report["denied"].as_array().unwrap().iter().map(|denial| denial["edge"].as_str().unwrap()).collect();
    let expected = [
        "data/Deployment/db -> data/Deployment/db 5433/TCP",
        "shop/Deployment/api -> data/Deployment/db 5432/TCP",
        "node n2 -> data/Deployment/db 9187/TCP",
    ];
    assert_eq!(denied, expected);
    assert_eq!(report["denied"][0]["end"], "ingress");
    assert_eq!(report["denied"][0]["isolatedBy"][0]["name"], "deny");
    assert_eq!(report["denied"][0]["isolatedBy"][0]["file"], "stdin");
}

#[test]
fn check_tries_every_rollout_of_a_workload() {
    let mut world = World::new();
    let (web, api) = (world.running("shop", "web"), world.running("shop", "api"));
    world.pod(&web, "n1", &[("app", "web"), ("version", "old")]);
    world.edge(Endpoint::Workload(web), Endpoint::Workload(api), Protocol::Tcp, 80);
    let desk = Desk::with(&world.build());
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: api, namespace: shop}\nspec:\n  podSelector: {matchLabels: {app: api}}\n  policyTypes: [Ingress]\n  ingress:\n  - from:\n    - podSelector: {matchExpressions: [{key: version, operator: DoesNotExist}]}\n";
    fs::write(desk.path("policy.yaml"), policy).unwrap();
    assert_eq!(desk.check("policy.yaml").status.code(), Some(3));
}

#[test]
fn check_takes_the_addresses_of_pods_into_account() {
    let mut world = World::new();
    let (web, api) = (world.running("shop", "web"), world.running("shop", "api"));
    world.edge(Endpoint::Workload(web), Endpoint::Workload(api), Protocol::Tcp, 80);
    let desk = Desk::with(&world.build());
    let policy = |cidr: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: api, namespace: shop}}\nspec:\n  podSelector: {{matchLabels: {{app: api}}}}\n  policyTypes: [Ingress]\n  ingress:\n  - from:\n    - ipBlock: {{cidr: {cidr}}}\n"
        )
    };
    fs::write(desk.path("policy.yaml"), policy("10.244.0.0/16")).unwrap();
    assert_eq!(desk.check("policy.yaml").status.code(), Some(0));
    fs::write(desk.path("policy.yaml"), policy("10.245.0.0/16")).unwrap();
    assert_eq!(desk.check("policy.yaml").status.code(), Some(3));
}

/// The Deployment `web` was deleted and made anew with other labels while it was watched.
#[test]
fn pods_that_the_selector_misses_are_not_cut_off() {
    let mut world = World::new();
    let (web, api) = (world.running("n", "web"), world.running("n", "api"));
    world.pod(&web, "n1", &[("app", "renamed")]);
    world.edge(Endpoint::Workload(web), Endpoint::Workload(api), Protocol::Tcp, 80);
    let desk = Desk::with(&world.build());
    let output = desk.synth("policies");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("no policy for n/Deployment/web: its pods have no stable labels in common"));
    assert!(stdout(&output).contains("named by the addresses of pods"), "{}", stdout(&output));
}

/// A text whose seal states no digest.
fn without_digest(text: &str) -> String {
    let (before, rest) = text.split_once("(digest ").unwrap();
    let (digest, after) = rest.split_once(')').unwrap();
    assert_eq!(digest.len(), 16, "{text}");
    format!("{before}(digest DIGEST){after}")
}

#[test]
fn files_of_others_are_kept_and_ours_are_replaced_or_removed() {
    let desk = Desk::with(&shop().build());
    assert!(desk.synth("policies").status.success());
    fs::write(desk.path("policies/shop/notes.txt"), "mine").unwrap();
    let mut smaller = shop();
    let is_front = |end: &Endpoint| end.workload().is_some_and(|workload| workload.name == "front");
    smaller.observation.edges.retain(|edge| !is_front(&edge.client) && !is_front(&edge.server));
    file::write_path(&smaller.build(), &desk.path("observation")).unwrap();
    let output = desk.synth("policies");
    assert!(output.status.success(), "{}", stderr(&output));
    for file in ["shop/default-deny.yaml", "shop/front.yaml"] {
        assert!(stdout(&output).contains(&format!("removed {file}")), "{}", stdout(&output));
        assert!(!desk.path("policies").join(file).exists());
    }
    assert!(desk.path("policies/shop/notes.txt").exists());
    let api = desk.path("policies/shop/api.yaml");
    let edited = fs::read_to_string(&api).unwrap() + "# Looked at by the data team\n";
    fs::write(&api, &edited).unwrap();
    let output = desk.synth("policies");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("kept shop/api.yaml: it was edited"), "{}", stdout(&output));
    assert_eq!(fs::read_to_string(&api).unwrap(), edited);
    let output = netwright(&["synth", &desk.text("observation"), "--out", &desk.text("policies"), "--overwrite"]);
    assert!(output.status.success() && !stdout(&output).contains("kept"), "{}", stdout(&output));
    assert_eq!(fs::read_to_string(&api).unwrap() + "# Looked at by the data team\n", edited);
}

/// What will really stand there is proven, not what we would have written.
#[test]
fn a_kept_file_that_would_cut_something_off_is_named_and_nothing_changes() {
    let desk = Desk::with(&shop().build());
    assert!(desk.synth("policies").status.success());
    let (file, other) = (desk.path("policies/data/db.yaml"), desk.path("policies/shop/front.yaml"));
    let ours = fs::read_to_string(&file).unwrap();
    for (text, said) in [
        (ours.replace("port: 5432", "port: 5439"), "5432/TCP"),
        (ours.replace("port: 5432", "port: -1"), "cannot parse a file that was kept"),
    ] {
        fs::write(&file, text).unwrap();
        fs::remove_file(&other).unwrap();
        let before = tree(&desk.path("policies"));
        let output = desk.synth("policies");
        assert_eq!(output.status.code(), Some(1));
        let told = stderr(&output);
        assert!(told.contains(said) && told.contains("kept: data/db.yaml: it was edited"), "{told}");
        assert!(!told.contains("please report"), "{told}");
        assert_eq!(tree(&desk.path("policies")), before, "what is missing is not put in place either");
        fs::write(&file, &ours).unwrap();
        assert!(desk.synth("policies").status.success());
    }
    fs::write(&file, "kind: Mine\n").unwrap();
    let output = desk.synth("policies");
    assert!(output.status.success(), "without a policy nothing isolates the database: {}", stderr(&output));
    assert!(stdout(&output).contains("kept data/db.yaml: it was not written by netwright"), "{}", stdout(&output));
}

#[test]
fn hostile_names_stay_inside_comments_and_strings() {
    let mut world = World::new();
    let web = world.workload("n", "Deployment", "web", &[("app", "on"), ("y", "1_000")]);
    world.pod(&web, "n1", &[("app", "on"), ("y", "1_000")]);
    let names = ["a.example\n    - ipBlock: {cidr: 0.0.0.0/0}", "\u{1b}]0;x\u{7}", "# x"].map(Into::into).into();
    world.edge(Endpoint::Workload(web), Endpoint::ExternalName { names }, Protocol::Tcp, 443).server_addresses =
        [address("198.18.0.7")].into();
    let desk = Desk::with(&world.build());
    assert!(desk.synth("policies").status.success());
    let text = fs::read_to_string(desk.path("policies/n/web.yaml")).unwrap();
    let read: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    let peers = read.pointer("/spec/egress/0/to").unwrap().as_array().unwrap();
    assert_eq!(peers.len(), 1, "{text}");
    assert_eq!(read.pointer("/spec/podSelector/matchLabels/app").unwrap(), "on");
    assert!(!text.contains('\u{1b}') && text.contains("app: \"on\"") && text.contains("y\": \"1_000\""), "{text}");
}
