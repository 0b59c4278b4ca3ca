//! Unknown fields, text in need of quotes, and what is probably not meant.

use super::{accepted, accepted_spec, manifest, parse, port, rejected, rejected_spec, remarks};
use netwright_policy::{ParseFailure, PolicySet, ReadOptions, Source};

#[test]
fn unknown_fields_are_remarked_on() {
    let unknown = |known: &str| format!("unknown field, ignored: must be {known}");
    assert_eq!(
        remarks("{podSelector: {}, ingress: [{form: [{podSelector: {}}]}]}"),
        [format!("spec.ingress[0].form: {}", unknown("from or ports"))]
    );
    assert_eq!(
        remarks("{podSelector: {matchlabels: {a: b}}}"),
        [format!("spec.podSelector.matchlabels: {}", unknown("matchLabels or matchExpressions"))]
    );
    assert_eq!(
        remarks("{podSelector: {}, egress: [{from: []}]}"),
        [format!("spec.egress[0].from: {}", unknown("to or ports"))]
    );
    assert_eq!(
        remarks("{podSelector: {}, 1: x}"),
        [format!("spec.1: {}", unknown("podSelector, policyTypes, ingress or egress"))]
    );
    let live = "{name: p, uid: x, resourceVersion: '7', generation: 1, creationTimestamp: null, managedFields: [], selfLink: x}";
    assert!(accepted(&manifest(live, "{podSelector: {}}")).warnings.is_empty());
}

#[test]
fn unknown_fields_are_errors_where_reading_is_strict() {
    let text = manifest("{name: p, label: {}}", "{podSelector: {}, ingress: [{ipBlock: {}}]}");
    let source = [Source { name: "p.yaml".into(), text }];
    assert_eq!(PolicySet::parse(&source).unwrap().warnings.len(), 2);
    let ParseFailure { errors, warnings } =
        ReadOptions { strict: true, ..ReadOptions::default() }.parse(&source).unwrap_err();
    let messages: Vec<_> = errors.iter().map(ToString::to_string).collect();
    let [label, block] = messages.as_slice() else { panic!("{messages:?}") };
    assert!(label.starts_with("p.yaml:3, document 1: metadata.label: unknown field: must be annotations, "), "{label}");
    assert_eq!(block, "p.yaml:4, document 1: spec.ingress[0].ipBlock: unknown field: must be from or ports");
    assert_eq!(warnings, []);
}

#[test]
fn a_failure_holds_the_warnings_too() {
    let text = manifest("{name: P}", "{podSelector: {}, ingres: []}");
    let failure = PolicySet::parse(&[Source { name: "p.yaml".into(), text }]).unwrap_err();
    assert_eq!((failure.errors.len(), failure.warnings.len()), (1, 1));
    assert!(
        failure.to_string().starts_with("1 error:\n  p.yaml:3, document 1: metadata.name: \"P\" is not"),
        "{failure}"
    );
}

/// `kubectl` makes booleans and numbers of words that are text in YAML 1.2 (`sigs.k8s.io/yaml`).
#[test]
fn text_that_kubectl_reads_otherwise_must_be_in_quotes() {
    let labels = |labels: &str| format!("{{podSelector: {{matchLabels: {{{labels}}}}}}}");
    for (word, read_as) in
        [("on", "true"), ("n", "false"), ("1_000", "1000"), ("017", "15"), ("09", "9"), ("0X1f", "31")]
    {
        let message =
            format!("without quotes is {read_as} to kubectl, which reads YAML 1.1: write \"{word}\" or {read_as}");
        rejected_spec(&labels(&format!("app: {word}")), "spec.podSelector.matchLabels[\"app\"]", &message);
        rejected_spec(&labels(&format!("{word}: x")), &format!("spec.podSelector.matchLabels[\"{word}\"]"), &message);
        rejected_spec(&port(&format!("port: {word}")), "spec.ingress[0].ports[0].port", &message);
        let expression =
            format!("{{podSelector: {{matchExpressions: [{{key: a, operator: In, values: [b, {word}]}}]}}}}");
        rejected_spec(&expression, "spec.podSelector.matchExpressions[0].values[1]", &message);
        rejected(&manifest(&format!("{{name: {word}}}"), "{podSelector: {}}"), &[("metadata.name", &message)]);
        for quoted in [format!("'{word}'"), format!("\"{word}\""), format!("!!str {word}")] {
            accepted_spec(&labels(&format!("app: {quoted}")));
        }
        accepted_spec(&labels(&format!("'{word}': x")));
        let json = format!(
            r#"{{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {{"name": "p"}}, "spec": {{"podSelector": {{"matchLabels": {{"{word}": "{word}"}}}}}}}}"#
        );
        accepted(&json);
    }
    for word in ["12:30", "2001-12-14", "yEs"] {
        rejected_spec(&labels(&format!("app: [{word}]")), "spec.podSelector.matchLabels[\"app\"]", "is a list");
        accepted(&manifest(&format!("{{name: p, annotations: {{a: {word}}}}}"), "{podSelector: {}}"));
    }
}

