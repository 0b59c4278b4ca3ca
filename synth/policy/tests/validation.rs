//! What the API server rejects is rejected here, at the same field (`pkg/apis/networking/validation/validation.go`,
//! `k8s.io/apimachinery/pkg/util/validation`), and what it accepts is accepted.
//!
//! Every manifest here was tried with the code of Kubernetes 1.34.4, read as `kubectl` reads it. Refused here alone, and
//! on purpose: what `kubectl` would send as something else than it says (words of YAML 1.1 without quotes, fractions
//! as keys, a key that is there as text and as a number), and YAML tags of one's own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use netwright_policy::{ParseError, ParseFailure, Parsed, Peer, PolicySet, ReadOptions, Source};

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

#[test]
fn a_peer_is_selectors_or_a_block() {
    let at = "spec.ingress[0].from[0]";
    for peer in ["{}", "null", "{podSelector: null}", "{ipBlock: null, namespaceSelector: null}"] {
        rejected_spec(&format!("{{podSelector: {{}}, ingress: [{{from: [{peer}]}}]}}"), at, "names no peer");
    }
    for selector in ["podSelector: {}", "namespaceSelector: {}", "podSelector: {}, namespaceSelector: {}"] {
        accepted_spec(&format!("{{podSelector: {{}}, ingress: [{{from: [{{{selector}}}]}}]}}"));
        let spec =
            format!("{{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: 10.0.0.0/8}}, {selector}}}]}}]}}");
        rejected_spec(&spec, at, "has ipBlock and a selector");
    }
    rejected_spec("{podSelector: {}, egress: [{to: [{}]}]}", "spec.egress[0].to[0]", "names no peer");
}

#[test]
fn blocks_are_cidrs() {
    let block = |block: &str| format!("{{podSelector: {{}}, egress: [{{to: [{{ipBlock: {block}}}]}}]}}");
    let at = "spec.egress[0].to[0].ipBlock.cidr";
    for cidr in ["0.0.0.0/0", "10.1.2.3/32", "10.0.0.0/8", "::/0", "2001:db8::1/128", "fd00:244::/48"] {
        assert!(accepted_spec(&block(&format!("{{cidr: '{cidr}'}}"))).warnings.is_empty(), "{cidr}");
    }
    for cidr in [
        "",
        "10.0.0.0",
        "10.0.0.0/33",
        "10.0.0/8",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "::/129",
        "fe80::1%eth0/64",
        "10.0.0.0/8 ",
        "10.0.0.0/0x8",
        "10.0.0.256/8",
        "0a.0.0.0/8",
        "::10000/64",
        "1:2:3:4:5:6:7::8/64",
        "::ffff:10.0.0.0/129",
        "/8",
        "any",
    ] {
        rejected_spec(&block(&format!("{{cidr: '{cidr}'}}")), at, "is not a CIDR block");
    }
    rejected_spec(&block("{except: []}"), at, "is missing");
    rejected_spec(&block("{cidr: 10}"), at, "is a number, must be text");
    rejected_spec(&block("10.0.0.0/8"), "spec.egress[0].to[0].ipBlock", "is text, must be an object");
}

/// `netutils.ParseCIDRSloppy` reads leading zeros as decimal, and `net.IPNet.Contains` takes a network number in
/// `::ffff:0:0/96` for one of IPv4.
#[test]
fn legacy_forms_of_blocks_are_read_as_the_api_server_reads_them() {
    for (cidr, read_as) in [
        ("010.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/08", "10.0.0.0/8"),
        ("10.00.0.0/016", "10.0.0.0/16"),
        ("192.168.010.077/00024", "192.168.10.0/24"),
        ("2001:0000db8::/32", "2001:db8::/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:a00:1/128", "10.0.0.1/32"),
        ("::ffff:010.0.0.9/120", "10.0.0.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::ffff:a00:0/95", "::fffe:0:0/95"),
    ] {
        let parsed =
            accepted_spec(&format!("{{podSelector: {{}}, egress: [{{to: [{{ipBlock: {{cidr: '{cidr}'}}}}]}}]}}"));
        let policy = parsed.policies.policies().first().unwrap();
        let Some([Peer::IpBlock(block)]) = policy.egress.first().and_then(|rule| rule.peers.as_deref()) else {
            panic!("{cidr}: {policy:?}");
        };
        assert_eq!(block.cidr.to_string(), read_as, "{cidr}");
        let [warning] = parsed.warnings.as_slice() else { panic!("{cidr}: {:?}", parsed.warnings) };
        assert!(
            warning.to_string().ends_with(&format!(
                "is a legacy form that programs read differently, read as the API server does: write {read_as}"
            )),
            "{warning}"
        );
    }
}

/// The API server looks at the first address of an exception and compares the prefix lengths as written, so that
/// mixed notations pass or fail by their digits.
#[test]
fn exceptions_in_another_notation_are_compared_as_written() {
    let spec = |cidr: &str, except: &str| {
        format!("{{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: '{cidr}', except: ['{except}']}}}}]}}]}}")
    };
    for (cidr, except, read_as) in [
        ("10.0.0.0/8", "::ffff:10.1.0.0/112", "10.1.0.0/16"),
        ("10.0.0.0/8", "::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("0.0.0.0/8", "::ffff:0.0.0.0/97", "0.0.0.0/8"),
        ("::ffff:10.0.0.0/104", "::ffff:10.1.0.0/112", "10.1.0.0/16"),
    ] {
        let parsed = accepted_spec(&spec(cidr, except));
        let policy = parsed.policies.policies().first().unwrap();
        let Some([Peer::IpBlock(block)]) = policy.ingress.first().and_then(|rule| rule.peers.as_deref()) else {
            panic!("{cidr}: {policy:?}");
        };
        let holes: Vec<_> = block.except.iter().map(ToString::to_string).collect();
        assert_eq!(holes, [read_as], "{cidr} except {except}");
    }
    let refused = spec("::ffff:10.0.0.0/104", "10.1.0.0/16");
    rejected_spec(&refused, "spec.ingress[0].from[0].ipBlock.except[0]", "is not strictly inside");
}

#[test]
fn an_except_is_strictly_inside_its_block() {
    let block = |cidr: &str, except: &str| {
        format!(
            "{{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: '{cidr}', except: [10.0.3.0/24, '{except}']}}}}]}}]}}"
        )
    };
    accepted_spec(&block("10.0.0.0/16", "10.0.255.0/24"));
    for except in ["10.1.0.0/24", "10.0.0.0/16", "10.0.0.0/8", "2001:db8::/64", "::/0"] {
        rejected_spec(
            &block("10.0.0.0/16", except),
            "spec.ingress[0].from[0].ipBlock.except[1]",
            "is not strictly inside 10.0.0.0/16",
        );
    }
    rejected_spec(
        &block("10.0.0.0/16", "10.0.0.1"),
        "spec.ingress[0].from[0].ipBlock.except[1]",
        "is not a CIDR block",
    );
}

fn port(port: &str) -> String {
    format!("{{podSelector: {{}}, ingress: [{{ports: [{{{port}}}]}}]}}")
}

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
        assert_eq!(policy.pod_selector.requirements.first().unwrap().key, text);
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
