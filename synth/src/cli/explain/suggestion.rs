//! The least rule that would admit a denied connection, and the policy it belongs into. A proposal, proven before it is
//! shown: the evaluator has to say that it admits the connection.

use super::question::{Kind, Whom};
use super::reasons::{Context, word};
use super::report::{Policy, Suggestion};
use crate::state::{State, StatePod};
use crate::text::{plain, some_of};
use ipnet::IpNet;
use netwright_policy::{Decision, Direction, Labels, METADATA_NAME, NetworkPolicy, PolicySet, Protocol, Source};
use netwright_record::inventory::WorkloadRef;
use netwright_resolve::inventory::is_stable_label;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Labels that name a workload, the most usual first.
const NAMING: [&str; 4] = ["app.kubernetes.io/name", "app", "k8s-app", "name"];
/// How many other workloads a note names.
const NAMES_SHOWN: usize = 5;

/// The least rule that admits connections to these ports at this end; `None` where none can: pods without labels of their own, or a
/// node without a known address.
pub fn suggest(context: &Context, isolated_by: &[usize], ports: &[(Protocol, u16)]) -> Option<Suggestion> {
    let (peers, mut notes) = peers(context)?;
    let list = if context.direction == Direction::Egress { "to" } else { "from" };
    let entry = |(protocol, port): &(Protocol, u16)| json!({"protocol": protocol.as_str(), "port": port});
    let rule = json!({list: peers, "ports": ports.iter().map(entry).collect::<Vec<_>>()});
    let (add_to, yaml) = match isolated_by.iter().find_map(|&index| own_policy(context, index)) {
        Some(policy) => (Some(policy), json!([rule])),
        None => {
            let (labels, others) = labels(context.state, context.this())?;
            notes.extend(also("is opened", &others));
            (None, manifest(context, &json!({"matchLabels": labels}), &rule))
        }
    };
    let proof = match &add_to {
        Some(_) => manifest(context, &json!({}), &rule),
        None => yaml.clone(),
    };
    let suggestion = Suggestion { add_to, direction: word(context.direction), yaml, notes };
    ports.iter().all(|port| admits(context, &proof, *port)).then_some(suggestion)
}

/// What has to be done first where [`suggest`] finds no rule.
pub fn obstacle(context: &Context) -> Option<String> {
    let is_nameless = |kind: &&Kind| matches!(kind.whom, Whom::Pod(_)) && labels(context.state, kind).is_none();
    let nameless = [context.other(), context.this()].into_iter().find(is_nameless);
    match (nameless, &context.other().whom) {
        (Some(kind), _) => Some(format!(
            "give {} a label that stays, for a rule to select it by: it has none, or none that outlives the pod",
            plain(&kind.name)
        )),
        (None, Whom::Node(addresses)) if addresses.is_empty() => {
            Some("admit the addresses of the node, which the inventory does not know".to_owned())
        }
        (None, _) => None,
    }
}

/// A policy that isolates this end and is for its workload alone: what is added to it opens nothing else.
fn own_policy(context: &Context, index: usize) -> Option<Policy> {
    let policy = context.set.policies().get(index)?;
    let workload = context.this().workload.as_ref()?;
    let mut selected = selected(context.state, policy).peekable();
    let own = selected.peek().is_some() && selected.all(|pod| pod.workload == *workload);
    (own && !policy.pod_selector.requirements.is_empty()).then(|| context.policy(index)).flatten()
}

fn selected<'a>(state: &'a State, policy: &'a NetworkPolicy) -> impl Iterator<Item = &'a StatePod> {
    state.pods.iter().filter(|pod| {
        let pod = &pod.pod;
        pod.namespace == policy.namespace && policy.pod_selector.matches(|key| pod.label(key))
    })
}

