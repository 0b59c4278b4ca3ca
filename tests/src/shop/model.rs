//! The words of the declaration: who is there, what they serve, and whom they call.

use crate::world::Addresses;
use netwright_record::Protocol;
use netwright_record::inventory::WorkloadRef;
use std::net::IpAddr;

/// A cluster with one node, and what is outside.
#[derive(Debug, Clone)]
pub struct Shop {
    /// The node's name and addresses.
    pub node: (&'static str, Addresses),
    /// The workloads.
    pub workloads: Vec<Workload>,
    /// The Services.
    pub services: Vec<Service>,
    /// Processes of the node itself: (unit, what it calls).
    pub node_processes: Vec<(&'static str, Call)>,
    /// Hosts outside the cluster.
    pub outside: Vec<OutsideHost>,
    /// Names that lead outside: each leads to the next, the last to the address.
    pub outside_names: Vec<(&'static [&'static str], IpAddr)>,
    /// The address of the cluster's DNS Service, and of the resolver outside.
    pub resolvers: (IpAddr, IpAddr),
}

/// What owns pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Deployment, by a ReplicaSet.
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet with `hostNetwork`.
    HostNetworkDaemonSet,
    /// A CronJob; its replicas are runs, one after the other.
    CronJob,
}

impl Kind {
    /// As in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Deployment => "Deployment",
            Kind::StatefulSet => "StatefulSet",
            Kind::HostNetworkDaemonSet => "DaemonSet",
            Kind::CronJob => "CronJob",
        }
    }
}

/// A workload.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Its namespace.
    pub namespace: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its name, and the value of its `app.kubernetes.io/name` label.
    pub name: &'static str,
    /// How many pods it has; for a CronJob, how many runs there are.
    pub replicas: usize,
    /// What each of its pods runs.
    pub containers: Vec<Container>,
}

impl Workload {
    /// Its reference, as edges name it.
    pub fn reference(&self) -> WorkloadRef {
        WorkloadRef { namespace: self.namespace.into(), kind: self.kind.as_str().into(), name: self.name.into() }
    }

    /// The ports it serves.
    pub fn ports(&self) -> impl Iterator<Item = (&'static str, Protocol, u16)> + '_ {
        self.containers.iter().filter_map(|container| match container {
            Container::Serves { name, server } => Some((*name, server.protocol(), server.port())),
            Container::Calls { .. } => None,
        })
    }
}

/// One container: one process.
#[derive(Debug, Clone)]
pub enum Container {
    /// It serves.
    Serves {
        /// The container's name, and that of its port.
        name: &'static str,
        /// What it serves.
        server: Server,
    },
    /// It calls.
    Calls {
        /// The container's name.
        name: &'static str,
        /// What it calls.
        call: Call,
    },
}

/// What a server speaks, on which port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// HTTP.
    Http(u16),
    /// Bytes back over TCP.
    Echo(u16),
    /// The real Redis.
    Redis(u16),
    /// Metrics over UDP, never answered.
    Statsd(u16),
    /// NTP.
    Ntp(u16),
    /// DNS for the cluster's names; the rest is passed to the resolver outside.
    ClusterDns(u16),
    /// DNS for the names outside.
    OutsideDns(u16),
}

impl Server {
    /// Its port.
    pub fn port(self) -> u16 {
        let (Server::Http(port)
        | Server::Echo(port)
        | Server::Redis(port)
        | Server::Statsd(port)
        | Server::Ntp(port)
        | Server::ClusterDns(port)
        | Server::OutsideDns(port)) = self;
        port
    }

    /// Its protocol.
    pub fn protocol(self) -> Protocol {
        match self {
            Server::Http(_) | Server::Echo(_) | Server::Redis(_) => Protocol::Tcp,
            Server::Statsd(_) | Server::Ntp(_) | Server::ClusterDns(_) | Server::OutsideDns(_) => Protocol::Udp,
        }
    }
}

/// What a client does, again and again.
#[derive(Debug, Clone)]
pub struct Call {
    /// The manner of the call.
    pub manner: Manner,
    /// Whom it calls.
    pub to: Target,
    /// Milliseconds between two calls.
    pub every: u32,
    /// Whose DNS answers it uses; nobody's where the target is an address.
    pub resolver: Resolver,
}

/// The manner of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// An HTTP request over a new connection.
    Http,
    /// A Redis command (words separated by commas) over a new connection.
    Redis(&'static str),
    /// A metric over UDP.
    Statsd,
    /// An NTP question.
    Ntp,
    /// One connection, opened before the agent starts and kept.
    HeldFromBefore,
    /// A connection that is refused.
    Refused,
    /// A connection that nobody answers.
    Unanswered,
}

impl Manner {
    /// The protocol of the call.
    pub fn protocol(self) -> Protocol {
        match self {
            Manner::Statsd | Manner::Ntp => Protocol::Udp,
            _ => Protocol::Tcp,
        }
    }

    /// Whether the call never gets through.
    pub fn fails(self) -> bool {
        matches!(self, Manner::Refused | Manner::Unanswered)
    }
}

/// Whom a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A Service by name: (namespace, name, Service port).
    Service(&'static str, &'static str, u16),
    /// A Service by the address its load balancer has outside: (namespace, name, Service port).
    LoadBalancer(&'static str, &'static str, u16),
    /// The first pod of a workload by address: (namespace, name, port).
    Pod(&'static str, &'static str, u16),
    /// A host-network workload, at the address of the node: (namespace, name, port).
    Node(&'static str, &'static str, u16),
    /// A name outside.
    OutsideName(&'static str, u16),
    /// An address outside.
    OutsideAddress(IpAddr, u16),
}

/// Whom a client asks for addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolver {
    /// Nobody.
    Nobody,
    /// The cluster's DNS Service.
    Cluster,
    /// The resolver outside, which the pod's own configuration names. It asks a few times before its first call: whoever watches can
    /// notice such a pod only by its first question.
    Outside,
}

/// A Service.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its namespace.
    pub namespace: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The workload it selects, of the same namespace.
    pub workload: &'static str,
    /// Its address; none for a headless Service.
    pub address: Option<IpAddr>,
    /// The address of its load balancer.
    pub load_balancer: Option<IpAddr>,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its port.
    pub port: u16,
    /// The port of the pods.
    pub target_port: u16,
}

/// A host outside the cluster.
#[derive(Debug, Clone)]
pub struct OutsideHost {
    /// For logs.
    pub name: &'static str,
    /// Its address.
    pub address: IpAddr,
    /// What it serves or calls, if anything.
    pub container: Option<Container>,
}

impl OutsideHost {
    /// The label of its process.
    pub fn label(&self) -> String {
        format!("outside/{}", self.name)
    }
}
