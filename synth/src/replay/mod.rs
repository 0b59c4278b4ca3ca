//! Runs an observation against a set of policies: which of the connections that were seen would be denied?
//!
//! Serves `netwright check`, and the proof that ends every synthesis. Each established edge is tried with every kind of
//! pod that the workloads at its ends had over the window (rollouts change labels) and every address that was kept.

pub mod parties;

use crate::index::Index;
use crate::infer::link_local::needs_decision;
use crate::parallel;
use crate::review::{Action, Decided};
use crate::state::convert;
use netwright_policy::{Cluster, Decision, Direction, Party, PolicySet, Verdict};
use netwright_record::{Edge, Observation};
use parties::{Alike, End, Parties};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What came of a replay. Numbers called `edge` are positions in the observation's `edges`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    /// How many edges were tried: the established ones.
    pub established: usize,
    /// How many of them pass in full.
    pub allowed: usize,
    /// How many edges were never established, and so were not tried.
    pub never_established: usize,
    /// Every end of an edge that denies.
    pub denied: Vec<Denial>,
    /// Addresses that are not allowed on purpose, until someone decides otherwise.
    pub left_out: BTreeSet<(usize, IpAddr)>,
    /// Established edges that people decided to deny, and that are denied. Not among those that were tried.
    pub denied_by_decision: Vec<usize>,
    /// Established edges that people decided to deny, and that pass nevertheless, since other rules admit them.
    pub not_denied: Vec<usize>,
    /// How many established edges people decided to ignore, so that they were not tried.
    pub ignored: usize,
}

/// One end of an edge that denies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The edge.
    pub edge: usize,
    /// Whether the client's egress or the server's ingress denies.
    pub end: Direction,
    /// Positions in the policy set: all policies that isolate that end in that direction.
    pub isolated_by: Vec<usize>,
    /// The first client that was denied.
    pub client: String,
    /// The server it was denied to reach.
    pub server: String,
    /// How many pairs of parties of this edge are denied at this end.
    pub pairs: usize,
}

/// Someone asked to stop. What was done until then says nothing about the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// So many edges are tried by one core at a time. They come in the order of their clients, which neighbours share.
const EDGES_AT_ONCE: usize = 64;

/// Replays every established edge on all cores, but for what people `decided` to deny or to ignore. `progress` is called
/// before each edge, and may put an end to it.
///
/// # Errors
///
/// `progress` put an end to it.
pub fn replay(
    observation: &Observation,
    policies: &PolicySet,
    decided: &Decided,
    progress: impl Fn() -> Result<(), Interrupted> + Sync,
) -> Result<Replay, Interrupted> {
    replay_indexed(observation, &Index::new(observation), policies, decided, progress)
}

/// As [`replay`], where the observation's index is there already.
///
/// # Errors
///
/// As [`replay`].
pub fn replay_indexed(
    observation: &Observation,
    index: &Index,
    policies: &PolicySet,
    decided: &Decided,
    progress: impl Fn() -> Result<(), Interrupted> + Sync,
) -> Result<Replay, Interrupted> {
    let cluster = convert::cluster(&observation.inventory.namespaces);
    let keys = parties::mentioned_keys(policies);
    let own = || Replaying { policies, decided, cluster: &cluster, parties: Parties::new(index, &keys) };
    let parts: Vec<(usize, &[Edge])> =
        (0..).step_by(EDGES_AT_ONCE).zip(observation.edges.chunks(EDGES_AT_ONCE)).collect();
    let replays = parallel::map_with(&parts, own, |replaying, (first, edges)| {
        let mut replay = Replay::default();
        for (number, edge) in (*first..).zip(*edges) {
            progress()?;
            replaying.one(number, edge, &mut replay);
        }
        Ok(replay)
    })?;
    Ok(replays.into_iter().fold(Replay::default(), Replay::and))
}

impl Replay {
    /// With what came of later edges.
    fn and(mut self, mut later: Replay) -> Self {
        self.established += later.established;
        self.allowed += later.allowed;
        self.never_established += later.never_established;
        self.ignored += later.ignored;
        self.denied.append(&mut later.denied);
        self.left_out.append(&mut later.left_out);
        self.denied_by_decision.append(&mut later.denied_by_decision);
        self.not_denied.append(&mut later.not_denied);
        self
    }
}

