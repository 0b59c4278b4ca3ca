//! What selectors select.

use super::world::{World, member};

#[test]
fn a_policy_for_no_pod_is_told() {
    let shop = World::shop();
    let spec = |app: &str| format!("{{podSelector: {{matchLabels: {{app: {app}}}}}}}");
    assert_eq!(shop.find("selects-nothing", &spec("carts")), ["spec.podSelector: selects no pod of its namespace"]);
    assert!(shop.find("selects-nothing", &spec("cart")).is_empty());
    // The pod exists, in another namespace.
    assert_eq!(shop.find("selects-nothing", &spec("ledger")).len(), 1);
    assert!(World::default().find("selects-nothing", &spec("carts")).is_empty(), "nothing is known of pods");
}

#[test]
fn a_policy_for_host_network_pods_alone_is_told() {
    let world = World::shop().with(member("shop", "DaemonSet", "agent").on_host_network());
    let agent = "{podSelector: {matchLabels: {app: agent}}}";
    let told = "spec.podSelector: selects only host-network pods, to which no policy applies: shop/DaemonSet/agent";
    assert_eq!(world.find("host-network-only", agent), [told]);
    assert!(world.find("selects-nothing", agent).is_empty(), "one finding is enough");
    assert!(world.find("host-network-only", "{podSelector: {}}").is_empty());
}

#[test]
fn a_peer_that_is_nobody_is_told() {
    let shop = World::shop();
    let spec = |peer: &str| {
        format!("{{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: 192.0.2.1/32}}}}, {peer}]}}]}}")
    };
    let told = "spec.ingress[0].from[1]: selects no pod";
    assert_eq!(shop.find("peer-selects-nothing", &spec("{podSelector: {matchLabels: {app: ledger}}}")), [told]);
    let there = "{podSelector: {matchLabels: {app: ledger}}, namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: bank}}}";
    assert!(shop.find("peer-selects-nothing", &spec(there)).is_empty());
    let without = "{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [cart, front]}]}}";
    assert_eq!(shop.find("peer-selects-nothing", &spec(without)), [told]);
    let one_left = "{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [cart]}]}}";
    assert!(shop.find("peer-selects-nothing", &spec(one_left)).is_empty());
}

#[test]
fn a_namespace_selector_that_is_no_namespace_is_told() {
    let shop = World::shop().namespace("tools", &[("team", "tools")]);
    let spec = |labels: &str| {
        format!("{{podSelector: {{}}, egress: [{{to: [{{namespaceSelector: {{matchLabels: {{{labels}}}}}}}]}}]}}")
    };
    let told = "spec.egress[0].to[0]: its namespaceSelector selects no namespace";
    assert_eq!(shop.find("namespace-selects-nothing", &spec("name: bank")), [told]);
    assert_eq!(shop.find("namespace-selects-nothing", &spec("kubernetes.io/metadata.name: banks")), [told]);
    assert!(shop.find("namespace-selects-nothing", &spec("kubernetes.io/metadata.name: bank")).is_empty());
    assert!(shop.find("namespace-selects-nothing", &spec("team: tools")).is_empty());
    // Of the two things wrong with it, the first is told: an empty namespace is another matter.
    assert!(shop.find("peer-selects-nothing", &spec("name: bank")).is_empty());
    assert_eq!(shop.find("peer-selects-nothing", &spec("team: tools")).len(), 1);
    assert!(World::default().find("namespace-selects-nothing", &spec("name: bank")).is_empty());
}

#[test]
fn a_peer_of_host_network_pods_alone_is_told() {
    let world = World::shop().with(member("shop", "DaemonSet", "agent").on_host_network());
    let spec = |peer: &str| format!("{{podSelector: {{}}, egress: [{{to: [{{podSelector: {peer}}}]}}]}}");
    let told =
        "spec.egress[0].to[0]: selects only host-network pods, which are nodes to a policy: shop/DaemonSet/agent";
    assert_eq!(world.find("host-network-peer", &spec("{matchLabels: {app: agent}}")), [told]);
    assert!(world.find("host-network-peer", &spec("{}")).is_empty(), "other pods are meant");
    assert!(world.find("peer-selects-nothing", &spec("{matchLabels: {app: agent}}")).is_empty());
}

