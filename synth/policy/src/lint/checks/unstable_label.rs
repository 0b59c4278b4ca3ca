//! A selector by a label that the next rollout changes.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Named};
use crate::lint::field::{Field, Part};
use crate::lint::finding::Findings;
use crate::{Operator, Selector};

pub(super) const CHECK: Check = Check {
    code: "unstable-label",
    level: Level::Warning,
    profile: None,
    why: "Labels of one rollout, run or release change while the workload stays, and then the selector matches nothing.",
    advice: "Select by the labels of the workload's own spec.selector.",
    run,
};

/// Set by controllers for each template or run, or by Helm charts for each release. Those that tell the members of a
/// StatefulSet apart are not among them: a member keeps its name and index.
const UNSTABLE: [&str; 10] = [
    "pod-template-hash",
    "rollouts-pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "helm.sh/chart",
    "app.kubernetes.io/version",
    "chart",
];

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (index, policy) in facts.policies() {
        report(found, index, Field::PodSelector, &policy.pod_selector);
    }
    for at in facts.rules() {
        for peer in at.selectors() {
            if let Some(pods) = peer.pods {
                report(found, at.index, at.part(Part::Peer(peer.place)), pods);
            }
        }
    }
}

fn report(found: &mut Findings<'_>, index: usize, field: Field, selector: &Selector) {
    let by_value = selector.requirements.iter().filter(|requirement| matches!(requirement.operator, Operator::In(_)));
    let unstable = by_value.filter(|requirement| UNSTABLE.contains(&&*requirement.key));
    let keys: Named = unstable.map(|requirement| requirement.key.to_string()).collect();
    if !keys.shown.is_empty() {
        found.policy(index, field, "selects by a label that does not last", keys);
    }
}
