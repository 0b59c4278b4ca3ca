//! What the API server rejects is rejected here, at the same field (`pkg/apis/networking/validation/validation.go`,
//! `k8s.io/apimachinery/pkg/util/validation`), and what it accepts is accepted.
//!
//! Every manifest here was tried with the code of Kubernetes 1.34.4, read as `kubectl` reads it. Refused here alone, and
//! on purpose: what `kubectl` would send as something else than it says (words of YAML 1.1 without quotes, fractions
//! as keys, a key that is there as text and as a number), and YAML tags of one's own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod blocks;
mod fields;
mod names;
mod remarks;

use netwright_policy::{ParseError, Parsed, PolicySet, Source};

fn parse(text: &str) -> Result<Parsed, Vec<ParseError>> {
    PolicySet::parse(&[Source { name: "p.yaml".into(), text: text.into() }]).map_err(|failure| failure.errors)
}

fn manifest(metadata: &str, spec: &str) -> String {
    format!("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {metadata}\nspec: {spec}\n")
}

/// The fields with errors, each with what the message begins with after the field.
fn rejected(text: &str, expected: &[(&str, &str)]) {
    let errors = match parse(text) {
        Err(errors) => errors,
        Ok(_) => panic!("accepted: {text}"),
    };
    let found: Vec<_> = errors.iter().map(|error| (error.field.as_str(), error.problem.to_string())).collect();
    assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
    for ((field, message), (expected_field, expected_message)) in found.iter().zip(expected) {
        assert_eq!(field, expected_field, "{text}: {message}");
        assert!(message.contains(expected_message), "{text}: {field}: {message:?} lacks {expected_message:?}");
    }
}

fn rejected_spec(spec: &str, field: &str, message: &str) {
    rejected(&manifest("{name: p}", spec), &[(field, message)]);
}

fn accepted(text: &str) -> Parsed {
    parse(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

fn accepted_spec(spec: &str) -> Parsed {
    let parsed = accepted(&manifest("{name: p}", spec));
    assert_eq!(parsed.policies.policies().len(), 1, "{spec}");
    parsed
}

/// The remarks on one manifest, as `field: remark`.
fn remarks(spec: &str) -> Vec<String> {
    accepted_spec(spec).warnings.iter().map(|warning| format!("{}: {}", warning.field, warning.remark)).collect()
}

#[test]
fn a_message_says_where_what_and_what_is_allowed() {
    let text = "# first\n---\n\n# second\nkind: Namespace\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\n\
                spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/33}}]}]}\n";
    let errors = parse(text).unwrap_err();
    let messages: Vec<_> = errors.iter().map(ToString::to_string).collect();
    let expected = "p.yaml:10, document 2: spec.ingress[0].from[1].ipBlock.cidr: \"10.0.0.0/33\" is not a CIDR block: \
                    must be like 192.0.2.0/24 or 2001:db8::/64";
    assert_eq!(messages, [expected]);
}

#[test]
fn all_errors_are_told_at_once() {
    let broken =
        manifest("{name: P, namespace: a.b}", "{podSelector: {}, ingress: [{ports: [{port: 0}, {protocol: ICMP}]}]}");
    let text = format!("{broken}---\nkind: [\n---\n{}", manifest("{}", "{podSelector: 3}"));
    let errors = parse(&text).unwrap_err();
    let places: Vec<_> = errors.iter().map(|error| (error.origin.document, error.field.as_str())).collect();
    let expected = [
        (1, "metadata.namespace"),
        (1, "metadata.name"),
        (1, "spec.ingress[0].ports[0].port"),
        (1, "spec.ingress[0].ports[1].protocol"),
        (2, ""),
        (3, "metadata.name"),
        (3, "spec.podSelector"),
    ];
    assert_eq!(places, expected);
}

fn port(port: &str) -> String {
    format!("{{podSelector: {{}}, ingress: [{{ports: [{{{port}}}]}}]}}")
}