#[test]
fn a_policy_named_after_one_workload_that_selects_two_is_told() {
    let tier = [("tier", "web")];
    let world = World::default()
        .with(member("shop", "Deployment", "cart").labelled(&tier))
        .with(member("shop", "Deployment", "cart-db").labelled(&tier))
        .with(member("shop", "Deployment", "front"));
    let spec = "{podSelector: {matchLabels: {tier: web}}}";
    let told = "spec.podSelector: is named after cart and also selects other workloads: shop/Deployment/cart-db";
    assert_eq!(world.find_in("overlapping-workloads", &[("cart", spec)]), [told]);
    assert_eq!(world.find_in("overlapping-workloads", &[("allow-cart", spec)]), [told]);
    assert_eq!(world.find_in("overlapping-workloads", &[("cart-db-ingress", spec)]).len(), 1);
    assert!(world.find_in("overlapping-workloads", &[("web", spec)]).is_empty());
    assert!(world.find_in("overlapping-workloads", &[("cartwheel", spec)]).is_empty());
    assert!(
        world.find_in("overlapping-workloads", &[("cart", "{podSelector: {matchLabels: {app: cart}}}")]).is_empty()
    );
    assert!(world.find_in("overlapping-workloads", &[("cart", "{podSelector: {}}")]).is_empty(), "meant for all");
}

#[test]
fn pods_that_a_wider_policy_selects_too_are_told() {
    let tier = [("tier", "web")];
    let world = World::default()
        .with(member("shop", "Deployment", "cart").labelled(&tier))
        .with(member("shop", "Deployment", "front").labelled(&tier));
    let (narrow, wide) = ("podSelector: {matchLabels: {app: cart}}", "podSelector: {matchLabels: {tier: web}}");
    let ingress = |selector: &str| format!("{{{selector}, ingress: [{{ports: [{{port: 80}}]}}]}}");
    let (cart, web) = (ingress(narrow), ingress(wide));
    let told = "spec.podSelector: its pods are also selected by a wider policy whose ingress rules add to these: web";
    assert_eq!(world.find_in("subset-of-policy", &[("cart", &cart), ("web", &web)]), [told]);
    let deny = format!("{{{wide}}}");
    assert!(world.find_in("subset-of-policy", &[("cart", &cart), ("web", &deny)]).is_empty(), "it adds nothing");
    assert!(world.find_in("subset-of-policy", &[("cart", &cart), ("again", &cart)]).is_empty(), "as wide");
    let egress = format!("{{{wide}, policyTypes: [Egress], egress: [{{}}]}}");
    assert!(world.find_in("subset-of-policy", &[("cart", &cart), ("web", &egress)]).is_empty(), "the other direction");
}

#[test]
fn a_label_that_does_not_last_is_told() {
    let world = World::default();
    let told = "selects by a label that does not last: pod-template-hash";
    let hash = "matchLabels: {app: cart, pod-template-hash: 5d8}";
    let own = format!("{{podSelector: {{{hash}}}}}");
    assert_eq!(world.find("unstable-label", &own), [format!("spec.podSelector: {told}")]);
    let peer = format!("{{podSelector: {{}}, ingress: [{{from: [{{podSelector: {{{hash}}}}}]}}]}}");
    assert_eq!(world.find("unstable-label", &peer), [format!("spec.ingress[0].from[0]: {told}")]);
    let exists = "{podSelector: {matchExpressions: [{key: pod-template-hash, operator: Exists}]}}";
    assert!(world.find("unstable-label", exists).is_empty(), "it holds for every rollout");
}

#[test]
fn what_no_policy_isolates_is_told_once_a_namespace() {
    let shop = World::shop();
    let cart = "{podSelector: {matchLabels: {app: cart}}, policyTypes: [Ingress, Egress]}";
    let told = [
        "bank: no policy isolates these workloads: bank/Deployment/ledger",
        "shop: no policy isolates these workloads: shop/Deployment/front",
    ];
    assert_eq!(shop.find("not-isolated", cart), told);
    let ingress = shop.find("not-isolated", "{podSelector: {}}");
    let told = "shop: no policy isolates these workloads for egress: shop/Deployment/cart, shop/Deployment/front";
    assert_eq!(ingress.get(1..), Some(&[told.to_owned()][..]));
    let all = shop.find("not-isolated", "{podSelector: {}, policyTypes: [Ingress, Egress]}");
    assert_eq!(all.len(), 1, "only the other namespace is left: {all:?}");
}

#[test]
fn members_of_a_stateful_set_that_are_kept_apart_are_told() {
    let world = World::default()
        .with(member("shop", "StatefulSet", "db").called("db-0"))
        .with(member("shop", "StatefulSet", "db").called("db-1"));
    let spec = |app: &str| {
        format!(
            "{{podSelector: {{matchLabels: {{app: db}}}}, ingress: [{{from: [{{podSelector: {{matchLabels: {{app: {app}}}}}}}]}}]}}"
        )
    };
    let told = "spec: keeps the members of a StatefulSet from each other: shop/StatefulSet/db";
    assert_eq!(world.find("statefulset-peers", &spec("cart")), [told]);
    assert!(world.find("statefulset-peers", &spec("db")).is_empty());
    let single = World::default().with(member("shop", "StatefulSet", "db"));
    assert!(single.find("statefulset-peers", &spec("cart")).is_empty());
}
