//! The policies admit what was seen and nothing else, by our own replay and by a tool that shares no code with it.

use crate::{Recorded, both};
use netwright_policy::{Cluster, Party, Pod, PolicySet};
use netwright_record::{Endpoint, Protocol, inventory};
use netwright_tests::demo::{Outcome, break_policy, netwright};
use netwright_tests::oracle::Oracle;
use std::collections::BTreeSet;
use std::path::Path;

/// Ports that nobody in the shop uses.
const UNUSED: [(Protocol, u16); 2] = [(Protocol::Tcp, 1), (Protocol::Udp, 40_000)];

fn check(it: &Recorded, policies: &Path) -> Outcome {
    netwright(["check".as_ref(), it.file.as_path(), "--policies".as_ref(), policies]).unwrap()
}

#[test]
fn replay_denies_nothing() {
    for it in both() {
        check(it, &it.policies).expect(0).unwrap();
    }
}

#[test]
fn a_policy_broken_by_hand_is_caught_and_the_edge_is_named() {
    for it in both() {
        let broken = it.directory.join("broken");
        break_policy(&it.policies, &broken).unwrap();
        let outcome = check(it, &broken).expect(3).unwrap();
        for part in ["shop/Deployment/front", "shop/Deployment/api", "9090", "ingress"] {
            assert!(outcome.stdout.contains(part), "{part:?} is not named in:\n{}", outcome.stdout);
        }
    }
}

#[test]
fn network_config_analyzer_agrees_about_every_pair_of_pods() {
    let Some(program) = Oracle::program() else {
        return netwright_tests::skipped("NETWRIGHT_NCA names no network-config-analyzer (`make setup` installs it)");
    };
    for it in both() {
        let oracle = Oracle::ask(&program, &it.policies, &it.inventory).unwrap();
        let differences = differences(it, &oracle);
        assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    }
}

/// Every question about which our replay, the other tool and what was seen are not of one mind.
fn differences(it: &Recorded, oracle: &Oracle) -> Vec<String> {
    let policies = PolicySet::load(&it.policies).unwrap().policies;
    let inventory = &it.observation.inventory;
    let namespaces = inventory.namespaces.iter().map(|it| ((&it.name).into(), (&it.labels).into())).collect();
    let cluster = Cluster { namespaces, ..Cluster::default() };
    let mut asked = 0;
    let mut differences = Vec::new();
    for (client, server) in pairs(&inventory.pods) {
        for (protocol, port) in ports(it) {
            let (from, to) = (policy_pod(client), policy_pod(server));
            let verdict =
                policies.verdict(&cluster, &Party::Pod(&from), &Party::Pod(&to), policy_protocol(protocol), port);
            let foreign = oracle.permits(&name(client), &name(server), protocol, port);
            let seen = is_seen(it, client, server, protocol, port);
            asked += 1;
            if verdict.allowed() != foreign || foreign != seen {
                differences.push(format!(
                    "{} -> {} {protocol} {port}: replay {}, network-config-analyzer {foreign}, seen {seen}",
                    name(client),
                    name(server),
                    verdict.allowed()
                ));
            }
        }
    }
    assert!(asked > 1000, "only {asked} questions were asked");
    differences
}

/// Every ordered pair of pods that policies can select.
fn pairs(pods: &[inventory::Pod]) -> impl Iterator<Item = (&inventory::Pod, &inventory::Pod)> {
    let selectable = || pods.iter().filter(|pod| !pod.host_network);
    selectable()
        .flat_map(move |client| selectable().map(move |server| (client, server)))
        .filter(|(a, b)| a.uid != b.uid)
}

/// Every port that was seen, and some that were not.
fn ports(it: &Recorded) -> BTreeSet<(Protocol, u16)> {
    it.observation.edges.iter().map(|edge| (edge.protocol, edge.port)).chain(UNUSED).collect()
}

/// Whether the two workloads were seen to talk so. DNS over TCP is granted with DNS over UDP: long answers need it.
fn is_seen(it: &Recorded, client: &inventory::Pod, server: &inventory::Pod, protocol: Protocol, port: u16) -> bool {
    it.observation.edges.iter().any(|edge| {
        let granted = edge.protocol == protocol || (edge.protocol == Protocol::Udp && port == 53);
        edge.client == Endpoint::Workload(client.workload.clone())
            && edge.server == Endpoint::Workload(server.workload.clone())
            && granted
            && edge.port == port
            && edge.activity.established()
    })
}

fn name(pod: &inventory::Pod) -> String {
    format!("{}/{}", pod.namespace, pod.name)
}

fn policy_pod(pod: &inventory::Pod) -> Pod {
    Pod {
        namespace: (&pod.namespace).into(),
        name: (&pod.name).into(),
        labels: (&pod.labels).into(),
        addresses: pod.addresses.iter().map(|held| held.ip).collect(),
        node_addresses: Vec::new(),
        ports: Vec::new(),
    }
}

fn policy_protocol(protocol: Protocol) -> netwright_policy::Protocol {
    match protocol {
        Protocol::Tcp => netwright_policy::Protocol::Tcp,
        Protocol::Udp => netwright_policy::Protocol::Udp,
        Protocol::Sctp => netwright_policy::Protocol::Sctp,
    }
}
