//! From an observation to the least rules that admit what was seen. Serves `netwright synth`.
//!
//! One pass a file, each a pure function: who is selected how ([`selectors`]), how the ends of an edge are named
//! ([`peers`]), what DNS needs besides ([`dns`]), what may be isolated ([`isolation`]), which allowances make one rule
//! ([`mod@merge`]), how policies are called ([`names`]). The result is a [`Plan`], which renderers write in their dialect.

pub mod cover;
pub mod dns;
pub mod isolation;
pub mod merge;
pub mod names;
pub mod peers;
pub mod review;
pub mod rules;
pub mod selectors;

use crate::index::Index;
use merge::{Allowance, merge};
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Edge, Endpoint, Observation, Protocol};
use peers::{Naming, Selections};
use rules::{Findings, Ground, LeftOut, Plan, Port, Selection, Unprotected, Why, WorkloadPolicy};
use std::collections::BTreeMap;

/// Infers the rules. `observation` must be in its canonical order ([`Observation::sort`]; a file that was read is).
pub fn infer(observation: &Observation) -> Plan {
    let index = Index::new(observation);
    let selections = selectors::select(&index);
    let mut drafts = Drafts::default();
    for (number, edge) in observation.edges.iter().enumerate() {
        drafts.take(&index, &selections, number, edge);
    }
    drafts.finish(&index, selections)
}

/// What is allowed to and from one workload, before merging.
#[derive(Default)]
struct Draft {
    ingress: Vec<Allowance>,
    egress: Vec<Allowance>,
}

/// What has been gathered from the edges so far.
#[derive(Default)]
struct Drafts {
    workloads: BTreeMap<WorkloadRef, Draft>,
    unnameable: BTreeMap<WorkloadRef, String>,
    findings: Findings,
}

impl Drafts {
    fn take(&mut self, index: &Index, selections: &Selections, number: usize, edge: &Edge) {
        if !edge.activity.established() {
            self.findings.never_established.push(number);
            return;
        }
        // Clients outside are let in whatever their address.
        if edge.addresses_dropped > 0 && edge.client != Endpoint::Internet {
            self.findings.partly_known.push(number);
        }
        if let Some(client) = edge.client.workload() {
            let naming = peers::server(index, selections, edge);
            self.note(number, &naming, client, &edge.server);
            let draft = self.workloads.entry(client.clone()).or_default();
            draft.egress.extend(allowances(number, edge, naming));
        }
        if let Some(server) = edge.server.workload() {
            let naming = peers::client(index, selections, edge);
            self.note(number, &naming, server, &edge.client);
            let draft = self.workloads.entry(server.clone()).or_default();
            draft.ingress.extend(allowances(number, edge, naming));
        }
    }

    fn note(&mut self, edge: usize, naming: &Naming, of: &WorkloadRef, peer: &Endpoint) {
        let findings = &mut self.findings;
        findings.left_out.extend(naming.left_out.iter().map(|address| LeftOut { edge, address: *address }));
        if naming.exposed {
            findings.exposed.push(edge);
        }
        if naming.by_address && findings.by_address.last() != Some(&edge) {
            findings.by_address.push(edge);
        }
        if naming.impossible {
            self.unnameable.entry(of.clone()).or_insert_with(|| peer.to_string());
        }
    }

    fn finish(mut self, index: &Index, mut selections: Selections) -> Plan {
        let unprotected = isolation::unprotected(index, &selections, &self.unnameable);
        let (default_deny, open_namespaces) = isolation::default_deny(index, &unprotected);
        self.findings.open_namespaces = open_namespaces;
        self.findings.widened = widened(&selections);
        let mut policies: Vec<WorkloadPolicy> = policy_names(&selections, &unprotected)
            .into_iter()
            .map(|(workload, name)| {
                let draft = self.workloads.remove(&workload).unwrap_or_default();
                let selection = selections.remove(&workload).unwrap_or_default();
                policy(workload, name, selection, draft)
            })
            .collect();
        policies.sort_by(|a, b| (&a.workload.namespace, &a.name).cmp(&(&b.workload.namespace, &b.name)));
        self.findings.unprotected = unprotected;
        Plan { policies, default_deny, findings: self.findings }
    }
}

