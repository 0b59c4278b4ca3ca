//! Rules for every pod of a namespace.

use crate::NetworkPolicy;
use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Named};
use crate::lint::field::Field;
use crate::lint::finding::Findings;

pub(super) const CHECK: Check = Check {
    code: "every-pod",
    level: Level::Note,
    profile: None,
    why: "An empty podSelector is every pod of the namespace, now and later, so its rules open also those they were not thought of for.",
    advice: "Keep an empty podSelector for default-deny and for what every pod needs, such as DNS.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (index, policy) in facts.policies() {
        if policy.pod_selector.requirements.is_empty() && opens(policy) {
            found.policy(
                index,
                Field::PodSelector,
                "is empty: its rules are for every pod of the namespace",
                Named::none(),
            );
        }
    }
}

fn opens(policy: &NetworkPolicy) -> bool {
    let counting = (policy.isolates_ingress, &policy.ingress, policy.isolates_egress, &policy.egress);
    matches!(counting, (true, rules, _, _) if !rules.is_empty())
        || matches!(counting, (_, _, true, rules) if !rules.is_empty())
}
