//! What ought to be allowed, by a plain reading of what was seen and of the cluster: slow, and without the code whose results
//! it is held against.
//!
//! An end that policies can select is its pods; everybody else is addresses.

use netwright_record::inventory::{ContainerPort, Service, ServicePort, WorkloadRef};
use netwright_record::{Edge, Endpoint, Observation, Protocol, ServiceRef};
use std::collections::BTreeSet;
use std::net::IpAddr;

const METADATA: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254));

/// Whom a workload meets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Far {
    /// Pods of a workload.
    Pods(WorkloadRef),
    /// One address.
    Address(IpAddr),
    /// Every address of the family that is not in a range of pods.
    Everywhere {
        /// Of IPv6.
        ipv6: bool,
    },
}

/// One thing that ought to be allowed: whether the workload is the server, the workload, whom it meets, and on what.
pub(super) type Grant = (bool, WorkloadRef, Far, Protocol, u16);

/// What ought to be allowed.
pub(super) struct Reading<'a> {
    observation: &'a Observation,
    grants: BTreeSet<Grant>,
}

/// Who was seen to reach whom, and how an answer that was too long for UDP is asked for again.
pub(crate) fn seen(observation: &Observation) -> BTreeSet<(WorkloadRef, WorkloadRef, Protocol, u16)> {
    let reading = Reading { observation, grants: BTreeSet::new() };
    let pairs = reading.established().filter_map(|edge| Some((edge, edge.client.workload()?, edge.server.workload()?)));
    pairs
        .flat_map(|(edge, client, server)| {
            let asked = reading.asked(edge).into_iter();
            asked.map(|(protocol, port)| (client.clone(), server.clone(), protocol, port))
        })
        .collect()
}

impl<'a> Reading<'a> {
    pub(super) fn new(observation: &'a Observation) -> Self {
        let mut reading = Self { observation, grants: BTreeSet::new() };
        for edge in reading.established() {
            for (protocol, port) in reading.asked(edge) {
                if let Some(client) = edge.client.workload() {
                    reading.grant(false, client, &reading.servers(edge), protocol, port);
                }
                if let Some(server) = edge.server.workload() {
                    reading.grant(true, server, &reading.clients(edge), protocol, port);
                }
            }
        }
        reading.caches();
        reading.extensions();
        reading
    }

    /// Whether the pods of `own` may meet `far`, as a server or a client.
    pub(super) fn allows(&self, serves: bool, own: &WorkloadRef, far: &Far, protocol: Protocol, port: u16) -> bool {
        let holds = |far: Far| self.grants.contains(&(serves, own.clone(), far, protocol, port));
        let anywhere = match far {
            Far::Address(address) if !self.is_of_pods(*address) => holds(Far::Everywhere { ipv6: address.is_ipv6() }),
            _ => false,
        };
        anywhere || holds(far.clone())
    }

    fn is_of_pods(&self, address: IpAddr) -> bool {
        let ranges = self.observation.inventory.nodes.iter().flat_map(|node| &node.pod_cidrs);
        ranges.into_iter().any(|range| range.parse::<ipnet::IpNet>().unwrap().contains(&address))
    }

    fn grant(&mut self, serves: bool, own: &WorkloadRef, fars: &BTreeSet<Far>, protocol: Protocol, port: u16) {
        self.grants.extend(fars.iter().map(|far| (serves, own.clone(), far.clone(), protocol, port)));
    }

    fn established(&self) -> impl Iterator<Item = &'a Edge> + use<'a> {
        self.observation.edges.iter().filter(|edge| edge.activity.connections > edge.activity.failed)
    }

    /// The protocols and ports that an edge needs: its own, and for DNS over UDP the same over TCP, where the Service that was
    /// asked sends TCP.
    fn asked(&self, edge: &Edge) -> BTreeSet<(Protocol, u16)> {
        let own = (edge.protocol, edge.port);
        if !is_dns_over_udp(edge) {
            return [own].into();
        }
        let services = edge.services.iter().filter(|service| service.port == 53);
        let behind = services.flat_map(|service| self.behind(service));
        let over_tcp: BTreeSet<u16> = behind
            .filter(|(workload, protocol, _)| Some(workload) == edge.server.workload() && *protocol == Protocol::Tcp)
            .map(|(_, _, port)| port)
            .collect();
        let over_tcp = if over_tcp.is_empty() { [edge.port].into() } else { over_tcp };
        over_tcp.into_iter().map(|port| (Protocol::Tcp, port)).chain([own]).collect()
    }

