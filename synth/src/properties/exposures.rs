//! Random Services of the random clusters, who stands behind them, and what the API server calls by them.

use super::clusters::PORTS;
use crate::testing::{World, address, at};
use netwright_record::inventory::{
    ApiExtension, Backend, ContainerPort, HeldAddress, Labels, Pod, Service, ServicePort, WorkloadRef,
};
use netwright_record::{Endpoint, Protocol, ServiceRef};
use proptest::prelude::*;

/// The ports of Services; most are not the port they lead to.
const SERVICE_PORTS: [u16; 4] = [80, 443, 53, 8080];

/// What kind of Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    ClusterIp,
    Headless,
    NodePort,
    /// A LoadBalancer, by way of any node.
    Balanced,
    /// A LoadBalancer with `externalTrafficPolicy: Local`.
    BalancedLocally,
    /// A ClusterIP Service with `externalIPs`.
    ExternalIp,
    WithoutBackends,
    /// Its endpoints were written by hand and are no pods.
    ByHand,
    ExternalName,
    /// The cluster's DNS: port 53 over UDP and TCP.
    Dns,
}

/// A Service by numbers.
#[derive(Debug, Clone)]
pub(super) struct Exposure {
    way: Way,
    server: usize,
    /// Another workload with pods behind it, if that is in the same namespace.
    also: Option<usize>,
    port: usize,
    /// The target port's number, or the name `main`.
    target: Option<usize>,
    /// Where a second port leads, and whether it is another over TCP, or the same number over UDP.
    second: Option<(usize, bool)>,
    /// Every other pod is a backend no longer.
    changes: bool,
}

pub(super) fn exposure() -> impl Strategy<Value = Exposure> {
    let way = prop_oneof![
        3 => Just(Way::ClusterIp),
        1 => Just(Way::Headless),
        1 => Just(Way::NodePort),
        1 => Just(Way::Balanced),
        1 => Just(Way::BalancedLocally),
        1 => Just(Way::ExternalIp),
        1 => Just(Way::WithoutBackends),
        1 => Just(Way::ByHand),
        1 => Just(Way::ExternalName),
        2 => Just(Way::Dns),
    ];
    let (also, port) = (proptest::option::of(0..8usize), 0..SERVICE_PORTS.len());
    let target = proptest::option::of(0..PORTS.len());
    let second = proptest::option::of((0..PORTS.len(), any::<bool>()));
    (way, 0..8usize, also, port, target, second, any::<bool>()).prop_map(
        |(way, server, also, port, target, second, changes)| Exposure {
            way,
            server,
            also,
            port,
            target,
            second,
            changes,
        },
    )
}

/// A webhook or an aggregated API: the Service, and whether there is one and it has the port.
#[derive(Debug, Clone)]
pub(super) struct Extension {
    service: usize,
    kind: usize,
    right: bool,
}

pub(super) fn extension() -> impl Strategy<Value = Extension> {
    (0..6usize, 0..4usize, proptest::bool::weighted(0.9)).prop_map(|(service, kind, right)| Extension {
        service,
        kind,
        right,
    })
}

/// A Service that is there.
#[derive(Debug)]
pub(super) struct Exposed {
    way: Way,
    name: (String, String),
    ports: Vec<ServicePort>,
    leads: Vec<Lead>,
}

/// What a port leads to: which of the ports, whom, on which port, on which node.
type Lead = (usize, Endpoint, u16, Option<String>);

/// Where a connection through a Service ended.
pub(super) struct Reached {
    pub(super) endpoint: Endpoint,
    pub(super) protocol: Protocol,
    pub(super) port: u16,
    /// The Service, if it is known that it was used.
    pub(super) service: Option<ServiceRef>,
    pub(super) node: Option<String>,
}

