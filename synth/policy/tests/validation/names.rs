//! Kinds, names, labels and selectors.

use super::{accepted, accepted_spec, manifest, rejected, rejected_spec};
use netwright_policy::{PolicySet, Source};

#[test]
fn only_the_stable_api_is_evaluated() {
    for other in ["extensions/v1beta1", "projectcalico.org/v3", "v1", "networking.k8s.io/v1beta1"] {
        let text = manifest("{name: p}", "{podSelector: {}}").replace("networking.k8s.io/v1", other);
        rejected(&text, &[("apiVersion", "must be networking.k8s.io/v1")]);
    }
    rejected("kind: NetworkPolicy\nmetadata: {name: p}", &[("apiVersion", "is missing")]);
    rejected("apiVersion: networking.k8s.io/v1\nkind: networkPolicy", &[("kind", "write NetworkPolicy")]);
    rejected("apiVersion: networking.k8s.io/v1\nmetadata: {name: p}", &[("kind", "is missing")]);
}

#[test]
fn names_are_dns_names() {
    let long = "a".repeat(253);
    for name in ["a", "0", "a-b.c", "a.b--c", long.as_str()] {
        accepted(&manifest(&format!("{{name: '{name}'}}"), "{podSelector: {}}"));
    }
    let too_long = "a".repeat(254);
    for name in ["", "A", "-a", "a-", "a..b", ".a", "a.", "a_b", "a b", "ä", "a\u{202e}b", too_long.as_str()] {
        rejected(
            &manifest(&format!("{{name: '{name}'}}"), "{podSelector: {}}"),
            &[("metadata.name", "is not a valid name")],
        );
    }
    rejected(&manifest("{generateName: p-}", "{podSelector: {}}"), &[("metadata.name", "is missing")]);
    rejected(&manifest("{name: 5}", "{podSelector: {}}"), &[("metadata.name", "is a number, must be text")]);
}

#[test]
fn namespaces_are_dns_labels_and_default_to_default() {
    for metadata in ["{name: p}", "{name: p, namespace: ''}", "{name: p, namespace: null}"] {
        let parsed = accepted(&manifest(metadata, "{podSelector: {}}"));
        assert_eq!(parsed.policies.policies().first().unwrap().namespace, "default");
    }
    let too_long = "a".repeat(64);
    for namespace in ["a.b", "A", "a-", too_long.as_str()] {
        let text = manifest(&format!("{{name: p, namespace: {namespace}}}"), "{podSelector: {}}");
        rejected(&text, &[("metadata.namespace", "is not a valid namespace name")]);
    }
}

#[test]
fn a_namespace_holds_a_name_once() {
    let one = manifest("{name: p, namespace: shop}", "{podSelector: {}}");
    let other = manifest("{name: p, namespace: bank}", "{podSelector: {}}");
    assert_eq!(accepted(&format!("{one}---\n{other}")).policies.policies().len(), 2);
    let sources = [("a.yaml", &one), ("b.yaml", &other), ("c.yaml", &one)]
        .map(|(name, text)| Source { name: name.into(), text: text.clone() });
    let errors = PolicySet::parse(&sources).unwrap_err().errors;
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert_eq!(
        error.to_string(),
        "c.yaml:3, document 1: metadata.name: NetworkPolicy shop/p is already defined at a.yaml:1, document 1: \
         rename or remove one of them"
    );
    let in_default = format!("{}---\n{}", manifest("{name: p}", "{}"), manifest("{name: p, namespace: default}", "{}"));
    rejected(&in_default, &[("metadata.name", "default/p is already defined")]);
}

