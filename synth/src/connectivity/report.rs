//! Entries as programs read them: `{src, dst, conns}`, with `{namespace, kind, name}` or `{cidr}` for an end.

use super::addresses::written;
use super::{Allowed, End, Entry, Unit};
use netwright_policy::{PortSet, Protocol};
use netwright_record::inventory::WorkloadRef;
use serde::{Serialize, Serializer};
use std::fmt;

/// A workload or pod by name, or a block.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum EndReport<'a> {
    /// By name.
    #[serde(rename_all = "camelCase")]
    Named {
        /// The namespace.
        namespace: &'a str,
        /// The kind of the workload; `Pod` for a pod.
        kind: &'a str,
        /// The name.
        name: &'a str,
        /// Whether it shares the network of its node, so that no policy selects it.
        #[serde(skip_serializing_if = "is_false")]
        host_network: bool,
    },
    /// By address.
    Addresses {
        /// The block.
        cidr: String,
    },
    /// Everyone of some kinds.
    Everyone {
        /// `pods`, `ipv4`, `ipv6`.
        everyone: Vec<&'static str>,
    },
}

fn is_false(value: &bool) -> bool {
    !value
}

impl<'a> From<&'a Unit> for EndReport<'a> {
    fn from(unit: &'a Unit) -> Self {
        let WorkloadRef { namespace, kind, name } = &unit.name;
        Self::Named { namespace, kind, name, host_network: unit.host_network() }
    }
}

impl<'a> From<End<'a>> for EndReport<'a> {
    fn from(end: End<'a>) -> Self {
        match end {
            End::Unit(unit) => unit.into(),
            End::Addresses(range) => Self::Addresses { cidr: written(&range) },
            End::Everyone(everyone) => Self::Everyone { everyone: everyone.names() },
        }
    }
}

/// For people: `shop/Deployment/cart`, `198.18.0.0/15` or `198.18.0.1-198.18.0.6`. Escaped.
impl fmt::Display for End<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Unit(unit) => unit.fmt(f),
            End::Addresses(range) => f.write_str(&written(range)),
            End::Everyone(everyone) => everyone.fmt(f),
        }
    }
}

/// For people: `shop/Deployment/cart`. Escaped.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        if self.host_network() { f.write_str(" (host network)") } else { Ok(()) }
    }
}

/// Ports: `"all"`, or a list by protocol.
#[derive(Debug, Clone, Copy)]
pub struct Connections<'a>(pub &'a PortSet);

/// The ports of one protocol.
#[derive(Debug, Clone, Serialize)]
struct OfProtocol {
    protocol: &'static str,
    ports: Vec<PortRange>,
}

/// Both ends included.
#[derive(Debug, Clone, Serialize)]
struct PortRange {
    from: u16,
    to: u16,
}

impl Serialize for Connections<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_all() {
            return serializer.serialize_str("all");
        }
        let of = |protocol: Protocol| OfProtocol {
            protocol: protocol.as_str(),
            ports: self
                .0
                .ranges()
                .filter(|(of, ..)| *of == protocol)
                .map(|(_, from, to)| PortRange { from, to })
                .collect(),
        };
        serializer.collect_seq(Protocol::ALL.map(of).into_iter().filter(|of| !of.ports.is_empty()))
    }
}

/// One entry. Addresses have to be one block: see [`Entry::by_block`].
#[derive(Debug, Clone, Serialize)]
pub struct EntryReport<'a> {
    src: EndReport<'a>,
    dst: EndReport<'a>,
    conns: Connections<'a>,
    /// `some`, where only some of the pods may use all of `conns`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pods: Option<&'static str>,
}

impl<'a, 'e: 'a> From<&'a Entry<'e>> for EntryReport<'a> {
    fn from(entry: &'a Entry<'e>) -> Self {
        let Entry { from, to, allowed } = entry;
        Self { src: (*from).into(), dst: (*to).into(), conns: Connections(&allowed.ports), pods: pods(allowed) }
    }
}

/// For people: the ports, and whether only some pods may use them.
impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ports.fmt(f)?;
        if self.some { f.write_str(" (some pods)") } else { Ok(()) }
    }
}

/// `some`, where that is so.
pub(crate) fn pods(allowed: &Allowed) -> Option<&'static str> {
    allowed.some.then_some("some")
}
