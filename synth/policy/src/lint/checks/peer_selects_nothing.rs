//! A peer that is no pod.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Named};
use crate::lint::field::Part;
use crate::lint::finding::Findings;

pub(super) const CHECK: Check = Check {
    code: "peer-selects-nothing",
    level: Level::Warning,
    profile: None,
    why: "A peer that matches no pod admits nobody, so whoever it was written for is denied.",
    advice: "Compare both selectors with the labels of the pods and their namespaces, or remove the peer.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    if !facts.knows_pods() {
        return;
    }
    for at in facts.rules() {
        for peer in at.selectors() {
            let no_namespace = facts.has_no_namespace(&peer);
            let hosts = || facts.peer_hosts(&peer);
            if !no_namespace && facts.peer(&peer).is_empty() && hosts().is_empty() && !facts.is_unknown(&peer) {
                found.policy(at.index, at.part(Part::Peer(peer.place)), "selects no pod", Named::none());
            }
        }
    }
}
