//! Which pods a policy applies to, in which direction, and how several add up.

use crate::{OUTSIDE, allows, party, policies, world};
use netwright_policy::{Decision, Protocol};

/// "Traffic is allowed to a pod if there are no NetworkPolicies selecting the pod"
#[test]
fn a_pod_without_policy_is_not_isolated() {
    let world = world();
    let set = policies(&["{podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress, Egress]}"]);
    let verdict = set.verdict(&world.cluster, &OUTSIDE, &party(&world.front), Protocol::Tcp, 80);
    assert_eq!([verdict.egress, verdict.ingress], [Decision::NotIsolated, Decision::NotIsolated]);
}

/// "podSelector selects the pods to which this NetworkPolicy object applies. [...] An empty selector matches all pods in
/// the policy's namespace."
#[test]
fn a_policy_applies_to_selected_pods_of_its_namespace() {
    let world = world();
    let api_only = "{podSelector: {matchLabels: {app: api}}}";
    assert!(!allows(api_only, OUTSIDE, party(&world.api)));
    assert!(allows(api_only, OUTSIDE, party(&world.front)));
    assert!(!allows("{podSelector: {}}", OUTSIDE, party(&world.front)));
    assert!(allows("{podSelector: {}}", OUTSIDE, party(&world.bank_front)));
}

/// "If it is not specified, it defaults to an empty selector." (podSelector); so does a whole `spec`.
#[test]
fn an_absent_pod_selector_selects_every_pod() {
    let world = world();
    for spec in ["{policyTypes: [Ingress]}", "{podSelector: null}", "null", "{}"] {
        assert!(!allows(spec, OUTSIDE, party(&world.front)), "{spec}");
        assert!(allows(spec, party(&world.front), OUTSIDE), "{spec}");
    }
}

/// "policies that contain an egress section are assumed to affect egress, and all policies (whether or not they contain
/// an ingress section) are assumed to affect ingress"; the defaulting code (`pkg/apis/networking/v1/defaults.go`) asks for
/// `len(obj.Spec.PolicyTypes) == 0` and `len(obj.Spec.Egress) != 0`: whether a list is empty, not whether it is there.
#[test]
fn policy_types_default_to_ingress_and_to_egress_if_it_has_rules() {
    let world = world();
    for types in ["", ", policyTypes: []", ", policyTypes: null"] {
        for (rules, egress_isolated) in [
            ("", false),
            (", egress: []", false),
            (", egress: null", false),
            (", ingress: [{}]", false),
            (", egress: [{to: [{podSelector: {}}]}]", true),
        ] {
            let set = policies(&[&format!("{{podSelector: {{}}{types}{rules}}}")]);
            let [policy] = set.policies() else { panic!("one policy") };
            assert!(policy.isolates_ingress, "{types}{rules}");
            assert_eq!(policy.isolates_egress, egress_isolated, "{types}{rules}");
            let egress = set.verdict(&world.cluster, &party(&world.front), &OUTSIDE, Protocol::Tcp, 80).egress;
            assert_eq!(egress.allows(), !egress_isolated, "{types}{rules}");
        }
    }
}

/// "policyTypes is a list of rule types that the NetworkPolicy relates to."; rules of another type mean nothing.
#[test]
fn a_direction_that_is_no_policy_type_is_left_alone() {
    let world = world();
    let ingress_only = "{podSelector: {}, policyTypes: [Ingress], egress: [{to: [{podSelector: {}}]}]}";
    assert!(allows(ingress_only, party(&world.front), OUTSIDE));
    let egress_only = "{podSelector: {}, policyTypes: [Egress], ingress: [{from: [{podSelector: {}}]}]}";
    assert!(allows(egress_only, OUTSIDE, party(&world.front)));
    assert!(!allows(egress_only, party(&world.front), OUTSIDE));
}

/// "If this field is empty then this NetworkPolicy does not allow any traffic" (ingress; egress likewise)
#[test]
fn no_rules_allow_nothing() {
    let world = world();
    for rules in ["", ", ingress: [], egress: []", ", ingress: null, egress: null"] {
        let spec = format!("{{podSelector: {{}}, policyTypes: [Ingress, Egress]{rules}}}");
        let set = policies(&[&spec]);
        let verdict = set.verdict(&world.cluster, &party(&world.front), &party(&world.api), Protocol::Tcp, 80);
        let denied = Decision::Denied { isolated_by: vec![0] };
        assert_eq!([&verdict.egress, &verdict.ingress], [&denied, &denied], "{spec}");
    }
}

/// "Multiple network policies can select the same set of pods. In this case, the ingress rules for each are combined additively."
/// (podSelector)
#[test]
fn policies_add_up() {
    let world = world();
    let deny = "{podSelector: {}}";
    let front = "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: {matchLabels: {app: nobody}}}]}, {from: [{podSelector: {matchLabels: {app: front}}}]}]}";
    let outside = "{podSelector: {matchLabels: {tier: back}}, ingress: [{from: [{ipBlock: {cidr: 198.18.0.0/15}}]}]}";
    let set = policies(&[deny, front, outside]);
    let ingress = |from| set.verdict(&world.cluster, &from, &party(&world.api), Protocol::Tcp, 80).ingress;
    assert_eq!(ingress(party(&world.front)), Decision::Allowed { policy: 1, rule: 1 });
    assert_eq!(ingress(OUTSIDE), Decision::Allowed { policy: 2, rule: 0 });
    assert_eq!(ingress(party(&world.bank_front)), Decision::Denied { isolated_by: vec![0, 1, 2] });
}

/// "For a connection from a source pod to a destination pod to be allowed, both the egress policy on the source pod and
/// the ingress policy on the destination pod need to allow the connection." (website, network-policies)
#[test]
fn both_ends_have_to_allow() {
    let world = world();
    let out = "{podSelector: {matchLabels: {app: front}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: api}}}]}]}";
    let closed = "{podSelector: {matchLabels: {app: api}}}";
    let open = "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: {}}]}]}";
    let verdict = |specs: &[&str]| {
        policies(specs).verdict(&world.cluster, &party(&world.front), &party(&world.api), Protocol::Tcp, 80)
    };
    assert!(verdict(&[out, open]).allowed());
    let half = verdict(&[out, closed]);
    assert!(half.egress.allows() && !half.ingress.allows() && !half.allowed());
    let other_half = verdict(&["{podSelector: {}, policyTypes: [Egress]}", open]);
    assert!(!other_half.egress.allows() && other_half.ingress.allows() && !other_half.allowed());
}

/// "Reply traffic for those allowed connections will also be implicitly allowed." (website, network-policies): a verdict
/// is about who opens, and the destination answers without a rule for it, however closed its own egress is.
#[test]
fn replies_need_no_rule() {
    let world = world();
    let set = policies(&["{podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress, Egress], ingress: [{}]}"]);
    let ask = |from, to| set.verdict(&world.cluster, &from, &to, Protocol::Tcp, 80).allowed();
    assert!(ask(party(&world.front), party(&world.api)));
    assert!(!ask(party(&world.api), party(&world.front)), "but it may not open one itself");
}
