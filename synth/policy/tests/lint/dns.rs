//! Egress to the cluster's DNS.

use super::world::{World, member};
use netwright_policy::Protocol;

const CODE: &str = "egress-without-dns";

/// Isolates `cart` for egress, with these rules.
fn cart(rules: &str) -> String {
    format!("{{podSelector: {{matchLabels: {{app: cart}}}}, policyTypes: [Egress], egress: [{rules}]}}")
}

/// A rule to the DNS pods for these ports.
fn to_dns(ports: &str) -> String {
    let to = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {app: kube-dns}}}";
    format!("{{to: [{to}], ports: [{ports}]}}")
}

const BOTH: &str = "{port: 53, protocol: UDP}, {port: 53}";

#[test]
fn a_pod_without_dns_is_told() {
    let world = World::shop().dns(53);
    let told = |over: &str| {
        format!("spec: isolates for egress without DNS (kube-system/kube-dns) over {over}: shop/Deployment/cart")
    };
    assert_eq!(world.find(CODE, &cart("{ports: [{port: 443}]}")), [told("UDP and TCP")]);
    assert_eq!(world.find(CODE, &cart(&to_dns("{port: 53, protocol: UDP}"))), [told("TCP")]);
    assert_eq!(world.find(CODE, &cart(&to_dns("{port: 53}"))), [told("UDP")]);
    assert!(world.find(CODE, &cart(&to_dns(BOTH))).is_empty());
    assert!(world.find(CODE, &cart(&format!("{{ports: [{BOTH}]}}"))).is_empty(), "to everywhere");
    assert!(
        world.find(CODE, &cart(&format!("{{to: [{{ipBlock: {{cidr: 10.244.9.0/24}}}}], ports: [{BOTH}]}}"))).is_empty()
    );
    let elsewhere = format!("{{to: [{{ipBlock: {{cidr: 8.8.8.8/32}}}}], ports: [{BOTH}]}}");
    assert_eq!(world.find(CODE, &cart(&elsewhere)), [told("UDP and TCP")]);
    assert!(world.find(CODE, "{podSelector: {}}").is_empty(), "egress is open");
}

#[test]
fn the_target_port_counts() {
    let world = World::shop().dns(5353);
    assert_eq!(world.find(CODE, &cart(&to_dns(BOTH))).len(), 1);
    assert!(world.find(CODE, &cart(&to_dns("{port: 5353, protocol: UDP}, {port: 5353}"))).is_empty());
}

#[test]
fn policies_add_up_and_each_pod_is_told_of_once() {
    let world = World::shop().dns(53);
    let all = format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{}]}}", to_dns(BOTH));
    let (none, other) = (cart(""), cart("{ports: [{port: 443}]}"));
    assert!(world.find_in(CODE, &[("cart", &none), ("dns", &all)]).is_empty());
    assert_eq!(world.find_in(CODE, &[("cart", &none), ("web", &other)]).len(), 1);
}

#[test]
fn a_node_local_cache_is_reached_by_address() {
    let rule = |cidr: &str| cart(&format!("{{to: [{{ipBlock: {{cidr: {cidr}}}}}], ports: [{BOTH}]}}"));
    let plain = World::shop().dns(53);
    let local = plain.clone().with(member("kube-system", "DaemonSet", "node-local-dns").on_host_network());
    for cidr in ["169.254.20.10/32", "10.96.0.10/32"] {
        assert!(local.find(CODE, &rule(cidr)).is_empty(), "{cidr}");
        assert_eq!(plain.find(CODE, &rule(cidr)).len(), 1, "{cidr}: nobody answers there");
    }
}

#[test]
fn where_dns_is_not_known_any_rule_for_its_port_will_do() {
    let world = World::shop();
    assert!(
        world.find(CODE, &cart(&format!("{{to: [{{ipBlock: {{cidr: 8.8.8.8/32}}}}], ports: [{BOTH}]}}"))).is_empty()
    );
    let told = "spec: isolates for egress without any rule for port 53 over UDP and TCP: shop/Deployment/cart";
    assert_eq!(world.find(CODE, &cart("{ports: [{port: 443}]}")), [told]);
    assert!(world.find(CODE, &cart("{ports: [{port: dns, protocol: UDP}, {port: dns-tcp}]}")).is_empty());
}

#[test]
fn the_servers_of_the_cluster_need_no_way_to_themselves() {
    let server = member("shop", "Deployment", "dns").labelled(&[("k8s-app", "kube-dns")]);
    let world = World::shop()
        .with(server)
        .service("shop", "dns", "10.96.0.10", &[(Protocol::Udp, 53, 53), (Protocol::Tcp, 53, 53)])
        .selecting(&[("k8s-app", "kube-dns")]);
    let spec = |app: &str| {
        format!(
            "{{podSelector: {{matchLabels: {{app: {app}}}}}, policyTypes: [Egress], egress: [{{ports: [{{port: 443}}]}}]}}"
        )
    };
    assert!(world.find(CODE, &spec("dns")).is_empty());
    assert_eq!(world.find(CODE, &spec("cart")).len(), 1);
}
