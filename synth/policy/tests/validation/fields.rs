//! Ports, protocols, policy types, and the types of all fields.

use super::{accepted_spec, port, rejected_spec};

#[test]
fn ports_are_numbers_or_names() {
    for text in ["1", "65535", "8e1", "80.0", "0x1f", "http", "a", "x-1", "0a", "abcdefghijklmno"] {
        accepted_spec(&port(&format!("port: {text}")));
    }
    let at = "spec.ingress[0].ports[0].port";
    rejected_spec(&port("port: 1_000, endPort: 2000"), at, "without quotes is 1000 to kubectl");
    for number in ["0", "-1", "65536", "4294967376"] {
        rejected_spec(&port(&format!("port: {number}")), at, "must be between 1 and 65535");
    }
    for name in ["'80'", "''", "HTTP", "-a", "a-", "a--b", "a_b", "abcdefghijklmnop"] {
        rejected_spec(&port(&format!("port: {name}")), at, "is not a valid port name");
    }
    for other in ["1.5", "true", "[80]", "{}", "18446744073709551615"] {
        rejected_spec(&port(&format!("port: {other}")), at, "must be a port number or the name of a port");
    }
}

#[test]
fn an_end_port_needs_a_lower_port() {
    accepted_spec(&port("port: 80, endPort: 80"));
    accepted_spec(&port("port: 80, endPort: null"));
    let at = "spec.ingress[0].ports[0].endPort";
    rejected_spec(&port("port: 80, endPort: 79"), at, "79 is below port 80");
    rejected_spec(&port("port: 80, endPort: 65536"), at, "must be between 1 and 65535");
    rejected_spec(&port("port: http, endPort: 90"), at, "may not be set unless port is a number");
    rejected_spec(&port("endPort: 90"), at, "may not be set unless port is a number");
    rejected_spec(&port("port: 80, endPort: http"), at, "is text, must be a port number");
}

#[test]
fn protocols_are_in_capitals() {
    for protocol in ["TCP", "UDP", "SCTP", "null"] {
        accepted_spec(&port(&format!("protocol: {protocol}")));
    }
    for protocol in ["tcp", "ICMP", "''", "' TCP'", "ANY"] {
        rejected_spec(
            &port(&format!("protocol: {protocol}")),
            "spec.ingress[0].ports[0].protocol",
            "must be TCP, UDP or SCTP",
        );
    }
}

#[test]
fn policy_types_are_ingress_and_egress() {
    for types in ["[]", "[Ingress]", "[Egress, Ingress]", "[Ingress, Ingress]"] {
        accepted_spec(&format!("{{podSelector: {{}}, policyTypes: {types}}}"));
    }
    rejected_spec(
        "{podSelector: {}, policyTypes: [Ingress, egress]}",
        "spec.policyTypes[1]",
        "must be Ingress or Egress",
    );
    rejected_spec("{podSelector: {}, policyTypes: [Ingress, Egress, Ingress]}", "spec.policyTypes", "has 3 entries");
    rejected_spec("{podSelector: {}, policyTypes: Ingress}", "spec.policyTypes", "is text, must be a list");
    rejected_spec("{podSelector: {}, policyTypes: [null]}", "spec.policyTypes[0]", "is null, must be text");
}

#[test]
fn types_are_checked_everywhere() {
    for (spec, field) in [
        ("text", "spec"),
        ("{podSelector: {}, ingress: {}}", "spec.ingress"),
        ("{podSelector: {}, ingress: [text]}", "spec.ingress[0]"),
        ("{podSelector: {}, ingress: [{from: {}}]}", "spec.ingress[0].from"),
        ("{podSelector: {}, egress: [{to: [[]]}]}", "spec.egress[0].to[0]"),
        ("{podSelector: {}, egress: [{ports: 80}]}", "spec.egress[0].ports"),
        ("{podSelector: !labels {}}", "spec.podSelector"),
        ("{podSelector: {matchLabels: {1.5: x}}}", "spec.podSelector.matchLabels"),
        ("{podSelector: {}, [1]: x}", "spec"),
    ] {
        rejected_spec(spec, field, ", must be ");
    }
}
