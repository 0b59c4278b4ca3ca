//! From files to policies: documents, JSON, lists, other kinds, directories.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use netwright_policy::{LoadError, Parsed, PolicySet, ReadOptions, Source};
use std::fs;
use std::path::Path;

fn policy(name: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: {name}\nspec:\n  podSelector: {{}}\n"
    )
}

fn json(name: &str) -> String {
    format!(
        "{{\n\t\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": \"NetworkPolicy\",\n\t\"metadata\": {{\"name\": \"{name}\"}}, \"spec\": {{\"podSelector\": {{}}}}\n}}\n"
    )
}

fn parse(text: &str) -> Parsed {
    PolicySet::parse(&[Source { name: "f".into(), text: text.into() }])
        .unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

fn error(text: &str) -> String {
    let errors = PolicySet::parse(&[Source { name: "f".into(), text: text.into() }]).unwrap_err().errors;
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    error.to_string()
}

/// Name, document, line and list item of each policy.
fn places(parsed: &Parsed) -> Vec<(&str, usize, usize, &str)> {
    parsed
        .policies
        .policies()
        .iter()
        .map(|policy| (policy.name.as_str(), policy.origin.document, policy.origin.line, policy.origin.item.as_str()))
        .collect()
}

#[test]
fn nothing_is_no_policy() {
    for text in [
        "",
        "\n\n",
        "# only a comment",
        "---",
        "---\n---\n...\n",
        "--- # nothing\n---\nnull\n",
        "\u{feff}",
        "\u{feff}---\n",
    ] {
        let parsed = parse(text);
        assert_eq!((places(&parsed), parsed.skipped, parsed.warnings.len()), (vec![], 0, 0), "{text:?}");
    }
}

#[test]
fn documents_are_counted_without_the_empty_ones() {
    let text = format!(
        "---\n# head\n---\n\n# one\n{}---\n---\n--- # two\n{}...\n# three\n{}",
        policy("a"),
        policy("b"),
        policy("c")
    );
    assert_eq!(places(&parse(&text)), [("a", 1, 6, ""), ("b", 2, 15, ""), ("c", 3, 23, "")]);
}

#[test]
fn content_may_begin_on_the_marker_line() {
    let flow =
        "--- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a}, spec: {podSelector: {}}}\n";
    assert_eq!(
        places(&parse(&format!("{flow}---\r\n{}", policy("b").replace('\n', "\r\n")))),
        [("a", 1, 1, ""), ("b", 2, 3, "")]
    );
}

#[test]
fn directives_and_marks_of_byte_order_belong_to_their_document() {
    let text = format!("\u{feff}# head\n%YAML 1.1\n# more\n---\n{}...\n%YAML 1.1\n---\n{}", policy("a"), policy("b"));
    assert_eq!(places(&parse(&text)).iter().map(|place| place.0).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn dashes_inside_a_document_do_not_cut_it() {
    let text = policy("a")
        .replace("metadata:", "metadata:\n  annotations:\n    note: |\n      ---\n      ...\n    other: '---'");
    assert_eq!(places(&parse(&text)), [("a", 1, 1, "")]);
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let text = format!("{}---\nkind: [\n---\n{}", policy("A"), policy("B"));
    let errors = PolicySet::parse(&[Source { name: "f".into(), text }]).unwrap_err().errors;
    assert_eq!(errors.iter().map(|error| error.origin.line).collect::<Vec<_>>(), [4, 9, 13]);
}

#[test]
fn syntax_errors_name_the_line_in_the_file() {
    let message = error(&format!("{}---\nkind: a\nkind: b\n", policy("a")));
    assert!(
        message.starts_with("f:8, document 2: cannot be read as YAML or JSON: ") && message.contains("duplicate"),
        "{message}"
    );
    let message = error("a: 1\n---\nb: [\nc: }\n");
    assert!(message.contains("at line 4 "), "{message}");
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    let text = policy("a").replace("  podSelector: {}", "  podSelector: &s {matchLabels: {app: x}}\n  ingress: [{from: [{podSelector: *s}]}, {from: [{podSelector: {<<: *s}}]}]");
    let parsed = parse(&text);
    let [policy] = parsed.policies.policies() else { panic!("one policy") };
    let [first, second] = policy.ingress.as_slice() else { panic!("two rules") };
    assert_eq!(first, second);
    assert_eq!(parsed.warnings, []);
}

#[test]
fn cascades_of_anchors_and_deep_nesting_are_errors() {
    let levels: String =
        (1..30).map(|level| format!("a{level}: &a{level} [*a{0}, *a{0}, *a{0}]\n", level - 1)).collect();
    assert!(error(&format!("a0: &a0 [x]\n{levels}")).contains("cannot be read"));
    for nested in ["[", "{\"a\":", "a: ["] {
        assert!(error(&nested.repeat(200)).contains("recursion limit"), "{nested}");
        assert!(error(&nested.repeat(100_000)).contains("nested too deeply"), "{nested}");
    }
}

#[test]
fn json_is_read_with_its_tabs_and_one_after_the_other() {
    assert_eq!(
        places(&parse(&format!("\n{}{}\n\n{}", json("a"), json("b"), json("c")))),
        [("a", 1, 2, ""), ("b", 2, 6, ""), ("c", 3, 12, "")]
    );
    assert!(error("{\"kind\": \"a\", \"kind\": \"b\"}").contains("duplicate"));
    assert!(error("{\"kind\": ").contains("cannot be read"));
    assert_eq!(
        places(&parse(&json("a").replace(['\t', '\n'], " ").replace('"', "'"))),
        [("a", 1, 1, "")],
        "flow style is YAML"
    );
}

#[test]
fn lists_hold_policies_and_other_things() {
    let list =
        |kind: &str, version: &str, items: &str| format!("apiVersion: {version}\nkind: {kind}\nitems: {items}\n");
    let item = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a}, spec: {podSelector: {}}}";
    let parsed = parse(&list("List", "v1", &format!("[{{apiVersion: v1, kind: Pod}}, {item}]")));
    assert_eq!((places(&parsed), parsed.skipped), (vec![("a", 1, 1, "items[1]")], 1));
    let bare = "[{metadata: {name: a}, spec: {podSelector: {}}}]";
    assert_eq!(places(&parse(&list("NetworkPolicyList", "networking.k8s.io/v1", bare))), [("a", 1, 1, "items[0]")]);
    let nested = format!("[{{kind: List, apiVersion: v1, items: [{item}]}}]");
    assert_eq!(places(&parse(&list("List", "v1", &nested))), [("a", 1, 1, "items[0].items[0]")]);
    assert_eq!(places(&parse(&list("List", "v1", "null"))), []);
    let broken = error(&list("List", "v1", &format!("[{}]", item.replace("name: a", "name: A"))));
    assert!(broken.starts_with("f:3, document 1: items[0].metadata.name: \"A\""), "{broken}");
    assert!(error(&list("List", "v1", bare)).contains("items[0].kind: is missing"));
    assert!(error(&list("List", "v1", "[null]")).contains("items[0]: is null, must be an object"));
    assert!(error(&list("NetworkPolicyList", "extensions/v1beta1", bare)).contains("must be networking.k8s.io/v1"));
}

#[test]
fn other_kinds_are_counted() {
    let parsed = parse(&format!(
        "{{kind: Namespace, apiVersion: v1}}\n---\n{}---\nkind: Kustomization\n---\napiVersion: kustomize.config.k8s.io/v1beta1\nresources: []\n",
        policy("a")
    ));
    assert_eq!((parsed.policies.policies().len(), parsed.skipped, parsed.warnings.len()), (1, 3, 0));
}

#[test]
fn what_is_no_object_is_remarked_on_or_refused() {
    let values = parse("replicas: 3\nimage: x\n");
    assert_eq!((values.skipped, values.warnings.len()), (1, 1));
    for text in ["text", "- a\n- b\n", "3", "kind: [a]"] {
        assert!(error(text).contains("must be"), "{text}");
    }
}

fn write(directory: &Path, name: &str, text: &[u8]) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn directories_are_read_in_order_of_paths() {
    let directory = tempfile::tempdir().unwrap();
    for (name, policy_name) in
        [("b.yaml", "b"), ("a/z.yml", "z"), ("a/c.yaml", "c"), (".hidden/x.yaml", "x"), (".x.yaml", "y")]
    {
        write(directory.path(), name, policy(policy_name).as_bytes());
    }
    write(directory.path(), "d.json", json("d").as_bytes());
    write(directory.path(), "README.md", b"not: [a manifest");
    let parsed = PolicySet::load(directory.path()).unwrap();
    assert_eq!(places(&parsed).iter().map(|place| place.0).collect::<Vec<_>>(), ["c", "z", "b", "d"]);
    let first = parsed.policies.policies().first().unwrap();
    assert_eq!(Path::new(&first.origin.file), directory.path().join("a/c.yaml"));
    let one = PolicySet::load(&directory.path().join("b.yaml")).unwrap();
    assert_eq!(places(&one), [("b", 1, 1, "")]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_round() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "..data/a.yaml", policy("a").as_bytes());
    std::os::unix::fs::symlink("..data/a.yaml", directory.path().join("a.yaml")).unwrap();
    std::os::unix::fs::symlink(".", directory.path().join("again")).unwrap();
    assert_eq!(PolicySet::load(directory.path()).unwrap().policies.policies().len(), 1);
}

#[test]
fn what_cannot_be_loaded_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let message = |path: &Path| PolicySet::load(path).unwrap_err().to_string();
    assert!(message(&path.join("absent")).contains("absent\": "));
    assert!(matches!(PolicySet::load(path), Err(LoadError::NoFiles { .. })));
    write(path, "a.yaml", b"kind: \xff\n");
    assert!(message(path).ends_with("a.yaml\": not UTF-8 text from byte 6 on"), "{}", message(path));
    write(path, "a.yaml", policy("A").as_bytes());
    write(path, "b.yaml", policy("B").as_bytes());
    let message = message(path);
    assert!(message.starts_with("2 errors in the policies of ") && message.lines().count() == 3, "{message}");
}

