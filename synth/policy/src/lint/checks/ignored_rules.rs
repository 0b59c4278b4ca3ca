//! Rules for a direction that the policy does not isolate.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Named};
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::{Direction, NetworkPolicy};

pub(super) const CHECK: Check = Check {
    code: "ignored-rules",
    level: Level::Error,
    profile: None,
    why: "Rules for a direction that policyTypes does not name are ignored, and the pods stay open in that direction.",
    advice: "Add the direction to policyTypes, or remove the rules.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (index, policy) in facts.policies() {
        for (direction, name) in [(Direction::Ingress, "Ingress"), (Direction::Egress, "Egress")] {
            if !written(policy, direction).is_empty() && policy.rules(direction).is_none() {
                let message = format!("is ignored, since policyTypes does not hold {name}");
                found.policy(index, Field::Rules(direction), message, Named::none());
            }
        }
    }
}

fn written(policy: &NetworkPolicy, direction: Direction) -> &[crate::Rule] {
    match direction {
        Direction::Ingress => &policy.ingress,
        Direction::Egress => &policy.egress,
    }
}
