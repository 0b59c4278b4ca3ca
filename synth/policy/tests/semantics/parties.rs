//! Pods to themselves, nodes, and host-network pods.

use crate::{CLOSED, OUTSIDE, address, allows, block_admits, outside, party, pod, policies, world};
use netwright_policy::{Decision, Exemption, Party, Protocol};

/// "Other pods that are allowed (exception: a pod cannot block access to itself)" (website, network-policies, the list
/// of entities)
#[test]
fn a_pod_always_reaches_itself() {
    let world = world();
    let set = policies(&[CLOSED]);
    for to in [party(&world.api), outside("10.244.0.2"), outside("fd00:244::2")] {
        let verdict = set.verdict(&world.cluster, &party(&world.api), &to, Protocol::Tcp, 80);
        assert_eq!(verdict.egress, Decision::Exempt(Exemption::SamePod));
        assert!(verdict.allowed());
    }
    let namesake = pod("bank/api", &[("app", "api")], &[]);
    assert!(!allows(CLOSED, party(&world.api), party(&namesake)), "the name alone does not make it the same pod");
}

/// "OR if the traffic source is the pod's local node"
#[test]
fn a_node_always_reaches_its_own_pods() {
    let world = world();
    let (own, other) = ([address("192.0.2.1"), address("192.0.2.2")], [address("192.0.2.3")]);
    let set = policies(&[CLOSED]);
    let ingress = |from| set.verdict(&world.cluster, &from, &party(&world.api), Protocol::Tcp, 80).ingress;
    let exempt = Decision::Exempt(Exemption::OwnNode);
    assert_eq!(ingress(Party::Node { addresses: &own }), exempt);
    assert_eq!(ingress(Party::Node { addresses: &own[1..] }), exempt);
    assert_eq!(ingress(outside("192.0.2.1")), exempt);
    assert!(!ingress(Party::Node { addresses: &other }).allows());
    assert!(!ingress(Party::Node { addresses: &[own[0], other[0]] }).allows());
    assert!(!allows(CLOSED, Party::Node { addresses: &own }, party(&world.front)), "not the node of this pod");
}

/// "OR if the traffic source is the pod's local node": the comment on `ingress` has it, the one on `egress` does not. As
/// destination the node needs a rule: Calico, for one, blocks it without.
#[test]
fn a_pod_needs_a_rule_to_reach_its_own_node() {
    let world = world();
    let own = [address("192.0.2.1")];
    assert!(!allows(CLOSED, party(&world.api), Party::Node { addresses: &own }));
    let open = "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.0.2.1/32}}]}]}";
    assert!(allows(open, party(&world.api), Party::Node { addresses: &own }));
}

/// "traffic to and from the node where a Pod is running is always allowed, regardless of the IP address of the Pod or
/// the node" (website, concepts/services-networking/network-policies): for enforcers that take it at its word.
#[test]
fn a_cluster_may_exempt_the_own_node_for_egress_too() {
    let mut world = world();
    world.cluster.own_node_egress_exempt = true;
    let own = [address("192.0.2.1"), address("192.0.2.2")];
    let (other, both) = ([address("192.0.2.3")], [own[0], address("192.0.2.3")]);
    let set = policies(&[CLOSED]);
    let egress = |from, to| set.verdict(&world.cluster, &party(from), &to, Protocol::Tcp, 10250).egress;
    let exempt = Decision::Exempt(Exemption::OwnNode);
    assert_eq!(egress(&world.api, Party::Node { addresses: &own }), exempt);
    assert_eq!(egress(&world.api, outside("192.0.2.2")), exempt);
    assert!(!egress(&world.api, Party::Node { addresses: &other }).allows());
    assert!(!egress(&world.api, Party::Node { addresses: &both }).allows());
    assert!(!egress(&world.front, Party::Node { addresses: &own }).allows(), "not the node of this pod");
    let ingress = set.verdict(&world.cluster, &Party::Node { addresses: &own }, &party(&world.api), Protocol::Tcp, 80);
    assert_eq!(ingress.ingress, exempt, "ingress is as it was");
}

/// "Traffic to/from hostNetwork pods is treated the same as all other traffic to/from the node IP. (This is the most
/// common implementation.)" and they are ignored "when matching podSelector and namespaceSelector" (website,
/// network-policies, "NetworkPolicy and hostNetwork pods"): no selector finds one, and no policy isolates it.
#[test]
fn a_node_is_its_addresses() {
    let world = world();
    let node = [address("192.0.2.8"), address("192.0.2.9")];
    let node = Party::Node { addresses: &node };
    assert!(!block_admits("{cidr: 192.0.2.8/32}", node), "it may use the other address");
    assert!(block_admits("{cidr: 192.0.2.8/31}", node));
    let both =
        "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.8/32}}, {ipBlock: {cidr: 192.0.2.9/32}}]}]}";
    assert!(allows(both, node, party(&world.api)), "whichever it uses is admitted");
    assert!(!allows("{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}", node, party(&world.api)));
    let verdict = policies(&[CLOSED]).verdict(&world.cluster, &node, &OUTSIDE, Protocol::Tcp, 80);
    assert_eq!([verdict.egress, verdict.ingress], [Decision::NotIsolated, Decision::NotIsolated]);
}

/// The rule that is named is the one that admits the first address.
#[test]
fn a_node_admitted_by_two_rules_is_told_the_first() {
    let world = world();
    let node = [address("192.0.2.8"), address("192.0.2.9")];
    let set = policies(&[
        "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.9/32}}]}, {from: [{ipBlock: {cidr: 192.0.2.8/32}}]}]}",
    ]);
    let ask = |addresses| {
        set.verdict(&world.cluster, &Party::Node { addresses }, &Party::Pod(&world.api), Protocol::Tcp, 80).ingress
    };
    assert_eq!(ask(&node), Decision::Allowed { policy: 0, rule: 1 });
    assert_eq!(ask(&[node[1], node[0]]), Decision::Allowed { policy: 0, rule: 0 });
}

/// Of a node without known addresses nothing can be said, so only a rule for every peer admits it.
#[test]
fn a_node_without_addresses_is_in_no_block() {
    let node = Party::Node { addresses: &[] };
    assert!(!block_admits("{cidr: 0.0.0.0/0}", node));
    assert!(allows("{podSelector: {}, ingress: [{}]}", node, party(&world().api)));
    assert!(!allows(CLOSED, node, party(&world().api)));
}
