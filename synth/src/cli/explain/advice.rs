//! What to change so that a rule that nearly admits a connection does: one line for each thing that is missing.

use super::reasons::{Context, word};
use crate::state::State;
use crate::text::plain;
use ipnet::IpNet;
use netwright_policy::explain::{Gap, Object, Unmet};
use netwright_policy::{Direction, METADATA_NAME, NamedPort, Operator, Protocol, Requirement};
use netwright_record::inventory::Service;

/// The change that meets `unmet`; `None` where there is no small one.
pub fn advice(context: &Context, gap: &Gap, unmet: &Unmet) -> Option<String> {
    let field = |entry: Option<usize>, list: &str| {
        let rule = format!("spec.{}[{}]", word(context.direction), gap.rule);
        entry.map_or(rule.clone(), |index| format!("{rule}.{list}[{index}]"))
    };
    let peers = if context.direction == Direction::Egress { "to" } else { "from" };
    let peer = field(gap.peer.as_ref().map(|entry| entry.index), peers);
    let ports = field(gap.port.as_ref().map(|entry| entry.index), "ports");
    let selection = gap.selection.contains(unmet);
    match unmet {
        Unmet::Label { object, requirement, actual } => {
            let field = match object {
                _ if selection => "spec.podSelector".to_owned(),
                Object::Namespace(_) => format!("{peer}.namespaceSelector"),
                Object::Pod { .. } => format!("{peer}.podSelector"),
            };
            label(object, requirement, actual.as_deref(), &field)
        }
        Unmet::OtherNamespace { actual, .. } if selection => {
            Some(format!("set metadata.namespace to {}: a policy applies to pods of its own namespace only", plain(actual)))
        }
        Unmet::OtherNamespace { actual, .. } => Some(format!(
            "add an entry beside {peer} with the same podSelector and, in the same entry, a namespaceSelector with matchLabels {METADATA_NAME}: {} (without one a podSelector looks into the policy's own namespace only)",
            plain(actual)
        )),
        Unmet::Protocol { actual, .. } => {
            Some(format!("set protocol: {actual} in {ports}, or add an entry with it (without protocol an entry is for TCP)"))
        }
        Unmet::Port { first, last, actual } => Some(port(context, *first, *last, *actual, &ports)),
        Unmet::NamedPort { name, asked, declared } => Some(named_port(name, *asked, declared.as_deref(), &ports)),
        Unmet::Excepted { except, address } => Some(format!(
            "make the exception {except} of {peer}.ipBlock smaller, so that {address} is not in it, or admit {} by a rule of its own",
            plain(&context.other().name)
        )),
        Unmet::OutsideBlock { cidr, .. } => service_in(context.state, *cidr).map(|service| {
            format!(
                "{cidr} holds the cluster IP of Service {}/{}, which is replaced by a pod's address before policies are applied: select the pods in {peer} instead",
                plain(&service.namespace),
                plain(&service.name)
            )
        }),
        Unmet::PolicyTypes { direction } => Some(format!("add {direction} to spec.policyTypes")),
        Unmet::NotAPod { .. } | Unmet::NoAddress => None,
    }
}

/// The Service whose cluster IP a block was probably written for: it is in the block, which is not for everything.
pub fn service_in(state: &State, cidr: IpNet) -> Option<&Service> {
    let is_inside = |service: &&Service| service.cluster_ips.iter().any(|address| cidr.contains(address));
    state.services.iter().find(is_inside).filter(|_| cidr.prefix_len() > 0)
}

fn label(object: &Object, requirement: &Requirement, actual: Option<&str>, field: &str) -> Option<String> {
    let Requirement { key, operator } = requirement;
    let wanted = match operator {
        Operator::In(values) => values.first()?,
        Operator::Exists | Operator::NotIn(_) | Operator::DoesNotExist => return None,
    };
    let (key, wanted) = (plain(key), plain(wanted));
    match (object, actual) {
        (Object::Namespace(_), Some(actual)) if key == METADATA_NAME => {
            Some(format!("write {key}: {} in {field}", plain(actual)))
        }
        (Object::Namespace(name), Some(actual)) => Some(format!(
            "write {key}: {} in {field}, or label the namespace: kubectl label --overwrite namespace {} {key}={wanted}",
            plain(actual),
            plain(name)
        )),
        (Object::Namespace(name), None) => Some(format!(
            "label the namespace: kubectl label namespace {} {key}={wanted}; or take the label out of {field} (every namespace has the label {METADATA_NAME} with its name)",
            plain(name)
        )),
        (Object::Pod { .. }, Some(actual)) => {
            Some(format!("write {key}: {} in {field}, or {key}: {wanted} in the pods' labels", plain(actual)))
        }
        (Object::Pod { .. }, None) => Some(format!(
            "add {key}: {wanted} to the pods' labels (in the workload's pod template), or correct {field}"
        )),
    }
}

fn port(context: &Context, first: u16, last: u16, actual: u16, ports: &str) -> String {
    match context.service_port {
        Some(port) if (first..=last).contains(&port) => format!(
            "write port: {actual} in {ports}: {port} is the Service's port, and policies are held against the port of the pod"
        ),
        _ if first < last && actual > last => format!("raise endPort to {actual} in {ports} (it is included)"),
        _ if first < last => format!("lower port to {actual} in {ports}"),
        _ => format!("write port: {actual} in {ports}, or add an entry for it"),
    }
}

fn named_port(name: &str, (protocol, port): (Protocol, u16), declared: Option<&[NamedPort]>, ports: &str) -> String {
    let by_number = format!("write port: {port} in {ports}");
    let same_number = |declared: &&NamedPort| declared.port == port;
    match declared {
        Some([]) => format!("{by_number}, or give the container port {port} the name {}", plain(name)),
        Some(declared) => match declared.iter().find(same_number) {
            Some(other) => format!(
                "{by_number}, or correct the container port {}: it is declared for {}, and the connection is {protocol}",
                plain(name),
                other.protocol
            ),
            None => by_number,
        },
        None => by_number,
    }
}