/// Line and field of each message, errors first.
fn messages(text: &str) -> Vec<(usize, String)> {
    let (errors, warnings) = match PolicySet::parse(&[Source { name: "f".into(), text: text.into() }]) {
        Ok(parsed) => (Vec::new(), parsed.warnings),
        Err(failure) => (failure.errors, failure.warnings),
    };
    let errors = errors.into_iter().map(|error| (error.origin.line, error.field));
    errors.chain(warnings.into_iter().map(|warning| (warning.origin.line, warning.field))).collect()
}

#[test]
fn messages_name_the_line_of_the_field() {
    let text = "\
# a comment
kind: Namespace
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: p
  labels:
    note: |
      no
      label
spec:
  ingress:
  - from:
    - podSelector: {}
    - ipBlock:
        cidr: 10.0.0.1/8
        except:
        - 10.1.0.0/16

        - 11.0.0.0/8
  - ports:
    - protocol: TCP
      port: 80
      endPort: 70
";
    let expected = [
        (9, "metadata.labels[\"note\"]"),
        (21, "spec.ingress[0].from[1].ipBlock.except[1]"),
        (25, "spec.ingress[1].ports[0].endPort"),
        (12, "spec.podSelector"),
        (17, "spec.ingress[0].from[1].ipBlock.cidr"),
    ]
    .map(|(line, field)| (line, field.to_owned()));
    assert_eq!(messages(text), expected, "what is absent is said of what it is absent from");
    assert_eq!(messages(&text.replace('\n', "\r\n")), expected, "with carriage returns");
    assert_eq!(messages(&format!("\u{feff}{text}")), expected, "behind a mark of byte order");
}

