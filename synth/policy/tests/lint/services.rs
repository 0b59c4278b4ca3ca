//! Addresses and ports that are not what they are taken for.

use super::world::{World, member};
use netwright_policy::Protocol::{Sctp, Tcp, Udp};

fn egress(block: &str) -> String {
    format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{ipBlock: {block}}}]}}]}}")
}

#[test]
fn a_block_of_pods_is_told() {
    let shop = World::shop();
    let told = "spec.egress[0].to[0].ipBlock: holds addresses of pods: 10.244.1.1 of bank/Deployment/ledger";
    assert_eq!(shop.find("ipblock-pods", &egress("{cidr: 10.244.1.0/24}")), [told]);
    assert_eq!(shop.find("ipblock-pods", &egress("{cidr: 10.0.0.0/8}")).len(), 1);
    assert!(shop.find("ipblock-pods", &egress("{cidr: 10.0.0.0/8, except: [10.244.0.0/16]}")).is_empty());
    assert!(shop.find("ipblock-pods", &egress("{cidr: 10.244.2.0/24}")).is_empty());
    assert!(shop.find("ipblock-pods", &egress("{cidr: 0.0.0.0/0}")).is_empty(), "told by another check");
}

#[test]
fn a_block_of_the_range_of_pods_is_told_though_no_pod_is_in_it() {
    let mut world = World::default().node("a", "192.0.2.1");
    world.nodes[0].pod_cidrs = vec!["10.244.0.0/24".parse().unwrap()];
    let told = "spec.egress[0].to[0].ipBlock: holds addresses of pods: 10.244.0.0/24 (podCIDR)";
    assert_eq!(world.find("ipblock-pods", &egress("{cidr: 10.244.0.8/29}")), [told]);
    assert!(world.find("ipblock-pods", &egress("{cidr: 10.0.0.0/8, except: [10.244.0.0/16]}")).is_empty());
}

#[test]
fn a_block_of_a_cluster_ip_is_told() {
    let world = World::shop().service("shop", "cart", "10.96.0.7", &[(Tcp, 80, 8080)]).dns(53);
    let told = "spec.egress[0].to[0].ipBlock: is for ClusterIPs, which match nowhere: 10.96.0.7 of shop/cart";
    assert_eq!(world.find("ipblock-cluster-ip", &egress("{cidr: 10.96.0.7/32}")), [told]);
    assert_eq!(
        world.find("ipblock-cluster-ip", &egress("{cidr: 10.96.0.0/12}")),
        [told],
        "that of DNS may be answered"
    );
    assert!(world.find("ipblock-cluster-ip", &egress("{cidr: 10.96.0.8/32}")).is_empty());
    assert!(world.find("ipblock-cluster-ip", &egress("{cidr: 10.96.0.10/32}")).is_empty());
    assert!(world.find("ipblock-cluster-ip", &egress("{cidr: 10.0.0.0/8}")).is_empty(), "of a whole network");
    let ingress = "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.96.0.10/32}}]}]}";
    assert_eq!(world.find("ipblock-cluster-ip", ingress).len(), 1, "nobody comes from there");
}

#[test]
fn some_of_the_nodes_are_told() {
    let world = World::default().node("a", "192.0.2.1").node("b", "192.0.2.2").node("c", "192.0.2.3");
    let told = "spec.egress[0].to: allows 2 of 3 nodes and leaves out: a";
    assert_eq!(world.find("some-nodes", &egress("{cidr: 192.0.2.2/31}")), [told]);
    assert!(world.find("some-nodes", &egress("{cidr: 192.0.2.0/30}")).is_empty());
    assert!(world.find("some-nodes", &egress("{cidr: 192.0.2.1/32}")).is_empty(), "one is on purpose");
}

#[test]
fn ingress_from_a_node_is_told() {
    let world = World::default().node("a", "192.0.2.1");
    let ingress = |cidr: &str| format!("{{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: {cidr}}}}}]}}]}}");
    assert_eq!(
        world.find("node-ingress", &ingress("192.0.2.1/32")),
        ["spec.ingress[0].from[0].ipBlock: lets in a node: a"]
    );
    assert!(world.find("node-ingress", &ingress("192.0.2.2/32")).is_empty());
    assert!(world.find("node-ingress", &ingress("192.0.2.0/24")).is_empty(), "a network that clients may be in");
}

