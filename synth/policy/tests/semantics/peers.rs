//! Who a rule admits: its peers, and what empty lists mean.

use crate::{OUTSIDE, address, allows, allows_port, party, pod, world};
use netwright_policy::{Party, PolicySet, Protocol, Source};

/// A rule with neither ports nor peers: both are "empty or missing".
#[test]
fn an_empty_rule_admits_everything_from_everywhere() {
    let world = world();
    for rule in ["{}", "null"] {
        let spec = format!("{{podSelector: {{}}, ingress: [{rule}], egress: [{rule}]}}");
        for protocol in Protocol::ALL {
            assert!(allows_port(&spec, OUTSIDE, party(&world.api), protocol, 1), "{spec}");
            assert!(allows_port(&spec, party(&world.bank_front), party(&world.api), protocol, 65535), "{spec}");
            assert!(allows_port(&spec, party(&world.api), OUTSIDE, protocol, 9), "{spec}");
        }
    }
}

/// "If this field is empty or missing, this rule matches all sources (traffic not restricted by source)." (to likewise)
#[test]
fn no_peers_are_every_peer() {
    let world = world();
    for list in ["", ", from: []", ", from: null"] {
        let spec = format!("{{podSelector: {{}}, ingress: [{{ports: [{{port: 80}}]{list}}}]}}");
        assert!(allows(&spec, OUTSIDE, party(&world.api)), "{spec}");
        assert!(allows(&spec, party(&world.bank_front), party(&world.api)), "{spec}");
        assert!(!allows_port(&spec, OUTSIDE, party(&world.api), Protocol::Tcp, 81), "{spec}");
    }
    for list in ["", ", to: []", ", to: null"] {
        let spec = format!("{{podSelector: {{}}, egress: [{{ports: [{{port: 80}}]{list}}}]}}");
        assert!(allows(&spec, party(&world.api), OUTSIDE), "{spec}");
        assert!(!allows_port(&spec, party(&world.api), OUTSIDE, Protocol::Udp, 80), "{spec}");
    }
}

/// "If this field is empty or missing, this rule matches all ports (traffic not restricted by port)."
#[test]
fn no_ports_are_every_port_of_every_protocol() {
    let world = world();
    for list in ["", ", ports: []", ", ports: null"] {
        let spec = format!("{{podSelector: {{}}, ingress: [{{from: [{{podSelector: {{}}}}]{list}}}]}}");
        for protocol in Protocol::ALL {
            assert!(allows_port(&spec, party(&world.front), party(&world.api), protocol, 4711), "{spec}");
        }
        assert!(!allows(&spec, OUTSIDE, party(&world.api)), "{spec}");
        let spec =
            format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{podSelector: {{}}}}]{list}}}]}}");
        for protocol in Protocol::ALL {
            assert!(allows_port(&spec, party(&world.front), party(&world.api), protocol, 4711), "{spec}");
        }
        assert!(!allows(&spec, party(&world.front), OUTSIDE), "{spec}");
    }
}

/// "Only certain combinations of fields are allowed" (NetworkPolicyPeer): a peer of nothing is no wildcard, it is
/// refused (`pkg/apis/networking/validation`: "must specify a peer"), as is an ipBlock with a selector beside it.
#[test]
fn a_peer_of_nothing_is_refused() {
    for peer in ["{}", "{podSelector: null}", "{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}"] {
        for rules in [format!("ingress: [{{from: [{peer}]}}]"), format!("egress: [{{to: [{peer}]}}]")] {
            let text = format!(
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {{podSelector: {{}}, {rules}}}"
            );
            assert!(PolicySet::parse(&[Source { name: "peer.yaml".into(), text }]).is_err(), "{rules}");
        }
    }
}

