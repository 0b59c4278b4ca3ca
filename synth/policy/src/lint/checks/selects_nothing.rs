//! A policy for pods that do not exist.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Named};
use crate::lint::field::Field;
use crate::lint::finding::Findings;

pub(super) const CHECK: Check = Check {
    code: "selects-nothing",
    level: Level::Warning,
    profile: None,
    why: "A policy whose podSelector matches no pod isolates nothing, most often for a wrong label or namespace.",
    advice: "Compare its labels with those of the pods (kubectl get pods --show-labels), or remove the policy.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    if !facts.knows_pods() {
        return;
    }
    for (index, policy) in facts.policies().filter(|(index, _)| facts.selected(*index).is_empty()) {
        // A default for the whole namespace is meant for pods to come, if there is that namespace.
        if policy.pod_selector.requirements.is_empty() && facts.input.cluster.namespaces.contains_key(&policy.namespace)
        {
            continue;
        }
        if facts.selected_hosts(index).is_empty() {
            found.policy(index, Field::PodSelector, "selects no pod of its namespace", Named::none());
        }
    }
}