#[test]
fn messages_about_json_name_the_line_too() {
    let one = json("a").replace("\"spec\"", "\n\t\"status\": {\n\t},\t\"spec\"");
    let two = json("B").replace("{}", "{\n\n\t\"matchlabels\": null}");
    let expected = [(9, "metadata.name".to_owned()), (11, "spec.podSelector.matchlabels".to_owned())];
    assert_eq!(messages(&format!("{one}{two}")), expected);
}

#[test]
fn what_is_merged_or_an_alias_has_a_line() {
    let text = "\
kind: List
defaults: &base
  matchLabels:
    app: on
items:
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: a}
  spec:
    podSelector: *base
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: b}
  spec:
    podSelector:
      <<: *base
";
    let field = |item: usize| format!("items[{item}].spec.podSelector.matchLabels[\"app\"]");
    assert_eq!(messages(text), [(4, field(0)), (4, field(1))]);
    assert_eq!(messages(&text.replace("app: on", "app: 'on'")), []);
}

#[test]
fn streams_are_read_to_their_end() {
    let read = |bytes: &[u8]| ReadOptions::default().read("stdin", &mut &*bytes);
    assert_eq!(places(&read(policy("a").as_bytes()).unwrap()), [("a", 1, 1, "")]);
    let message = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert!(
        message(policy("A").as_bytes()).starts_with("1 error in the policies of \"stdin\":\n  stdin:4, document 1: ")
    );
    assert_eq!(message(b"a: \xff"), "cannot read policies from \"stdin\": not UTF-8 text from byte 3 on");
}

#[test]
fn any_field_of_a_policy_has_a_line_where_the_text_is_kept() {
    let rules = "  podSelector: {}\n  ingress:\n  - {}\n  - from:\n    - podSelector:\n        matchLabels:\n          a.b/c: d\n";
    let text = format!("# head\n{}---\n{}", policy("a"), policy("b").replace("  podSelector: {}\n", rules));
    let list = format!("{{\"kind\": \"List\",\n\"items\": [{},\n{}]}}", json("c"), json("d"));
    let sources = [("x.yaml", text), ("y.json", list)].map(|(name, text)| Source { name: name.into(), text });
    let set = ReadOptions { keep_text: true, ..ReadOptions::default() }.parse(&sources).unwrap().policies;
    for (policy, field, line) in [
        (0, "metadata.name", 5),
        (0, "", 2),
        (1, "spec.ingress[1]", 17),
        (1, "spec.ingress[1].from[0].podSelector.matchLabels[\"a.b/c\"]", 20),
        (1, "spec.ingress[1].ports[3].port", 17),
        (2, "metadata", 4),
        (3, "", 7),
        (3, "spec.podSelector", 9),
    ] {
        assert_eq!(set.line(policy, field), Some(line), "{policy} {field}");
    }
    assert_eq!(set.line(4, ""), None);
    let without = PolicySet::parse(&sources).unwrap().policies;
    assert_eq!(without.line(1, "spec.ingress[1]"), Some(9), "the line of the document");
}