    /// The pods that ever were behind a port of a Service: whose they are, and on which port.
    fn behind(&self, service: &ServiceRef) -> BTreeSet<(WorkloadRef, Protocol, u16)> {
        let services = self.observation.inventory.services.iter();
        let found = services.filter(|one| (&one.namespace, &one.name) == (&service.namespace, &service.name));
        let ports = found.flat_map(|found| found.ports.iter().map(move |port| (found, port)));
        let ports = ports.filter(|(_, port)| port.port == service.port);
        ports.flat_map(|(service, port)| self.behind_port(service, port)).collect()
    }

    fn behind_port(&self, service: &Service, port: &ServicePort) -> Vec<(WorkloadRef, Protocol, u16)> {
        let mut behind = Vec::new();
        for backend in &service.backends {
            let pods = &self.observation.inventory.pods;
            let Some(pod) = pods.iter().find(|pod| Some(&pod.uid) == backend.pod_uid.as_ref()) else { continue };
            let meant = |target: &&ContainerPort| target.name == port.name && target.protocol == port.protocol;
            let targets = backend.ports.iter().filter(meant);
            behind.extend(targets.map(|target| (pod.workload.clone(), target.protocol, target.port)));
        }
        behind
    }

    /// The server of an edge, as its client's policy must name it.
    fn servers(&self, edge: &Edge) -> BTreeSet<Far> {
        let mut addresses = edge.server_addresses.clone();
        match &edge.server {
            Endpoint::Workload(workload) => return self.workload(workload),
            Endpoint::Node { workload: Some(workload), name } => {
                addresses.extend(self.nodes(|node| node == name.as_str() || self.runs_on(workload, node)));
            }
            // A pod of the client may run anywhere, and its own node is not exempt everywhere.
            Endpoint::Node { workload: None, .. } => addresses.extend(self.nodes(|_| true)),
            Endpoint::ApiServer => addresses.extend(self.api_server()),
            Endpoint::LinkLocal { address } => {
                // All but DNS is for people to decide.
                addresses.extend((edge.port == 53 && *address != METADATA).then_some(*address));
            }
            Endpoint::External { address } => _ = addresses.insert(*address),
            Endpoint::ExternalName { .. } | Endpoint::Internet => {}
        }
        addresses.into_iter().map(Far::Address).collect()
    }

    /// The client of an edge, as its server's policy must name it.
    fn clients(&self, edge: &Edge) -> BTreeSet<Far> {
        let mut addresses = edge.client_addresses.clone();
        match &edge.client {
            Endpoint::Workload(workload) => return self.workload(workload),
            Endpoint::Node { name, .. } if self.stays_on(name, edge) => {}
            Endpoint::Node { .. } if self.is_open_through_nodes(edge) => addresses.extend(self.nodes(|_| true)),
            Endpoint::Node { name, workload } => {
                let runs = |node: &str| workload.as_ref().is_some_and(|workload| self.runs_on(workload, node));
                addresses.extend(self.nodes(|node| node == name.as_str() || runs(node)));
            }
            Endpoint::ApiServer => addresses.extend(self.callers()),
            Endpoint::External { address } => _ = addresses.insert(*address),
            Endpoint::Internet => {
                return addresses.iter().map(|address| Far::Everywhere { ipv6: address.is_ipv6() }).collect();
            }
            Endpoint::LinkLocal { .. } | Endpoint::ExternalName { .. } => {}
        }
        addresses.into_iter().map(Far::Address).collect()
    }

