//! The conditions a rule puts that a connection does not meet: what was wanted, and what there is.

use crate::error::printable;
use crate::selector::{Operator, Requirement};
use crate::{NamedPort, Protocol};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;

/// One condition that is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmet {
    /// A label of a pod or a namespace is not as a selector requires.
    Label {
        /// Whose label.
        object: Object,
        /// What is required.
        requirement: Requirement,
        /// The value there is; `None` where the label is absent.
        actual: Option<String>,
    },
    /// The pod is in another namespace than the policy: than the one in which a `podSelector` without a
    /// `namespaceSelector` looks, or than the one in which the policy applies.
    OtherNamespace {
        /// The policy's namespace.
        wanted: String,
        /// The pod's.
        actual: String,
    },
    /// The entry selects pods, and the other end is no pod.
    NotAPod {
        /// The other end.
        address: IpAddr,
    },
    /// The address is in none of the block.
    OutsideBlock {
        /// `ipBlock.cidr`.
        cidr: IpNet,
        /// The address.
        address: IpAddr,
    },
    /// The address is in an exception of the block.
    Excepted {
        /// The entry of `ipBlock.except`.
        except: IpNet,
        /// The address.
        address: IpAddr,
    },
    /// Whether the other end fits cannot be known: it has no known address, or (for a node) is nothing but addresses.
    NoAddress,
    /// The entry is for another protocol.
    Protocol {
        /// The entry's.
        wanted: Protocol,
        /// The connection's.
        actual: Protocol,
    },
    /// The entry is for other port numbers.
    Port {
        /// The first port of the entry.
        first: u16,
        /// The last port of the entry.
        last: u16,
        /// The connection's.
        actual: u16,
    },
    /// The entry names a port that is not the connection's on the destination.
    NamedPort {
        /// The name in the entry.
        name: String,
        /// The port asked for.
        asked: (Protocol, u16),
        /// The ports of that name that the destination has; `None` where the destination is no pod.
        declared: Option<Vec<NamedPort>>,
    },
    /// `policyTypes` leaves the direction of the rule out, so that it means nothing.
    PolicyTypes {
        /// `Ingress` or `Egress`.
        direction: &'static str,
    },
}

/// Whose label it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A namespace, by its name.
    Namespace(String),
    /// A pod.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// For messages: `namespace shop`, `pod shop/front`. Escaped.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Namespace(name) => write!(f, "namespace {}", printable(name)),
            Object::Pod { namespace, name } => write!(f, "pod {}/{}", printable(namespace), printable(name)),
        }
    }
}

impl Unmet {
    /// How unlike what is wanted and what there is are: 0 a slip of the pen, 1 another value, 2 another thing altogether.
    pub fn unlikeness(&self) -> usize {
        let slip = match self {
            Unmet::Label { requirement, actual, .. } => is_slip(requirement, actual.as_deref()),
            Unmet::Port { first, last, actual } => first.abs_diff(*actual).min(last.abs_diff(*actual)) == 1,
            Unmet::Excepted { .. } | Unmet::NamedPort { declared: Some(_), .. } | Unmet::PolicyTypes { .. } => true,
            Unmet::NotAPod { .. } | Unmet::NoAddress => return 2,
            Unmet::OutsideBlock { cidr, address } if cidr.addr().is_ipv4() != address.is_ipv4() => return 2,
            Unmet::OutsideBlock { .. }
            | Unmet::OtherNamespace { .. }
            | Unmet::Protocol { .. }
            | Unmet::NamedPort { .. } => false,
        };
        usize::from(!slip)
    }
}

/// A label that is absent, or whose value differs from a wanted one by a few letters.
fn is_slip(requirement: &Requirement, actual: Option<&str>) -> bool {
    match (&requirement.operator, actual) {
        (Operator::In(values), Some(actual)) => values.iter().any(|wanted| is_similar(wanted, actual)),
        (Operator::In(_) | Operator::Exists, None) => true,
        _ => false,
    }
}

/// Whether one could be a misspelling of the other: a letter in three differs, or only the case.
fn is_similar(one: &str, other: &str) -> bool {
    let shorter = one.chars().count().min(other.chars().count());
    one.eq_ignore_ascii_case(other)
        || strsim::damerau_levenshtein(one, other) <= 2.min(shorter / 3)
        || (shorter >= 4 && (one.starts_with(other) || other.starts_with(one)))
}

/// What is missing, in words for one line: `namespace shop has no label team, where team=web is required`. Escaped.
impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unmet::Label { object, requirement, actual } => label(f, object, requirement, actual.as_deref()),
            Unmet::OtherNamespace { wanted, actual } => {
                write!(f, "the pod is in namespace {}, not in {}", printable(actual), printable(wanted))
            }
            Unmet::NotAPod { address } => write!(f, "selectors match pods only, and {address} is no pod"),
            Unmet::OutsideBlock { cidr, address } => write!(f, "{address} is outside {cidr}"),
            Unmet::Excepted { except, address } => write!(f, "{address} is in the exception {except}"),
            Unmet::NoAddress => f.write_str("no address of the other end is known"),
            Unmet::Protocol { wanted, actual } => write!(f, "the rule is for {wanted}, the connection is {actual}"),
            Unmet::Port { first, last, actual } if first == last => {
                write!(f, "the rule is for port {first}, the connection goes to port {actual}")
            }
            Unmet::Port { first, last, actual } => {
                write!(f, "the rule is for ports {first} to {last}, the connection goes to port {actual}")
            }
            Unmet::NamedPort { name, asked, declared } => named_port(f, name, *asked, declared.as_deref()),
            Unmet::PolicyTypes { direction } => write!(f, "policyTypes does not list {direction}"),
        }
    }
}

fn label(f: &mut fmt::Formatter<'_>, object: &Object, requirement: &Requirement, actual: Option<&str>) -> fmt::Result {
    let key = printable(&requirement.key);
    match actual {
        Some(actual) => write!(f, "{object} has the label {key}={}", printable(actual))?,
        None => write!(f, "{object} has no label {key}")?,
    }
    match &requirement.operator {
        Operator::In(values) => match values.iter().collect::<Vec<_>>().as_slice() {
            [one] => write!(f, ", where {key}={} is required", printable(one)),
            several => write!(f, ", where one of {} is required", list(several)),
        },
        Operator::NotIn(values) => {
            write!(f, ", where it may be none of {}", list(&values.iter().collect::<Vec<_>>()))
        }
        Operator::Exists => f.write_str(", which is required"),
        Operator::DoesNotExist => f.write_str(", which must be absent"),
    }
}

fn list(values: &[&str]) -> String {
    values.iter().map(|value| printable(value)).collect::<Vec<_>>().join(", ")
}

fn named_port(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    (protocol, port): (Protocol, u16),
    declared: Option<&[NamedPort]>,
) -> fmt::Result {
    let name = printable(name);
    match declared {
        None => write!(f, "the rule names port {name:?}, and only pods have names for ports"),
        Some([]) => write!(f, "no container of the destination has a port named {name:?}"),
        Some(declared) => {
            let ports: Vec<String> =
                declared.iter().map(|declared| format!("{} {}", declared.protocol, declared.port)).collect();
            write!(f, "port {name:?} of the destination is {}, not {protocol} {port}", ports.join(" and "))
        }
    }
}
