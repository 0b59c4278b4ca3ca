//! Peers, and blocks of addresses.

use super::{accepted_spec, rejected_spec};
use netwright_policy::Peer;

#[test]
fn a_peer_is_selectors_or_a_block() {
    let at = "spec.ingress[0].from[0]";
    for peer in ["{}", "null", "{podSelector: null}", "{ipBlock: null, namespaceSelector: null}"] {
        rejected_spec(&format!("{{podSelector: {{}}, ingress: [{{from: [{peer}]}}]}}"), at, "names no peer");
    }
    for selector in ["podSelector: {}", "namespaceSelector: {}", "podSelector: {}, namespaceSelector: {}"] {
        accepted_spec(&format!("{{podSelector: {{}}, ingress: [{{from: [{{{selector}}}]}}]}}"));
        let spec =
            format!("{{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: 10.0.0.0/8}}, {selector}}}]}}]}}");
        rejected_spec(&spec, at, "has ipBlock and a selector");
    }
    rejected_spec("{podSelector: {}, egress: [{to: [{}]}]}", "spec.egress[0].to[0]", "names no peer");
}

#[test]
fn blocks_are_cidrs() {
    let block = |block: &str| format!("{{podSelector: {{}}, egress: [{{to: [{{ipBlock: {block}}}]}}]}}");
    let at = "spec.egress[0].to[0].ipBlock.cidr";
    for cidr in ["0.0.0.0/0", "10.1.2.3/32", "10.0.0.0/8", "::/0", "2001:db8::1/128", "fd00:244::/48"] {
        assert!(accepted_spec(&block(&format!("{{cidr: '{cidr}'}}"))).warnings.is_empty(), "{cidr}");
    }
    for cidr in [
        "",
        "10.0.0.0",
        "10.0.0.0/33",
        "10.0.0/8",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "::/129",
        "fe80::1%eth0/64",
        "10.0.0.0/8 ",
        "10.0.0.0/0x8",
        "10.0.0.256/8",
        "0a.0.0.0/8",
        "::10000/64",
        "1:2:3:4:5:6:7::8/64",
        "::ffff:10.0.0.0/129",
        "/8",
        "any",
    ] {
        rejected_spec(&block(&format!("{{cidr: '{cidr}'}}")), at, "is not a CIDR block");
    }
    rejected_spec(&block("{except: []}"), at, "is missing");
    rejected_spec(&block("{cidr: 10}"), at, "is a number, must be text");
    rejected_spec(&block("10.0.0.0/8"), "spec.egress[0].to[0].ipBlock", "is text, must be an object");
}

/// `netutils.ParseCIDRSloppy` reads leading zeros as decimal, and `net.IPNet.Contains` takes a network number in
/// `::ffff:0:0/96` for one of IPv4.
#[test]
fn legacy_forms_of_blocks_are_read_as_the_api_server_reads_them() {
    for (cidr, read_as) in [
        ("010.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/08", "10.0.0.0/8"),
        ("10.00.0.0/016", "10.0.0.0/16"),
        ("192.168.010.077/00024", "192.168.10.0/24"),
        ("2001:0000db8::/32", "2001:db8::/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:a00:1/128", "10.0.0.1/32"),
        ("::ffff:010.0.0.9/120", "10.0.0.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::ffff:a00:0/95", "::fffe:0:0/95"),
    ] {
        let parsed =
            accepted_spec(&format!("{{podSelector: {{}}, egress: [{{to: [{{ipBlock: {{cidr: '{cidr}'}}}}]}}]}}"));
        let policy = parsed.policies.policies().first().unwrap();
        let Some([Peer::IpBlock(block)]) = policy.egress.first().and_then(|rule| rule.peers.as_deref()) else {
            panic!("{cidr}: {policy:?}");
        };
        assert_eq!(block.cidr.to_string(), read_as, "{cidr}");
        let [warning] = parsed.warnings.as_slice() else { panic!("{cidr}: {:?}", parsed.warnings) };
        assert!(
            warning.to_string().ends_with(&format!(
                "is a legacy form that programs read differently, read as the API server does: write {read_as}"
            )),
            "{warning}"
        );
    }
}

/// The API server looks at the first address of an exception and compares the prefix lengths as written, so that
/// mixed notations pass or fail by their digits.
#[test]
fn exceptions_in_another_notation_are_compared_as_written() {
    let spec = |cidr: &str, except: &str| {
        format!("{{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: '{cidr}', except: ['{except}']}}}}]}}]}}")
    };
    for (cidr, except, read_as) in [
        ("10.0.0.0/8", "::ffff:10.1.0.0/112", "10.1.0.0/16"),
        ("10.0.0.0/8", "::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("0.0.0.0/8", "::ffff:0.0.0.0/97", "0.0.0.0/8"),
        ("::ffff:10.0.0.0/104", "::ffff:10.1.0.0/112", "10.1.0.0/16"),
    ] {
        let parsed = accepted_spec(&spec(cidr, except));
        let policy = parsed.policies.policies().first().unwrap();
        let Some([Peer::IpBlock(block)]) = policy.ingress.first().and_then(|rule| rule.peers.as_deref()) else {
            panic!("{cidr}: {policy:?}");
        };
        let holes: Vec<_> = block.except.iter().map(ToString::to_string).collect();
        assert_eq!(holes, [read_as], "{cidr} except {except}");
    }
    let refused = spec("::ffff:10.0.0.0/104", "10.1.0.0/16");
    rejected_spec(&refused, "spec.ingress[0].from[0].ipBlock.except[0]", "is not strictly inside");
}

#[test]
fn an_except_is_strictly_inside_its_block() {
    let block = |cidr: &str, except: &str| {
        format!(
            "{{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: '{cidr}', except: [10.0.3.0/24, '{except}']}}}}]}}]}}"
        )
    };
    accepted_spec(&block("10.0.0.0/16", "10.0.255.0/24"));
    for except in ["10.1.0.0/24", "10.0.0.0/16", "10.0.0.0/8", "2001:db8::/64", "::/0"] {
        rejected_spec(
            &block("10.0.0.0/16", except),
            "spec.ingress[0].from[0].ipBlock.except[1]",
            "is not strictly inside 10.0.0.0/16",
        );
    }
    rejected_spec(
        &block("10.0.0.0/16", "10.0.0.1"),
        "spec.ingress[0].from[0].ipBlock.except[1]",
        "is not a CIDR block",
    );
}
