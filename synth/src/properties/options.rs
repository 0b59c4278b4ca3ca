//! Properties of what people ask for: decisions of a review, and rules wider than what was seen.

use super::{PORTS, observation, policies, seen, template_pod};
use crate::infer::rules::Plan;
use crate::infer::widen::{OverPermission, PeerWidth};
use crate::infer::{Options, infer};
use crate::render::form::Form;
use crate::render::render;
use crate::replay::replay;
use crate::review::{Action, Decided, Review};
use crate::state::convert;
use jiff::civil::Date;
use netwright_policy::{Party, Pod};
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Observation, Protocol};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

type Question<'a> = (&'a WorkloadRef, &'a WorkloadRef, Protocol, u16);

/// Who may reach whom on what, by the policies as they are read back.
fn allowed<'a>(observation: &Observation, plan: &Plan, workloads: &[&'a WorkloadRef]) -> BTreeSet<Question<'a>> {
    let (policies, cluster) = (policies(observation, plan), convert::cluster(&observation.inventory.namespaces));
    let pods: BTreeMap<&WorkloadRef, [Pod; 2]> = workloads
        .iter()
        .map(|workload| (*workload, ["client", "server"].map(|name| template_pod(observation, workload, name))))
        .collect();
    let pairs = workloads.iter().flat_map(|client| workloads.iter().map(move |server| (*client, *server)));
    let questions = pairs.flat_map(|(client, server)| {
        let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter();
        protocols.flat_map(move |protocol| PORTS.map(|port| (client, server, protocol, port)))
    });
    questions
        .filter(|(client, server, protocol, port)| {
            let (from, to) = (Party::Pod(&pods[client][0]), Party::Pod(&pods[server][1]));
            policies.verdict(&cluster, &from, &to, convert::protocol(*protocol), *port).allowed()
        })
        .collect()
}

fn declared(observation: &Observation) -> Vec<&WorkloadRef> {
    let own = observation.inventory.workloads.iter().filter(|workload| !workload.host_network);
    own.map(|workload| &workload.workload).collect()
}

/// A decision: whether it denies, and the positions of two workloads and of a port.
type Choice = (bool, usize, usize, usize);

fn decided(observation: &Observation, choices: &[Choice]) -> Decided {
    let workloads = &observation.inventory.workloads;
    let mut text = "apiVersion: netwright.io/v1\nkind: Review\ndecisions:\n".to_owned();
    let mut said = BTreeSet::new();
    for (denies, client, server, port) in choices {
        // The same words twice are an error of the file.
        if said.insert((client, server, port)) {
            let (action, port) = (if *denies { "deny" } else { "allow" }, PORTS[*port]);
            let (client, server) = (&workloads[*client].workload, &workloads[*server].workload);
            text += &format!("- decision: {action}\n  client: {client}\n  server: {server}\n  port: {port}/TCP\n");
            text += "  reason: so it was decided\n  expires: 2026-12-31\n";
        }
    }
    Review::parse(Path::new("review.yaml"), &text).unwrap().apply(observation, Date::constant(2026, 11, 15))
}

/// Edges that people denied taken out, those that they allowed taken as established.
fn as_decided(observation: &Observation, decided: &Decided) -> Observation {
    let mut after = observation.clone();
    after.edges.clear();
    for (number, edge) in observation.edges.iter().enumerate() {
        let action = decided.of(number).map(|decision| decision.action);
        if action != Some(Action::Deny) {
            let mut edge = edge.clone();
            edge.activity.failed = if action == Some(Action::Allow) { 0 } else { edge.activity.failed };
            after.edges.push(edge);
        }
    }
    after
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What passes is what was seen and not denied, and what was allowed; a second run gives the same bytes.
    #[test]
    fn decisions_are_followed_and_nothing_else_changes(
        observation in observation(),
        choices in proptest::collection::vec((any::<bool>(), 0..8usize, 0..8usize, 0..PORTS.len()), 1..12),
    ) {
        let decided = decided(&observation, &choices);
        let plan = infer(&observation, &Options::default(), &decided);
        let read = policies(&observation, &plan);
        prop_assert_eq!(replay(&observation, &read, &decided, || Ok(())).unwrap().denied, vec![]);
        let mut expected = seen(&as_decided(&observation, &decided));
        let workloads = &observation.inventory.workloads;
        let mut settled = BTreeSet::new();
        for (denies, client, server, port) in &choices {
            if settled.insert((client, server, port)) && !denies {
                let (client, server) = (&workloads[*client].workload, &workloads[*server].workload);
                expected.insert((client.clone(), server.clone(), Protocol::Tcp, PORTS[*port]));
            }
        }
        let widened: BTreeSet<&WorkloadRef> = plan.findings.widened.values().flatten().collect();
        let exact = plan.policies.iter().filter(|policy| policy.selection.widened.is_empty());
        let exact: Vec<&WorkloadRef> = exact.map(|policy| &policy.workload).filter(|workload| !widened.contains(*workload)).collect();
        let known = expected.iter().filter(|(client, server, ..)| exact.contains(&client) && exact.contains(&server));
        let known: BTreeSet<Question> = known.map(|(client, server, protocol, port)| (client, server, *protocol, *port)).collect();
        prop_assert_eq!(allowed(&observation, &plan, &exact), known);
        let files = |plan| render(&observation, plan, &Form::default()).unwrap();
        prop_assert_eq!(files(&plan), files(&infer(&observation, &Options::default(), &decided)));
    }

    /// With wider peers no more pairs of workloads may talk than are said to be added, and nothing that was allowed is lost.
    #[test]
    fn no_more_pairs_are_added_than_are_said(
        observation in observation(),
        namespaces in any::<bool>(),
        percent in proptest::option::of(0..200u32),
    ) {
        let peers = if namespaces { PeerWidth::Namespace } else { PeerWidth::Labels };
        let options = Options { peers, over_permission: percent.map(OverPermission), ..Options::default() };
        let wide = infer(&observation, &options, &Decided::default());
        let least = infer(&observation, &Options::default(), &Decided::default());
        let workloads = declared(&observation);
        let (before, after) = (allowed(&observation, &least, &workloads), allowed(&observation, &wide, &workloads));
        prop_assert!(before.is_subset(&after));
        let added: BTreeSet<_> = after.difference(&before).map(|(client, server, ..)| (client, server)).collect();
        prop_assert!(added.len() as u64 <= wide.widened().pairs, "{} added, said {:?}", added.len(), wide.widened());
    }
}
