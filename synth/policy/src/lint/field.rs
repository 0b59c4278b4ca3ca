//! Where in a policy's spec a finding is. For findings, which are sorted by it and show it as a path.

use crate::Direction;
use std::fmt;

/// A field of `spec`, ordered as the manifest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The spec as a whole.
    Spec,
    /// `spec.podSelector`.
    PodSelector,
    /// `spec.ingress` or `spec.egress`.
    Rules(Direction),
    /// One rule, or something in it.
    Rule {
        /// Which list it is in.
        direction: Direction,
        /// Its index there.
        rule: usize,
        /// What in it; `None` for all of it.
        part: Option<Part>,
    },
}

/// Something in a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// `from` or `to` as a whole.
    Peers,
    /// One peer.
    Peer(usize),
    /// The ipBlock of a peer.
    IpBlock(usize),
    /// An exception of the ipBlock of a peer.
    Except(usize, usize),
    /// `ports` as a whole.
    Ports,
    /// One port.
    Port(usize),
}

/// The path as messages of the API server write it: `spec.ingress[0].from[1]`.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Spec => f.write_str("spec"),
            Field::PodSelector => f.write_str("spec.podSelector"),
            Field::Rules(direction) => write!(f, "spec.{}", list(*direction)),
            Field::Rule { direction, rule, part } => {
                write!(f, "spec.{}[{rule}]", list(*direction))?;
                part.map_or(Ok(()), |part| part.write(f, peers(*direction)))
            }
        }
    }
}

impl Part {
    fn write(self, f: &mut fmt::Formatter<'_>, peers: &str) -> fmt::Result {
        match self {
            Part::Peers => write!(f, ".{peers}"),
            Part::Peer(peer) => write!(f, ".{peers}[{peer}]"),
            Part::IpBlock(peer) => write!(f, ".{peers}[{peer}].ipBlock"),
            Part::Except(peer, except) => write!(f, ".{peers}[{peer}].ipBlock.except[{except}]"),
            Part::Ports => f.write_str(".ports"),
            Part::Port(port) => write!(f, ".ports[{port}]"),
        }
    }
}

fn list(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

fn peers(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    }
}
