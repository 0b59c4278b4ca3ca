//! Which ends of edges a decision speaks of: the patterns of `client` and `server` in review.yaml. The grammar stands in
//! the documentation of [`super`].

use crate::infer::link_local::METADATA;
use ipnet::IpNet;
use netwright_record::Endpoint;
use netwright_record::inventory::WorkloadRef;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Which ends are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// `*`: every end.
    Any,
    /// `outside`: every end outside the cluster, named or not.
    Outside,
    /// `internet`: the clients outside the cluster that inference takes together.
    Internet,
    /// `api-server`.
    ApiServer,
    /// `metadata`: an address at which clouds serve credentials.
    Metadata,
    /// `link-local`: another link-local address.
    LinkLocal,
    /// `node` or `node:NAME`: processes of a node.
    Node(Glob),
    /// `NAMESPACE/NAME` or `NAMESPACE/KIND/NAME`.
    Workload {
        /// The namespace.
        namespace: Glob,
        /// The kind: any, where none was written.
        kind: Glob,
        /// The name.
        name: Glob,
    },
    /// A DNS name, or `*.NAME` for every name below it.
    Name {
        /// In lower case, without a dot at its end.
        name: String,
        /// Whether the names below it are meant, and not the name itself.
        below: bool,
    },
    /// An address or a block of addresses, of ends outside the cluster and of link-local ones.
    Block(IpNet),
}

/// A part of a pattern: exact text, or all that begins so.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Glob {
    /// Exactly this.
    Exact(String),
    /// `PREFIX*`; `*` has the empty prefix.
    Prefix(String),
}

/// How much of an end a pattern holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// For the end as such, whatever its addresses.
    Whole,
    /// For those of its addresses for which [`Pattern::holds`].
    Addresses,
}

impl Pattern {
    /// How much of `end` is meant; `None` for nothing. For [`Extent::Addresses`] the addresses on the edge decide.
    pub fn extent(&self, end: &Endpoint) -> Option<Extent> {
        let whole = |holds: bool| holds.then_some(Extent::Whole);
        match (self, end) {
            (Pattern::Any, _) => Some(Extent::Whole),
            (Pattern::Outside, _) => whole(is_outside(end)),
            (Pattern::Internet, _) => whole(*end == Endpoint::Internet),
            (Pattern::ApiServer, _) => whole(*end == Endpoint::ApiServer),
            (Pattern::Node(glob), Endpoint::Node { name, .. }) => whole(glob.holds(name)),
            (
                Pattern::Workload { .. },
                Endpoint::Workload(workload) | Endpoint::Node { workload: Some(workload), .. },
            ) => whole(self.is_workload(workload)),
            (Pattern::Name { name, below }, Endpoint::ExternalName { names }) => {
                whole(names.iter().any(|asked| is_name(asked, name, *below)))
            }
            (
                Pattern::Metadata | Pattern::LinkLocal | Pattern::Block(_),
                Endpoint::LinkLocal { address } | Endpoint::External { address },
            ) => whole(self.holds(*address)),
            (
                Pattern::Metadata | Pattern::LinkLocal | Pattern::Block(_),
                Endpoint::ExternalName { .. } | Endpoint::Internet,
            ) => Some(Extent::Addresses),
            _ => None,
        }
    }