#[test]
fn labels_of_the_policy_itself_are_checked() {
    let text = manifest(
        "{name: p, labels: {a b: c, d: e f, g: 1}, annotations: {UPPER/key: any text, -x: any, z: 2}}",
        "{podSelector: {}}",
    );
    rejected(
        &text,
        &[
            ("metadata.labels[\"g\"]", "is a number, must be text"),
            ("metadata.labels[\"a b\"]", "is not a valid label key"),
            ("metadata.labels[\"d\"]", "is not a valid label value"),
            ("metadata.annotations[\"z\"]", "is a number, must be text"),
            ("metadata.annotations[\"-x\"]", "is not a valid annotation key"),
        ],
    );
    let annotation = |bytes: usize| {
        manifest(&format!("{{name: p, annotations: {{a: {}}}}}", "x".repeat(bytes)), "{podSelector: {}}")
    };
    accepted(&annotation(262_143));
    rejected(&annotation(262_144), &[("metadata.annotations", "262145 bytes together")]);
}

#[test]
fn selectors_have_valid_keys_and_values() {
    let (longest, too_long) = ("a".repeat(63), "a".repeat(64));
    for key in ["app", "A_b.c-d", "example.com/app", "a/b", &longest] {
        accepted_spec(&format!("{{podSelector: {{matchLabels: {{{key}: x}}}}}}"));
        accepted_spec(&format!("{{podSelector: {{matchExpressions: [{{key: {key}, operator: Exists}}]}}}}"));
    }
    for key in ["a/b/c", "/a", "a/", "Ex/a", "a_", "-a", "a:b", &too_long] {
        let spec = format!("{{podSelector: {{matchLabels: {{'{key}': x}}}}}}");
        rejected_spec(&spec, &format!("spec.podSelector.matchLabels[{key:?}]"), "is not a valid label key");
        let spec = format!("{{podSelector: {{matchExpressions: [{{key: '{key}', operator: Exists}}]}}}}");
        rejected_spec(&spec, "spec.podSelector.matchExpressions[0].key", "is not a valid label key");
    }
    for value in ["''", "a", "0.1_b-C", &longest] {
        accepted_spec(&format!("{{podSelector: {{matchLabels: {{app: {value}}}}}}}"));
    }
    for value in ["a b", "-a", "a.", "a/b", &too_long] {
        let spec = format!("{{podSelector: {{matchLabels: {{app: '{value}'}}}}}}");
        rejected_spec(&spec, "spec.podSelector.matchLabels[\"app\"]", "is not a valid label value");
        let spec =
            format!("{{podSelector: {{matchExpressions: [{{key: app, operator: In, values: [ok, '{value}']}}]}}}}");
        rejected_spec(&spec, "spec.podSelector.matchExpressions[0].values[1]", "is not a valid label value");
    }
    rejected_spec(
        "{podSelector: {matchLabels: {app: true}}}",
        "spec.podSelector.matchLabels[\"app\"]",
        "is a boolean, must be text",
    );
    rejected_spec("{podSelector: []}", "spec.podSelector", "is a list, must be an object");
}

#[test]
fn operators_have_the_values_they_need() {
    let expression = |rest: &str| format!("{{podSelector: {{matchExpressions: [{{key: app, {rest}}}]}}}}");
    let at = |field: &str| format!("spec.podSelector.matchExpressions[0].{field}");
    for operator in ["In", "NotIn"] {
        accepted_spec(&expression(&format!("operator: {operator}, values: [a, b, a]")));
        for values in ["", ", values: []", ", values: null"] {
            rejected_spec(&expression(&format!("operator: {operator}{values}")), &at("values"), "must not be empty");
        }
    }
    for operator in ["Exists", "DoesNotExist"] {
        accepted_spec(&expression(&format!("operator: {operator}")));
        accepted_spec(&expression(&format!("operator: {operator}, values: []")));
        rejected_spec(&expression(&format!("operator: {operator}, values: [a]")), &at("values"), "must be empty");
    }
    for operator in ["in", "Equals", "''", "null"] {
        rejected_spec(
            &expression(&format!("operator: {operator}, values: [a]")),
            &at("operator"),
            "must be In, NotIn, Exists or DoesNotExist",
        );
    }
    rejected_spec("{podSelector: {matchExpressions: [{operator: Exists}]}}", &at("key"), "is not a valid label key");
}
