//! Runs an observation against a set of policies: which of the connections that were seen would be denied?
//!
//! Serves `netwright check`, and the proof that ends every synthesis. Each established edge is tried with every kind of
//! pod that the workloads at its ends had over the window (rollouts change labels) and every address that was kept.

pub mod parties;

use crate::index::Index;
use crate::infer::review::needs_decision;
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

/// Replays every established edge. `progress` is called once an edge.
pub fn replay(observation: &Observation, policies: &PolicySet, progress: impl Fn()) -> Replay {
    let index = Index::new(observation);
    let replaying =
        Replaying { policies, cluster: parties::cluster(observation), parties: Parties::new(&index, policies) };
    let mut replay = Replay::default();
    for (number, edge) in observation.edges.iter().enumerate() {
        progress();
        if edge.activity.established() {
            replaying.edge(number, edge, &mut replay);
        } else {
            replay.never_established += 1;
        }
    }
    replay
}

struct Replaying<'a> {
    policies: &'a PolicySet,
    cluster: Cluster,
    parties: Parties<'a>,
}

impl Replaying<'_> {
    fn edge(&self, number: usize, edge: &Edge, replay: &mut Replay) {
        let (clients, servers) = (self.parties.clients(edge), self.parties.servers(edge));
        let (denials_before, left_out_before) = (replay.denied.len(), replay.left_out.len());
        for (client, server) in clients.iter().flat_map(|client| servers.iter().map(move |server| (client, server))) {
            let verdict = self.verdict(edge, client, server);
            if verdict.allowed() {
                continue;
            }
            let undecided = undecided(client, server, edge.port);
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
        self.policies.verdict(&self.cluster, client, server, parties::protocol(edge.protocol), edge.port)
    }
}

/// The decision for the first of `alike` that is denied with its own addresses; `bare` where there are no pods.
fn worst(alike: &Alike, bare: Decision, ask: impl Fn(&Party) -> Decision) -> Decision {
    let mut last = bare;
    for pod in &alike.pods {
        last = ask(&Party::Pod(pod));
        if !last.allows() {
            break;
        }
    }
    last
}

/// The addresses at either end that need a decision.
fn undecided(client: &End, server: &End, port: u16) -> Vec<IpAddr> {
    let address = |end: &End| match end {
        End::Address(address) if needs_decision(*address, port) => Some(*address),
        _ => None,
    };
    [client, server].into_iter().filter_map(address).collect()
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
