//! From what a cluster holds to what the linter looks at.

use crate::state::convert::protocol;
use crate::state::{State, StatePod};
use netwright_policy::lint::{Node, Service, ServicePort, Subject};
use netwright_record::Name;
use netwright_record::inventory::{self, WorkloadRef};
use netwright_resolve::inventory::TargetPort;
use std::collections::{BTreeMap, BTreeSet};

/// The state in the linter's terms.
pub(super) struct Facts<'a> {
    state: &'a State,
    pub(super) services: Vec<Service>,
    pub(super) nodes: Vec<Node>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(state: &'a State) -> Self {
        let mut pods = BTreeMap::<&str, Vec<&StatePod>>::new();
        for pod in &state.pods {
            pods.entry(&pod.pod.namespace).or_default().push(pod);
        }
        let services = state.services.iter().map(|service| {
            let pods = pods.get(service.namespace.as_str()).map(Vec::as_slice).unwrap_or_default();
            convert(state, service, pods)
        });
        // A state does not hold the ranges of pods, only their addresses.
        let node = |node: &crate::state::StateNode| Node {
            name: node.name.clone(),
            addresses: node.addresses.clone(),
            pod_cidrs: Vec::new(),
        };
        Self { state, services: services.collect(), nodes: state.nodes.iter().map(node).collect() }
    }

    pub(super) fn subjects(&self) -> Vec<Subject<'a>> {
        let subject = |StatePod { pod, workload: WorkloadRef { kind, name, .. }, host_network, .. }: &'a StatePod| {
            Subject { pod, kind, workload: name, host_network: *host_network }
        };
        self.state.pods.iter().map(subject).collect()
    }
}

/// `pods` are those of the Service's namespace.
fn convert(state: &State, service: &inventory::Service, pods: &[&StatePod]) -> Service {
    let key = (String::from(&service.namespace), String::from(&service.name));
    let targets = state.targets.get(&key).map(Vec::as_slice).unwrap_or_default();
    let port = |(index, port): (usize, &inventory::ServicePort)| ServicePort {
        name: port.name.as_ref().map(String::from),
        protocol: protocol(port.protocol),
        port: port.port,
        targets: match targets.get(index) {
            Some(TargetPort::Number(number)) => [*number].into(),
            Some(TargetPort::Name(name)) => named(service, port, name, pods),
            None => listed(service, port),
        },
    };
    Service {
        namespace: (&service.namespace).into(),
        name: (&service.name).into(),
        cluster_ips: service.cluster_ips.clone(),
        selector: (&service.selector).into(),
        ports: service.ports.iter().enumerate().map(port).collect(),
    }
}

/// The numbers that a name has among the pods behind a Service.
fn named(service: &inventory::Service, port: &inventory::ServicePort, name: &str, pods: &[&StatePod]) -> BTreeSet<u16> {
    let is_behind = |pod: &&&StatePod| {
        let has = |(key, value): (&Name, &Name)| pod.pod.label(key) == Some(value);
        !service.selector.is_empty() && service.selector.iter().all(has)
    };
    let ports = pods.iter().filter(is_behind).flat_map(|pod| &pod.pod.ports);
    ports.filter(|own| own.name == name && own.protocol == protocol(port.protocol)).map(|own| own.port).collect()
}

/// The numbers that the EndpointSlices give for a port.
fn listed(service: &inventory::Service, port: &inventory::ServicePort) -> BTreeSet<u16> {
    let current = service.backends.iter().filter(|backend| backend.address.until.is_none());
    let ports = current.flat_map(|backend| &backend.ports);
    ports.filter(|own| own.name == port.name && own.protocol == port.protocol).map(|own| own.port).collect()
}
