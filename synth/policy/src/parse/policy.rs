//! One NetworkPolicy from its manifest, with the API server's defaults and rules
//! (`pkg/apis/networking/v1/defaults.go`, `pkg/apis/networking/validation`). For the parser.

use super::names::{ANNOTATION_KEY, LABEL_KEY, LABEL_VALUE, NAMESPACE, OBJECT_NAME};
use super::path::Path;
use super::report::{Report, present};
use super::value::{Mapping, Value};
use super::{address, ports, selector};
use crate::error::{Problem, Remark};
use crate::model::{NetworkPolicy, Peer, Rule};
use crate::selector::Selector;

/// `ObjectMeta` of `meta/v1`.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];
const SPEC: [&str; 4] = ["podSelector", "policyTypes", "ingress", "egress"];
/// What the API server keeps of annotations, bytes of keys and values together.
const ANNOTATION_BYTES: usize = 256 << 10;

/// Reads a policy; `None` if not even its name can be told.
pub(crate) fn read(report: &mut Report, at: &Path, object: &Mapping) -> Option<NetworkPolicy> {
    report.unknown_fields(at, object, &["apiVersion", "kind", "metadata", "spec", "status"]);
    let names = metadata(report, &at.field("metadata"), present(object, "metadata"));
    let spec = spec(report, &at.field("spec"), present(object, "spec"));
    let (namespace, name) = names?;
    Some(NetworkPolicy {
        origin: report.origin.clone(),
        namespace,
        name,
        pod_selector: spec.pod_selector,
        isolates_ingress: spec.isolates_ingress,
        isolates_egress: spec.isolates_egress,
        ingress: spec.ingress,
        egress: spec.egress,
    })
}

/// Namespace and name.
fn metadata(report: &mut Report, at: &Path, value: Option<&Value>) -> Option<(String, String)> {
    let object = match value {
        Some(value) => Some(report.object(at, value, &METADATA)?),
        None => None,
    };
    let field = |name| object.and_then(|object| present(object, name));
    labels(report, &at.field("labels"), field("labels"));
    annotations(report, &at.field("annotations"), field("annotations"));
    let namespace = namespace(report, &at.field("namespace"), field("namespace"));
    let name = name(report, &at.field("name"), field("name"));
    Some((namespace?, name?))
}

fn name(report: &mut Report, at: &Path, value: Option<&Value>) -> Option<String> {
    let Some(value) = value else {
        report.error(at, Problem::Missing { advice: "give the policy a name of its own" });
        return None;
    };
    let name = report.text(at, value)?;
    report.check(at, name, &OBJECT_NAME);
    Some(name.to_owned())
}

fn namespace(report: &mut Report, at: &Path, value: Option<&Value>) -> Option<String> {
    let name = match value {
        Some(value) => report.text(at, value)?,
        None => "",
    };
    if name.is_empty() {
        return Some("default".to_owned());
    }
    report.check(at, name, &NAMESPACE);
    Some(name.to_owned())
}

fn labels(report: &mut Report, at: &Path, value: Option<&Value>) {
    for (key, value) in report.pairs(at, value) {
        report.check(&at.key(&key), &key, &LABEL_KEY);
        report.check(&at.key(&key), value, &LABEL_VALUE);
    }
}

fn annotations(report: &mut Report, at: &Path, value: Option<&Value>) {
    let pairs = report.pairs(at, value);
    for (key, _) in &pairs {
        report.check(&at.key(key), key, &ANNOTATION_KEY);
    }
    let bytes = pairs.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > ANNOTATION_BYTES {
        report.error(at, Problem::AnnotationsTooLong { bytes });
    }
}

/// `spec` after defaulting.
struct Spec {
    pod_selector: Selector,
    isolates_ingress: bool,
    isolates_egress: bool,
    ingress: Vec<Rule>,
    egress: Vec<Rule>,
}

