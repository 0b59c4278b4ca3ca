//! Whether a client can resolve names: where it cannot, nothing else it is allowed helps it, and the error it reports is
//! about a name, not about a connection.

use super::question::{Kind, Kinds, Target, Whom};
use super::reasons::Context;
use super::report::{Dns, Transport};
use super::suggestion;
use crate::state::State;
use crate::state::reference::Subject;
use netwright_policy::explain::explain;
use netwright_policy::{Decision, Direction, PolicySet, Protocol};
use netwright_record::inventory::{Service, WorkloadRef};

/// The label of the cluster DNS: of its pods, and so in its Service's selector. Every distribution keeps it, whatever
/// the server is called.
const LABEL: (&str, &str) = ("k8s-app", "kube-dns");
/// The port of DNS.
const PORT: u16 = 53;

/// Whether all `clients` reach the cluster DNS on both transports; `None` where there is no cluster DNS in the state or
/// no client is a pod.
pub fn check(state: &State, set: &PolicySet, kinds: &Kinds, clients: &[Kind]) -> Option<Dns> {
    if clients.iter().all(|client| !matches!(client.whom, Whom::Pod(_))) {
        return None;
    }
    let (server, subject) = server(state)?;
    let targets: Vec<(Protocol, Target)> = [Protocol::Udp, Protocol::Tcp]
        .into_iter()
        .flat_map(|protocol| kinds.targets(subject, protocol, PORT).list.into_iter().map(move |it| (protocol, it)))
        .collect();
    let mut dns = Dns { server, transports: Vec::new(), reason: None, changes: Vec::new(), suggestion: None };
    for (protocol, target) in &targets {
        let denied = clients.iter().find(|client| !is_allowed(state, set, client, target, *protocol));
        dns.transports.push(Transport { protocol: protocol.as_str(), port: target.port, allowed: denied.is_none() });
        if let (Some(client), None) = (denied, &dns.reason) {
            let ports: Vec<(Protocol, u16)> = targets.iter().map(|(protocol, it)| (*protocol, it.port)).collect();
            refuse(&mut dns, state, set, (client, target, *protocol), &ports);
        }
    }
    dns.transports.dedup();
    (!dns.transports.is_empty()).then_some(dns)
}

/// The Service of the cluster DNS, or the workload of its pods where it has none.
fn server(state: &State) -> Option<(String, Subject<'_>)> {
    let (key, value) = LABEL;
    let is_dns = |service: &&Service| service.selector.get(key).is_some_and(|found| found == value);
    if let Some(service) = state.services.iter().find(is_dns) {
        return Some((format!("Service {}/{}", service.namespace, service.name), Subject::Service(service)));
    }
    let pod = state.pods.iter().find(|pod| pod.pod.label(key) == Some(value))?;
    let WorkloadRef { namespace, name, .. } = &pod.workload;
    Some((format!("{namespace}/{name}"), Subject::Workload(&pod.workload)))
}

fn is_allowed(state: &State, set: &PolicySet, client: &Kind, target: &Target, protocol: Protocol) -> bool {
    let (from, to) = (client.whom.party(), target.kind.whom.party());
    set.verdict(&state.cluster, &from, &to, protocol, target.port).allowed()
}

/// Why, and what to do, of the first that is denied.
fn refuse(
    dns: &mut Dns,
    state: &State,
    set: &PolicySet,
    (from, target, protocol): (&Kind, &Target, Protocol),
    ports: &[(Protocol, u16)],
) {
    let port = target.port;
    let explanation = explain(set, &state.cluster, &from.whom.party(), &target.kind.whom.party(), protocol, port);
    let ends = [(Direction::Egress, &explanation.egress), (Direction::Ingress, &explanation.ingress)];
    for (direction, end) in ends {
        if let Decision::Denied { isolated_by } = &end.decision {
            let to = &target.kind;
            let context = Context { state, set, protocol, port, service_port: None, from, to, direction };
            let shown = context.report(end);
            (dns.reason, dns.changes) = (shown.reason, shown.changes);
            dns.suggestion = suggestion::suggest(&context, isolated_by, ports);
            return;
        }
    }
}

/// Whether the question is about the cluster DNS itself.
pub fn is_server(state: &State, subject: Subject) -> bool {
    let Some((_, server)) = server(state) else { return false };
    let (key, value) = LABEL;
    match subject {
        Subject::Pod(pod) => pod.pod.label(key) == Some(value),
        Subject::Workload(workload) => {
            let mut pods = state.workloads.get(workload).into_iter().flatten();
            pods.any(|&index| state.pods.get(index).is_some_and(|pod| pod.pod.label(key) == Some(value)))
        }
        other => other == server,
    }
}
