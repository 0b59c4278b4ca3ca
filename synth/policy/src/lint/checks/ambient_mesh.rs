//! Pods of an ambient mesh whose tunnel port is closed.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Groups, may_use};
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::{Direction, Protocol};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECK: Check = Check {
    code: "ambient-mesh",
    level: Level::Warning,
    profile: None,
    why: "In an ambient mesh what a pod receives arrives on TCP 15008, whatever the port of the application \
          (istio.io, \"Ambient and Kubernetes NetworkPolicy\").",
    advice: "Allow TCP 15008 beside the application's ports, and 169.254.7.127 for kubelet probes.",
    run,
};

/// The label by which a namespace joins the mesh, and its value.
const DATAPLANE_MODE: (&str, &str) = ("istio.io/dataplane-mode", "ambient");
/// HBONE, the mesh's tunnel.
const HBONE: u16 = 15008;

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    let opens: BTreeSet<usize> = facts
        .rules()
        .filter(|at| at.direction == Direction::Ingress && may_use(at.rule, Protocol::Tcp, HBONE))
        .map(|at| at.index)
        .collect();
    let mut closed = BTreeMap::<usize, Vec<u32>>::new();
    for (namespace, groups) in facts.pods.namespaces().filter(|(namespace, _)| is_ambient(facts, namespace)) {
        debug_assert!(facts.pods.members(&groups).all(|group| group.namespace == namespace));
        for group in groups.iter() {
            let isolating = facts.isolating(Direction::Ingress, group);
            // What admits nobody on any port is default-deny, and says nothing about the mesh.
            let has_rules =
                |index: &&usize| facts.input.policies.policies().get(**index).is_some_and(|p| !p.ingress.is_empty());
            let first =
                isolating.iter().find(has_rules).filter(|_| !isolating.iter().any(|index| opens.contains(index)));
            if let (Some(first), Ok(group)) = (first, u32::try_from(group)) {
                closed.entry(*first).or_default().push(group);
            }
        }
    }
    for (policy, groups) in closed {
        let groups: Groups = groups.into_iter().collect();
        found.policy(policy, Field::Spec, "closes TCP 15008 to pods of an ambient mesh", facts.workloads(&groups));
    }
}

fn is_ambient(facts: &Facts<'_>, namespace: &str) -> bool {
    facts.input.cluster.namespace_label(namespace, DATAPLANE_MODE.0) == Some(DATAPLANE_MODE.1)
}
