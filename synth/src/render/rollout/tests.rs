//! The laws of the order, and what a person reads of it.

use super::*;
use crate::index::Index;
use crate::infer::{Options, infer};
use crate::render::Basis;
use crate::review::Decided;
use crate::testing::{World, at, shop};
use netwright_record::Endpoint;
use netwright_record::Protocol::Tcp;
use proptest::prelude::*;

/// What `look` makes of the roll-out of `world`.
fn rollout<T>(world: &World, look: impl Fn(&Rollout, &Plan) -> T) -> T {
    let observation = world.build();
    let plan = infer(&observation, &Options::default(), &Decided::default());
    let Basis { graph, provenance, .. } = Basis::new(&observation, &Index::new(&observation));
    look(&Rollout::new(&graph, &plan, &provenance), &plan)
}

fn markdown_of(world: &World) -> String {
    rollout(world, |rollout, _| markdown::write(rollout))
}

fn waves(world: &World) -> Vec<Vec<String>> {
    rollout(world, |rollout, _| rollout.waves.iter().map(|wave| wave.files().collect()).collect())
}

#[test]
fn the_shop() {
    let world = shop();
    let expected = [
        vec!["shop/job.yaml"],
        vec!["shop/front.yaml"],
        vec!["shop/api.yaml"],
        vec!["data/db.yaml", "kube-system/dns.yaml", "shop/default-deny.yaml"],
        vec!["kube-system/default-deny.yaml"],
    ];
    assert_eq!(waves(&world), expected);
    insta::assert_snapshot!(markdown_of(&world).replace(&world.build().digest(), "DIGEST"));
}

#[test]
fn the_file_for_people_begins_with_its_title_and_that_for_programs_says_what_it_is() {
    let observation = shop().build();
    let plan = infer(&observation, &Options::default(), &Decided::default());
    let Basis { graph, provenance, .. } = Basis::new(&observation, &Index::new(&observation));
    let [(_, markdown), (_, json)] = files(&graph, &plan, &provenance).unwrap();
    assert_eq!(String::from_utf8(markdown).unwrap().lines().next(), Some("# Order of roll-out"));
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((json["apiVersion"].as_str(), json["kind"].as_str()), (Some(API_VERSION), Some("RolloutOrder")));
    assert_eq!(json["waves"][1]["policies"][0]["exposed"], true);
    assert_eq!(json["waves"][3]["policies"][0]["dependents"], 2);
}

#[test]
fn policies_that_select_each_others_pods_are_not_parted() {
    let mut world = World::new();
    let [client, server, other] =
        ["client", "server", "other"].map(|name| world.workload("n", "Deployment", name, &[("app", "same")]));
    for workload in [&client, &server, &other] {
        world.pod(workload, "n1", &[("app", "same")]);
    }
    for (from, to) in [(&client, &server), (&server, &other)] {
        world.edge(Endpoint::Workload(from.clone()), Endpoint::Workload(to.clone()), Tcp, 80);
    }
    let waves = waves(&world);
    assert_eq!(waves, [vec!["n/client.yaml", "n/other.yaml", "n/server.yaml"], vec!["n/default-deny.yaml"]]);
    let text = markdown_of(&world);
    assert!(text.contains("goes together with `n/Deployment/other`, `n/Deployment/server`"), "{text}");
}

#[test]
fn what_was_seen_on_one_day_only_is_said_where_there_were_more_days() {
    let mut world = shop();
    assert!(!markdown_of(&world).contains("on one day only"));
    assert!(markdown_of(&world).contains("shorter than two days"));
    world.observation.header.window.until = at(14 * 86_400);
    let text = markdown_of(&world);
    assert!(text.contains("links seen on one day only: 2 of 2"), "{text}");
}

#[test]
fn a_wave_of_many_files_points_to_the_program() {
    let mut world = World::new();
    let server = Endpoint::Workload(world.running("n", "server"));
    for number in 0..300 {
        let client = Endpoint::Workload(world.running("n", &format!("client{number:03}")));
        world.edge(client, server.clone(), Tcp, 80);
    }
    let text = markdown_of(&world);
    assert!(text.contains("300 files: apply them by program, with number 1"), "{text}");
    assert!(text.contains("and 100 more: see rollout.json"), "{text}");
    assert!(text.contains("`n/Deployment/client003` and 296 more"), "{text}");
    assert!(text.lines().all(|line| line.len() < 1000));
}

