//! Checks that belong to one enforcer.

use super::world::{World, member};
use netwright_policy::Protocol::Tcp;
use netwright_policy::lint::{CHECKS, Profile};

fn to(peers: &str) -> String {
    format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{peers}]}}]}}")
}

/// A check of a profile is silent under every other one.
fn only_under(world: &World, profile: Profile, code: &str, spec: &str) -> Vec<String> {
    for other in Profile::ALL.into_iter().filter(|other| *other != profile) {
        assert!(world.clone().under(other).find(code, spec).is_empty(), "{code} under {other}");
    }
    world.clone().under(profile).find(code, spec)
}

#[test]
fn cilium_matches_no_pod_and_no_node_by_a_block() {
    let world = World::shop().node("a", "192.0.2.1");
    let told = "spec.egress[0].to[0].ipBlock: holds addresses of pods or nodes, which Cilium does not match by it";
    let node = only_under(&world, Profile::Cilium, "cilium-ipblock", &to("{ipBlock: {cidr: 192.0.2.0/24}}"));
    assert_eq!(node, [format!("{told}: 192.0.2.1 of node a")]);
    let all = only_under(&world, Profile::Cilium, "cilium-ipblock", &to("{ipBlock: {cidr: 0.0.0.0/0}}"));
    assert_eq!(all.len(), 1);
    let outside = to("{ipBlock: {cidr: 198.51.100.0/24}}");
    assert!(only_under(&world, Profile::Cilium, "cilium-ipblock", &outside).is_empty());
    let pod = to("{ipBlock: {cidr: 10.244.0.1/32}}");
    assert!(world.under(Profile::Cilium).find("ipblock-pods", &pod).is_empty(), "told once");
}

#[test]
fn cilium_needs_sctp_to_be_enabled() {
    let spec =
        |protocol: &str| format!("{{podSelector: {{}}, ingress: [{{ports: [{{port: 9, protocol: {protocol}}}]}}]}}");
    assert_eq!(only_under(&World::default(), Profile::Cilium, "cilium-sctp", &spec("SCTP")).len(), 1);
    assert!(only_under(&World::default(), Profile::Cilium, "cilium-sctp", &spec("UDP")).is_empty());
}

#[test]
fn calico_keeps_pods_from_their_own_node() {
    let world = World::shop().node("a", "192.0.2.1");
    let told =
        "shop: these workloads may not reach any node, their own included: shop/Deployment/cart, shop/Deployment/front";
    assert_eq!(only_under(&world, Profile::Calico, "calico-own-node", &to("{podSelector: {}}")), [told]);
    assert!(only_under(&world, Profile::Calico, "calico-own-node", &to("{ipBlock: {cidr: 192.0.2.0/24}}")).is_empty());
    assert!(only_under(&world, Profile::Calico, "calico-own-node", "{podSelector: {}}").is_empty(), "egress is open");
}

#[test]
fn the_vpc_cni_wants_the_ports_of_services_and_pods_to_be_the_same() {
    let world = |target| World::shop().service("shop", "cart", "10.96.0.7", &[(Tcp, 80, target)]);
    let spec = "{podSelector: {matchLabels: {app: cart}}}";
    let told = "shop: Services with isolated pods whose port is not the pods': cart 80 to 8080";
    assert_eq!(only_under(&world(8080), Profile::Vpc, "vpc-service-port", spec), [told]);
    assert!(only_under(&world(80), Profile::Vpc, "vpc-service-port", spec).is_empty());
    let front = "{podSelector: {matchLabels: {app: front}}}";
    assert!(only_under(&world(8080), Profile::Vpc, "vpc-service-port", front).is_empty(), "cart is open");
}

#[test]
fn the_vpc_cni_passes_over_bare_pods() {
    let world = World::shop().with(member("shop", "Pod", "debug"));
    let told = "spec.podSelector: selects pods without an owner: shop/Pod/debug";
    assert_eq!(only_under(&world, Profile::Vpc, "vpc-bare-pod", "{podSelector: {}}"), [told]);
    assert!(only_under(&world, Profile::Vpc, "vpc-bare-pod", "{podSelector: {matchLabels: {app: cart}}}").is_empty());
}

