//! Properties that hold whatever was observed: nothing seen is cut off, nothing unseen between workloads is let
//! through, and what is written means what was inferred.

use crate::infer::rules::{Plan, Rule};
use crate::infer::{Options, infer};
use crate::render::form::Form;
use crate::render::render;
use crate::replay::replay;
use crate::review::Decided;
use crate::state::convert;
use netwright_policy::{Pod, PolicySet, Source};
use netwright_record::Observation;
use netwright_record::inventory::{ContainerPort, WorkloadRef};
use proptest::prelude::*;
use std::collections::BTreeMap;

mod budget;
mod clusters;
mod exact;
mod exposures;
mod options;
mod reading;

pub(crate) use clusters::{PORTS, observation};
pub(crate) use reading::{means_another, seen};

/// The policies of a plan, through their text.
fn policies(observation: &Observation, plan: &Plan) -> PolicySet {
    let sources: Vec<Source> = render(observation, plan, &Form::default())
        .unwrap()
        .files
        .into_iter()
        .filter(|(name, _)| name.ends_with(".yaml"))
        .map(|(name, bytes)| Source { name, text: String::from_utf8(bytes).unwrap() })
        .collect();
    PolicySet::parse(&sources).unwrap().policies
}

/// A pod of `workload` as its template makes it, without an address, that serves whatever one of its pods has a name for.
fn template_pod(observation: &Observation, workload: &WorkloadRef, name: &str) -> Pod {
    let declared = observation.inventory.workloads.iter().find(|declared| declared.workload == *workload).unwrap();
    let pods = observation.inventory.pods.iter().filter(|pod| pod.workload == *workload);
    let ports: Vec<ContainerPort> = pods.flat_map(|pod| pod.ports.iter().cloned()).collect();
    Pod {
        namespace: (&workload.namespace).into(),
        name: name.into(),
        labels: (&declared.labels).into(),
        addresses: Vec::new(),
        node_addresses: Vec::new(),
        ports: convert::named_ports(&ports),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_that_was_seen_is_denied(observation in observation()) {
        let policies = policies(&observation, &infer(&observation, &Options::default(), &Decided::default()));
        let replay = replay(&observation, &policies, &Decided::default(), || Ok(())).unwrap();
        prop_assert_eq!(replay.denied, vec![]);
    }

    /// What was rendered selects, read back, exactly the labels that were inferred.
    #[test]
    fn what_is_written_selects_what_was_inferred(observation in observation()) {
        let plan = infer(&observation, &Options::default(), &Decided::default());
        let policies = policies(&observation, &plan);
        prop_assert_eq!(policies.policies().len(), plan.policies.len() + plan.default_deny.len());
        for policy in &plan.policies {
            let read = policies.policies().iter().find(|read| read.name == policy.name && read.namespace == policy.workload.namespace).unwrap();
            let matches = |labels: &netwright_record::Labels| read.pod_selector.matches(|key| labels.get(key).map(|value| value.as_str()));
            prop_assert!(matches(&policy.selection.pods.labels));
            for key in policy.selection.pods.labels.keys() {
                let mut without = policy.selection.pods.labels.clone();
                without.remove(key);
                prop_assert!(!matches(&without));
            }
            prop_assert_eq!((read.ingress.len(), read.egress.len()), (policy.ingress.len(), policy.egress.len()));
        }
    }

    #[test]
    fn the_order_of_records_does_not_matter(observation in observation()) {
        let mut reversed = observation.clone();
        reversed.edges.reverse();
        reversed.inventory.pods.reverse();
        reversed.inventory.workloads.reverse();
        reversed.inventory.nodes.reverse();
        reversed.sort();
        let files = |observation: &Observation| render(observation, &infer(observation, &Options::default(), &Decided::default()), &Form::default()).unwrap();
        prop_assert_eq!(files(&observation), files(&reversed));
    }
}

/// The random observations are not so poor that the properties hold for nothing.
#[test]
fn random_observations_exercise_what_they_should() {
    use crate::infer::rules::{Ground, PortMatch};
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..64 {
        let observation = observation().new_tree(&mut runner).unwrap().current();
        let plan = infer(&observation, &Options::default(), &Decided::default());
        let (findings, edges) = (&plan.findings, &observation.edges);
        let selections = || plan.policies.iter().map(|policy| &policy.selection);
        let rules = || plan.policies.iter().flat_map(|policy| policy.rules()).map(|(_, rule)| rule);
        let grounds =
            |of: fn(&Ground) -> bool| rules().flat_map(|rule| &rule.grounds).filter(|ground| of(ground)).count();
        let named = |rule: &&Rule| rule.ports.iter().any(|port| matches!(port.at, PortMatch::Named(_)));
        let counts = [
            ("policies", plan.policies.len()),
            ("selectors that select others too", findings.widened.len()),
            ("selectors with a label added", selections().filter(|selection| !selection.added.is_empty()).count()),
            ("selectors of what pods have in common", selections().filter(|selection| selection.common).count()),
            ("default-denies", plan.default_deny.len()),
            ("addresses of pods and left-out addresses", findings.by_address.len() + findings.left_out.len()),
            (
                "edges through known Services",
                edges.iter().filter(|edge| edge.services.iter().any(|one| one.name != "kube-dns")).count(),
            ),
            ("rules by a port's name", rules().filter(named).count()),
            ("edges through nodes", findings.exposed_through_nodes.values().map(|of| of.edges.len()).sum()),
            ("clients from everywhere", findings.exposed.len()),
            ("what the API server calls", grounds(|ground| matches!(ground, Ground::ApiExtension(_)))),
            ("what it cannot be told to call", findings.uncalled.len()),
            ("node-local DNS", grounds(|ground| matches!(ground, Ground::NodeLocalDns(_)))),
            ("answers over TCP", grounds(|ground| matches!(ground, Ground::TruncatedAnswers(_)))),
        ];
        counts.into_iter().for_each(|(what, count)| *met.entry(what).or_default() += count);
    }
    assert!(met.values().all(|count| *count >= 5), "{met:?}");
}
