//! From an observation to the least rules that admit what was seen. Serves `netwright synth`.
//!
//! One pass a file, each a pure function:
//!
//! - who is selected how: [`selectors`], and how policies are called: [`names`];
//! - how the ends of an edge are named ([`peers`]): [`nodes`], [`api_server`], [`outside`], [`link_local`];
//! - what follows from an edge besides itself: [`dns`], [`mesh`], and from Services and webhooks without one: [`services`];
//! - who is reached on very many ports: [`many_ports`];
//! - [`drafts`] gathers what follows from all edges, [`mod@merge`] makes few rules of it, [`ports`] writes their ports;
//! - where the user asks for less exact rules, [`widen`] makes them, with the help of [`cover`];
//! - who may be isolated, and which namespace closed: [`isolation`].
//!
//! The result is a [`Plan`], which renderers write in their dialect.

pub mod api_server;
pub mod cover;
pub mod dns;
pub mod drafts;
pub mod isolation;
pub mod link_local;
pub mod many_ports;
pub mod merge;
pub mod mesh;
pub mod names;
pub mod nodes;
pub mod outside;
pub mod peers;
pub mod ports;
pub mod rules;
pub mod selectors;
pub mod services;
pub mod widen;

use crate::index::Index;
use crate::review::Decided;
use drafts::{Draft, Drafts, Surroundings};
use merge::merge;
use netwright_record::Observation;
use netwright_record::inventory::WorkloadRef;
use ports::{DeclaredPorts, tidy};
use rules::{Plan, Unprotected, Whom, WorkloadPolicy};
use selectors::Selections;
use std::collections::{BTreeMap, BTreeSet};
use widen::{OverPermission, PeerWidth};

/// What the user asked for beyond the least.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// How wide peers in the cluster are written.
    pub peers: PeerWidth,
    /// How much wider they may become; nothing by labels, and as much as there is by namespace, where it is not said.
    pub over_permission: Option<OverPermission>,
    /// Whether many high ports of one peer become the range between the lowest and the highest.
    pub spanning_ports: bool,
    /// By how many blocks the addresses of an outside name may be written; where it is not said, by as many as hold nothing else.
    pub cidr_budget: Option<usize>,
}

/// Infers the rules, as people `decided`. `observation` must be in its canonical order ([`Observation::sort`]; a file that was
/// read is).
pub fn infer(observation: &Observation, options: &Options, decided: &Decided) -> Plan {
    infer_indexed(observation, &Index::new(observation), options, decided)
}

/// As [`infer`], where the observation's index is there already.
pub fn infer_indexed(observation: &Observation, index: &Index, options: &Options, decided: &Decided) -> Plan {
    let selections = selectors::select(index);
    let services = services::Services::new(&observation.inventory);
    let (called, unknown) = api_server::called(&observation.inventory, &services);
    let around = Surroundings {
        index,
        selections: &selections,
        nodes: &nodes::Nodes::new(&observation.inventory),
        mesh: &mesh::Mesh::new(&observation.inventory),
        dns: &dns::NodeLocalDns::new(&observation.edges, &services),
        services: &services,
        called: &called,
        decided,
    };
    let mut drafts = Drafts::default();
    for (number, edge) in observation.edges.iter().enumerate() {
        drafts.take(&around, number, edge);
    }
    drafts.take_called(&around);
    drafts.take_decided(&around);
    drafts.findings.uncalled.extend(unknown);
    drafts.findings.uncalled.sort_unstable();
    drafts.findings.uncalled.dedup();
    if !options.spanning_ports {
        drafts.findings.many_ports = many_ports::between(&observation.edges);
    }
    finish(drafts, observation, index, &selections, (options, decided))
}

fn finish(
    mut drafts: Drafts<'_>,
    observation: &Observation,
    index: &Index,
    selections: &Selections,
    (options, decided): (&Options, &Decided),
) -> Plan {
    let active = isolation::active(index, &observation.edges, |edge| decided.is_ignored(edge));
    let unprotected = isolation::unprotected(index, &active, selections, &drafts.unnameable);
    let (default_deny, open_namespaces) = isolation::default_deny(index, &unprotected);
    drafts.findings.open_namespaces = open_namespaces;
    drafts.findings.widened = widened(selections);
    let mut policies: Vec<WorkloadPolicy> = policy_names(selections, &unprotected)
        .into_iter()
        .map(|(workload, name)| {
            let draft = drafts.workloads.remove(&workload).unwrap_or_default();
            policy(index, options, selections, workload, name, draft)
        })
        .collect();
    policies.sort_by(|a, b| (&a.workload.namespace, &a.name).cmp(&(&b.workload.namespace, &b.name)));
    drafts.findings.over_cidr_budget = widen::widen(&mut policies, observation, index, selections, options, decided);
    drafts.findings.unprotected = unprotected;
    Plan { policies, default_deny, findings: drafts.findings, decided: decided.clone() }
}

fn policy_names(
    selections: &Selections,
    unprotected: &BTreeMap<WorkloadRef, Unprotected>,
) -> BTreeMap<WorkloadRef, String> {
    let protected = selections.keys().map(AsRef::as_ref).filter(|workload| !unprotected.contains_key(*workload));
    names::policy_names(protected)
}