    /// Whether an address is meant, by a pattern that speaks of addresses.
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Pattern::Metadata => METADATA.contains(&address),
            Pattern::LinkLocal => is_link_local(address) && !METADATA.contains(&address),
            Pattern::Block(block) => block.contains(&address),
            _ => false,
        }
    }

    /// Whether allowing this opens `address` though it is a metadata or link-local one: only by its own name, never as a
    /// part of something wider.
    pub fn opens(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let alone = |block: &IpNet| block.prefix_len() == block.max_prefix_len();
        match self {
            Pattern::Metadata | Pattern::LinkLocal => self.holds(address),
            Pattern::Block(block) if METADATA.contains(&address) => alone(block) && block.addr() == address,
            Pattern::Block(block) => {
                block.contains(&address) && link_local_ranges().iter().any(|range| range.contains(block))
            }
            _ => false,
        }
    }

    fn is_workload(&self, workload: &WorkloadRef) -> bool {
        let Pattern::Workload { namespace, kind, name } = self else { return false };
        name.holds(&workload.name) && namespace.holds(&workload.namespace) && kind.holds(&workload.kind)
    }

    /// The namespace, kind (where one was written) and name, if there is no wildcard among them.
    pub fn exact_workload(&self) -> Option<(&str, Option<&str>, &str)> {
        let Pattern::Workload { namespace, kind, name } = self else { return None };
        let kind = match kind {
            Glob::Prefix(prefix) if prefix.is_empty() => None,
            kind => Some(kind.exact()?),
        };
        Some((namespace.exact()?, kind, name.exact()?))
    }

    /// Whether every end of which this holds is one of which `other` holds.
    pub fn within(&self, other: &Pattern) -> bool {
        match (self, other) {
            (_, Pattern::Any) => true,
            (Pattern::Internet | Pattern::Name { .. } | Pattern::Outside, Pattern::Outside) => true,
            // What of a block is outside the cluster; link-local addresses are other ends.
            (Pattern::Block(block), Pattern::Outside | Pattern::Internet) => {
                !link_local_ranges().iter().any(|range| range.contains(block))
            }
            (Pattern::Block(block), Pattern::Block(wider)) => wider.contains(block),
            (Pattern::Metadata, Pattern::Block(block)) => METADATA.iter().all(|address| block.contains(address)),
            (Pattern::Block(block), Pattern::Metadata | Pattern::LinkLocal) => other.opens(block.addr()),
            (Pattern::Node(glob), Pattern::Node(wider)) => glob.within(wider),
            (
                Pattern::Workload { namespace, kind, name },
                Pattern::Workload { namespace: wider_namespace, kind: wider_kind, name: wider_name },
            ) => namespace.within(wider_namespace) && kind.within(wider_kind) && name.within(wider_name),
            (Pattern::Name { name, below }, Pattern::Name { name: wider, below: true }) => {
                is_name(name, wider, true) || (*below && name == wider)
            }
            _ => self == other,
        }
    }
}

/// Whether `asked`, which may be in any case and end in a dot, is `name`, or with `below` a name below that.
fn is_name(asked: &str, name: &str, below: bool) -> bool {
    let asked = asked.strip_suffix('.').unwrap_or(asked).to_ascii_lowercase();
    if below {
        asked.strip_suffix(name).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    } else {
        asked == name
    }
}

fn is_outside(end: &Endpoint) -> bool {
    matches!(end, Endpoint::ExternalName { .. } | Endpoint::External { .. } | Endpoint::Internet)
}

fn is_link_local(address: IpAddr) -> bool {
    link_local_ranges().iter().any(|range| range.contains(&address))
}

/// RFC 3927 and RFC 4291, section 2.5.6.
pub(super) fn link_local_ranges() -> [IpNet; 2] {
    [IpNet::new_assert([169, 254, 0, 0].into(), 16), IpNet::new_assert([0xfe80, 0, 0, 0, 0, 0, 0, 0].into(), 10)]
}

/// The metadata and link-local addresses that a block holds among others, where it is not one of them itself: they are
/// not allowed with it.
pub(super) fn reserved_in(block: &IpNet) -> BTreeSet<IpNet> {
    let metadata = METADATA.map(IpNet::from);
    let reserved = link_local_ranges().into_iter().chain(metadata);
    reserved.filter(|range| block != range && block.contains(range)).collect::<BTreeSet<_>>()
}

impl Glob {
    /// Whether `text` is meant.
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Glob::Exact(exact) => exact == text,
            Glob::Prefix(prefix) => text.starts_with(prefix.as_str()),
        }
    }

    /// The text, where it is not a beginning only.
    pub fn exact(&self) -> Option<&str> {
        if let Glob::Exact(text) = self { Some(text) } else { None }
    }

    fn within(&self, other: &Glob) -> bool {
        match (self, other) {
            (Glob::Exact(text) | Glob::Prefix(text), Glob::Prefix(prefix)) => text.starts_with(prefix.as_str()),
            _ => self == other,
        }
    }
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// No form of pattern looks like that.
    #[error(
        "{0:?} is no pattern: write NAMESPACE/NAME, NAMESPACE/KIND/NAME, a DNS name, an address or a block, outside, \
         internet, node, node:NAME, api-server, metadata, link-local, or *"
    )]
    Form(String),
    /// A part of a workload's or node's name.
    #[error("{part:?} in {text:?} cannot be part of a name: letters, digits, - and . with at most one * at the end")]
    Part {
        /// The part.
        part: String,
        /// The whole.
        text: String,
    },
    /// It has a slash and a dot or colon before it, and is no block.
    #[error("{0:?} is not a block of addresses: must be like 192.0.2.0/24 or 2001:db8::/64")]
    Block(String),
    /// Bits beyond the prefix are set.
    #[error("{text:?} is an address inside a block: write {block} for the block, or the address alone")]
    HostBits {
        /// What was written.
        text: String,
        /// The block that it is in.
        block: IpNet,
    },
    /// `::ffff:0:0/96`.
    #[error("{0:?} holds IPv4 addresses in the form of IPv6: write them as IPv4")]
    Mapped(String),
    /// Not a name of DNS.
    #[error("{0:?} is not a DNS name: letters, digits, - and _ between dots, with at most *. in front")]
    Name(String),
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Ok(match text {
            "*" => Pattern::Any,
            "outside" => Pattern::Outside,
            "internet" => Pattern::Internet,
            "api-server" => Pattern::ApiServer,
            "metadata" => Pattern::Metadata,
            "link-local" => Pattern::LinkLocal,
            "node" => Pattern::Node(Glob::Prefix(String::new())),
            _ => return specific(text),
        })
    }
}

