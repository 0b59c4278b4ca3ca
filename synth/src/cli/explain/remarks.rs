//! What to know beside the verdict: what a Service does with the port, and where enforcers differ.

use super::question::{Kinds, Targets, Whom};
use super::reasons::Context;
use crate::state::State;
use crate::state::convert::protocol;
use crate::state::reference::Subject;
use crate::text::plain;
use netwright_collector::inventory::TargetPort;
use netwright_policy::explain::End;
use netwright_policy::{Direction, Peer, Protocol, Route};
use netwright_record::inventory::Service;
use std::collections::BTreeSet;

/// What the port means: to a Service, or beside one.
pub fn notes(
    state: &State,
    kinds: &Kinds,
    to: Subject,
    protocol: Protocol,
    port: u16,
    targets: &Targets,
) -> Vec<String> {
    match (to, targets.route) {
        (Subject::Service(service), Some(route)) => of_service(state, service, route, (protocol, port), targets),
        _ => beside_service(state, kinds, (protocol, port), targets).into_iter().collect(),
    }
}

fn of_service(
    state: &State,
    service: &Service,
    route: Route,
    (protocol, port): (Protocol, u16),
    targets: &Targets,
) -> Vec<String> {
    let name = title(service);
    let ports: BTreeSet<u16> = targets.list.iter().map(|target| target.port).collect();
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let note = match route {
        Route::Translated if ports == [port.to_string()] => return Vec::new(),
        Route::Translated => format!(
            "{name} translates port {port} to port {} of its pods; policies see only the latter.",
            ports.join(" or ")
        ),
        Route::Direct => format!(
            "{name} is headless: its name is resolved to the pods' own addresses, and port {port} is used on them as it is."
        ),
        Route::NoBackend if service.service_type == "ExternalName" => {
            format!("{name} is an ExternalName, another name for something elsewhere: ask for its address instead.")
        }
        Route::NoBackend => format!(
            "{name} has no pod behind it that serves {protocol} {port}: its selector and its target port have to fit a pod."
        ),
        Route::NoSuchPort => no_such_port(state, service, (protocol, port)),
    };
    vec![note]
}

/// The Service does not have the port; perhaps its pods do.
fn no_such_port(state: &State, service: &Service, (wanted, port): (Protocol, u16)) -> String {
    let own = service.ports.iter().map(|own| format!("{} {}", protocol(own.protocol), own.port));
    let own = own.collect::<Vec<_>>().join(", ");
    let name = title(service);
    match leading_to(state, service, (wanted, port)) {
        Some(own) => format!(
            "{name} has no port {port}: that is the target port of its port {own}. Clients of the Service connect to {own}, and policies are held against {port}: ask with --port {own}."
        ),
        None => format!("{name} has no port {wanted} {port}; it has {own}."),
    }
}

/// The Service port whose target is `port` by number, or by what the backends say.
fn leading_to(state: &State, service: &Service, (wanted, port): (Protocol, u16)) -> Option<u16> {
    let targets = state.targets.get(&(service.namespace.clone(), service.name.clone()));
    let own = service.ports.iter().enumerate().find(|(index, own)| {
        let by_number = targets.and_then(|targets| targets.get(*index)) == Some(&TargetPort::Number(port));
        let backends = service.backends.iter().flat_map(|backend| &backend.ports);
        let mut listed = backends.filter(|listed| listed.name == own.name && listed.protocol == own.protocol);
        protocol(own.protocol) == wanted && (by_number || listed.any(|listed| listed.port == port))
    });
    own.map(|(_, own)| own.port)
}

/// Where pods were asked about and the port is that of a Service before them, which leads to another port.
fn beside_service(state: &State, kinds: &Kinds, asked: (Protocol, u16), targets: &Targets) -> Option<String> {
    let (wanted, port) = asked;
    let pods: BTreeSet<&str> = targets.list.iter().flat_map(|target| &target.kind.pods).map(String::as_str).collect();
    let workloads: BTreeSet<_> = targets.list.iter().filter_map(|target| target.kind.workload.as_ref()).collect();
    let is_asked = |index: &usize| {
        let pod = state.pods.get(*index);
        pod.is_some_and(|pod| {
            workloads.contains(&pod.workload) && (pods.is_empty() || pods.contains(pod.pod.name.as_str()))
        })
    };
    let before = state.services.iter().filter(|service| kinds.members(service).iter().any(is_asked));
    let before: Vec<&Service> = before.collect();
    if before.iter().any(|service| leading_to(state, service, asked).is_some()) {
        return None;
    }
    before.into_iter().find_map(|service| {
        service.ports.iter().find(|own| (protocol(own.protocol), own.port) == asked)?;
        let behind = kinds.targets(Subject::Service(service), wanted, port).list;
        let real = behind.iter().map(|target| target.port).find(|real| *real != port)?;
        Some(format!(
            "Port {port} is that of {}, which leads to port {real} of these pods. Policies see port {real}: ask for {}/svc/{}, or with --port {real}.",
            title(service),
            plain(&service.namespace),
            plain(&service.name)
        ))
    })
}

fn title(service: &Service) -> String {
    format!("Service {}/{}", plain(&service.namespace), plain(&service.name))
}

/// Where enforcers do not agree about this end.
pub fn warnings(context: &Context, end: &End) -> Vec<String> {
    [own_node(context), block(context, end)].into_iter().flatten().collect()
}

/// A pod that calls the node it runs on.
fn own_node(context: &Context) -> Option<String> {
    let (Whom::Pod(pod), Direction::Egress) = (&context.this().whom, context.direction) else { return None };
    let is_own = |address: &std::net::IpAddr| pod.node_addresses.contains(address);
    let own = match &context.other().whom {
        Whom::Node(addresses) => addresses.iter().any(is_own),
        Whom::Address(address) => is_own(address),
        Whom::Pod(_) | Whom::Outside(_) => false,
    };
    own.then(|| {
        format!(
            "{} is on that node. Whether egress policies hold for a pod's own node differs: Calico holds them, as assumed here; Kubernetes' documentation exempts it.",
            plain(&context.this().name)
        )
    })
}

/// A rule that admits a pod or a node by its address.
fn block(context: &Context, end: &End) -> Option<String> {
    let gap = end.rules.first().filter(|gap| gap.admits())?;
    let policy = context.set.policies().get(gap.policy)?;
    let peers = policy.rules(context.direction)?.get(gap.rule)?.peers.as_ref()?;
    let Peer::IpBlock(block) = peers.get(gap.peer.as_ref()?.index)? else { return None };
    let node = |address: &std::net::IpAddr| context.state.nodes.iter().any(|node| node.addresses.contains(address));
    match &context.other().whom {
        Whom::Pod(_) => Some(format!(
            "the ipBlock {} admits a pod here. Cilium never matches an ipBlock against pods: select them by labels.",
            block.cidr
        )),
        Whom::Node(addresses) if addresses.iter().any(node) => Some(nodes(block.cidr)),
        Whom::Address(address) if node(address) => Some(nodes(block.cidr)),
        Whom::Node(_) | Whom::Address(_) | Whom::Outside(_) => None,
    }
}

fn nodes(cidr: ipnet::IpNet) -> String {
    format!(
        "the ipBlock {cidr} admits a node here. Cilium matches an ipBlock against nodes only if its option policy-cidr-match-mode includes nodes."
    )
}