impl Exposed {
    /// Where connections to one of its ports end: at one of the backends, or at each in turn; nowhere if
    /// nothing is behind that port.
    pub(super) fn reach(&self, port: usize, backend: usize) -> Vec<Reached> {
        let port = port % self.ports.len();
        let of_port: Vec<&Lead> = self.leads.iter().filter(|lead| lead.0 == port).collect();
        let reached = |(number, _): &(usize, &Lead)| backend.is_multiple_of(2) || *number == backend % of_port.len();
        of_port.iter().copied().enumerate().filter(reached).map(|(_, lead)| self.reached(port, lead)).collect()
    }

    fn reached(&self, port: usize, (_, endpoint, target, node): &Lead) -> Reached {
        let (namespace, name) = &self.name;
        let service = ServiceRef {
            namespace: namespace.as_str().into(),
            name: name.as_str().into(),
            port: self.ports[port].port,
        };
        Reached {
            endpoint: endpoint.clone(),
            protocol: self.ports[port].protocol,
            port: *target,
            // A name that leads to pods or elsewhere is not translated: nobody sees that it was used.
            service: (!matches!(self.way, Way::Headless | Way::ExternalName)).then_some(service),
            node: node.clone(),
        }
    }

    /// As whom a client from outside arrives; nobody does where the Service is not open to the outside.
    pub(super) fn seen_from_outside(&self, client: Endpoint) -> Option<Endpoint> {
        match self.way {
            Way::NodePort | Way::Balanced | Way::ExternalIp => {
                Some(Endpoint::Node { name: "n1".into(), workload: None })
            }
            Way::BalancedLocally => Some(client),
            _ => None,
        }
    }
}

/// Adds the Service to the inventory.
pub(super) fn expose(world: &mut World, workloads: &[WorkloadRef], number: usize, exposure: &Exposure) -> Exposed {
    let server = &workloads[exposure.server];
    let ports = ports(exposure);
    let mut exposed = Exposed {
        way: exposure.way,
        name: (server.namespace.to_string(), format!("s{number}")),
        ports: ports.iter().map(|(port, _)| port.clone()).collect(),
        leads: Vec::new(),
    };
    let also = exposure.also.map(|also| &workloads[also]).filter(|also| also.namespace == server.namespace);
    let mut backends = Vec::new();
    match exposure.way {
        Way::WithoutBackends => {}
        Way::ExternalName => {
            let names = [format!("outside{number}.example").into()].into();
            exposed.leads.push((0, Endpoint::ExternalName { names }, exposed.ports[0].port, None));
        }
        Way::ByHand => {
            let ip = address("198.18.7.7");
            exposed.leads.push((0, Endpoint::External { address: ip }, 8080, None));
            backends.push(backend(ip, None, vec![target(&exposed.ports[0], 8080)], false));
        }
        _ => {
            let pods = world.observation.inventory.pods.iter();
            let behind = pods.filter(|pod| pod.workload == *server || Some(&pod.workload) == also);
            for (position, pod) in behind.enumerate() {
                let targets = exposed.add(pod, &ports);
                let ended = exposure.changes && position % 2 == 0;
                let addresses = pod.addresses.iter().map(|held| held.ip);
                backends.extend(addresses.map(|ip| backend(ip, Some(&pod.uid), targets.clone(), ended)));
            }
        }
    }
    world.service(service(number, exposure, &exposed, backends));
    exposed
}

impl Exposed {
    /// Adds a pod as a backend, and returns its target ports.
    fn add(&mut self, pod: &Pod, ports: &[(ServicePort, Option<usize>)]) -> Vec<ContainerPort> {
        let node = pod.node.as_ref().map(ToString::to_string);
        let endpoint = match &node {
            Some(node) if pod.host_network => {
                Endpoint::Node { name: node.as_str().into(), workload: Some(pod.workload.clone()) }
            }
            _ => Endpoint::Workload(pod.workload.clone()),
        };
        let mut targets = Vec::new();
        for (position, (port, number)) in ports.iter().enumerate() {
            let named = || pod.ports.iter().find(|own| own.protocol == port.protocol).map(|own| own.port);
            if let Some(number) = number.map(|number| PORTS[number]).or_else(named) {
                self.leads.push((position, endpoint.clone(), number, node.clone()));
                targets.push(target(port, number));
            }
        }
        targets
    }
}