fn policy(
    index: &Index,
    options: &Options,
    selections: &Selections,
    workload: WorkloadRef,
    name: String,
    draft: Draft,
) -> WorkloadPolicy {
    let selection = selections.get(&workload).cloned().unwrap_or_default();
    let declared = |workload: &WorkloadRef| index.facts(workload).map(DeclaredPorts::of).unwrap_or_default();
    let own = declared(&workload);
    let ingress = merge(draft.ingress, |_, ports| tidy(&ports, &own, options.spanning_ports));
    let egress = merge(draft.egress, |whom, ports| match whom {
        // A name means the same to a client only if one workload gives it.
        [Whom::Workload(server)] if ports.len() > 1 => {
            let of_server = declared(server);
            // Addresses have no names for ports: enforcers look those up in the pods that a selector finds.
            let by_address = !selections.contains_key(server);
            let of_server = if by_address { of_server.without_names() } else { of_server };
            tidy(&ports, &of_server, options.spanning_ports)
        }
        _ => tidy(&ports, &DeclaredPorts::default(), options.spanning_ports),
    });
    WorkloadPolicy { workload, name, selection, ingress, egress }
}

fn widened(selections: &Selections) -> BTreeMap<WorkloadRef, BTreeSet<WorkloadRef>> {
    selections
        .iter()
        .filter(|(_, selection)| !selection.widened.is_empty())
        .map(|(workload, selection)| (WorkloadRef::clone(workload), selection.widened.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::rules::{Ground, LeftOut, Port};
    use super::*;
    use crate::testing::World;
    use netwright_record::Endpoint;
    use netwright_record::Protocol::{Tcp, Udp};
    use netwright_record::inventory::ContainerPort;

    #[test]
    fn only_established_edges_become_rules() {
        let mut world = World::new();
        let (a, b) = (world.running("n", "a"), world.running("n", "b"));
        let (a, b) = (Endpoint::Workload(a), Endpoint::Workload(b));
        world.edge(a.clone(), b.clone(), Tcp, 80);
        world.edge(a, b, Tcp, 81).activity.failed = 1;
        let plan = infer(&world.build(), &Options::default(), &Decided::default());
        let ports = plan.policies[0].egress[0].ports.clone();
        assert_eq!((ports, plan.findings.never_established), (vec![Port::number(Tcp, 80)], vec![1]));
    }

    #[test]
    fn dns_is_allowed_over_tcp_at_both_ends_and_says_why() {
        let mut world = World::new();
        let (a, dns) = (world.running("n", "a"), world.running("kube-system", "dns"));
        world.edge(Endpoint::Workload(a), Endpoint::Workload(dns), Udp, 53);
        let plan = infer(&world.build(), &Options::default(), &Decided::default());
        for rule in plan.policies.iter().flat_map(|policy| policy.ingress.iter().chain(&policy.egress)) {
            assert_eq!(rule.ports.iter().map(|port| port.protocol).collect::<Vec<_>>(), [Tcp, Udp]);
            assert!(rule.grounds.contains(&Ground::TruncatedAnswers(0)));
        }
        assert_eq!(plan.policies.len(), 2);
    }

    #[test]
    fn a_port_has_no_name_where_the_peer_is_addresses() {
        let mut world = World::new();
        let (a, bare) = (world.running("n", "a"), world.workload("n", "CronJob", "bare", &[]));
        for port in [80, 8080] {
            let main = ContainerPort { name: Some("main".into()), protocol: Tcp, port };
            world.pod(&bare, "n1", &[]).ports = vec![main];
            world.edge(Endpoint::Workload(a.clone()), Endpoint::Workload(bare.clone()), Tcp, port);
        }
        let plan = infer(&world.build(), &Options::default(), &Decided::default());
        assert_eq!(plan.policies[0].egress[0].ports, [Port::number(Tcp, 80), Port::number(Tcp, 8080)]);
    }

    #[test]
    fn a_workload_that_talks_to_itself_has_itself_as_peer_both_ways() {
        let mut world = World::new();
        let db = world.running("n", "db");
        world.edge(Endpoint::Workload(db.clone()), Endpoint::Workload(db), Tcp, 5432);
        let plan = infer(&world.build(), &Options::default(), &Decided::default());
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
        let (plan, observation) = (infer(&world.build(), &Options::default(), &Decided::default()), world.build());
        let [listed] = plan.findings.partly_known.as_slice() else { panic!("{:?}", plan.findings) };
        assert_eq!(observation.edges[*listed].port, 443);
    }

    #[test]
    fn metadata_is_listed_and_not_allowed() {
        let mut world = World::new();
        let a = world.running("n", "a");
        let address = crate::testing::address("169.254.169.254");
        world.edge(Endpoint::Workload(a), Endpoint::LinkLocal { address }, Tcp, 80);
        let plan = infer(&world.build(), &Options::default(), &Decided::default());
        assert!(plan.policies[0].egress.is_empty());
        assert_eq!(plan.findings.left_out, [LeftOut { edge: 0, address }].into());
    }
}
