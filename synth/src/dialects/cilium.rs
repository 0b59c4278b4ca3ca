//! Reads Cilium's policies as its documents have them.

use super::{Being, Reader, carries, list, objects, text, within};
use crate::infer::rules::RuleDirection;
use crate::render::Files;
use netwright_record::inventory::Labels;
use netwright_record::{Endpoint, Observation, Protocol};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The policies, and what names lead to.
pub(super) struct Cilium {
    policies: Vec<Value>,
    names: BTreeMap<String, BTreeSet<IpAddr>>,
}

impl Cilium {
    pub(super) fn read(files: &Files, observation: &Observation) -> Self {
        let mut names: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
        for edge in &observation.edges {
            if let Endpoint::ExternalName { names: of_edge } = &edge.server {
                of_edge.iter().for_each(|name| names.entry(name.into()).or_default().extend(&edge.server_addresses));
            }
        }
        Self { policies: objects(files, "CiliumNetworkPolicy"), names }
    }
}

impl Reader for Cilium {
    fn allows(&self, direction: RuleDirection, own: &Being, other: &Being, protocol: Protocol, port: u16) -> bool {
        let Being::Pod { namespace, labels, .. } = own else { panic!("only pods have policies") };
        let key = if direction == RuleDirection::Ingress { "ingress" } else { "egress" };
        let selecting: Vec<&Value> = self
            .policies
            .iter()
            .filter(|object| {
                text(&object["metadata"]["namespace"]) == namespace
                    && carries(labels, &object["spec"]["endpointSelector"]["matchLabels"])
            })
            .collect();
        let denied = selecting
            .iter()
            .flat_map(|object| list(&object["spec"]["egressDeny"]))
            .any(|rule| direction == RuleDirection::Egress && self.is_end(rule, direction, namespace, other));
        let server = if direction == RuleDirection::Ingress { own } else { other };
        let rules = || selecting.iter().flat_map(|object| list(&object["spec"][key]));
        assert!(rules().count() >= selecting.len(), "a direction without rules is not the policy's concern");
        let admitted = rules().any(|rule| {
            self.is_end(rule, direction, namespace, other) && has_port(&rule["toPorts"], server, protocol, port)
        });
        let isolated = selecting.iter().any(|object| object["spec"]["enableDefaultDeny"][key] == true);
        !denied && (admitted || !isolated)
    }
}

impl Cilium {
    fn is_end(&self, rule: &Value, direction: RuleDirection, own_namespace: &str, other: &Being) -> bool {
        let key = |name: &str| match direction {
            RuleDirection::Ingress => format!("from{name}"),
            RuleDirection::Egress => format!("to{name}"),
        };
        let kinds = ["Endpoints", "Entities", "CIDRSet", "FQDNs"].map(key);
        let given: Vec<&String> = kinds.iter().filter(|kind| !rule[kind.as_str()].is_null()).collect();
        assert!(given.len() <= 1, "{rule}");
        let [endpoints, entities, blocks, names] = kinds.each_ref().map(|kind| list(&rule[kind.as_str()]));
        endpoints.iter().any(|selector| is_endpoint(&selector["matchLabels"], own_namespace, other))
            || entities.iter().any(|entity| is_entity(text(entity), other))
            || blocks.iter().any(|block| is_in(block, other))
            || names.iter().any(|name| self.has_name(text(&name["matchName"]), other))
    }

    fn has_name(&self, name: &str, other: &Being) -> bool {
        let Being::Address(address) = other else { return false };
        self.names.get(name).is_some_and(|addresses| addresses.contains(address))
    }
}

fn is_endpoint(asked: &Value, own_namespace: &str, other: &Being) -> bool {
    let Being::Pod { namespace, labels, account, .. } = other else { return false };
    let mut known: Labels = labels.clone();
    known.insert("k8s:io.kubernetes.pod.namespace", namespace);
    known.insert("k8s:io.cilium.k8s.policy.serviceaccount", account);
    let says = !asked["k8s:io.kubernetes.pod.namespace"].is_null();
    carries(&known, asked) && (says || namespace == own_namespace)
}

fn is_entity(entity: &str, other: &Being) -> bool {
    match (entity, other) {
        ("host" | "remote-node", Being::Node(_)) => true,
        ("kube-apiserver", Being::ApiServer(_)) => true,
        ("world", Being::Address(_)) => true,
        ("host" | "remote-node" | "kube-apiserver" | "world", _) => false,
        _ => panic!("what is {entity}?"),
    }
}

/// Blocks are neither pods nor nodes.
fn is_in(block: &Value, other: &Being) -> bool {
    let (Being::Address(address) | Being::ApiServer(address)) = other else { return false };
    within(text(&block["cidr"]), *address) && !list(&block["except"]).iter().any(|inner| within(text(inner), *address))
}

/// No ports are every port, but no rule without ports is ever written that names somebody.
fn has_port(to_ports: &Value, server: &Being, protocol: Protocol, port: u16) -> bool {
    assert!(list(to_ports).iter().all(|entry| list(&entry["ports"]).len() <= 40));
    list(to_ports).iter().flat_map(|entry| list(&entry["ports"])).any(|one| {
        let said = text(&one["port"]);
        let is_meant = match said.parse::<u16>() {
            Ok(first) => {
                (first..=one["endPort"].as_u64().map_or(first, |last| last.try_into().unwrap())).contains(&port)
            }
            Err(_) => server.calls(port, protocol, said),
        };
        text(&one["protocol"]) == protocol.as_str() && is_meant
    })
}
