//! Pods of an ambient mesh whose tunnel port is closed.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{DATAPLANE_MODE, Facts, Group, Groups, may_use};
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

/// HBONE, the mesh's tunnel.
const HBONE: u16 = 15008;

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    let opens: BTreeSet<usize> = facts
        .rules()
        .filter(|at| at.direction == Direction::Ingress && may_use(at.rule, Protocol::Tcp, HBONE))
        .map(|at| at.index)
        .collect();
    let mut closed = BTreeMap::<usize, Vec<u32>>::new();
    for (number, _) in (0_u32..).zip(&facts.pods.groups).filter(|(_, group)| is_ambient(facts, group)) {
        let isolating = facts.isolating(Direction::Ingress, number as usize);
        // What admits nobody on any port is default-deny, and says nothing about the mesh.
        let has_rules =
            |index: &&usize| facts.input.policies.policies().get(**index).is_some_and(|p| !p.ingress.is_empty());
        let first = isolating.iter().find(has_rules).filter(|_| !isolating.iter().any(|index| opens.contains(index)));
        if let Some(first) = first {
            closed.entry(*first).or_default().push(number);
        }
    }
    for (policy, groups) in closed {
        let groups: Groups = groups.into_iter().collect();
        found.policy(policy, Field::Spec, "closes TCP 15008 to pods of an ambient mesh", facts.workloads(&groups));
    }
}

/// A pod's own label goes before its namespace's (Istio documentation, "Add workloads to the mesh").
fn is_ambient(facts: &Facts<'_>, group: &Group<'_>) -> bool {
    let of_namespace = || facts.input.cluster.namespace_label(group.namespace, DATAPLANE_MODE);
    group.label(DATAPLANE_MODE).or_else(of_namespace) == Some("ambient")
}
