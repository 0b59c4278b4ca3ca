//! Reads Calico's policies as its documents have them.

use super::{Being, Reader, list, objects, text, within};
use crate::infer::rules::RuleDirection;
use crate::render::Files;
use netwright_record::Protocol;
use netwright_record::inventory::Labels;
use serde_json::Value;

/// The policies of one kind.
pub(super) struct Calico(Vec<Value>);

impl Calico {
    pub(super) fn read(files: &Files, kind: &str) -> Self {
        let all = objects(files, kind).into_iter().filter(|object| object["apiVersion"] == "projectcalico.org/v3");
        Self(all.collect())
    }
}

impl Reader for Calico {
    fn allows(&self, direction: RuleDirection, own: &Being, other: &Being, protocol: Protocol, port: u16) -> bool {
        let Being::Pod { namespace, labels, .. } = own else { panic!("only pods have policies") };
        let (kind, key, far, near, server) = match direction {
            RuleDirection::Ingress => ("Ingress", "ingress", "source", "destination", own),
            RuleDirection::Egress => ("Egress", "egress", "destination", "source", other),
        };
        let mut selecting = self.0.iter().filter(|object| {
            let spec = &object["spec"];
            text(&object["metadata"]["namespace"]) == namespace
                && list(&spec["types"]).iter().any(|one| one == kind)
                && matches(text(&spec["selector"]), labels)
        });
        let mut isolated = false;
        let admits = selecting.any(|object| {
            isolated = true;
            list(&object["spec"][key]).iter().any(|rule| {
                assert_eq!(rule["action"], "Allow");
                let ports = list(&rule["destination"]["ports"]);
                rule["protocol"] == protocol.as_str()
                    && (ports.is_empty() || ports.iter().any(|one| has_port(one, server, protocol, port)))
                    && is_end(&rule[far], namespace, other)
                    && (rule[near].is_null() || rule[near]["selector"].is_null())
            })
        });
        admits || !isolated
    }
}

fn has_port(port: &Value, server: &Being, protocol: Protocol, asked: u16) -> bool {
    match port.as_str() {
        Some(text) => match text.split_once(':') {
            Some((first, last)) => (first.parse::<u16>().unwrap()..=last.parse().unwrap()).contains(&asked),
            None => server.calls(asked, protocol, text),
        },
        None => port.as_u64() == Some(asked.into()),
    }
}

fn is_end(side: &Value, own_namespace: &str, other: &Being) -> bool {
    let nets = list(&side["nets"]);
    let in_nets = |address| {
        nets.iter().any(|net| within(text(net), address))
            && !list(&side["notNets"]).iter().any(|net| within(text(net), address))
    };
    if !nets.is_empty() {
        return match other {
            Being::Pod { addresses, .. } => addresses.iter().any(|address| in_nets(*address)),
            _ => in_nets(other.address().unwrap()),
        };
    }
    let Being::Pod { namespace, labels, .. } = other else { return false };
    let selected = match side["namespaceSelector"].as_str() {
        None => namespace == own_namespace,
        Some(expression) => {
            let own = Labels::from([("kubernetes.io/metadata.name", namespace)]);
            matches(expression, &own)
        }
    };
    selected && matches(text(&side["selector"]), labels)
}

/// The part of Calico's expressions that is ever written.
fn matches(expression: &str, labels: &Labels) -> bool {
    expression.split(" || ").any(|part| {
        let part = part.strip_prefix('(').and_then(|part| part.strip_suffix(')')).filter(|_| part != "all()");
        let part = part.unwrap_or(if expression.contains(" || ") { "" } else { expression });
        part.split(" && ").all(|term| term_matches(term, labels))
    })
}

fn term_matches(term: &str, labels: &Labels) -> bool {
    if term == "all()" {
        return true;
    }
    if let Some((key, value)) = term.split_once(" == ") {
        return labels.get(key).is_some_and(|own| own == unquoted(value));
    }
    let (key, values) = term.split_once(" in ").unwrap_or_else(|| panic!("what is {term:?}?"));
    let values = values.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
    values.split(", ").any(|value| labels.get(key).is_some_and(|own| own == unquoted(value)))
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').unwrap().strip_suffix('"').unwrap()
}