#[test]
fn the_vpc_cni_has_a_limit_of_ports() {
    let spec = |count: u16| {
        let ports: Vec<String> = (1..=count).map(|port| format!("{{port: {port}}}")).collect();
        format!("{{podSelector: {{}}, ingress: [{{ports: [{}]}}]}}", ports.join(", "))
    };
    let told = "spec.ingress[0].ports: has 25 combinations of port and protocol, and 24 is the limit";
    assert_eq!(only_under(&World::default(), Profile::Vpc, "vpc-port-limit", &spec(25)), [told]);
    assert!(only_under(&World::default(), Profile::Vpc, "vpc-port-limit", &spec(24)).is_empty());
}

#[test]
fn the_vpc_cni_has_one_family_of_addresses() {
    let spec = to("{ipBlock: {cidr: 198.51.100.0/24}}, {ipBlock: {cidr: '2001:db8::/32'}}");
    let told = "spec.egress[0].to[1].ipBlock: 2001:db8::/32 is ignored: the pods have addresses of the other family";
    assert_eq!(only_under(&World::shop(), Profile::Vpc, "vpc-ip-family", &spec), [told]);
    assert!(only_under(&World::default(), Profile::Vpc, "vpc-ip-family", &spec).is_empty(), "not known");
}

#[test]
fn ovn_knows_no_named_ports() {
    let spec = |port: &str| format!("{{podSelector: {{}}, ingress: [{{ports: [{{port: {port}}}]}}]}}");
    let told = "spec.ingress[0].ports[0]: http is a name, which is not supported";
    assert_eq!(only_under(&World::shop(), Profile::Ovn, "ovn-named-port", &spec("http")), [told]);
    assert!(only_under(&World::shop(), Profile::Ovn, "ovn-named-port", &spec("8080")).is_empty());
}

#[test]
fn ovn_takes_host_network_pods_only_with_an_empty_pod_selector() {
    let world = World::shop().with(member("bank", "DaemonSet", "agent").on_host_network());
    let bank = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: bank}}";
    let told = "spec.egress[0].to[0]: leaves out the host-network pods of these namespaces: bank/DaemonSet/agent";
    assert_eq!(only_under(&world, Profile::Ovn, "ovn-host-network", &to(&format!("{{{bank}}}"))), [told]);
    assert!(
        only_under(&world, Profile::Ovn, "ovn-host-network", &to(&format!("{{{bank}, podSelector: {{}}}}"))).is_empty()
    );
}

#[test]
fn kube_router_needs_one_policy_for_each_direction() {
    let cart = "podSelector: {matchLabels: {app: cart}}";
    let world = World::shop().with(member("shop", "Deployment", "cart").called("cart-1"));
    let both = format!("{{{cart}, policyTypes: [Ingress, Egress], ingress: [{{ports: [{{port: 80}}]}}]}}");
    let told = "spec: has both policyTypes: between its own pods either half is enough: shop/Deployment/cart";
    assert_eq!(
        only_under(&world, Profile::KubeRouter, "kube-router-both-types", &both),
        [told, told].get(..1).unwrap()
    );
    let one = format!("{{{cart}, policyTypes: [Ingress], ingress: [{{ports: [{{port: 80}}]}}]}}");
    assert!(only_under(&world, Profile::KubeRouter, "kube-router-both-types", &one).is_empty());
    let deny = format!("{{{cart}, policyTypes: [Ingress, Egress]}}");
    assert!(only_under(&world, Profile::KubeRouter, "kube-router-both-types", &deny).is_empty(), "neither half allows");
    let single = World::default().with(member("shop", "Deployment", "cart"));
    assert!(
        only_under(&single, Profile::KubeRouter, "kube-router-both-types", &both).is_empty(),
        "there is no second pod"
    );
}

#[test]
fn kube_router_filters_ipv6_only_when_told_to() {
    let spec = to("{ipBlock: {cidr: 198.51.100.0/24}}, {ipBlock: {cidr: '2001:db8::/32'}}");
    let told = "spec.egress[0].to[1].ipBlock: counts only with --enable-ipv6";
    assert_eq!(only_under(&World::default(), Profile::KubeRouter, "kube-router-ipv6", &spec), [told]);
}

/// The table of differences and the register of checks name each other.
#[test]
fn every_check_of_a_profile_has_its_source_in_the_table() {
    for check in CHECKS.iter() {
        if let Some(profile) = check.profile {
            assert!(profile.differences().any(|difference| difference.check == Some(check.code)), "{}", check.code);
        }
    }
    for difference in Profile::ALL.into_iter().flat_map(Profile::differences) {
        let is_known =
            |code| CHECKS.iter().any(|check| check.code == code && check.profile == Some(difference.profile));
        assert!(difference.check.is_none_or(is_known), "{difference:?}");
    }
}