    /// A workload: its pods, or the addresses of their nodes, or their own addresses where no label selects them.
    fn workload(&self, workload: &WorkloadRef) -> BTreeSet<Far> {
        let inventory = &self.observation.inventory;
        let declared = inventory.workloads.iter().find(|declared| declared.workload == *workload).unwrap();
        if declared.host_network {
            return self.nodes(|node| self.runs_on(workload, node)).into_iter().map(Far::Address).collect();
        }
        if !declared.selector.is_empty() {
            return [Far::Pods(workload.clone())].into();
        }
        let pods = inventory.pods.iter().filter(|pod| pod.workload == *workload);
        pods.flat_map(|pod| &pod.addresses).map(|held| Far::Address(held.ip)).collect()
    }

    fn nodes(&self, which: impl Fn(&str) -> bool) -> BTreeSet<IpAddr> {
        let nodes = self.observation.inventory.nodes.iter().filter(|node| which(node.name.as_str()));
        nodes.flat_map(|node| node.addresses.iter().copied()).collect()
    }

    fn runs_on(&self, workload: &WorkloadRef, node: &str) -> bool {
        let pods = &self.observation.inventory.pods;
        pods.iter().any(|pod| pod.workload == *workload && pod.node.as_ref().is_some_and(|on| on.as_str() == node))
    }

    fn api_server(&self) -> BTreeSet<IpAddr> {
        let services = self.observation.inventory.services.iter();
        let own = services.filter(|one| (one.namespace.as_str(), one.name.as_str()) == ("default", "kubernetes"));
        own.flat_map(|service| &service.backends).map(|backend| backend.address.ip).collect()
    }

    /// From where the API server may call: its own addresses, and all of the control plane's nodes.
    fn callers(&self) -> BTreeSet<IpAddr> {
        let key = "node-role.kubernetes.io/control-plane";
        let nodes = self.observation.inventory.nodes.iter().filter(|node| node.labels.contains_key(key));
        nodes.flat_map(|node| node.addresses.iter().copied()).chain(self.api_server()).collect()
    }

    /// Whether the connections of an edge from a node can only have gone to pods on that node: every other node with pods of
    /// the server was watched, and saw none of them arrive.
    fn stays_on(&self, node: &str, edge: &Edge) -> bool {
        let Some(server) = edge.server.workload() else { return false };
        let nodes = self.observation.inventory.nodes.iter().map(|node| node.name.as_str());
        let others: Vec<&str> = nodes.filter(|other| *other != node && self.runs_on(server, other)).collect();
        let watched = |node: &str| self.observation.coverage.iter().any(|stretch| stretch.node.as_str() == node);
        let saw = |node: &str| edge.nodes.iter().any(|reporter| reporter.as_str() == node);
        let excluded = others.iter().all(|other| watched(other) && !saw(other) && !edge.nodes.is_empty());
        self.runs_on(server, node) && excluded
    }

    /// Whether a Service leads clients from outside to the server of `edge` by way of any node, whose address they then have.
    fn is_open_through_nodes(&self, edge: &Edge) -> bool {
        let server = |(workload, protocol, port): &(WorkloadRef, Protocol, u16)| {
            (Some(workload), *protocol, *port) == (edge.server.workload(), edge.protocol, edge.port)
        };
        self.observation.inventory.services.iter().any(|service| {
            let open = service.service_type.as_str() == "NodePort"
                || service.service_type.as_str() == "LoadBalancer"
                || !service.external_ips.is_empty();
            let local = service.external_traffic_policy.as_ref().is_some_and(|policy| policy.as_str() == "Local");
            open && !local && service.ports.iter().any(|port| self.behind_port(service, port).iter().any(server))
        })
    }

