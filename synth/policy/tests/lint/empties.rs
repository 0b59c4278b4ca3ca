//! What is wide because it is empty, or because it is 0.0.0.0/0.

use super::world::World;

fn from(rules: &str) -> String {
    format!("{{podSelector: {{matchLabels: {{app: cart}}}}, ingress: [{rules}]}}")
}

fn to(rules: &str) -> String {
    format!("{{podSelector: {{matchLabels: {{app: cart}}}}, policyTypes: [Egress], egress: [{rules}]}}")
}

fn found(code: &str, spec: &str) -> Vec<String> {
    World::default().find(code, spec)
}

#[test]
fn a_rule_for_everything_is_told() {
    assert_eq!(found("allows-everything", &from("{}")), ["spec.ingress[0]: lets in everybody on every port"]);
    assert_eq!(
        found("allows-everything", &to("{to: [], ports: []}")),
        ["spec.egress[0]: lets out to everywhere on every port"]
    );
    assert!(found("allows-everything", &from("{ports: [{port: 80}]}")).is_empty());
    assert!(found("allows-everything", &from("{from: [{podSelector: {}}]}")).is_empty());
}

#[test]
fn an_empty_list_of_peers_is_told() {
    let told = "spec.ingress[0].from: is empty: everybody may connect to these ports";
    assert_eq!(found("every-peer", &from("{ports: [{port: 80}]}")), [told]);
    assert_eq!(found("every-peer", &from("{from: [], ports: [{port: 80}]}")), [told]);
    assert!(found("every-peer", &from("{}")).is_empty(), "told by the other check");
    assert!(found("every-peer", &from("{from: [{podSelector: {}}], ports: [{port: 80}]}")).is_empty());
}

#[test]
fn rules_for_every_pod_of_a_namespace_are_told() {
    let told = ["spec.podSelector: is empty: its rules are for every pod of the namespace"];
    assert_eq!(found("every-pod", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}"), told);
    assert!(found("every-pod", "{podSelector: {}, policyTypes: [Ingress, Egress]}").is_empty(), "default-deny");
    assert!(found("every-pod", "{podSelector: {}, policyTypes: [Ingress], egress: [{}]}").is_empty(), "it is ignored");
    assert!(found("every-pod", &from("{ports: [{port: 80}]}")).is_empty());
}

#[test]
fn every_namespace_is_told() {
    let told = ["spec.ingress[0].from[0]: is every pod of every namespace"];
    assert_eq!(found("every-namespace", &from("{from: [{namespaceSelector: {}}]}")), told);
    assert_eq!(found("every-namespace", &from("{from: [{namespaceSelector: {}, podSelector: {}}]}")), told);
    let labelled = from("{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: front}}}]}");
    assert!(found("every-namespace", &labelled).is_empty());
    let told = ["spec.ingress[0].from[0]: takes in pods with these labels in every namespace"];
    assert_eq!(found("label-in-every-namespace", &labelled), told);
    let named =
        from("{from: [{namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: front}}}]}");
    assert!(found("label-in-every-namespace", &named).is_empty());
    assert!(found("every-namespace", &from("{from: [{podSelector: {}}]}")).is_empty(), "of its own namespace");
}

#[test]
fn the_whole_internet_is_told() {
    let told = "spec.egress[0].to[0].ipBlock: lets out to every address of 0.0.0.0/0";
    assert_eq!(found("whole-internet", &to("{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}")), [told]);
    let holed = to("{to: [{ipBlock: {cidr: '::/0', except: ['2001:db8::/32']}}]}");
    assert_eq!(
        found("whole-internet", &holed),
        ["spec.egress[0].to[0].ipBlock: lets out to every address of ::/0 but the exceptions"]
    );
    assert!(found("whole-internet", &to("{to: [{ipBlock: {cidr: 198.51.100.0/24}}]}")).is_empty());
}

#[test]
fn every_port_is_told() {
    let rule = |ports: &str| from(&format!("{{from: [{{podSelector: {{}}}}]{ports}}}"));
    assert_eq!(found("every-port", &rule("")), ["spec.ingress[0].ports: is empty: every port of every protocol"]);
    assert_eq!(
        found("every-port", &rule(", ports: [{protocol: UDP}]")),
        ["spec.ingress[0].ports[0]: is every port of UDP"]
    );
    assert_eq!(found("every-port", &rule(", ports: [{port: 1, endPort: 65535}]")).len(), 1);
    assert!(found("every-port", &rule(", ports: [{port: 2, endPort: 65535}]")).is_empty());
    assert!(found("every-port", &from("{}")).is_empty(), "told by another check");
}

#[test]
fn the_metadata_service_in_a_wider_block_is_told() {
    let rule = |cidr: &str, more: &str| to(&format!("{{to: [{{ipBlock: {{cidr: {cidr}{more}}}}}]}}"));
    let told =
        "spec.egress[0].to[0].ipBlock: 0.0.0.0/0 holds the address of the cloud's metadata service: 169.254.169.254";
    assert_eq!(found("metadata-address", &rule("0.0.0.0/0", "")), [told]);
    assert_eq!(found("metadata-address", &rule("169.254.0.0/16", "")).len(), 1);
    assert_eq!(found("metadata-address", &rule("'fd00::/8'", "")).len(), 1);
    assert!(found("metadata-address", &rule("0.0.0.0/0", ", except: [169.254.169.254/32]")).is_empty());
    assert!(found("metadata-address", &rule("169.254.169.254/32", "")).is_empty(), "meant");
    assert!(found("metadata-address", &rule("10.0.0.0/8", "")).is_empty());
    assert!(found("metadata-address", &to("{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443}]}")).is_empty());
    assert!(
        found("metadata-address", &from("{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}")).is_empty(),
        "nobody comes from it"
    );
}
