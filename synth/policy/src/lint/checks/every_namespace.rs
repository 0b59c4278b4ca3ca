//! Peers in every namespace. Two checks: every pod there, and those with some label.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Named, Selectors};
use crate::lint::field::Part;
use crate::lint::finding::Findings;

pub(super) const EVERY_POD: Check = Check {
    code: "every-namespace",
    level: Level::Warning,
    profile: None,
    why: "An empty namespaceSelector is every pod of every namespace, now and later (and nobody outside the cluster).",
    advice: "Select the namespaces by kubernetes.io/metadata.name, and the pods in them by a podSelector.",
    run: |facts, found| run(facts, found, false),
};

pub(super) const BY_LABEL: Check = Check {
    code: "label-in-every-namespace",
    level: Level::Note,
    profile: None,
    why: "With an empty namespaceSelector whoever may create a pod in any namespace can give it the labels this peer asks for.",
    advice: "Select the namespaces too, by kubernetes.io/metadata.name.",
    run: |facts, found| run(facts, found, true),
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>, by_label: bool) {
    for at in facts.rules() {
        for peer in at.selectors().filter(|peer| is_everywhere(peer) && asks_for_labels(peer) == by_label) {
            let message = if by_label {
                "takes in pods with these labels in every namespace"
            } else {
                "is every pod of every namespace"
            };
            found.policy(at.index, at.part(Part::Peer(peer.place)), message, Named::none());
        }
    }
}

fn is_everywhere(peer: &Selectors<'_>) -> bool {
    peer.namespaces.is_some_and(|selector| selector.requirements.is_empty())
}

fn asks_for_labels(peer: &Selectors<'_>) -> bool {
    peer.pods.is_some_and(|selector| !selector.requirements.is_empty())
}