    /// Where caches of DNS run on the nodes, whoever asks one of them or the DNS Services is answered by a cache, at its own
    /// address or at a Service's.
    fn caches(&mut self) {
        let cache = |edge: &Edge| match edge.server {
            Endpoint::LinkLocal { address } if edge.port == 53 && address != METADATA => Some(address),
            _ => None,
        };
        let caches: BTreeSet<IpAddr> = self.established().filter_map(cache).collect();
        let on_hosts: Vec<&Edge> = self.established().filter(|edge| self.is_host_cache(edge)).collect();
        if caches.is_empty() && on_hosts.is_empty() {
            return;
        }
        let asked = self.established().filter(|edge| edge.protocol == Protocol::Udp).flat_map(|edge| &edge.services);
        let asked: BTreeSet<ServiceRef> = asked.filter(|service| service.port == 53).cloned().collect();
        let used = if asked.is_empty() { self.dns_services() } else { asked };
        let services: Vec<(&ServiceRef, IpAddr)> = used
            .iter()
            .flat_map(|used| self.cluster_ips(used).into_iter().map(move |address| (used, address)))
            .collect();
        let places = caches.iter().copied().chain(services.iter().map(|(_, address)| *address));
        let places: BTreeSet<Far> = places.map(Far::Address).collect();
        for edge in self.established() {
            let asks = edge.services.iter().any(|one| services.iter().any(|(service, _)| *service == one));
            let Some(client) = edge.client.workload() else { continue };
            if asks || cache(edge).is_some() || on_hosts.contains(&edge) {
                let protocols =
                    if is_dns_over_udp(edge) { vec![Protocol::Udp, Protocol::Tcp] } else { vec![edge.protocol] };
                protocols.into_iter().for_each(|protocol| self.grant(false, client, &places, protocol, 53));
            }
        }
    }

    /// Whether what runs on the host network answered as DNS, and no Service leads there.
    fn is_host_cache(&self, edge: &Edge) -> bool {
        let Endpoint::Node { workload: Some(workload), .. } = &edge.server else { return false };
        let services = self.dns_services();
        let behind = services.iter().flat_map(|service| self.behind(service)).any(|(other, ..)| other == *workload);
        edge.port == 53 && edge.protocol != Protocol::Sctp && !behind
    }

    fn dns_services(&self) -> BTreeSet<ServiceRef> {
        let answers = |service: &&Service| {
            let ports = service.ports.iter().any(|port| (port.protocol, port.port) == (Protocol::Udp, 53));
            ports && !service.cluster_ips.is_empty()
        };
        let services = self.observation.inventory.services.iter().filter(answers);
        services
            .map(|service| ServiceRef { namespace: service.namespace.clone(), name: service.name.clone(), port: 53 })
            .collect()
    }

    fn cluster_ips(&self, service: &ServiceRef) -> Vec<IpAddr> {
        let services = self.observation.inventory.services.iter();
        let found = services.filter(|one| (&one.namespace, &one.name) == (&service.namespace, &service.name));
        found.flat_map(|found| found.cluster_ips.iter().copied()).collect()
    }

    /// What the API server may call, over TCP, though nobody saw it do so.
    fn extensions(&mut self) {
        let callers: BTreeSet<Far> = self.callers().into_iter().map(Far::Address).collect();
        for extension in &self.observation.inventory.api_extensions {
            for (workload, protocol, port) in self.behind(&extension.service) {
                if protocol == Protocol::Tcp {
                    self.grant(true, &workload, &callers, protocol, port);
                }
            }
        }
    }
}

fn is_dns_over_udp(edge: &Edge) -> bool {
    edge.protocol == Protocol::Udp && (edge.port == 53 || edge.services.iter().any(|service| service.port == 53))
}

/// Whether a pod with the ports of `own` gives a name, by which others of its workload mean `port`, to another port: then it
/// is not expected to serve that one.
pub(crate) fn means_another(
    observation: &Observation,
    workload: &WorkloadRef,
    own: &[ContainerPort],
    protocol: Protocol,
    port: u16,
) -> bool {
    let pods = observation.inventory.pods.iter().filter(|pod| pod.workload == *workload);
    let others: BTreeSet<_> = pods.flat_map(|pod| &pod.ports).filter(|one| one.name.is_some()).collect();
    let is_at = |one: &&ContainerPort| (one.protocol, one.port) == (protocol, port);
    let names: Vec<_> = others.into_iter().filter(|one| is_at(one)).map(|one| &one.name).collect();
    own.iter().any(|one| one.protocol == protocol && names.contains(&&one.name)) && !own.iter().any(|one| is_at(&one))
}
