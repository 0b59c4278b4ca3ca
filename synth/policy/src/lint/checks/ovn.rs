//! What is different under OVN-Kubernetes. Sources: [`Profile::differences`].

use crate::Ports;
use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Group, Named};
use crate::lint::field::Part;
use crate::lint::finding::Findings;
use crate::lint::profile::Profile;

pub(super) const NAMED_PORT: Check = Check {
    code: "ovn-named-port",
    level: Level::Error,
    profile: Some(Profile::Ovn),
    why: "OVN-Kubernetes does not support named ports in policies.",
    advice: "Write the number.",
    run: named_port,
};

pub(super) const HOST_NETWORK: Check = Check {
    code: "ovn-host-network",
    level: Level::Note,
    profile: Some(Profile::Ovn),
    why: "OVN-Kubernetes takes host-network pods into a namespaceSelector only where podSelector {} stands beside it.",
    advice: "Add podSelector: {} if the host-network pods of those namespaces are meant, or on OpenShift select \
             policy-group.network.openshift.io/host-network.",
    run: host_network,
};

fn named_port(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules() {
        for (place, range) in at.rule.ports.iter().flatten().enumerate() {
            if let Ports::Name(name) = &range.ports {
                let message = format!("{} is a name, which is not supported", name.escape_debug());
                found.policy(at.index, at.part(Part::Port(place)), message, Named::none());
            }
        }
    }
}

fn host_network(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules() {
        for peer in at.selectors().filter(|peer| peer.namespaces.is_some() && peer.pods.is_none()) {
            let hosts = facts.peer_hosts(&peer);
            if !hosts.is_empty() {
                let names: Named = facts.hosts.members(&hosts).map(Group::name).collect();
                let message = "leaves out the host-network pods of these namespaces";
                found.policy(at.index, at.part(Part::Peer(peer.place)), message, names);
            }
        }
    }
}