/// Reads `spec`. Where it is absent the API server takes an empty one, which denies the namespace all ingress.
fn spec(report: &mut Report, at: &Path, value: Option<&Value>) -> Spec {
    let object = value.and_then(|value| report.object(at, value, &SPEC));
    let field = |name| object.and_then(|object| present(object, name));
    let selector_at = at.field("podSelector");
    let pod_selector = match field("podSelector") {
        Some(value) => selector::read(report, &selector_at, value),
        None => {
            report.warn(&selector_at, Remark::NoPodSelector);
            Selector::default()
        }
    };
    let (ingress_at, egress_at) = (at.field("ingress"), at.field("egress"));
    let ingress = rules(report, &ingress_at, field("ingress"), &["from", "ports"]);
    let egress = rules(report, &egress_at, field("egress"), &["to", "ports"]);
    let (isolates_ingress, isolates_egress) =
        policy_types(report, &at.field("policyTypes"), field("policyTypes"), !egress.is_empty());
    for (at, rules, isolates, direction) in
        [(ingress_at, &ingress, isolates_ingress, "Ingress"), (egress_at, &egress, isolates_egress, "Egress")]
    {
        if !rules.is_empty() && !isolates {
            report.warn(&at, Remark::IgnoredRules { direction });
        }
    }
    Spec { pod_selector, isolates_ingress, isolates_egress, ingress, egress }
}

/// Whether ingress is isolated, and whether egress is. Absent or empty: ingress always, egress if it has rules.
fn policy_types(report: &mut Report, at: &Path, value: Option<&Value>, has_egress: bool) -> (bool, bool) {
    let types = report.list(at, value);
    if types.is_empty() {
        return (true, has_egress);
    }
    if types.len() > 2 {
        report.error(at, Problem::TooManyPolicyTypes { count: types.len() });
    }
    let (mut ingress, mut egress) = (false, false);
    for (index, value) in types.iter().enumerate() {
        let at = at.item(index);
        match report.text(&at, value) {
            Some("Ingress") => ingress = true,
            Some("Egress") => egress = true,
            Some(other) => {
                report.error(&at, Problem::Unsupported { value: other.to_owned(), allowed: "Ingress or Egress" })
            }
            None => {}
        }
    }
    (ingress, egress)
}

fn rules(report: &mut Report, at: &Path, value: Option<&Value>, fields: &'static [&'static str; 2]) -> Vec<Rule> {
    let items = report.list(at, value).iter().enumerate();
    items.map(|(index, value)| rule(report, &at.item(index), value, fields)).collect()
}

/// One rule; `fields` are its list of peers and its list of ports. An empty list says the same as none: no restriction.
fn rule(report: &mut Report, at: &Path, value: &Value, fields: &'static [&'static str; 2]) -> Rule {
    if value.is_null() {
        report.warn(at, Remark::Null { meaning: "every peer on every port" });
        return Rule::default();
    }
    let Some(object) = report.object(at, value, fields) else { return Rule::default() };
    let [peers, ports] = *fields;
    let peers = restriction(report, &at.field(peers), object.get(peers), "every peer", peer);
    let ports = restriction(report, &at.field(ports), object.get(ports), "every port", ports::read);
    Rule { peers, ports }
}

/// The items of a list that restricts a rule, or `None` where it has none and so does not restrict it.
fn restriction<T>(
    report: &mut Report,
    at: &Path,
    value: Option<&Value>,
    meaning: &'static str,
    read: fn(&mut Report, &Path, &Value) -> Option<T>,
) -> Option<Vec<T>> {
    if value.is_some_and(Value::is_null) {
        report.warn(at, Remark::Null { meaning });
        return None;
    }
    let items = report.list(at, value);
    if items.is_empty() {
        return None;
    }
    // As many as there are, and no room for more: a large cluster has hundreds of thousands of these lists.
    let mut found = Vec::with_capacity(items.len());
    found.extend(items.iter().enumerate().filter_map(|(index, item)| read(report, &at.item(index), item)));
    Some(found)
}

fn peer(report: &mut Report, at: &Path, value: &Value) -> Option<Peer> {
    if value.is_null() {
        report.error(at, Problem::EmptyPeer);
        return None;
    }
    let object = report.object(at, value, &["podSelector", "namespaceSelector", "ipBlock"])?;
    let mut selector = |name| present(object, name).map(|value| selector::read(report, &at.field(name), value));
    let (pods, namespaces) = (selector("podSelector"), selector("namespaceSelector"));
    let selects = pods.is_some() || namespaces.is_some();
    match present(object, "ipBlock") {
        Some(_) if selects => report.error(at, Problem::BlockAndSelector),
        Some(block) => return address::read(report, &at.field("ipBlock"), block).map(Peer::IpBlock),
        None if selects => return Some(Peer::Pods { namespaces, pods }),
        None => report.error(at, Problem::EmptyPeer),
    }
    None
}