/// The Service's ports, each with the number it leads to.
fn ports(exposure: &Exposure) -> Vec<(ServicePort, Option<usize>)> {
    let port = |name: Option<&str>, protocol, port| ServicePort {
        name: name.map(Into::into),
        protocol,
        port,
        node_port: None,
    };
    if exposure.way == Way::Dns {
        let udp = exposure.target.unwrap_or_default();
        let tcp = exposure.second.map_or(udp, |(second, _)| second);
        return vec![
            (port(Some("dns"), Protocol::Udp, 53), Some(udp)),
            (port(Some("dns-tcp"), Protocol::Tcp, 53), Some(tcp)),
        ];
    }
    let number = SERVICE_PORTS[exposure.port];
    match exposure.second.filter(|_| !matches!(exposure.way, Way::ByHand | Way::ExternalName)) {
        None => vec![(port(None, Protocol::Tcp, number), exposure.target)],
        Some((second, over_tcp)) => {
            let other = SERVICE_PORTS[(exposure.port + 1) % SERVICE_PORTS.len()];
            let (protocol, other) = if over_tcp { (Protocol::Tcp, other) } else { (Protocol::Udp, number) };
            vec![
                (port(Some("a"), Protocol::Tcp, number), exposure.target),
                (port(Some("b"), protocol, other), Some(second)),
            ]
        }
    }
}

/// A target port as an EndpointSlice has it: under the name of the Service's port.
fn target(port: &ServicePort, number: u16) -> ContainerPort {
    ContainerPort { name: port.name.clone(), protocol: port.protocol, port: number }
}

fn backend(ip: std::net::IpAddr, pod_uid: Option<&str>, ports: Vec<ContainerPort>, ended: bool) -> Backend {
    let address = HeldAddress { ip, from: None, until: ended.then(|| at(43_200)) };
    Backend { address, pod_uid: pod_uid.map(Into::into), ports }
}

fn service(number: usize, exposure: &Exposure, exposed: &Exposed, backends: Vec<Backend>) -> Service {
    let service_type = match exposure.way {
        Way::NodePort => "NodePort",
        Way::Balanced | Way::BalancedLocally => "LoadBalancer",
        Way::ExternalName => "ExternalName",
        _ => "ClusterIP",
    };
    let opened = matches!(exposure.way, Way::NodePort | Way::Balanced | Way::BalancedLocally);
    let policy = if exposure.way == Way::BalancedLocally { "Local" } else { "Cluster" };
    let cluster_ips = [format!("10.96.0.{}", 10 + number), format!("fd00:96::{}", 10 + number)];
    let has_address = !matches!(exposure.way, Way::Headless | Way::ExternalName);
    let (namespace, name) = &exposed.name;
    Service {
        namespace: namespace.as_str().into(),
        name: name.as_str().into(),
        service_type: service_type.into(),
        cluster_ips: cluster_ips.iter().filter(|_| has_address).map(|text| address(text)).collect(),
        external_ips: if exposure.way == Way::ExternalIp { vec![address("198.18.8.8")] } else { Vec::new() },
        external_traffic_policy: opened.then(|| policy.into()),
        selector: Labels::new(),
        ports: exposed.ports.clone(),
        backends,
    }
}

/// The object that makes the API server call a Service; of a cluster that has not so many Services, one that is not there.
pub(super) fn extend(exposed: &[Exposed], number: usize, extension: &Extension) -> ApiExtension {
    let kinds =
        ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "APIService", "CustomResourceDefinition"];
    let known = extension.service.checked_rem(exposed.len()).and_then(|service| exposed.get(service));
    let (namespace, name) = known.map_or(("shop", "missing"), |known| (&known.name.0, &known.name.1));
    let port =
        known.filter(|_| extension.right).map_or(9443, |known| known.ports[extension.kind % known.ports.len()].port);
    ApiExtension {
        kind: kinds[extension.kind].into(),
        name: format!("extension{number}").into(),
        service: ServiceRef { namespace: namespace.into(), name: name.into(), port },
    }
}
