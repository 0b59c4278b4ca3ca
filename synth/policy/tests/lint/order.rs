//! What holds for all checks together.

use super::world::{World, member};
use netwright_policy::lint::{CHECKS, Profile};
use std::collections::BTreeSet;

#[test]
fn codes_are_unique_and_in_kebab_case() {
    let codes: BTreeSet<&str> = CHECKS.iter().map(|check| check.code).collect();
    assert_eq!(codes.len(), CHECKS.len());
    for check in CHECKS {
        let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(check.code.chars().all(kebab) && !check.code.ends_with('-'), "{}", check.code);
        assert!(check.why.ends_with(['.', ')']) && check.advice.ends_with('.'), "{}", check.code);
    }
}

const POLICIES: [(&str, &str); 3] = [
    (
        "cart",
        "{podSelector: {matchLabels: {app: cart}}, ingress: [{from: [{namespaceSelector: {}}]}, {}], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}",
    ),
    ("front", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: web}]}]}"),
    ("nobody", "{podSelector: {matchLabels: {app: nobody}}}"),
];

#[test]
fn findings_are_in_the_order_of_the_files() {
    let found = World::shop().lint(&POLICIES);
    let places: Vec<_> =
        found.iter().map(|finding| (finding.origin.is_none(), finding.origin.clone(), finding.field)).collect();
    assert!(places.is_sorted(), "{found:#?}");
    assert!(found.len() > 8, "{found:#?}");
    let first = found.first().unwrap().to_string();
    assert!(first.contains("shop/cart (policies.yaml:2, document 1): spec"), "{first}");
    assert!(first.ends_with(']'), "{first}");
}

#[test]
fn the_order_of_pods_services_and_nodes_changes_nothing() {
    let mut world = World::shop().dns(53).node("b", "192.0.2.2").node("a", "192.0.2.1").node("c", "192.0.2.3");
    let ports = [(netwright_policy::Protocol::Tcp, 80, 8080)];
    world = world.service("shop", "cart", "10.96.0.7", &ports).service("shop", "front", "10.96.0.8", &ports);
    for profile in Profile::ALL {
        world.profile = profile;
        let found = world.lint(&POLICIES);
        let mut other = world.clone();
        other.members.reverse();
        other.services.reverse();
        other.nodes.reverse();
        assert_eq!(other.lint(&POLICIES), found, "{profile}");
    }
}

#[test]
fn of_many_things_a_few_are_named_and_the_rest_counted() {
    let mut world = World::default();
    for number in 0..20 {
        world = world.with(member("shop", "Deployment", &format!("w{number:02}")));
    }
    let found = world.lint(&[("deny", "{podSelector: {}}")]);
    let open = found.iter().find(|finding| finding.code == "not-isolated").unwrap();
    assert_eq!((open.objects.len(), open.more), (8, 12));
    assert!(open.to_string().contains("shop/Deployment/w07 and 12 more"), "{open}");
}

#[test]
fn text_from_the_cluster_is_escaped() {
    let mut evil = member("shop", "Deployment", "\u{1b}[31mcart");
    evil.pod.labels = super::world::labels(&[("app", "cart")]);
    let found = World::default()
        .with(evil)
        .lint(&[("cart", "{podSelector: {matchLabels: {app: cart}}, policyTypes: [Egress]}")]);
    assert!(found.iter().any(|finding| !finding.objects.is_empty()));
    assert!(found.iter().all(|finding| !finding.to_string().contains('\u{1b}')), "{found:#?}");
}