/// The other end as entries of `from` or `to`.
fn peers(context: &Context) -> Option<(Vec<Value>, Vec<String>)> {
    let block = |cidr: IpNet| json!({"ipBlock": {"cidr": cidr.to_string()}});
    let other = context.other();
    match &other.whom {
        Whom::Pod(pod) => {
            let (labels, others) = labels(context.state, other)?;
            let mut peer = json!({"podSelector": {"matchLabels": labels}});
            let elsewhere = !matches!(&context.this().whom, Whom::Pod(this) if this.namespace == pod.namespace);
            if let (true, Some(fields)) = (elsewhere, peer.as_object_mut()) {
                let name = json!({"matchLabels": {METADATA_NAME: pod.namespace}});
                fields.insert("namespaceSelector".to_owned(), name);
            }
            Some((vec![peer], also("is admitted", &others)))
        }
        Whom::Node(addresses) => {
            let blocks: Vec<Value> = addresses.iter().map(|address| block((*address).into())).collect();
            let note = "add the addresses of every node it may run on: a host-network pod is its node to a policy";
            let note = other.on_host.as_ref().map(|_| note.to_owned());
            (!blocks.is_empty()).then(|| (blocks, note.into_iter().collect()))
        }
        Whom::Address(address) => Some((vec![block((*address).into())], Vec::new())),
        Whom::Outside(address) => {
            let all = if address.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
            let note =
                "this opens it to every address there is: give the block you mean instead, if you can".to_owned();
            Some((vec![block(all.parse().ok()?)], vec![note]))
        }
    }
}

fn also(what: &str, others: &[&WorkloadRef]) -> Vec<String> {
    let names = others.iter().map(|other| plain(&format!("{}/{}", other.namespace, other.name)));
    let names = some_of(names, NAMES_SHOWN);
    if others.is_empty() { Vec::new() } else { vec![format!("{names} {what} too: its pods carry the same labels")] }
}

/// The fewest labels by which a kind's pods can be selected, and the other workloads of their namespace that these
/// select too. One label that only they have, one of the usual ones if possible; or else all that are stable.
fn labels<'a>(state: &'a State, kind: &Kind) -> Option<(Labels, Vec<&'a WorkloadRef>)> {
    let workload = kind.workload.as_ref()?;
    let members = state.workloads.get(workload)?.iter().filter_map(|&index| state.pods.get(index));
    let common = members.map(|member| stable(&member.pod.labels)).reduce(|mut common, labels| {
        common.retain(|key, value| labels.get(key) == Some(value));
        common
    })?;
    let usual = NAMING.into_iter().filter_map(|key| common.get_key_value(key));
    let singles = usual.chain(&common).map(|(key, value)| Labels::from([(key.clone(), value.clone())]));
    let others = |labels: &Labels| others(state, workload, labels);
    if let Some(single) = singles.into_iter().find(|single| others(single).is_empty()) {
        return Some((single, Vec::new()));
    }
    let others = others(&common);
    (!common.is_empty()).then_some((common, others))
}

fn stable(labels: &Labels) -> Labels {
    let stable = labels.iter().filter(|(key, _)| is_stable_label(key));
    stable.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn others<'a>(state: &'a State, workload: &WorkloadRef, labels: &Labels) -> Vec<&'a WorkloadRef> {
    let carries = |pod: &StatePod| labels.iter().all(|(key, value)| pod.pod.label(key) == Some(value));
    let pods = state.pods.iter().filter(|pod| pod.workload.namespace == workload.namespace && !pod.host_network);
    let others: BTreeSet<&WorkloadRef> =
        pods.filter(|pod| pod.workload != *workload && carries(pod)).map(|pod| &pod.workload).collect();
    others.into_iter().collect()
}

/// A policy of its own for the rule.
fn manifest(context: &Context, selector: &Value, rule: &Value) -> Value {
    let last = |kind: &Kind| match (&kind.workload, &kind.whom) {
        (Some(workload), _) => workload.name.clone(),
        (None, Whom::Node(_)) => "nodes".into(),
        (None, _) => "addresses".into(),
    };
    let (this, other) = (last(context.this()), last(context.other()));
    let (name, types) = match context.direction {
        Direction::Egress => (format!("{this}-to-{other}"), "Egress"),
        Direction::Ingress => (format!("{this}-from-{other}"), "Ingress"),
    };
    let namespace = context.this().workload.as_ref().map(|workload| workload.namespace.as_str());
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": selector, "policyTypes": [types], word(context.direction): [rule]},
    })
}

/// Whether the policy is valid and admits the connection at this end.
fn admits(context: &Context, manifest: &Value, (protocol, port): (Protocol, u16)) -> bool {
    let source = Source { name: String::new(), text: manifest.to_string() };
    let Ok(parsed) = PolicySet::parse(&[source]) else { return false };
    let (from, to) = (context.from.whom.party(), context.to.whom.party());
    let verdict = parsed.policies.verdict(&context.state.cluster, &from, &to, protocol, port);
    let decision = match context.direction {
        Direction::Egress => verdict.egress,
        Direction::Ingress => verdict.ingress,
    };
    matches!(decision, Decision::Allowed { .. })
}