/// What one thread replays with.
struct Replaying<'a> {
    policies: &'a PolicySet,
    decided: &'a Decided,
    cluster: &'a Cluster,
    parties: Parties<'a>,
}

impl<'a> Replaying<'a> {
    fn one(&self, number: usize, edge: &'a Edge, replay: &mut Replay) {
        match self.decided.of(number).map(|decision| decision.action) {
            Some(Action::Allow) if !edge.activity.established() => {
                replay.never_established += 1;
                self.allowed(number, edge, replay);
            }
            _ if !edge.activity.established() => replay.never_established += 1,
            Some(Action::Ignore) => replay.ignored += 1,
            Some(Action::Deny) => self.denied(number, edge, replay),
            _ => self.edge(number, edge, replay),
        }
    }

    fn edge(&self, number: usize, edge: &'a Edge, replay: &mut Replay) {
        let (clients, closed_clients) = self.open(number, self.parties.clients(edge));
        let (servers, closed_servers) = self.open(number, self.parties.servers(edge));
        let servers = serving(edge, servers);
        let passes = |client: &End, server: &End| self.verdict(edge, client, server).allowed();
        if closed_clients.iter().any(|client| servers.iter().any(|server| passes(client, server)))
            || closed_servers.iter().any(|server| clients.iter().any(|client| passes(client, server)))
        {
            replay.not_denied.push(number);
        }
        let (denials_before, left_out_before) = (replay.denied.len(), replay.left_out.len());
        for (client, server) in clients.iter().flat_map(|client| servers.iter().map(move |server| (client, server))) {
            let verdict = self.verdict(edge, client, server);
            if verdict.allowed() {
                continue;
            }
            let undecided = self.undecided(number, client, server, edge.port);
            if undecided.is_empty() {
                deny(&mut replay.denied, number, &verdict, client, server);
            } else {
                replay.left_out.extend(undecided.into_iter().map(|address| (number, address)));
            }
        }
        replay.established += 1;
        if (replay.denied.len(), replay.left_out.len()) == (denials_before, left_out_before) {
            replay.allowed += 1;
        }
    }

    /// Tries an edge that never got through and that people allowed; only what denies it counts.
    fn allowed(&self, number: usize, edge: &'a Edge, replay: &mut Replay) {
        let mut alone = Replay::default();
        self.edge(number, edge, &mut alone);
        replay.denied.append(&mut alone.denied);
        replay.not_denied.append(&mut alone.not_denied);
    }

    /// Notes whether an edge that is to be denied is.
    fn denied(&self, number: usize, edge: &'a Edge, replay: &mut Replay) {
        let mut alone = Replay::default();
        self.edge(number, edge, &mut alone);
        let passes = alone.denied.is_empty() && alone.left_out.is_empty();
        let list = if passes { &mut replay.not_denied } else { &mut replay.denied_by_decision };
        list.push(number);
    }

    /// The ends, and apart from them the addresses that people closed.
    fn open<'e>(&self, number: usize, ends: Vec<End<'e>>) -> (Vec<End<'e>>, Vec<End<'e>>) {
        if self.decided.is_empty() {
            return (ends, Vec::new());
        }
        let closed = |end: &End| matches!(end, End::Address(address) if self.decided.closes(number, *address));
        ends.into_iter().partition(|end| !closed(end))
    }

    /// The addresses at either end that need a decision, and have none.
    fn undecided(&self, number: usize, client: &End, server: &End, port: u16) -> Vec<IpAddr> {
        let address = |end: &End| match end {
            End::Address(address) if needs_decision(*address, port) => Some(*address),
            _ => None,
        };
        let addresses = [client, server].into_iter().filter_map(address);
        addresses.filter(|address| self.decided.opened(number, *address).is_none()).collect()
    }

    /// The verdict for the worst pair of pods behind `client` and `server`.
    fn verdict(&self, edge: &Edge, client: &End, server: &End) -> Verdict {
        let quick = self.ask(edge, &client.party(), &server.party());
        if quick.allowed() {
            // Addresses could only add to what selectors allow.
            return quick;
        }
        let egress = match server {
            End::Pods(alike) if !quick.egress.allows() => {
                worst(alike, quick.egress, |pod| self.ask(edge, &client.party(), pod).egress)
            }
            _ => quick.egress,
        };
        let ingress = match client {
            End::Pods(alike) if !quick.ingress.allows() => {
                worst(alike, quick.ingress, |pod| self.ask(edge, pod, &server.party()).ingress)
            }
            _ => quick.ingress,
        };
        Verdict { egress, ingress }
    }

    fn ask(&self, edge: &Edge, client: &Party, server: &Party) -> Verdict {
        self.policies.verdict(self.cluster, client, server, convert::protocol(edge.protocol), edge.port)
    }
}

