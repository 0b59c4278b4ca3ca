//! What to know beside the verdict: what a Service does with the port, and where enforcers differ.

use super::question::{Kind, Kinds, Target, Targets, Whom};
use super::reasons::{Context, word};
use super::report::Through;
use crate::state::convert::protocol;
use crate::state::reference::Subject;
use crate::state::{State, StateNode, StatePod};
use crate::text::plain;
use netwright_policy::explain::{End, Gap, Unmet};
use netwright_policy::{Direction, Party, Peer, PolicySet, Protocol, Route};
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
        (Subject::Service(service), Some(route)) => of_service(kinds, service, route, (protocol, port), targets),
        _ => beside_service(state, kinds, (protocol, port), targets).into_iter().collect(),
    }
}

fn of_service(
    kinds: &Kinds,
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
        Route::NoSuchPort => no_such_port(kinds, service, (protocol, port)),
    };
    vec![note]
}

/// The Service does not have the port; perhaps its pods do.
fn no_such_port(kinds: &Kinds, service: &Service, (wanted, port): (Protocol, u16)) -> String {
    let own = service.ports.iter().map(|own| format!("{} {}", protocol(own.protocol), own.port));
    let own = own.collect::<Vec<_>>().join(", ");
    let name = title(service);
    match leading_to(kinds, service, (wanted, port)) {
        Some(own) => format!(
            "{name} has no port {port}: that is the target port of its port {own}. Clients of the Service connect to {own}, and policies are held against {port}: ask with --port {own}."
        ),
        None => format!("{name} has no port {wanted} {port}; it has {own}."),
    }
}

/// The Service port that leads to `port` of some pod.
fn leading_to(kinds: &Kinds, service: &Service, (wanted, port): (Protocol, u16)) -> Option<u16> {
    let own = service.ports.iter().filter(|own| protocol(own.protocol) == wanted).map(|own| own.port);
    let targets = |own| kinds.targets(Subject::Service(service), wanted, own).list;
    own.into_iter().find(|own| targets(*own).iter().any(|target| target.port == port))
}

/// Where pods were asked about and the port is that of a Service before them, which leads to another port.
fn beside_service(state: &State, kinds: &Kinds, asked: (Protocol, u16), targets: &Targets) -> Option<String> {
    let (wanted, port) = asked;
    let before = before(state, kinds, targets);
    if before.iter().any(|service| leading_to(kinds, service, asked).is_some()) {
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

/// The Services with any of the destinations behind them.
fn before<'a>(state: &'a State, kinds: &Kinds, targets: &Targets) -> Vec<&'a Service> {
    let destinations = targets.list.iter().map(|target| &target.kind);
    let is_behind = |pod: &StatePod| {
        destinations.clone().any(|kind| {
            kind.workload.as_ref() == Some(&pod.workload) && (pod.from_template || kind.pods.contains(&pod.pod.name))
        })
    };
    let pods: Vec<&StatePod> = state.pods.iter().filter(|pod| is_behind(pod)).collect();
    let leads_there = |service: &&Service| kinds.leads_to(service, &pods);
    state.services.iter().filter(leads_there).collect()
}

/// The Service through which a client outside arrives with the address of a node, and whether that is let in.
pub fn through(
    state: &State,
    set: &PolicySet,
    kinds: &Kinds,
    clients: &[Kind],
    (protocol, targets): (Protocol, &Targets),
) -> Option<Through> {
    let outside = clients.iter().any(|client| matches!(client.whom, Whom::Address(_) | Whom::Outside(_)));
    let translates = |service: &&Service| {
        matches!(service.service_type.as_str(), "NodePort" | "LoadBalancer")
            && service.external_traffic_policy.as_deref() != Some("Local")
    };
    let service = outside.then(|| before(state, kinds, targets)).into_iter().flatten().find(translates)?;
    let is_denied = |node: &&StateNode| {
        let from = Party::Node { addresses: &node.addresses };
        let denied = |it: &Target| {
            !set.verdict(&state.cluster, &from, &it.kind.whom.party(), protocol, it.port).ingress.allows()
        };
        targets.list.iter().any(denied)
    };
    Some(Through {
        service: title(service),
        service_type: (&service.service_type).into(),
        denied_from: state.nodes.iter().filter(is_denied).map(|node| node.name.clone()).collect(),
    })
}

fn title(service: &Service) -> String {
    format!("Service {}/{}", plain(&service.namespace), plain(&service.name))
}

/// Where enforcers do not agree about this end, or the inventory does not tell enough.
pub fn warnings(context: &Context, end: &End) -> Vec<String> {
    [own_node(context), block(context, end), no_address(context, end)].into_iter().flatten().collect()
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

/// A block that may hold the address of a pod, which nobody knows: manifests have none.
fn no_address(context: &Context, end: &End) -> Option<String> {
    let Whom::Pod(other) = &context.other().whom else { return None };
    let lacks_only_that = |gap: &&Gap| !gap.admits() && gap.unmet().all(|unmet| matches!(unmet, Unmet::NoAddress));
    let gap = end.rules.iter().find(lacks_only_that).filter(|_| other.addresses.is_empty())?;
    let policy = context.set.policies().get(gap.policy)?;
    Some(format!(
        "no address of {} is known, so no ipBlock is held against it; a pod whose address is in the ipBlock of {}.{}[{}] is admitted by most enforcers. Add the pods to the inventory (kubectl get pods -A -o yaml).",
        plain(&context.other().name),
        plain(&format!("{}/{}: spec", policy.namespace, policy.name)),
        word(context.direction),
        gap.rule
    ))
}

fn nodes(cidr: ipnet::IpNet) -> String {
    format!(
        "the ipBlock {cidr} admits a node here. Cilium matches an ipBlock against nodes only if its option policy-cidr-match-mode includes nodes."
    )
}
