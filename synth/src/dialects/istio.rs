//! Reads Istio's policies as its documents have them.

use super::{Being, Reader, carries, list, objects, text, within};
use crate::infer::rules::RuleDirection;
use crate::render::Files;
use netwright_record::Protocol;
use serde_json::Value;

/// The policies.
pub(super) struct Istio(Vec<Value>);

impl Istio {
    pub(super) fn read(files: &Files) -> Self {
        Self(objects(files, "AuthorizationPolicy"))
    }
}

impl Reader for Istio {
    fn allows(&self, direction: RuleDirection, own: &Being, other: &Being, protocol: Protocol, port: u16) -> bool {
        assert_eq!((direction, protocol), (RuleDirection::Ingress, Protocol::Tcp), "it says nothing of others");
        let Being::Pod { namespace, labels, .. } = own else { panic!("only pods have policies") };
        let selecting: Vec<&Value> = self
            .0
            .iter()
            .filter(|object| {
                let selector = &object["spec"]["selector"];
                text(&object["metadata"]["namespace"]) == namespace && carries(labels, &selector["matchLabels"])
            })
            .collect();
        let rules = selecting.iter().flat_map(|object| list(&object["spec"]["rules"]));
        selecting.is_empty() || rules.into_iter().any(|rule| matches(rule, other, port))
    }
}

fn matches(rule: &Value, other: &Being, port: u16) -> bool {
    let operations = list(&rule["to"]);
    let on_port = operations.is_empty()
        || operations.iter().any(|to| list(&to["operation"]["ports"]).iter().any(|one| text(one) == port.to_string()));
    on_port && list(&rule["from"]).iter().any(|from| is_source(&from["source"], other))
}

/// The fields of one source are an AND.
fn is_source(source: &Value, other: &Being) -> bool {
    let fields = source.as_object().unwrap();
    assert!(!fields.is_empty(), "an empty source is everybody");
    let (identity, own_namespace) = match other {
        Being::Pod { namespace, account, certificate: true, .. } => {
            (Some(format!("cluster.local/ns/{namespace}/sa/{account}")), Some(namespace))
        }
        _ => (None, None),
    };
    let addresses: Vec<_> = match other {
        Being::Pod { addresses, .. } => addresses.clone(),
        _ => other.address().into_iter().collect(),
    };
    fields.iter().all(|(field, values)| {
        let mut values = list(values).iter().map(text);
        match field.as_str() {
            "principals" => values.any(|value| Some(value) == identity.as_deref()),
            "notPrincipals" => values.all(|value| value == "*") && identity.is_none(),
            "namespaces" => values.any(|value| Some(value) == own_namespace.map(String::as_str)),
            "ipBlocks" => values.any(|value| addresses.iter().any(|address| within(value, *address))),
            "notIpBlocks" => !values.any(|value| addresses.iter().any(|address| within(value, *address))),
            _ => panic!("what is {field}?"),
        }
    })
}