#[test]
fn the_file_for_programs_counts_what_it_does_not_name_and_names_each_file_once() {
    let mut world = shop();
    let servers = ["one", "two"].map(|name| world.running("n", name));
    for number in 0..60 {
        let client = Endpoint::Workload(world.running("n", &format!("client{number:02}")));
        servers.iter().for_each(|server| _ = world.edge(client.clone(), Endpoint::Workload(server.clone()), Tcp, 80));
    }
    let [one, two] = servers.map(Endpoint::Workload);
    world.edge(one.clone(), two.clone(), Tcp, 81);
    world.edge(two, one, Tcp, 81);
    let observation = world.build();
    let plan = infer(&observation, &Options::default(), &Decided::default());
    let Basis { graph, provenance, .. } = Basis::new(&observation, &Index::new(&observation));
    let [_, (_, text)] = files(&graph, &plan, &provenance).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let steps: Vec<&serde_json::Value> =
        json["waves"].as_array().unwrap().iter().flat_map(|wave| wave["policies"].as_array().unwrap()).collect();
    let step = |file: &str| *steps.iter().find(|step| step["file"] == file).unwrap();
    let clients = &step("n/one.yaml")["clients"];
    assert_eq!((&clients["count"], clients["first"].as_array().unwrap().len()), (&61.into(), 4));
    assert_eq!(clients["first"][0], "n/Deployment/client00");
    assert!(step("n/one.yaml")["group"].is_u64() && step("n/one.yaml")["group"] == step("n/two.yaml")["group"]);
    assert!(step("n/client00.yaml")["group"].is_null());
    let rollout = Rollout::new(&graph, &plan, &provenance);
    for file in rollout.waves.iter().flat_map(Wave::files) {
        let quoted = serde_json::to_string(&file).unwrap();
        assert_eq!(String::from_utf8_lossy(&text).matches(&quoted).count(), 1, "{file}");
    }
    assert!(text.split(|byte| *byte == b'\n').all(|line| line.len() < 500));
}

#[test]
fn hostile_names_stay_text() {
    let hostile = "a`b|c<img src=x>\u{1b}[31m\u{202e}\n## Wave 0\n```sh\nrm -rf /\n```[x](http://evil.example)@all";
    let with = |name: &str| {
        let mut world = shop();
        let api = WorkloadRef { namespace: "shop".into(), kind: "Deployment".into(), name: "api".into() };
        let node = Endpoint::Node { name: name.into(), workload: None };
        let workload = WorkloadRef { namespace: name.into(), kind: name.into(), name: name.into() };
        for client in [node, Endpoint::Workload(workload)] {
            world.edge(client, Endpoint::Workload(api.clone()), Tcp, 8080);
        }
        markdown_of(&world)
    };
    let (plain, text) = (with("Invalid"), with(hostile));
    assert!(text.contains("evil"), "{text}");
    assert_eq!(text.lines().count(), plain.lines().count(), "{text}");
    let marks = |text: &str, mark: &str| text.lines().filter(|line| line.starts_with(mark)).count();
    for mark in ["#", "```", "rm"] {
        assert_eq!(marks(&text, mark), marks(&plain, mark), "{mark}: {text}");
    }
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        assert_eq!(line.matches('|').count(), 5, "{line}");
    }
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_file_stands_in_one_wave_after_all_that_must_come_before(
        links in prop::collection::vec((0..9usize, 0..9usize), 0..16),
    ) {
        let mut world = World::new();
        let workloads: Vec<WorkloadRef> =
            (0..9).map(|number| world.running(&format!("n{}", number % 3), &format!("w{number}"))).collect();
        for (client, server) in &links {
            let [client, server] = [client, server].map(|number| Endpoint::Workload(workloads[*number].clone()));
            world.edge(client, server, Tcp, 80);
        }
        world.observation.edges.sort_by_key(|edge| (edge.client.clone(), edge.server.clone()));
        world.observation.edges.dedup_by_key(|edge| (edge.client.clone(), edge.server.clone()));
        let (waves, expected) = rollout(&world, |rollout, plan| {
            let policies = plan.policies.iter().map(|policy| policy_file(&policy.workload.namespace, &policy.name));
            let denies = plan.default_deny.iter().map(|namespace| policy_file(namespace, DEFAULT_DENY));
            let waves: Vec<Vec<_>> = rollout.waves.iter().map(|wave| {
                wave.policies.iter().map(|step| (step.workload.clone(), step.group)).collect()
            }).collect();
            let files: Vec<Vec<String>> = rollout.waves.iter().map(|wave| wave.files().collect()).collect();
            ((waves, files), policies.chain(denies).collect::<BTreeSet<_>>())
        });
        let (steps, files) = waves;
        let mut all: Vec<&String> = files.iter().flatten().collect();
        all.sort();
        prop_assert_eq!(all, expected.iter().collect::<Vec<_>>());
        let wave_of = |workload: &WorkloadRef| {
            steps.iter().position(|wave| wave.iter().any(|(own, _)| own == workload))
        };
        for (client, server) in &links {
            let [client, server] = [client, server].map(|number| &workloads[*number]);
            let group = |workload: &WorkloadRef| steps.iter().flatten().find(|(own, _)| own == workload)?.1;
            let together = client == server || (group(client).is_some() && group(client) == group(server));
            prop_assert!(wave_of(client) < wave_of(server) || together, "{} {}", client, server);
        }
        for (number, apply) in files.iter().enumerate() {
            for file in apply.iter().filter(|file| file.ends_with("default-deny.yaml")) {
                let namespace = file.split('/').next().unwrap();
                for (workload, _) in steps.iter().flatten().filter(|(own, _)| own.namespace == namespace) {
                    prop_assert!(wave_of(workload) < Some(number), "{} {}", workload, file);
                }
            }
        }
    }
}
