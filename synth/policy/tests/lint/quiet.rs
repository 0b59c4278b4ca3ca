//! What is written as it should be, and is not to be told: a warning about it would stop a pipeline for nothing.

use super::world::{World, member};
use netwright_policy::Protocol::{Tcp, Udp};

fn to(rules: &str) -> String {
    format!("{{podSelector: {{matchLabels: {{app: cart}}}}, policyTypes: [Egress], egress: [{rules}]}}")
}

fn block(cidr: &str, except: &str) -> String {
    format!("{{ipBlock: {{cidr: '{cidr}', except: [{except}]}}}}")
}

#[test]
fn the_internet_without_private_networks() {
    let private = "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16";
    let world = World::shop();
    let found =
        |cidr: &str, except: &str| world.find("whole-internet", &to(&format!("{{to: [{}]}}", block(cidr, except))));
    assert!(found("0.0.0.0/0", private).is_empty());
    assert!(found("::/0", "'fc00::/7'").is_empty());
    assert!(found("::/0", "'fc00::/8', 'fd00::/8'").is_empty());
    assert_eq!(found("0.0.0.0/0", "10.0.0.0/8").len(), 1, "two private networks are left");
    assert_eq!(found("::/0", "'fd00::/8'").len(), 1);
    let shared = World::shop().with(member("shop", "Deployment", "news").at("100.64.0.7"));
    let told = shared.find("whole-internet", &to(&format!("{{to: [{}]}}", block("0.0.0.0/0", private))));
    assert_eq!(told.len(), 1, "these pods are not in a private network");
}

#[test]
fn the_metadata_service_in_a_block_of_its_own() {
    let world = World::default();
    let wide = block("0.0.0.0/0", "169.254.169.254/32");
    let own = block("169.254.169.254/32", "");
    let spec = to(&format!("{{to: [{wide}]}}, {{to: [{own}], ports: [{{port: 80}}]}}"));
    assert!(world.find("except-readmitted", &spec).is_empty());
    assert!(world.find("metadata-address", &spec).is_empty());
}

#[test]
fn the_api_servers_of_a_larger_cluster() {
    let nodes = ["a", "b", "c", "d", "e"].iter().zip(1..);
    let world = nodes.fold(World::default(), |world, (name, last)| world.node(name, &format!("192.0.2.{last}")));
    let three = [1, 2, 3].map(|last| block(&format!("192.0.2.{last}/32"), "")).join(", ");
    let found = |ports: &str| world.find("some-nodes", &to(&format!("{{to: [{three}], ports: [{ports}]}}")));
    assert!(found("{port: 6443}").is_empty());
    assert!(found("{port: 443}, {port: 6443}").is_empty());
    assert_eq!(found("{port: 6443}, {port: 10250}").len(), 1);
    assert_eq!(found("").len(), 1);
}

#[test]
fn a_port_that_another_service_forwards_to() {
    let world = World::default().with(member("shop", "Deployment", "cart")).service(
        "shop",
        "cart",
        "10.96.0.7",
        &[(Tcp, 8080, 80), (Tcp, 9090, 8080)],
    );
    let ingress = "{podSelector: {matchLabels: {app: cart}}, ingress: [{ports: [{port: 8080}]}]}";
    assert!(world.find("service-port", ingress).is_empty(), "the pods listen on 8080, as the other port tells");
    assert_eq!(world.find("service-port", &ingress.replace("8080", "9090")).len(), 1);
}

#[test]
fn namespaces_that_every_cluster_has() {
    let shop = World::shop();
    let dns = |name: &str| {
        to(&format!(
            "{{to: [{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}, podSelector: {{matchLabels: {{k8s-app: kube-dns}}}}}}], ports: [{{port: dns, protocol: UDP}}]}}"
        ))
    };
    for code in ["namespace-selects-nothing", "peer-selects-nothing", "named-port-missing"] {
        assert!(shop.find(code, &dns("kube-system")).is_empty(), "{code}: what is in it is not known");
    }
    assert_eq!(shop.find("namespace-selects-nothing", &dns("kube-systen")).len(), 1);
    let known = World::shop().dns(53);
    assert_eq!(known.find("peer-selects-nothing", &dns("kube-system")).len(), 1, "its pods have no such label");
}

#[test]
fn default_deny_for_pods_to_come() {
    let world = World::default().namespace("shop", &[]).with(member("bank", "Deployment", "ledger"));
    let host = world.clone().with(member("shop", "DaemonSet", "agent").on_host_network());
    for code in ["selects-nothing", "host-network-only"] {
        for world in [&world, &host] {
            assert!(world.find(code, "{podSelector: {}, policyTypes: [Ingress, Egress]}").is_empty(), "{code}");
        }
    }
    let unknown = World::default().with(member("bank", "Deployment", "ledger"));
    assert_eq!(unknown.find("selects-nothing", "{podSelector: {}}").len(), 1, "nobody knows of this namespace");
}

#[test]
fn the_members_of_a_stateful_set_by_their_names() {
    let spec = "{podSelector: {matchLabels: {statefulset.kubernetes.io/pod-name: db-0}}}";
    assert!(World::default().find("unstable-label", spec).is_empty(), "db-0 is called so as long as there is a db");
}

#[test]
fn pods_that_reach_nobody_need_no_names() {
    let world = World::shop().dns(53);
    assert!(world.find("egress-without-dns", &to("")).is_empty());
    assert_eq!(world.find("egress-without-dns", &to("{ports: [{port: 443}]}")).len(), 1);
}

#[test]
fn a_pod_that_left_the_ambient_mesh() {
    let ingress = "{podSelector: {matchLabels: {app: cart}}, ingress: [{ports: [{port: 8080}]}]}";
    let mode = |mode| [("istio.io/dataplane-mode", mode)];
    let cart = || member("shop", "Deployment", "cart").port("dns", Udp, 53);
    let mesh = World::default().namespace("shop", &mode("ambient")).with(cart().labelled(&mode("none")));
    assert!(mesh.find("ambient-mesh", ingress).is_empty());
    let alone = World::default().namespace("shop", &[]).with(cart().labelled(&mode("ambient")));
    assert_eq!(alone.find("ambient-mesh", ingress).len(), 1, "it joined by itself");
}