/// JSON has only text as keys, and `kubectl` makes it of what stands there.
#[test]
fn whole_numbers_and_booleans_as_keys_are_text() {
    for (key, text) in [("8080", "8080"), ("true", "true"), ("False", "false"), ("0x1f", "31")] {
        let parsed = accepted_spec(&format!("{{podSelector: {{matchLabels: {{{key}: x}}}}}}"));
        let policy = parsed.policies.policies().first().unwrap();
        assert_eq!(policy.pod_selector.requirements.first().unwrap().key.as_ref(), text);
    }
    let twice = "is there twice, as text and as a number";
    rejected_spec("{podSelector: {matchLabels: {1: x, '1': z}}}", "spec.podSelector.matchLabels[\"1\"]", twice);
}

#[test]
fn what_is_probably_not_meant_is_remarked_on() {
    assert_eq!(remarks("{podSelector: {}}"), Vec::<String>::new());
    let expect = |spec: &str, field: &str, part: &str| {
        let found = remarks(spec);
        let [remark] = found.as_slice() else { panic!("{spec}: {found:?}") };
        assert!(remark.starts_with(&format!("{field}: ")) && remark.contains(part), "{remark}");
    };
    expect("{ingress: []}", "spec.podSelector", "selects every pod of its namespace");
    expect(
        "{podSelector: {}, policyTypes: [Egress], ingress: [{}]}",
        "spec.ingress",
        "policyTypes does not list Ingress",
    );
    expect(
        "{podSelector: {}, policyTypes: [Ingress], egress: [{}]}",
        "spec.egress",
        "policyTypes does not list Egress",
    );
    expect("{podSelector: {}, ingress: [null]}", "spec.ingress[0]", "every peer on every port");
    expect("{podSelector: {}, ingress: [{from: null}]}", "spec.ingress[0].from", "every peer");
    expect("{podSelector: {}, ingress: [{ports: null}]}", "spec.ingress[0].ports", "every port");
    expect("{podSelector: {}, ingress: [{ports: [null]}]}", "spec.ingress[0].ports[0]", "every TCP port");
    expect(
        "{podSelector: {}, ingress: [{ports: [{port: null}]}]}",
        "spec.ingress[0].ports[0].port",
        "every port of the protocol",
    );
    expect("{podSelector: {matchLabels: {a: null}}}", "spec.podSelector.matchLabels[\"a\"]", "an empty value");
    expect(
        "{podSelector: {matchExpressions: [{key: a, operator: In, values: [null]}]}}",
        "spec.podSelector.matchExpressions[0].values[0]",
        "an empty value",
    );
    expect(
        "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.1/8}}]}]}",
        "spec.ingress[0].from[0].ipBlock.cidr",
        "read as 10.0.0.0/8",
    );
}

#[test]
fn text_from_a_manifest_cannot_drive_a_terminal() {
    let hostile = "\\e[2J\\u202e\\r\\n";
    let text = manifest(
        &format!("{{name: \"{hostile}\", labels: {{\"{hostile}\": \"{hostile}\"}}, \"{hostile}\": 1}}"),
        "{podSelector: {}}",
    );
    let source = Source { name: "a\u{1b}[31m.yaml".into(), text };
    let errors = PolicySet::parse(&[source]).unwrap_err().errors;
    assert_eq!(errors.len(), 3);
    let key_twice = format!("\"{hostile}\": 1\n\"{hostile}\": 2\n");
    for error in errors.iter().chain(&parse(&key_twice).unwrap_err()) {
        let message = error.to_string();
        assert!(message.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{message:?}");
    }
}
