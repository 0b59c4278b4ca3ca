//! What one node saw: the record an agent makes before anyone knows who the other end was.

use crate::{Activity, FlatSet, Name};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Traffic between a local pod (or the node itself) and one remote address, as one node saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// The node that saw it.
    pub node: Name,
    /// Whether the local end was the client or the server.
    pub direction: Direction,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The end on this node.
    pub local: Local,
    /// The other end's address as the socket saw it: a Service's cluster IP stays one here.
    pub remote: IpAddr,
    /// The server's port: the remote port for egress, the local one for ingress. For an ambiguous flow, the local port.
    pub port: u16,
    /// For an ambiguous flow, the remote port; otherwise absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_port: Option<u16>,
    /// The DNS names by which the local end had learned `remote`: what it asked for, not what CNAMEs led to.
    /// Lower case, without the trailing dot. Text from the network: escape it wherever it is shown.
    #[serde(default, skip_serializing_if = "FlatSet::is_empty")]
    pub names: FlatSet<Name>,
    /// When and how often.
    pub activity: Activity,
}

/// Which end of the connection was local.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The local end opened it (TCP) or spoke first (UDP).
    Egress,
    /// The remote end opened it or spoke first.
    Ingress,
    /// UDP between two bound sockets of which the first word was not seen.
    Ambiguous,
}

/// A transport protocol, named as Kubernetes names it (`TCP`, `UDP`, `SCTP`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// Transmission Control Protocol.
    Tcp,
    /// User Datagram Protocol.
    Udp,
    /// Stream Control Transmission Protocol.
    Sctp,
}

impl Protocol {
    /// The name as Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A protocol name that is none of `TCP`, `UDP`, `SCTP`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown protocol {0:?}: expected TCP, UDP or SCTP")]
pub struct UnknownProtocol(pub String);

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.to_ascii_uppercase().as_str() {
            "TCP" => Ok(Protocol::Tcp),
            "UDP" => Ok(Protocol::Udp),
            "SCTP" => Ok(Protocol::Sctp),
            _ => Err(UnknownProtocol(s.to_owned())),
        }
    }
}

/// Who on this node it was, fixed at the moment of capture.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Local {
    /// A pod, known by the UID in its cgroup path.
    Pod {
        /// The pod's `metadata.uid`.
        uid: Name,
        /// The local address, where the socket had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ip: Option<IpAddr>,
    },
    /// A process of the node itself, outside every pod's cgroup, in the node's network namespace.
    Host {
        /// The local address, where the socket had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ip: Option<IpAddr>,
    },
    /// Not known by cgroup: the address is all there is.
    Address {
        /// The local address.
        ip: IpAddr,
    },
    /// Neither cgroup nor address: counted, and reported as unresolved.
    Unknown {
        /// The network namespace's cookie, to tell such flows apart.
        netns_cookie: u64,
    },
}

impl Local {
    /// The local address, where one is known.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Local::Pod { ip, .. } | Local::Host { ip } => *ip,
            Local::Address { ip } => Some(*ip),
            Local::Unknown { .. } => None,
        }
    }
}
