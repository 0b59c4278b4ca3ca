//! Why a flow became no edge, in words for a person who has to find out what it was.

use netwright_record::Protocol;
use netwright_record::inventory::Service;

/// Why a flow became no edge. What is named in the text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Neither cgroup nor address of the local end is known.
    #[error("the local end is not known: neither its cgroup nor its address was seen")]
    LocalUnknown,
    /// The local pod is not in the inventory.
    #[error("local pod not in the inventory: it was gone, or not there yet, when the inventory was taken")]
    LocalPodUnknown,
    /// Nobody is known to have held the local address.
    #[error("local address not in the inventory: no pod or node held it at the time")]
    LocalAddressUnknown,
    /// The remote address is in a pod range and nobody is known to have held it.
    #[error(
        "pod address not in the inventory: the remote address is in a node's pod range, but no pod held it at the time"
    )]
    PodUnknown,
    /// Several workloads held the address within the time of the flow.
    #[error("address changed hands: pods of different workloads held it within the time of the flow")]
    ChangedHands,
    /// A multicast address.
    #[error("multicast address: no policy can name its receivers")]
    Multicast,
    /// The broadcast address.
    #[error("broadcast address: no policy can name its receivers")]
    Broadcast,
    /// The unspecified address.
    #[error("unspecified address: it names nobody")]
    Unspecified,
    /// The client's address is that of a Service.
    #[error("the client's address is that of Service {0}, from which nobody speaks")]
    ClientIsService(String),
    /// The Service has no such port.
    #[error("Service {service} has no port {port}/{protocol}")]
    NoSuchPort {
        /// `namespace/name` of the Service.
        service: String,
        /// The protocol.
        protocol: Protocol,
        /// The port.
        port: u16,
    },
    /// The Service had no endpoints.
    #[error("Service has no endpoints: {service} port {port} had none at the time, so nobody can have answered")]
    NoEndpoints {
        /// `namespace/name` of the Service.
        service: String,
        /// Its port.
        port: u16,
    },
    /// No endpoint of the Service is known.
    #[error(
        "backends not in the inventory: no endpoint of Service {service} port {port} is a known pod, node or outside address"
    )]
    BackendsUnknown {
        /// `namespace/name` of the Service.
        service: String,
        /// Its port.
        port: u16,
    },
    /// Nobody saw who spoke first.
    #[error("ambiguous: both sides of this UDP conversation are bound and nobody saw who spoke first")]
    Ambiguous,
}

impl Reason {
    /// Whether what is learned of the cluster later may give the flow a name after all.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::LocalPodUnknown
            | Self::LocalAddressUnknown
            | Self::PodUnknown
            | Self::ChangedHands
            | Self::NoSuchPort { .. }
            | Self::NoEndpoints { .. }
            | Self::BackendsUnknown { .. } => true,
            Self::LocalUnknown
            | Self::Multicast
            | Self::Broadcast
            | Self::Unspecified
            | Self::ClientIsService(_)
            | Self::Ambiguous => false,
        }
    }

    pub(super) fn no_such_port(service: &Service, protocol: Protocol, port: u16) -> Self {
        Self::NoSuchPort { service: service_name(service), protocol, port }
    }
}

/// `shop/cart`, escaped.
pub(super) fn service_name(service: &Service) -> String {
    format!("{}/{}", service.namespace.escape_debug(), service.name.escape_debug())
}
