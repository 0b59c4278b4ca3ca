//! Which ports a rule admits.

use crate::{OUTSIDE, allows_port, party, pod, world};
use netwright_policy::{NamedPort, Protocol};

fn admits(ports: &str, protocol: Protocol, port: u16) -> bool {
    let spec = format!("{{podSelector: {{}}, ingress: [{{ports: [{ports}]}}]}}");
    allows_port(&spec, OUTSIDE, party(&world().api), protocol, port)
}

/// "If not specified, this field defaults to TCP." (protocol)
#[test]
fn a_missing_protocol_is_tcp() {
    for protocol in Protocol::ALL {
        assert_eq!(admits("{port: 80}", protocol, 80), protocol == Protocol::Tcp);
        assert_eq!(admits("{}", protocol, 80), protocol == Protocol::Tcp);
    }
}

/// "If this field is not provided, this matches all port names and numbers." (port)
#[test]
fn a_protocol_without_port_is_every_port_of_it() {
    assert!(admits("{protocol: UDP}", Protocol::Udp, 1) && admits("{protocol: UDP}", Protocol::Udp, 65535));
    assert!(!admits("{protocol: UDP}", Protocol::Tcp, 1) && !admits("{protocol: UDP}", Protocol::Sctp, 1));
}

/// "If present, only traffic on the specified protocol AND port will be matched." (port; e2e `test/e2e/network/netpol`,
/// "should not allow access by TCP when a policy specifies only SCTP")
#[test]
fn protocol_and_port_both_count() {
    assert!(admits("{protocol: SCTP, port: 9}", Protocol::Sctp, 9));
    assert!(!admits("{protocol: SCTP, port: 9}", Protocol::Sctp, 10));
    assert!(!admits("{protocol: SCTP, port: 9}", Protocol::Udp, 9));
}

/// "This can either be a numerical or named port on a pod."
#[test]
fn a_named_port_is_one_of_the_destination_by_name_and_protocol() {
    assert!(admits("{port: http}", Protocol::Tcp, 8080));
    assert!(!admits("{port: http}", Protocol::Tcp, 80), "only the number the name has on that pod");
    assert!(!admits("{port: http}", Protocol::Udp, 8080));
    assert!(!admits("{port: http, protocol: UDP}", Protocol::Udp, 8080), "the name belongs to TCP");
    assert!(admits("{port: dns, protocol: UDP}", Protocol::Udp, 5353));
    assert!(!admits("{port: metrics}", Protocol::Tcp, 8080), "no such name: matches nothing");
}

/// "This can either be a numerical or named port on a pod.": on each pod its own number, and a name that two containers
/// give to ports of two protocols is two ports.
#[test]
fn a_named_port_is_another_number_on_another_pod() {
    let world = world();
    let named = |name: &str, protocol, port| NamedPort { name: name.into(), protocol, port };
    let mut canary = pod("shop/canary", &[("app", "api")], &["10.244.0.3"]);
    canary.ports = vec![named("http", Protocol::Tcp, 9090), named("http", Protocol::Udp, 443)];
    for spec in [
        "{podSelector: {matchLabels: {app: api}}, ingress: [{ports: [{port: http}]}]}",
        "{podSelector: {matchLabels: {app: front}}, policyTypes: [Egress], egress: [{ports: [{port: http}]}]}",
    ] {
        for (to, port, expected) in
            [(&world.api, 8080, true), (&world.api, 9090, false), (&canary, 9090, true), (&canary, 8080, false)]
        {
            let allowed = allows_port(spec, party(&world.front), party(to), Protocol::Tcp, port);
            assert_eq!(allowed, expected, "{spec}: {} {port}", to.name);
        }
        assert!(!allows_port(spec, party(&world.front), party(&canary), Protocol::Udp, 443), "the rule is about TCP");
    }
    let udp = "{podSelector: {matchLabels: {app: api}}, ingress: [{ports: [{port: http, protocol: UDP}]}]}";
    assert!(allows_port(udp, party(&world.front), party(&canary), Protocol::Udp, 443));
    assert!(!allows_port(udp, party(&world.front), party(&canary), Protocol::Udp, 9090));
    assert!(!allows_port(udp, party(&world.front), party(&world.api), Protocol::Udp, 8080));
}

/// In an egress rule too a name is resolved on the pod that is connected to, never on the one that connects
/// (e2e `test/e2e/network/netpol`, "should allow egress access on one named port").
#[test]
fn a_named_port_of_an_egress_rule_is_the_destinations() {
    let world = world();
    let spec = "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http}]}]}";
    assert!(allows_port(spec, party(&world.front), party(&world.api), Protocol::Tcp, 8080));
    assert!(!allows_port(spec, party(&world.api), party(&world.front), Protocol::Tcp, 8080));
    assert!(!allows_port(spec, party(&world.front), OUTSIDE, Protocol::Tcp, 8080), "an address has no port names");
}

/// "endPort indicates that the range of ports from port to endPort if set, inclusive, should be allowed by the policy."
/// (NetworkPolicyPort; KEP-2079, Network Policy to support Port Ranges)
#[test]
fn end_port_is_inclusive() {
    for (port, expected) in [(7999, false), (8000, true), (8500, true), (9000, true), (9001, false)] {
        assert_eq!(admits("{port: 8000, endPort: 9000}", Protocol::Tcp, port), expected, "{port}");
    }
    assert!(!admits("{port: 8000, endPort: 9000}", Protocol::Udp, 8500));
    assert!(admits("{port: 8000, endPort: 8000}", Protocol::Tcp, 8000));
    assert!(admits("{port: 1, endPort: 65535}", Protocol::Tcp, 65535));
}