fn specific(text: &str) -> Result<Pattern, PatternError> {
    if let Some(name) = text.strip_prefix("node:") {
        return glob(name, text).map(Pattern::Node);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Pattern::Block(address.to_canonical().into()));
    }
    match text.split('/').collect::<Vec<_>>().as_slice() {
        [address, _] if address.contains(['.', ':']) => block(text),
        [namespace, name] => workload(namespace, "*", name, text),
        [namespace, kind, name] => workload(namespace, kind, name, text),
        [name] if name.contains('.') => dns_name(name),
        _ => Err(PatternError::Form(text.to_owned())),
    }
}

fn workload(namespace: &str, kind: &str, name: &str, text: &str) -> Result<Pattern, PatternError> {
    Ok(Pattern::Workload { namespace: glob(namespace, text)?, kind: glob(kind, text)?, name: glob(name, text)? })
}

fn glob(part: &str, text: &str) -> Result<Glob, PatternError> {
    let (plain, glob) = match part.strip_suffix('*') {
        Some(prefix) => (prefix, Glob::Prefix(prefix.to_owned())),
        None => (part, Glob::Exact(part.to_owned())),
    };
    let valid = plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if valid && !part.is_empty() {
        Ok(glob)
    } else {
        Err(PatternError::Part { part: part.to_owned(), text: text.to_owned() })
    }
}

fn block(text: &str) -> Result<Pattern, PatternError> {
    let block: IpNet = text.parse().map_err(|_| PatternError::Block(text.to_owned()))?;
    if block.prefix_len() >= 96 && block.addr().to_canonical().is_ipv4() && block.addr().is_ipv6() {
        return Err(PatternError::Mapped(text.to_owned()));
    }
    if block != block.trunc() {
        return Err(PatternError::HostBits { text: text.to_owned(), block: block.trunc() });
    }
    Ok(Pattern::Block(block))
}

fn dns_name(text: &str) -> Result<Pattern, PatternError> {
    let (name, below) = match text.strip_prefix("*.") {
        Some(name) => (name, true),
        None => (text, false),
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let valid = name.split('.').all(|label| !label.is_empty() && label.len() <= 63 && label.bytes().all(inner));
    if valid && name.len() <= 253 {
        Ok(Pattern::Name { name, below })
    } else {
        Err(PatternError::Name(text.to_owned()))
    }
}

/// As it is written in review.yaml.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Any => f.write_str("*"),
            Pattern::Outside => f.write_str("outside"),
            Pattern::Internet => f.write_str("internet"),
            Pattern::ApiServer => f.write_str("api-server"),
            Pattern::Metadata => f.write_str("metadata"),
            Pattern::LinkLocal => f.write_str("link-local"),
            Pattern::Node(Glob::Prefix(prefix)) if prefix.is_empty() => f.write_str("node"),
            Pattern::Node(glob) => write!(f, "node:{glob}"),
            Pattern::Workload { namespace, kind: Glob::Prefix(kind), name } if kind.is_empty() => {
                write!(f, "{namespace}/{name}")
            }
            Pattern::Workload { namespace, kind, name } => write!(f, "{namespace}/{kind}/{name}"),
            Pattern::Name { name, below: true } => write!(f, "*.{name}"),
            Pattern::Name { name, below: false } => f.write_str(name),
            Pattern::Block(block) if block.prefix_len() == block.max_prefix_len() => block.addr().fmt(f),
            Pattern::Block(block) => block.fmt(f),
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Glob::Exact(text) => f.write_str(text),
            Glob::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

#[cfg(test)]
mod tests;