/// The servers that can have been meant: where pods of a workload give one name to different ports, those that give it to
/// another port than the edge's are not.
fn serving<'a>(edge: &Edge, servers: Vec<End<'a>>) -> Vec<End<'a>> {
    let protocol = convert::protocol(edge.protocol);
    let names = |end: &End, wanted: bool| -> Vec<String> {
        let Party::Pod(pod) = end.party() else { return Vec::new() };
        let ports = pod.ports.iter().filter(|port| port.protocol == protocol && (port.port == edge.port) == wanted);
        ports.map(|port| port.name.clone()).collect()
    };
    let meant: BTreeSet<String> = servers.iter().flat_map(|end| names(end, true)).collect();
    if meant.is_empty() {
        return servers;
    }
    let means_another =
        |end: &End| names(end, true).is_empty() && names(end, false).iter().any(|name| meant.contains(name));
    servers.into_iter().filter(|end| !means_another(end)).collect()
}

/// The decision for the first of `alike` that is denied with its own addresses; `bare` where there are no pods.
fn worst(alike: &Alike, bare: Decision, ask: impl Fn(&Party) -> Decision) -> Decision {
    let mut last = bare;
    for pod in alike.pods() {
        last = ask(&Party::Pod(&pod));
        if !last.allows() {
            break;
        }
    }
    last
}

