//! What to change so that a rule that nearly admits a connection does: one line for each thing that is missing.

use super::reasons::{Context, word};
use crate::state::State;
use crate::text::plain;
use ipnet::IpNet;
use netwright_policy::explain::{Entry, Gap, Object, Unmet};
use netwright_policy::{Direction, METADATA_NAME, NamedPort, Operator, Protocol, Requirement};
use netwright_record::inventory::Service;

/// The change that meets `unmet`; `None` where there is no small one.
pub fn advice(context: &Context, gap: &Gap, unmet: &Unmet) -> Option<String> {
    if gap.selection.contains(unmet) {
        return selection(context, gap, unmet);
    }
    let places = Places { context, gap };
    match unmet {
        Unmet::Label { object, requirement, actual } => {
            let selector = match object {
                Object::Namespace(_) => "namespaceSelector",
                Object::Pod { .. } => "podSelector",
            };
            label(object, requirement, actual.as_deref(), &places.peer(selector))
        }
        Unmet::Protocol { actual, .. } => Some(format!(
            "set protocol: {actual} in {}, or add an entry with it (an entry without protocol is for TCP)",
            places.ports()
        )),
        Unmet::Port { first, last, actual } => Some(port(context, *first, *last, *actual, &places.ports())),
        Unmet::NamedPort { name, asked, declared } => {
            Some(named_port(name, *asked, declared.as_deref(), &places.ports()))
        }
        other => peer(&places, other),
    }
}

/// The change that makes the policy apply.
fn selection(context: &Context, gap: &Gap, unmet: &Unmet) -> Option<String> {
    match unmet {
        Unmet::Label { object, requirement, actual } => {
            let field = at(context, gap, "spec.podSelector".to_owned());
            label(object, requirement, actual.as_deref(), &field)
        }
        Unmet::OtherNamespace { actual, .. } => Some(format!(
            "set metadata.namespace to {}: a policy applies to pods of its own namespace only",
            plain(actual)
        )),
        Unmet::PolicyTypes { direction } => {
            Some(format!("add {direction} to {}", at(context, gap, "spec.policyTypes".to_owned())))
        }
        _ => None,
    }
}

/// The change to a peer that is wrong as a whole.
fn peer(places: &Places, unmet: &Unmet) -> Option<String> {
    let context = places.context;
    match unmet {
        Unmet::OtherNamespace { actual, .. } => Some(format!(
            "add an entry beside {} with the same podSelector and, in the same entry, a namespaceSelector with matchLabels {METADATA_NAME}: {} (a podSelector without one looks into the policy's own namespace only)",
            places.peer(""),
            plain(actual)
        )),
        Unmet::Excepted { except, address } => Some(format!(
            "make the exception {except} in {} smaller, so that {address} is not in it, or admit {} by a rule of its own",
            places.peer("ipBlock"),
            plain(&context.other().name)
        )),
        Unmet::OutsideBlock { cidr, .. } => service_in(context.state, *cidr).map(|service| {
            format!(
                "select the pods in {} instead: {cidr} holds the cluster IP of Service {}/{}, and policies are held against the pod's address that replaces it",
                places.peer(""),
                plain(&service.namespace),
                plain(&service.name)
            )
        }),
        _ => None,
    }
}

/// Where the entries of a rule stand that come nearest.
struct Places<'a> {
    context: &'a Context<'a>,
    gap: &'a Gap,
}

impl Places<'_> {
    /// A field of the peer, or the peer itself if `field` is empty.
    fn peer(&self, field: &str) -> String {
        let list = if self.context.direction == Direction::Egress { "to" } else { "from" };
        let peer = self.entry(list, self.gap.peer.as_ref());
        at(self.context, self.gap, if field.is_empty() { peer } else { format!("{peer}.{field}") })
    }

    /// The entry of `ports`.
    fn ports(&self) -> String {
        at(self.context, self.gap, self.entry("ports", self.gap.port.as_ref()))
    }

    fn entry(&self, list: &str, entry: Option<&Entry>) -> String {
        let rule = format!("spec.{}[{}]", word(self.context.direction), self.gap.rule);
        entry.map_or_else(|| rule.clone(), |entry| format!("{rule}.{list}[{}]", entry.index))
    }
}

/// The field with its line, where that is known: `spec.ingress[0].from[1] (line 12)`.
fn at(context: &Context, gap: &Gap, field: String) -> String {
    let start = context.set.policies().get(gap.policy).map(|policy| policy.origin.line);
    match context.set.line(gap.policy, &field) {
        // That of the whole policy says nothing.
        line if line == start => field,
        Some(line) => format!("{field} (line {line})"),
        None => field,
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
            "label the namespace: kubectl label namespace {0} {key}={wanted}; or write {METADATA_NAME}: {0} in {field}, a label that every namespace has",
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