#[test]
fn the_port_of_a_service_is_told() {
    let world = World::shop().service("shop", "cart", "10.96.0.7", &[(Tcp, 80, 8080)]);
    let to = |app: &str, ports: &str| {
        format!(
            "{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{podSelector: {{matchLabels: {{app: {app}}}}}}}], ports: {ports}}}]}}"
        )
    };
    let told = "ports[0]: TCP 80 is the port of a Service, not of its pods: shop/cart has target port 8080";
    assert_eq!(world.find("service-port", &to("cart", "[{port: 80}]")), [format!("spec.egress[0].{told}")]);
    assert!(world.find("service-port", &to("cart", "[{port: 8080}]")).is_empty());
    assert!(world.find("service-port", &to("cart", "[{port: 80}, {port: 8080}]")).is_empty(), "both are there");
    assert!(world.find("service-port", &to("cart", "[{port: 80, protocol: UDP}]")).is_empty());
    assert!(world.find("service-port", &to("front", "[{port: 80}]")).is_empty(), "other pods");
    let ingress = "{podSelector: {matchLabels: {app: cart}}, ingress: [{ports: [{port: 80}]}]}";
    assert_eq!(world.find("service-port", ingress), [format!("spec.ingress[0].{told}")]);
    let listening = World::default().with(member("shop", "Deployment", "cart").port("plain", Tcp, 80)).service(
        "shop",
        "cart",
        "10.96.0.7",
        &[(Tcp, 80, 8080)],
    );
    assert!(listening.find("service-port", ingress).is_empty(), "the pods have a port 80 of their own");
}

#[test]
fn a_name_that_no_port_has_is_told() {
    let world = World::shop().with(member("shop", "Deployment", "dns").port("dns", Udp, 53));
    let ingress = |app: &str, port: &str| {
        format!("{{podSelector: {{matchLabels: {{app: {app}}}}}, ingress: [{{ports: [{port}]}}]}}")
    };
    let missing = |spec: &str| world.find("named-port-missing", spec);
    let told = "spec.ingress[0].ports[0]: none of the selected pods has a port called web";
    assert_eq!(missing(&ingress("cart", "{port: web}")), [told]);
    assert!(missing(&ingress("cart", "{port: http}")).is_empty());
    assert!(missing(&ingress("nobody", "{port: web}")).is_empty(), "told by another check");
    let to = |peer: &str| {
        format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{peer}], ports: [{{port: http}}]}}]}}")
    };
    assert!(missing(&to("{podSelector: {matchLabels: {app: cart}}}")).is_empty());
    let told = "spec.egress[0].ports[0]: none of the peers has a port called http";
    assert_eq!(missing(&to("{podSelector: {matchLabels: {app: front}}}")), [told]);
    assert_eq!(missing(&to("{ipBlock: {cidr: 10.244.0.2/32}}")), [told], "an address has no named ports");
}

#[test]
fn a_name_that_only_another_protocol_has_is_told() {
    let world = World::shop()
        .with(member("shop", "Deployment", "dns").port("dns", Udp, 53))
        .with(member("shop", "Deployment", "both").port("dns", Udp, 53).port("dns", Tcp, 53));
    let ingress = |app: &str, port: &str| {
        format!("{{podSelector: {{matchLabels: {{app: {app}}}}}, ingress: [{{ports: [{port}]}}]}}")
    };
    let told = "spec.ingress[0].ports[0]: dns is meant as TCP, and the pods have it only as: UDP";
    assert_eq!(world.find("named-port-protocol", &ingress("dns", "{port: dns}")), [told]);
    assert!(world.find("named-port-missing", &ingress("dns", "{port: dns}")).is_empty());
    assert!(world.find("named-port-protocol", &ingress("dns", "{port: dns, protocol: UDP}")).is_empty());
    assert!(world.find("named-port-protocol", &ingress("both", "{port: dns}")).is_empty());
    assert_eq!(
        world.find("named-port-protocol", &ingress("both", &format!("{{port: dns, protocol: {Sctp}}}"))).len(),
        1
    );
}
