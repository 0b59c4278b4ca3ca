//! The same policies in words that the analyzer reads rightly. Where it refuses or misreads what the API defines, it is
//! asked the equivalent; each kind of that has its own case in `known`, and is counted.

use crate::generate::{Case, POD_LABELS};
use netwright_policy::{Direction, METADATA_NAME};
use netwright_tests::oracle::Question;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How often what was put in other words, over all questions about whole sets.
pub(super) type Reworded = BTreeMap<&'static str, usize>;

const IGNORED_RULES: &str = "rules of a direction that policyTypes leaves out";
const EMPTY_EGRESS: &str = "no egress rules and no policyTypes";
const TYPE_ORDER: &str = "policyTypes [Egress, Ingress]";
const EXISTS: &str = "Exists or DoesNotExist on pods of other namespaces";
const EMPTY_VALUE: &str = "an empty label value of namespaces";

/// The question about all policies, both directions at once.
pub(super) fn whole(case: &Case, reworded: &mut Reworded) -> Question {
    let policies = case.policies.iter().map(|policy| {
        let mut policy = policy.clone();
        spec(&mut policy["spec"], reworded);
        policy
    });
    Question { policies: list(policies.collect()), cluster: cluster(case) }
}

/// The question about one direction alone, as if nothing isolated the other.
pub(super) fn half(case: &Case, direction: Direction) -> Question {
    let (name, other) = match direction {
        Direction::Ingress => ("Ingress", "egress"),
        Direction::Egress => ("Egress", "ingress"),
    };
    let policies = case.policies.iter().filter_map(|policy| {
        let mut policy = policy.clone();
        let spec = &mut policy["spec"];
        if !isolates(spec, direction) {
            return None;
        }
        self::spec(spec, &mut Reworded::new());
        spec["policyTypes"] = json!([name]);
        remove(spec, other);
        Some(policy)
    });
    Question { policies: list(policies.collect()), cluster: cluster(case) }
}

fn list(items: Vec<Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn cluster(case: &Case) -> Value {
    let namespaces = case.namespaces.iter().map(|(name, labels)| {
        let mut labels = labels.clone();
        labels.insert(METADATA_NAME.to_owned(), name.clone());
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    });
    let pods = case.pods.iter().map(|pod| {
        let port = |port: &netwright_policy::NamedPort| {
            json!({"name": port.name, "protocol": port.protocol.as_str(), "containerPort": port.port})
        };
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": pod.namespace, "name": pod.name, "labels": pod.labels},
            "spec": {"containers": [{"name": "c", "ports": pod.ports.iter().map(port).collect::<Vec<_>>()}]},
        })
    });
    list(namespaces.chain(pods).collect())
}

/// Whether a policy isolates a direction, by the comment on `policyTypes`: "If this field is not specified, it will
/// default based on the existence of ingress or egress rules".
fn isolates(spec: &Value, direction: Direction) -> bool {
    let types = spec["policyTypes"].as_array().filter(|types| !types.is_empty());
    let has_egress = spec["egress"].as_array().is_some_and(|rules| !rules.is_empty());
    match direction {
        Direction::Ingress => types.is_none_or(|types| types.contains(&json!("Ingress"))),
        Direction::Egress => types.map_or(has_egress, |types| types.contains(&json!("Egress"))),
    }
}

fn spec(spec: &mut Value, reworded: &mut Reworded) {
    for (direction, field, peers) in [(Direction::Ingress, "ingress", "from"), (Direction::Egress, "egress", "to")] {
        if !isolates(spec, direction) {
            let why = if spec["policyTypes"].as_array().is_some_and(|it| !it.is_empty()) {
                IGNORED_RULES
            } else {
                EMPTY_EGRESS
            };
            count(remove(spec, field), why, reworded);
        }
        for rule in spec.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(list) = rule.get_mut(peers).and_then(Value::as_array_mut) {
                *list = list.drain(..).flat_map(|it| peer(it, reworded)).collect();
            }
        }
    }
    if spec["policyTypes"] == json!(["Egress", "Ingress"]) {
        spec["policyTypes"] = json!(["Ingress", "Egress"]);
        count(true, TYPE_ORDER, reworded);
    }
}

/// Peers that together say what one says.
fn peer(mut peer: Value, reworded: &mut Reworded) -> Vec<Value> {
    let Some(namespaces) = peer.get("namespaceSelector").cloned() else { return vec![peer] };
    if let Some(expressions) = peer.pointer_mut("/podSelector/matchExpressions").and_then(Value::as_array_mut) {
        for expression in expressions {
            count(spell_out_existence(expression), EXISTS, reworded);
        }
    }
    let alternatives = requirements(&namespaces).into_iter().map(by_presence);
    let mut selectors = vec![Vec::new()];
    for alternatives in alternatives {
        count(alternatives.iter().any(|it| it.len() > 1), EMPTY_VALUE, reworded);
        let with = |before: &Vec<Value>| {
            alternatives.iter().map(move |it| [before.clone(), it.clone()].concat()).collect::<Vec<_>>()
        };
        selectors = selectors.iter().flat_map(with).collect();
    }
    let with = |selector: Vec<Value>| {
        let mut peer = peer.clone();
        peer["namespaceSelector"] = if selector.is_empty() { json!({}) } else { json!({"matchExpressions": selector}) };
        peer
    };
    selectors.into_iter().map(with).collect()
}

/// A selector as expressions alone.
fn requirements(selector: &Value) -> Vec<Value> {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let labels = labels.map(|(key, value)| json!({"key": key, "operator": "In", "values": [value]}));
    labels.chain(selector["matchExpressions"].as_array().into_iter().flatten().cloned()).collect()
}

/// What a requirement says, as alternatives that each say whether the key is there where an empty value is asked about.
fn by_presence(requirement: Value) -> Vec<Vec<Value>> {
    let empty = requirement["values"].as_array().is_some_and(|values| values.contains(&json!("")));
    let there = |operator: &str| json!({"key": requirement["key"], "operator": operator});
    match requirement["operator"].as_str() {
        Some("In") if empty => vec![vec![there("Exists"), requirement]],
        Some("NotIn") if empty => vec![vec![there("DoesNotExist")], vec![there("Exists"), requirement]],
        _ => vec![vec![requirement]],
    }
}

/// Whether there was something to spell out: a key is there if it has one of all values it can have.
fn spell_out_existence(expression: &mut Value) -> bool {
    let operator = match expression["operator"].as_str() {
        Some("Exists") => "In",
        Some("DoesNotExist") => "NotIn",
        _ => return false,
    };
    let values = POD_LABELS.iter().find(|(key, _)| expression["key"] == *key).map(|(_, values)| values);
    *expression = json!({"key": expression["key"], "operator": operator, "values": values});
    true
}

/// Whether the field was there with something to be misread.
fn remove(object: &mut Value, field: &str) -> bool {
    object.as_object_mut().and_then(|it: &mut Map<_, _>| it.remove(field)).is_some()
}

fn count(happened: bool, what: &'static str, reworded: &mut Reworded) {
    *reworded.entry(what).or_default() += usize::from(happened);
}