/// "Each item in this list is combined using a logical OR." and "The traffic must match both ports and from."
#[test]
fn items_are_alternatives_and_ports_and_peers_both_count() {
    let world = world();
    let spec = "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: front}}}, {ipBlock: {cidr: 198.18.0.0/15}}],
        ports: [{port: 80}, {port: 53, protocol: UDP}]}]}";
    for from in [party(&world.front), OUTSIDE] {
        assert!(allows_port(spec, from, party(&world.api), Protocol::Tcp, 80));
        assert!(allows_port(spec, from, party(&world.api), Protocol::Udp, 53));
        assert!(!allows_port(spec, from, party(&world.api), Protocol::Udp, 80));
    }
    assert!(!allows(spec, party(&world.bank_front), party(&world.api)));
}

/// "Otherwise it selects the pods matching podSelector in the policy's own namespace."
#[test]
fn a_pod_selector_alone_means_the_policys_namespace() {
    let world = world();
    let spec = "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: front}}}]}]}";
    assert!(allows(spec, party(&world.front), party(&world.api)));
    assert!(!allows(spec, party(&world.bank_front), party(&world.api)));
    let everyone = "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}";
    assert!(allows(everyone, party(&world.front), party(&world.api)));
    assert!(!allows(everyone, party(&world.bank_front), party(&world.api)));
}

/// "if present but empty, it selects all namespaces" and "Otherwise it selects all pods in the namespaces selected by
/// namespaceSelector."; pods only: nothing outside is in a namespace.
#[test]
fn an_empty_namespace_selector_means_all_pods_and_nothing_outside() {
    let world = world();
    let spec = "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}";
    assert!(allows(spec, party(&world.front), party(&world.api)));
    assert!(allows(spec, party(&world.bank_front), party(&world.api)));
    assert!(!allows(spec, OUTSIDE, party(&world.api)));
    assert!(!allows(spec, Party::Node { addresses: &[address("192.0.2.9")] }, party(&world.api)));
    let out = "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}]}]}";
    assert!(allows(out, party(&world.front), party(&world.bank_front)));
    assert!(!allows(out, party(&world.front), OUTSIDE));
    assert!(!allows(out, party(&world.front), Party::Node { addresses: &[address("192.0.2.9")] }));
}

/// "namespaceSelector selects namespaces using cluster-scoped labels." Every namespace carries its name as a label.
#[test]
fn namespaces_are_selected_by_their_labels_and_their_name() {
    let world = world();
    let from =
        |selector: &str| format!("{{podSelector: {{}}, ingress: [{{from: [{{namespaceSelector: {selector}}}]}}]}}");
    for (selector, bank, shop) in [
        ("{matchLabels: {team: money}}", true, false),
        ("{matchLabels: {kubernetes.io/metadata.name: bank}}", true, false),
        ("{matchLabels: {kubernetes.io/metadata.name: shop}}", false, true),
        ("{matchExpressions: [{key: team, operator: DoesNotExist}]}", false, true),
        ("{matchExpressions: [{key: team, operator: NotIn, values: [money]}]}", false, true),
        ("{matchExpressions: [{key: team, operator: NotIn, values: [science]}]}", true, true),
        ("{matchExpressions: [{key: team, operator: NotIn, values: ['']}]}", true, true),
        ("{matchLabels: {team: ''}}", false, false),
    ] {
        assert_eq!(allows(&from(selector), party(&world.bank_front), party(&world.api)), bank, "{selector}");
        assert_eq!(allows(&from(selector), party(&world.front), party(&world.api)), shop, "{selector}");
    }
}

/// "If podSelector is also set, then the NetworkPolicyPeer as a whole selects the pods matching podSelector in the
/// namespaces selected by namespaceSelector."
#[test]
fn both_selectors_in_one_peer_are_both_required() {
    let world = world();
    let both = "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: money}}, podSelector: {matchLabels: {app: front}}}]}]}";
    let either = "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: money}}}, {podSelector: {matchLabels: {app: front}}}]}]}";
    let bank_api = pod("bank/api", &[("app", "api")], &[]);
    for (from, with_both, with_either) in
        [(&world.bank_front, true, true), (&bank_api, false, true), (&world.front, false, true)]
    {
        assert_eq!(allows(both, party(from), party(&world.api)), with_both, "{}/{}", from.namespace, from.name);
        assert_eq!(allows(either, party(from), party(&world.api)), with_either, "{}/{}", from.namespace, from.name);
    }
}
