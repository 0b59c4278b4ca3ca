//! Sets of ports, protocol by protocol: what one party may use towards another. For whoever reads a
//! [`Relation`](crate::Relation).

use crate::Protocol;
use crate::runs::{Run, Runs};
use std::borrow::Borrow;
use std::fmt;
use std::sync::LazyLock;

/// How far the ports of one protocol lie from those of the next. Port 0 is nobody's, so no run crosses over.
const STRIDE: u32 = 1 << 16;

/// Ports of TCP, UDP and SCTP, 1 to 65535 of each.
///
/// "Every port" means these three protocols: of others NetworkPolicy says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PortSet(Runs);

static ALL: LazyLock<PortSet> = LazyLock::new(|| {
    Protocol::ALL.iter().fold(PortSet::default(), |all, protocol| all.union(&PortSet::of(*protocol, 1, u16::MAX)))
});

impl PortSet {
    /// Every port of every protocol.
    pub fn all() -> Self {
        ALL.clone()
    }

    /// The ports `first` to `last` of a protocol, both included; port 0 is left out.
    pub fn of(protocol: Protocol, first: u16, last: u16) -> Self {
        let first = first.max(1);
        if first > last {
            return Self::default();
        }
        Self(Runs::run(position(protocol, first), position(protocol, last)))
    }

    /// Whether it holds no port.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it holds every port of every protocol.
    pub fn is_all(&self) -> bool {
        *self == *ALL
    }

    /// Whether it holds a port.
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        self.0.contains(position(protocol, port))
    }

    /// The ranges (protocol, first, last), both ends included, in order and merged.
    pub fn ranges(&self) -> impl Iterator<Item = (Protocol, u16, u16)> {
        self.0.as_slice().iter().filter_map(|run| Some((protocol(*run)?, port(run.first), port(run.last))))
    }

    /// How many ranges it has.
    pub(crate) fn range_count(&self) -> usize {
        self.0.as_slice().len()
    }

    /// How many ports it holds, of all protocols together.
    pub fn len(&self) -> u64 {
        self.0.as_slice().iter().map(|run| run.len()).sum()
    }

    /// The ports of either.
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0))
    }

    /// The ports of both.
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0))
    }

    /// Whether the two have a port in common: as their intersection says, without making it.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.0.meets(&other.0)
    }

    /// The ports of all of some sets, put together at once.
    pub(crate) fn union_of(sets: impl Iterator<Item = impl Borrow<Self>>) -> Self {
        let mut runs = Vec::new();
        sets.for_each(|set| runs.extend_from_slice(set.borrow().0.as_slice()));
        Self(Runs::of(runs))
    }

    /// The ports that `other` does not hold.
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0))
    }
}

fn index(protocol: Protocol) -> u32 {
    match protocol {
        Protocol::Tcp => 0,
        Protocol::Udp => 1,
        Protocol::Sctp => 2,
    }
}

fn position(protocol: Protocol, port: u16) -> u32 {
    index(protocol) * STRIDE + u32::from(port)
}

fn protocol(run: Run) -> Option<Protocol> {
    Protocol::ALL.into_iter().find(|protocol| index(*protocol) == run.first / STRIDE)
}

fn port(position: u32) -> u16 {
    u16::try_from(position % STRIDE).unwrap_or(u16::MAX)
}

/// `all`, `none`, or the ranges by protocol: `TCP 80,443-445, UDP 53`, and `SCTP` for every port of a protocol.
impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("all");
        }
        if self.is_empty() {
            return f.write_str("none");
        }
        let mut before = None;
        for (protocol, first, last) in self.ranges() {
            match before.replace(protocol) {
                Some(same) if same == protocol => f.write_str(",")?,
                Some(_) => write!(f, ", {protocol}{}", blank(first, last))?,
                None => write!(f, "{protocol}{}", blank(first, last))?,
            }
            match (first, last) {
                (1, u16::MAX) => {}
                (first, last) if first == last => write!(f, "{first}")?,
                (first, last) => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// What stands between the protocol and its ports, where ports are named.
fn blank(first: u16, last: u16) -> &'static str {
    if (first, last) == (1, u16::MAX) { "" } else { " " }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Protocol::{Sctp, Tcp, Udp};

    #[test]
    fn protocols_are_apart_even_at_their_ends() {
        let set = PortSet::of(Tcp, 65535, 65535).union(&PortSet::of(Udp, 0, 1));
        assert_eq!(set.ranges().collect::<Vec<_>>(), [(Tcp, 65535, 65535), (Udp, 1, 1)]);
        assert!(set.contains(Udp, 1) && !set.contains(Tcp, 1) && !set.contains(Sctp, 65535));
        assert_eq!(set.len(), 2);
    }

    #[test]
    fn all_is_the_three_protocols_in_full() {
        let three = Protocol::ALL.map(|protocol| PortSet::of(protocol, 1, 65535));
        let set = three.iter().fold(PortSet::default(), |set, one| set.union(one));
        assert!(set.is_all() && PortSet::all().contains(Sctp, 1));
        assert!(!set.difference(&PortSet::of(Udp, 7, 7)).is_all());
        assert!(PortSet::of(Tcp, 0, 0).is_empty() && PortSet::of(Tcp, 9, 8).is_empty());
    }

    #[test]
    fn sets_are_shown_merged() {
        let set = [(Tcp, 443, 445), (Tcp, 80, 80), (Tcp, 446, 450), (Udp, 53, 53)];
        let set =
            set.iter().fold(PortSet::default(), |set, (p, first, last)| set.union(&PortSet::of(*p, *first, *last)));
        assert_eq!(set.to_string(), "TCP 80,443-450, UDP 53");
        assert_eq!(set.intersection(&PortSet::of(Tcp, 444, 9000)).to_string(), "TCP 444-450");
        assert_eq!(PortSet::all().difference(&PortSet::of(Tcp, 22, 22)).to_string(), "TCP 1-21,23-65535, UDP, SCTP");
        assert_eq!(PortSet::all().to_string(), "all");
        assert_eq!(PortSet::default().to_string(), "none");
    }
}
