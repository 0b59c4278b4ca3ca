//! Which addresses an ipBlock holds.

use crate::{allows, block_admits, outside, party, pod, policies, world};
use netwright_policy::Protocol;

/// "The except entry describes CIDRs that should not be included within this rule." (IPBlock), and a peer beside it may
/// hold them again: e2e `test/e2e/network/netpol`, "should ensure an IP overlapping both IPBlock.CIDR and
/// IPBlock.Except is allowed".
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

/// Bits right of the prefix do not count, as with any CIDR (RFC 4632, section 3.1: the prefix is what is compared).
#[test]
fn host_bits_of_a_block_do_not_count() {
    assert!(block_admits("{cidr: 198.18.7.7/15}", outside("198.19.0.1")));
    assert!(!block_admits("{cidr: 198.18.7.7/15}", outside("198.20.0.1")));
}

/// "These should be cluster-external IPs, since Pod IPs are ephemeral and unpredictable." (website, network-policies,
/// ipBlock) is advice: e2e `test/e2e/network/netpol`, "should allow egress access to server in CIDR block" and "should
/// enforce except clause while egress access to server in CIDR block", make the block out of a pod's address.
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

/// "podIP address allocated to the pod. Routable at least within the cluster. Empty if not yet allocated." (core/v1
/// PodStatus). A pod that has Succeeded or Failed has given its address back, whatever its status still shows, and the
/// next pod may hold it: whoever fills a [`Pod`](netwright_policy::Pod) leaves the address, or the whole pod, out.
#[test]
fn a_pod_without_address_is_in_no_block() {
    let gone = pod("shop/gone", &[("app", "front")], &[]);
    assert!(!block_admits("{cidr: 0.0.0.0/0}", party(&gone)));
    assert!(!block_admits("{cidr: '::/0'}", party(&gone)));
}

/// "podIPs holds the IP addresses allocated to the pod. [...] Pods may be allocated at most 1 value for each of IPv4 and
/// IPv6." (core/v1 PodStatus): a dual-stack pod is admitted by a block of either family, whatever the other end has.
#[test]
fn a_dual_stack_pod_is_in_the_blocks_of_both_families() {
    let world = world();
    let four_only = pod("shop/four", &[], &["10.244.0.7"]);
    let six_only = pod("shop/six", &[], &["fd00:244::7"]);
    for (block, four, six, both) in [
        ("{cidr: 10.244.0.0/24}", true, false, true),
        ("{cidr: 'fd00:244::/64'}", false, true, true),
        ("{cidr: 10.244.0.0/24, except: [10.244.0.0/29]}", false, false, false),
        ("{cidr: 'fd00:244::/64', except: ['fd00:244::/126']}", false, true, false),
    ] {
        let spec = format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{ipBlock: {block}}}]}}]}}");
        for (to, expected) in [(&four_only, four), (&six_only, six), (&world.api, both)] {
            assert_eq!(allows(&spec, party(&world.front), party(to)), expected, "{block} to {}", to.name);
        }
    }
    let holes = "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.244.0.0/24, except: [10.244.0.0/29]}}, {ipBlock: {cidr: 'fd00:244::/64'}}]}]}";
    let verdict =
        policies(&[holes]).verdict(&world.cluster, &party(&world.front), &party(&world.api), Protocol::Tcp, 80);
    assert!(verdict.allowed(), "what one family's block leaves out, the other's may hold");
}

/// "a particular CIDR (Ex. "192.168.1.0/24","2001:db8::/64")": IPv4 and IPv6 are different networks, and a block of one
/// never holds an address of the other.
#[test]
fn families_never_match_each_other() {
    assert!(!block_admits("{cidr: 0.0.0.0/0}", outside("2001:db8::1")));
    assert!(!block_admits("{cidr: '::/0'}", outside("198.18.0.1")));
    assert!(block_admits("{cidr: '::/0'}", outside("2001:db8::1")));
    assert!(block_admits("{cidr: 198.18.0.0/15}", outside("::ffff:198.18.0.1")), "IPv4 in its mapped form is IPv4");
    assert!(!block_admits("{cidr: '::/0'}", outside("::ffff:198.18.0.1")));
}
