//! A policy that is called after one workload and selects more.

use crate::lint::check::{Check, Level};
use crate::lint::facts::Facts;
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::{NetworkPolicy, Selector};
use std::collections::BTreeSet;

pub(super) const CHECK: Check = Check {
    code: "overlapping-workloads",
    level: Level::Warning,
    profile: None,
    why: "A policy named after one workload that also selects others isolates those, and opens them as far as its rules go.",
    advice: "Add a label that tells the workloads apart, or name the policy after what they have in common.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (index, policy) in facts.policies().filter(|(_, policy)| !is_empty(&policy.pod_selector)) {
        let selected = facts.selected(index);
        let workloads: BTreeSet<&str> = facts.pods.members(&selected).map(|group| group.workload).collect();
        let Some(meant) = meant(policy, &workloads) else { continue };
        let others = facts.pods.members(&selected).filter(|group| group.workload != meant);
        let message = format!("is named after {} and also selects other workloads", meant.escape_debug());
        found.policy(index, Field::PodSelector, message, others.map(|group| group.name()).collect());
    }
}

fn is_empty(selector: &Selector) -> bool {
    selector.requirements.is_empty()
}

/// The one of several workloads that a policy is named after: `cart-ingress` after `cart`, not after `ingress-cart-db`.
fn meant<'a>(policy: &NetworkPolicy, workloads: &BTreeSet<&'a str>) -> Option<&'a str> {
    if workloads.len() < 2 {
        return None;
    }
    let named = |workload: &&str| {
        let rest = policy.name.strip_prefix(*workload).map(|rest| rest.is_empty() || rest.starts_with('-'));
        let before = policy.name.strip_suffix(*workload).map(|before| before.ends_with('-'));
        rest == Some(true) || before == Some(true)
    };
    workloads.iter().copied().filter(named).max_by_key(|workload| workload.len())
}
