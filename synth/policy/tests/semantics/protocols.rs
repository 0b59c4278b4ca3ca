//! What policies leave undefined: protocols that no policy can name.

use crate::{CLOSED, OUTSIDE, address, party, policies, world};
use netwright_policy::{Answer, Decision, Exemption, Party, Protocol, Traffic};

const PING: Traffic = Traffic::Other("ICMP");

fn ask(specs: &[&str], from: Party, to: Party) -> Answer {
    policies(specs).ask(&world().cluster, &from, &to, PING)
}

fn undefined(egress: &[usize], ingress: &[usize]) -> Answer {
    Answer::Undefined { egress_isolated_by: egress.to_vec(), ingress_isolated_by: ingress.to_vec() }
}

/// "When a deny all network policy is defined, it is only guaranteed to deny TCP, UDP and SCTP connections. For other
/// protocols, such as ARP or ICMP, the behaviour is undefined." (website, concepts/services-networking/network-policies,
/// "Network traffic filtering")
#[test]
fn a_protocol_that_no_policy_can_name_is_undefined_at_an_isolated_end() {
    let world = world();
    let (front, api) = (party(&world.front), party(&world.api));
    let egress = "{podSelector: {matchLabels: {app: front}}, policyTypes: [Egress]}";
    let ingress = "{podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress]}";
    assert_eq!(ask(&[CLOSED], front, api), undefined(&[0], &[0]));
    assert_eq!(ask(&[ingress, egress], front, api), undefined(&[1], &[0]));
    assert_eq!(ask(&[egress], front, api), undefined(&[0], &[]));
    assert_eq!(ask(&[ingress], front, api), undefined(&[], &[0]));
    assert_eq!(ask(&[CLOSED], OUTSIDE, api), undefined(&[], &[0]));
    assert_eq!(ask(&[CLOSED], front, OUTSIDE), undefined(&[0], &[]));
    assert_eq!(ask(&[CLOSED], front, OUTSIDE).allowed(), None);
}

/// "The same applies to allow rules: when a specific pod is allowed as ingress source or egress destination, it is
/// undefined what happens with (for example) ICMP packets." (the same section)
#[test]
fn a_rule_for_everything_does_not_define_it_either() {
    let world = world();
    let open = "{podSelector: {}, ingress: [{}], egress: [{}]}";
    assert_eq!(ask(&[open], party(&world.front), party(&world.api)), undefined(&[0], &[0]));
}

/// "By default, a pod is non-isolated for egress; all outbound connections are allowed." and the same of ingress
/// (website, network-policies, "The two sorts of pod isolation"): without isolation there is nothing to be undefined.
#[test]
fn where_nothing_isolates_every_protocol_passes() {
    let world = world();
    let open =
        Answer::Defined(netwright_policy::Verdict { egress: Decision::NotIsolated, ingress: Decision::NotIsolated });
    for (from, to) in [(party(&world.front), party(&world.api)), (OUTSIDE, party(&world.api)), (OUTSIDE, OUTSIDE)] {
        assert_eq!(ask(&[], from, to), open);
    }
    let elsewhere = "{podSelector: {matchLabels: {app: nobody}}, policyTypes: [Ingress, Egress]}";
    assert_eq!(ask(&[elsewhere], party(&world.front), party(&world.api)).allowed(), Some(true));
    let other_direction = "{podSelector: {}, policyTypes: [Egress]}";
    assert_eq!(ask(&[other_direction], OUTSIDE, party(&world.api)), open);
}

/// "a pod cannot block access to itself" and "traffic to and from the node where a Pod is running is always allowed"
/// (website, network-policies, the list of entities): said of traffic, not of some protocols.
#[test]
fn what_no_policy_can_forbid_is_not_undefined() {
    let world = world();
    let own = [address("192.0.2.1")];
    let node = Party::Node { addresses: &own };
    for (from, exemption) in [(party(&world.api), Exemption::SamePod), (node, Exemption::OwnNode)] {
        let Answer::Defined(verdict) = ask(&[CLOSED], from, party(&world.api)) else { panic!("{exemption:?}") };
        assert_eq!(verdict.ingress, Decision::Exempt(exemption));
    }
    assert_eq!(
        ask(&[CLOSED], party(&world.api), node),
        undefined(&[0], &[]),
        "the reverse needs the cluster to say so"
    );
}

/// A question about a port is a verdict like any other.
#[test]
fn a_port_is_always_defined() {
    let world = world();
    let set = policies(&["{podSelector: {}, ingress: [{ports: [{port: 80}]}]}"]);
    for (protocol, port) in [(Protocol::Tcp, 80), (Protocol::Tcp, 81), (Protocol::Udp, 80)] {
        let answer = set.ask(&world.cluster, &OUTSIDE, &party(&world.api), Traffic::Port { protocol, port });
        let verdict = set.verdict(&world.cluster, &OUTSIDE, &party(&world.api), protocol, port);
        assert_eq!(answer.allowed(), Some(protocol == Protocol::Tcp && port == 80));
        assert_eq!(answer, Answer::Defined(verdict));
    }
}
