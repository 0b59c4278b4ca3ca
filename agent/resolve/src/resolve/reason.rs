//! Why a flow became no edge, in words for a person who has to find out what it was.

use netwright_record::Protocol;
use netwright_record::inventory::Service;

/// Why a flow became no edge. What is named in the text is escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Reason {
    #[error("the local end is not known: neither its cgroup nor its address was seen")]
    LocalUnknown,
    #[error("local pod not in the inventory: it was gone, or not there yet, when the inventory was taken")]
    LocalPodUnknown,
    #[error("local address not in the inventory: no pod or node held it at the time")]
    LocalAddressUnknown,
    #[error(
        "pod address not in the inventory: the remote address is in a node's pod range, but no pod held it at the time"
    )]
    PodUnknown,
    #[error("address changed hands: pods of different workloads held it within the time of the flow")]
    ChangedHands,
    #[error("multicast address: no policy can name its receivers")]
    Multicast,
    #[error("broadcast address: no policy can name its receivers")]
    Broadcast,
    #[error("unspecified address: it names nobody")]
    Unspecified,
    #[error("the client's address is that of Service {0}, from which nobody speaks")]
    ClientIsService(String),
    #[error("Service {service} has no port {port}/{protocol}")]
    NoSuchPort { service: String, protocol: Protocol, port: u16 },
    #[error("Service has no endpoints: {service} port {port} had none at the time, so nobody can have answered")]
    NoEndpoints { service: String, port: u16 },
    #[error(
        "backends not in the inventory: no endpoint of Service {service} port {port} is a known pod, node or outside address"
    )]
    BackendsUnknown { service: String, port: u16 },
    #[error("ambiguous: both sides of this UDP conversation are bound and nobody saw who spoke first")]
    Ambiguous,
}

impl Reason {
    pub(super) fn no_such_port(service: &Service, protocol: Protocol, port: u16) -> Self {
        Self::NoSuchPort { service: service_name(service), protocol, port }
    }
}

/// `shop/cart`, escaped.
pub(super) fn service_name(service: &Service) -> String {
    format!("{}/{}", service.namespace.escape_debug(), service.name.escape_debug())
}