fn allowances(edge_number: usize, edge: &Edge, naming: Naming) -> Vec<Allowance> {
    let seen = (edge.protocol, Why::Seen);
    let over_tcp = dns::needs_tcp(edge).then_some((Protocol::Tcp, Why::TruncatedAnswers));
    let grounds: Vec<(Port, Ground)> = [Some(seen), over_tcp]
        .into_iter()
        .flatten()
        .map(|(protocol, why)| (Port { protocol, number: edge.port }, Ground { edge: edge_number, why }))
        .collect();
    naming
        .peers
        .into_iter()
        .flat_map(|peer| {
            grounds.iter().map(move |(port, ground)| Allowance { peer: peer.clone(), port: *port, ground: *ground })
        })
        .collect()
}

fn policy_names(
    selections: &Selections,
    unprotected: &BTreeMap<WorkloadRef, Unprotected>,
) -> BTreeMap<WorkloadRef, String> {
    names::policy_names(selections.keys().filter(|workload| !unprotected.contains_key(workload)))
}

fn policy(workload: WorkloadRef, name: String, selection: Selection, draft: Draft) -> WorkloadPolicy {
    WorkloadPolicy { workload, name, selection, ingress: merge(draft.ingress), egress: merge(draft.egress) }
}

fn widened(selections: &Selections) -> BTreeMap<WorkloadRef, std::collections::BTreeSet<WorkloadRef>> {
    selections
        .iter()
        .filter(|(_, selection)| !selection.widened.is_empty())
        .map(|(workload, selection)| (workload.clone(), selection.widened.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;
    use netwright_record::Protocol::{Tcp, Udp};

    #[test]
    fn only_established_edges_become_rules() {
        let mut world = World::new();
        let (a, b) = (world.running("n", "a"), world.running("n", "b"));
        let (a, b) = (Endpoint::Workload(a), Endpoint::Workload(b));
        world.edge(a.clone(), b.clone(), Tcp, 80);
        world.edge(a, b, Tcp, 81).activity.failed = 1;
        let plan = infer(&world.build());
        let ports: Vec<u16> = plan.policies[0].egress[0].ports.iter().map(|port| port.number).collect();
        assert_eq!((ports, plan.findings.never_established), (vec![80], vec![1]));
    }

    #[test]
    fn dns_is_allowed_over_tcp_at_both_ends_and_says_why() {
        let mut world = World::new();
        let (a, dns) = (world.running("n", "a"), world.running("kube-system", "dns"));
        world.edge(Endpoint::Workload(a), Endpoint::Workload(dns), Udp, 53);
        let plan = infer(&world.build());
        for rule in plan.policies.iter().flat_map(|policy| policy.ingress.iter().chain(&policy.egress)) {
            assert_eq!(rule.ports.iter().map(|port| port.protocol).collect::<Vec<_>>(), [Tcp, Udp]);
            assert!(rule.grounds.contains(&Ground { edge: 0, why: Why::TruncatedAnswers }));
        }
        assert_eq!(plan.policies.len(), 2);
    }

    #[test]
    fn a_workload_that_talks_to_itself_has_itself_as_peer_both_ways() {
        let mut world = World::new();
        let db = world.running("n", "db");
        world.edge(Endpoint::Workload(db.clone()), Endpoint::Workload(db), Tcp, 5432);
        let plan = infer(&world.build());
        assert_eq!(plan.policies[0].ingress, plan.policies[0].egress);
        assert_eq!(plan.policies[0].ingress.len(), 1);
    }

    #[test]
    fn an_outside_end_of_which_not_all_addresses_were_kept_is_listed() {
        let mut world = World::new();
        let a = Endpoint::Workload(world.running("n", "a"));
        let name = Endpoint::ExternalName { names: ["objects.example".into()].into() };
        let edge = world.edge(a.clone(), name, Tcp, 443);
        edge.server_addresses = [crate::testing::address("198.18.0.7")].into();
        edge.addresses_dropped = 1;
        world.edge(Endpoint::Internet, a, Tcp, 80).addresses_dropped = 1;
        let (plan, observation) = (infer(&world.build()), world.build());
        let [listed] = plan.findings.partly_known.as_slice() else { panic!("{:?}", plan.findings) };
        assert_eq!(observation.edges[*listed].port, 443);
    }

    #[test]
    fn metadata_is_listed_and_not_allowed() {
        let mut world = World::new();
        let a = world.running("n", "a");
        let address = crate::testing::address("169.254.169.254");
        world.edge(Endpoint::Workload(a), Endpoint::LinkLocal { address }, Tcp, 80);
        let plan = infer(&world.build());
        assert!(plan.policies[0].egress.is_empty());
        assert_eq!(plan.findings.left_out, [LeftOut { edge: 0, address }].into());
    }
}
