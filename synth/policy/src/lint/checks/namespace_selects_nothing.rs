//! A namespace selector that matches no namespace.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Named};
use crate::lint::field::Part;
use crate::lint::finding::Findings;

pub(super) const CHECK: Check = Check {
    code: "namespace-selects-nothing",
    level: Level::Warning,
    profile: None,
    why: "Namespaces are selected by their labels, not by their name, and a selector that matches none admits nobody.",
    advice: "Select by kubernetes.io/metadata.name, which every namespace has, or label the namespace.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    if facts.input.cluster.namespaces.is_empty() {
        return;
    }
    for at in facts.rules() {
        for peer in at.selectors() {
            if facts.has_no_namespace(&peer) {
                let message = "its namespaceSelector selects no namespace";
                found.policy(at.index, at.part(Part::Peer(peer.place)), message, Named::none());
            }
        }
    }
}
