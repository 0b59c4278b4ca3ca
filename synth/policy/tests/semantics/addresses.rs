//! Which addresses an ipBlock holds.

use crate::{allows, block_admits, outside, party, pod, world};

/// "The except entry describes CIDRs that should not be included within this rule."
#[test]
fn an_except_is_a_hole_in_its_own_block_only() {
    let holed = "{cidr: 198.18.0.0/15, except: [198.18.1.0/24, 198.19.255.255/32]}";
    for (text, expected) in [
        ("198.17.255.255", false),
        ("198.18.0.0", true),
        ("198.18.0.255", true),
        ("198.18.1.0", false),
        ("198.18.1.255", false),
        ("198.18.2.0", true),
        ("198.19.255.254", true),
        ("198.19.255.255", false),
        ("198.20.0.0", false),
    ] {
        assert_eq!(block_admits(holed, outside(text)), expected, "{text}");
    }
    let filled = "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 198.18.0.0/15, except: [198.18.1.0/24]}}, {ipBlock: {cidr: 198.18.1.7/32}}]}]}";
    assert!(allows(filled, outside("198.18.1.7"), party(&world().api)), "another peer may admit what is excepted here");
}

/// Bits right of the prefix do not count, as with any CIDR.
#[test]
fn host_bits_of_a_block_do_not_count() {
    assert!(block_admits("{cidr: 198.18.7.7/15}", outside("198.19.0.1")));
    assert!(!block_admits("{cidr: 198.18.7.7/15}", outside("198.20.0.1")));
}

/// The conformance tests of Kubernetes (`test/e2e/network/netpol`) hold enforcers to ipBlocks that match pods.
#[test]
fn a_block_matches_pods_by_any_of_their_addresses() {
    let world = world();
    assert!(block_admits("{cidr: 10.244.0.0/24}", party(&world.front)));
    assert!(!block_admits("{cidr: 10.244.9.0/24}", party(&world.front)));
    assert!(!block_admits("{cidr: 10.244.0.0/16, except: [10.244.0.1/32]}", party(&world.front)));
    for cidr in ["10.244.0.2/32", "fd00:244::/64"] {
        let to_api =
            format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{ipBlock: {{cidr: {cidr}}}}}]}}]}}");
        assert!(allows(&to_api, party(&world.front), party(&world.api)), "{cidr}");
        assert!(!allows(&to_api, party(&world.front), party(&world.bank_front)), "{cidr}");
    }
}

/// A pod that has Succeeded or Failed has no address any more.
#[test]
fn a_pod_without_address_is_in_no_block() {
    let gone = pod("shop/gone", &[("app", "front")], &[]);
    assert!(!block_admits("{cidr: 0.0.0.0/0}", party(&gone)));
    assert!(!block_admits("{cidr: '::/0'}", party(&gone)));
}

/// IPv4 and IPv6 are different networks: a block of one never holds an address of the other.
#[test]
fn families_never_match_each_other() {
    assert!(!block_admits("{cidr: 0.0.0.0/0}", outside("2001:db8::1")));
    assert!(!block_admits("{cidr: '::/0'}", outside("198.18.0.1")));
    assert!(block_admits("{cidr: '::/0'}", outside("2001:db8::1")));
    assert!(block_admits("{cidr: 198.18.0.0/15}", outside("::ffff:198.18.0.1")), "IPv4 in its mapped form is IPv4");
    assert!(!block_admits("{cidr: '::/0'}", outside("::ffff:198.18.0.1")));
}
