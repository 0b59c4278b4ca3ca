//! A peer that is host-network pods, which arrive as nodes.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Group};
use crate::lint::field::Part;
use crate::lint::finding::Findings;

pub(super) const CHECK: Check = Check {
    code: "host-network-peer",
    level: Level::Warning,
    profile: None,
    why: "A host-network pod has the address of its node, so a peer that selects only such pods never matches.",
    advice: "Allow the addresses of the nodes in an ipBlock, or the enforcer's own entity for nodes.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules() {
        for peer in at.selectors() {
            let hosts = facts.peer_hosts(&peer);
            if !hosts.is_empty() && facts.peer(&peer).is_empty() {
                let names = facts.hosts.members(&hosts).map(Group::name).collect();
                let message = "selects only host-network pods, which are nodes to a policy";
                found.policy(at.index, at.part(Part::Peer(peer.place)), message, names);
            }
        }
    }
}