fn deny(denied: &mut Vec<Denial>, edge: usize, verdict: &Verdict, client: &End, server: &End) {
    for (end, decision) in [(Direction::Egress, &verdict.egress), (Direction::Ingress, &verdict.ingress)] {
        let Decision::Denied { isolated_by } = decision else { continue };
        match denied.iter_mut().rev().take(2).find(|denial| denial.edge == edge && denial.end == end) {
            Some(denial) => denial.pairs += 1,
            None => denied.push(Denial {
                edge,
                end,
                isolated_by: isolated_by.clone(),
                client: client.describe(),
                server: server.describe(),
                pairs: 1,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;
    use netwright_policy::Source;
    use netwright_record::Endpoint;
    use netwright_record::Protocol::Tcp;

    /// Isolates the workload `api` of the namespace `n` in both directions, with `rules`.
    fn isolated(rules: &str) -> PolicySet {
        let head =
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: api, namespace: 'n'}\nspec:";
        let text =
            format!("{head}\n  podSelector: {{matchLabels: {{app: api}}}}\n  policyTypes: [Ingress, Egress]\n{rules}");
        PolicySet::parse(&[Source { name: "api.yaml".into(), text }]).unwrap().policies
    }

    fn run(world: &World, rules: &str) -> Replay {
        replay(&world.build(), &isolated(rules), &Decided::default(), || Ok(())).unwrap()
    }

    #[test]
    fn probes_from_the_own_node_pass_even_if_its_addresses_are_unknown() {
        let mut world = World::new();
        let api = world.running("n", "api");
        world.edge(Endpoint::Node { name: "n1".into(), workload: None }, Endpoint::Workload(api), Tcp, 80);
        assert_eq!(run(&world, "").allowed, 1);
    }

    #[test]
    fn a_node_that_is_not_the_pods_own_is_denied() {
        let mut world = World::new();
        world.node("n2", &["198.18.1.2"]);
        let api = world.running("n", "api");
        world.edge(Endpoint::Node { name: "n2".into(), workload: None }, Endpoint::Workload(api), Tcp, 80);
        assert_eq!(run(&world, "").denied[0].end, Direction::Ingress);
    }

    #[test]
    fn two_pods_of_one_workload_are_not_exempt_as_one_pod_would_be() {
        let mut world = World::new();
        let api = Endpoint::Workload(world.running("n", "api"));
        world.edge(api.clone(), api, Tcp, 80);
        let ends: Vec<Direction> = run(&world, "").denied.iter().map(|denial| denial.end).collect();
        assert_eq!(ends, [Direction::Egress, Direction::Ingress]);
    }

    #[test]
    fn a_client_is_not_taken_for_a_workload_whose_name_ends_like_a_clients() {
        let mut world = World::new();
        let [api, other] = ["api", "api-client"].map(|name| Endpoint::Workload(world.running("n", name)));
        world.edge(api, other, Tcp, 80);
        let ends: Vec<Direction> = run(&world, "").denied.iter().map(|denial| denial.end).collect();
        assert_eq!(ends, [Direction::Egress]);
    }

    #[test]
    fn a_host_network_pod_on_a_node_does_not_make_it_the_own_node_of_the_others() {
        let mut world = World::new();
        world.node("n1", &["198.18.1.1"]).node("n2", &["198.18.1.2"]).covered("n1").covered("n2");
        let api = world.workload("n", "DaemonSet", "api", &[("app", "api")]);
        world.pod(&api, "n1", &[("app", "api")]).host_network = true;
        world.pod(&api, "n2", &[("app", "api")]);
        world.edge(Endpoint::Node { name: "n1".into(), workload: None }, Endpoint::Workload(api), Tcp, 80);
        assert_eq!(run(&world, "").denied.len(), 1);
    }

    /// So many that several threads share them.
    #[test]
    fn what_comes_of_very_many_edges_is_in_their_order() {
        let mut world = World::new();
        let [api, front] = ["api", "front"].map(|name| Endpoint::Workload(world.running("n", name)));
        for port in 1..=5000 {
            world.edge(front.clone(), api.clone(), Tcp, port).activity.failed = u64::from(port % 10 == 0);
        }
        let peer = "from: [{podSelector: {matchLabels: {app: front}}}]";
        let replay = run(&world, &format!("  ingress: [{{{peer}, ports: [{{port: 1, endPort: 4000}}]}}]"));
        let counted = (replay.established, replay.allowed, replay.never_established);
        assert_eq!(counted, (4500, 3600, 500));
        let observation = world.build();
        let denied: Vec<u16> = replay.denied.iter().map(|denial| observation.edges[denial.edge].port).collect();
        assert_eq!(denied, (4001..=5000).filter(|port| port % 10 != 0).collect::<Vec<_>>());
    }

    #[test]
    fn every_address_of_an_outside_name_is_tried() {
        let mut world = World::new();
        let api = Endpoint::Workload(world.running("n", "api"));
        let name = Endpoint::ExternalName { names: ["billing.example".into()].into() };
        world.edge(api, name, Tcp, 443).server_addresses =
            ["198.18.0.7", "198.18.0.8"].map(crate::testing::address).into();
        let rules = "  egress: [{to: [{ipBlock: {cidr: 198.18.0.7/32}}]}]";
        let denied = run(&world, rules).denied;
        assert_eq!((denied.len(), denied[0].server.as_str()), (1, "address 198.18.0.8"));
    }

    #[test]
    fn a_workload_without_pods_is_tried_by_its_labels() {
        let mut world = World::new();
        let api = Endpoint::Workload(world.running("n", "api"));
        let idle = Endpoint::Workload(world.workload("n", "CronJob", "idle", &[("app", "idle")]));
        world.edge(idle, api, Tcp, 80);
        let rules = |app: &str| format!("  ingress: [{{from: [{{podSelector: {{matchLabels: {{app: {app}}}}}}}]}}]");
        assert_eq!(run(&world, &rules("idle")).denied, []);
        assert_eq!(run(&world, &rules("other")).denied.len(), 1);
    }

    #[test]
    fn denied_metadata_is_left_out_not_denied() {
        let mut world = World::new();
        let api = Endpoint::Workload(world.running("n", "api"));
        let address = crate::testing::address("169.254.169.254");
        world.edge(api, Endpoint::LinkLocal { address }, Tcp, 80);
        let replay = run(&world, "");
        assert_eq!((replay.allowed, replay.denied.len(), replay.left_out), (0, 0, [(0, address)].into()));
    }
}
