//! Addresses that are used again within seconds. Pairs of pods come, talk and go, each pair under names of its own, so that a connection
//! that is given to the wrong pod is seen.

use netwright_tests::cluster::manifests::{actor, list, namespace, pod};
use netwright_tests::installation::Installation;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

pub(crate) const NAMESPACE: &str = "reuse";
const PATIENCE: Duration = Duration::from_secs(60);
/// How many pairs there are at a time.
const LANES: usize = 3;

/// How many addresses are to be used again.
pub(crate) fn wanted() -> usize {
    std::env::var("NETWRIGHT_REUSES").ok().and_then(|text| text.parse().ok()).unwrap_or(30)
}

/// Plays until addresses were used again often enough. Returns how often, and the edges that this makes.
pub(crate) fn play(installation: &Installation) -> (usize, BTreeSet<String>) {
    installation.kubectl().apply(&list([namespace(NAMESPACE)])).unwrap();
    let played: Mutex<Vec<Pair>> = Mutex::default();
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let played = &played;
            scope.spawn(move || {
                for round in 0..10 * wanted() {
                    let pair = Pair::play(installation, &format!("{lane}-{round}"));
                    let mut played = played.lock().unwrap();
                    played.push(pair);
                    if reused(&played) >= wanted() {
                        return;
                    }
                }
            });
        }
    });
    let played = played.into_inner().unwrap();
    let edges = played.iter().map(|pair| format!("reuse/Pod/client-{0} -> reuse/Pod/server-{0}:7000/TCP", pair.name));
    (reused(&played), edges.collect())
}

/// A client and a server that met.
struct Pair {
    name: String,
    addresses: [String; 2],
}

impl Pair {
    fn play(installation: &Installation, name: &str) -> Self {
        let kubectl = installation.kubectl();
        let (server, client) = (format!("server-{name}"), format!("client-{name}"));
        let on = |number: usize, mut pod: Value| {
            pod["spec"]["nodeName"] = json!(installation.cluster().node(number).unwrap().name);
            pod["spec"]["terminationGracePeriodSeconds"] = json!(1);
            pod
        };
        kubectl.apply(&list([on(1, pod(NAMESPACE, &server, &actor(&["tcp-serve on=[::]:7000"])))])).unwrap();
        kubectl.wait(NAMESPACE, &[&format!("pod/{server}")], "condition=Ready", PATIENCE).unwrap();
        let server_address = address(installation, &server);
        let call = format!("tcp-call to={server_address}:7000 every=100 count=5 as=pair");
        kubectl.apply(&list([on(2, pod(NAMESPACE, &client, &actor(&[&call])))])).unwrap();
        kubectl.wait(NAMESPACE, &[&format!("pod/{client}")], "jsonpath={.status.phase}=Succeeded", PATIENCE).unwrap();
        let addresses = [server_address, address(installation, &client)];
        kubectl.run(&["delete", "pod", &server, &client, "--namespace", NAMESPACE, "--wait=false"]).unwrap();
        Self { name: name.to_owned(), addresses }
    }
}

fn address(installation: &Installation, pod: &str) -> String {
    let found = installation.kubectl().get(&["pod", pod, "--namespace", NAMESPACE]).unwrap();
    found["status"]["podIP"].as_str().unwrap().to_owned()
}

/// How often an address was held by one more pod than the first.
fn reused(played: &[Pair]) -> usize {
    let mut holders: BTreeMap<&str, usize> = BTreeMap::new();
    for address in played.iter().flat_map(|pair| &pair.addresses) {
        *holders.entry(address).or_default() += 1;
    }
    holders.values().map(|held| held - 1).sum()
}
