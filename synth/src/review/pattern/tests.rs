//! What patterns match, and how they are read.

use super::*;

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

fn workload(text: &str) -> Endpoint {
    let [namespace, kind, name] = text.split('/').collect::<Vec<_>>().try_into().unwrap();
    Endpoint::Workload(WorkloadRef { namespace: namespace.into(), kind: kind.into(), name: name.into() })
}

fn named(name: &str) -> Endpoint {
    Endpoint::ExternalName { names: [name.into()].into() }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn each_form_is_written_as_it_is_read() {
    for text in [
        "*",
        "outside",
        "internet",
        "api-server",
        "metadata",
        "link-local",
        "node",
        "node:n1",
        "node:pool-*",
        "shop/api",
        "shop/Deployment/api",
        "shop/*",
        "*/api",
        "shop-*/Job/report-*",
        "billing.example",
        "*.example",
        "198.18.0.7",
        "198.18.0.0/15",
        "2001:db8::/32",
        "2001:db8::1",
        "a/b.c",
    ] {
        assert_eq!(pattern(text).to_string(), text);
    }
    assert_eq!(pattern("::ffff:198.18.0.7"), pattern("198.18.0.7"));
    assert_eq!(pattern("Billing.EXAMPLE."), pattern("billing.example"));
}

#[test]
fn what_is_no_pattern_is_refused_with_the_form_that_was_meant() {
    for (text, said) in [
        ("", "is no pattern"),
        ("shop", "NAMESPACE/NAME"),
        ("a/b/c/d", "is no pattern"),
        ("shop/", "cannot be part"),
        ("shop/a*b", "cannot be part"),
        ("shop/**", "cannot be part"),
        ("shop/\u{1b}[31m", "\\u{1b}[31m"),
        ("node:", "cannot be part"),
        ("198.18.0.0/33", "block of addresses"),
        ("198.18.0.7/15", "write 198.18.0.0/15"),
        ("::ffff:198.18.0.0/112", "as IPv4"),
        ("a..example", "DNS name"),
        ("*.*.example", "DNS name"),
    ] {
        let error = text.parse::<Pattern>().unwrap_err().to_string();
        assert!(error.contains(said), "{text:?}: {error}");
    }
}

#[test]
fn patterns_hold_for_the_ends_that_they_name() {
    let node = |name: &str, workload| Endpoint::Node { name: name.into(), workload };
    let exporter = WorkloadRef { namespace: "ops".into(), kind: "DaemonSet".into(), name: "exporter".into() };
    for (text, end, expected) in [
        ("shop/api", workload("shop/Deployment/api"), true),
        ("shop/Job/api", workload("shop/Deployment/api"), false),
        ("shop/ap*", workload("shop/Deployment/api"), true),
        ("shop/api", workload("shop2/Deployment/api"), false),
        ("ops/exporter", node("n1", Some(exporter)), true),
        ("node:n1", node("n1", None), true),
        ("node:n1", node("n10", None), false),
        ("node", Endpoint::ApiServer, false),
        ("api-server", Endpoint::ApiServer, true),
        ("outside", Endpoint::Internet, true),
        ("outside", named("a.example"), true),
        ("outside", Endpoint::LinkLocal { address: address("169.254.169.254") }, false),
        ("internet", named("a.example"), false),
        ("*.example", named("a.b.example"), true),
        ("*.example", named("example"), false),
        ("*.example", named("badexample"), false),
        ("a.example", named("A.example."), true),
        ("198.18.0.0/15", Endpoint::External { address: address("198.19.0.1") }, true),
        ("198.18.0.0/15", Endpoint::External { address: address("198.20.0.1") }, false),
        ("metadata", Endpoint::LinkLocal { address: address("169.254.169.254") }, true),
        ("link-local", Endpoint::LinkLocal { address: address("169.254.169.254") }, false),
        ("link-local", Endpoint::LinkLocal { address: address("169.254.1.1") }, true),
    ] {
        assert_eq!(pattern(text).extent(&end) == Some(Extent::Whole), expected, "{text} {end:?}");
    }
    assert_eq!(pattern("198.18.0.0/15").extent(&named("a.example")), Some(Extent::Addresses));
}

#[test]
fn metadata_is_opened_by_its_own_name_only() {
    let metadata = address("169.254.169.254");
    for (text, opens) in [
        ("metadata", true),
        ("169.254.169.254", true),
        ("link-local", false),
        ("169.254.0.0/16", false),
        ("0.0.0.0/0", false),
        ("*", false),
        ("a.example", false),
    ] {
        assert_eq!(pattern(text).opens(metadata), opens, "{text}");
    }
    assert!(pattern("169.254.0.0/16").opens(address("169.254.1.1")));
    assert!(!pattern("168.0.0.0/6").opens(address("169.254.1.1")));
}

#[test]
fn a_wide_block_does_not_hold_the_addresses_that_need_a_decision_of_their_own() {
    let Pattern::Block(block) = pattern("0.0.0.0/0") else { panic!() };
    let reserved: Vec<String> = reserved_in(&block).iter().map(ToString::to_string).collect();
    assert!(reserved.contains(&"169.254.0.0/16".to_owned()) && reserved.contains(&"100.100.100.200/32".to_owned()));
    let Pattern::Block(alone) = pattern("100.100.100.200") else { panic!() };
    assert!(reserved_in(&alone).is_empty());
}

#[test]
fn narrower_patterns_are_within_wider_ones_and_not_the_other_way_round() {
    for (narrow, wide) in [
        ("shop/api", "*"),
        ("shop/api", "shop/*"),
        ("shop/Deployment/api", "shop/api"),
        ("shop/ap*", "shop/a*"),
        ("203.0.113.0/24", "internet"),
        ("203.0.113.0/24", "outside"),
        ("203.0.113.0/25", "203.0.113.0/24"),
        ("a.example", "*.example"),
        ("*.a.example", "*.example"),
        ("internet", "outside"),
        ("node:n1", "node"),
    ] {
        assert!(pattern(narrow).within(&pattern(wide)), "{narrow} {wide}");
        assert!(!pattern(wide).within(&pattern(narrow)), "{narrow} {wide}");
    }
    assert!(!pattern("169.254.169.254").within(&pattern("outside")));
}
