//! What is different under kube-router. Sources: [`Profile::differences`].

use crate::lint::check::{Check, Level};
use crate::lint::facts::{Facts, Named};
use crate::lint::field::{Field, Part};
use crate::lint::finding::Findings;
use crate::lint::profile::Profile;

pub(super) const BOTH_TYPES: Check = Check {
    code: "kube-router-both-types",
    level: Level::Warning,
    profile: Some(Profile::KubeRouter),
    why: "kube-router lets pass what either half of a policy with both policyTypes allows between two pods that it selects itself.",
    advice: "Split it into two policies, one for each direction, which every enforcer reads the same way.",
    run: both_types,
};

pub(super) const IPV6: Check = Check {
    code: "kube-router-ipv6",
    level: Level::Note,
    profile: Some(Profile::KubeRouter),
    why: "kube-router filters no IPv6 unless it is run with --enable-ipv6.",
    advice: "See that it is, or that the pods have no IPv6 addresses.",
    run: ipv6,
};

fn both_types(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for (index, policy) in facts.policies().filter(|(_, policy)| policy.isolates_ingress && policy.isolates_egress) {
        // With no rule in either half there is nothing that could pass too much.
        let allows = !policy.ingress.is_empty() || !policy.egress.is_empty();
        let selected = facts.selected(index);
        let pods: usize = facts.pods.members(&selected).map(|group| group.pods).sum();
        if allows && (pods > 1 || !facts.knows_pods()) {
            let message = "has both policyTypes: between its own pods either half is enough";
            found.policy(index, Field::Spec, message, facts.workloads(&selected));
        }
    }
}

fn ipv6(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules() {
        for (place, _) in at.blocks().filter(|(_, block)| block.cidr.network().is_ipv6()) {
            found.policy(at.index, at.part(Part::IpBlock(place)), "counts only with --enable-ipv6", Named::none());
        }
    }
}
