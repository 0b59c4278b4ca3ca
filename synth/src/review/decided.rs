//! What decisions come to for one observation. Inference asks it edge by edge, the proof address by address, and the
//! summary and the evidence list what became of the decisions themselves.

use super::additional::Additional;
use super::{Action, Decision};
use super::{Extent, Pattern};
use ipnet::IpNet;
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Edge, Endpoint};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What the decisions of a review come to. Numbers called `edge` are positions in the observation's `edges`, those
/// called `decision` positions in the review. The default is that nothing was decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decided {
    pub(super) decisions: Vec<Decision>,
    /// By edge.
    pub(super) whole: BTreeMap<usize, usize>,
    /// By edge and address, where it differs from the edge as a whole.
    pub(super) addresses: BTreeMap<(usize, IpAddr), usize>,
    pub(super) opened: BTreeMap<(usize, IpAddr), usize>,
    pub(super) excepted: BTreeMap<usize, BTreeSet<IpNet>>,
    pub(super) notes: BTreeMap<usize, Vec<usize>>,
    /// What is to be allowed that no edge stands for, sorted.
    pub additional: Vec<Additional>,
    /// Decisions that no longer hold.
    pub expired: Vec<usize>,
    /// Decisions that hold and match nothing.
    pub unused: Vec<Unused>,
    /// Decisions that say different things about the same.
    pub contradicting: Vec<Contradiction>,
}

/// A decision that matches nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unused {
    /// The decision.
    pub decision: usize,
    /// What would have to change.
    pub why: WhyUnused,
}

/// Why a decision matches nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WhyUnused {
    /// No edge is like that.
    #[error("no edge matches it")]
    NoEdge,
    /// Something that was not seen is allowed on stated ports only.
    #[error("no edge matches it, and what was never seen is allowed only on a stated port")]
    NoPort,
    /// A workload that nobody knows.
    #[error("no edge matches it, and its {0} names no workload of the observation")]
    NoWorkload(&'static str),
    /// Several workloads have that name.
    #[error("no edge matches it, and its {0} names several workloads: write their kind, NAMESPACE/KIND/NAME")]
    SeveralWorkloads(&'static str),
    /// Another decision stands before it.
    #[error("decisions[{0}], which stands before it, denies or ignores all or a part of it")]
    Overruled(usize),
}

/// Two decisions that say different things about the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contradiction {
    /// The one that holds, since it stands first.
    pub first: usize,
    /// The other one.
    pub second: usize,
    /// About how many edges; 0 where it is about something that was never seen.
    pub edges: usize,
    /// The first such edge.
    pub edge: Option<usize>,
}

impl Decided {
    /// The decision at a number.
    pub fn decision(&self, number: usize) -> Option<&Decision> {
        self.decisions.get(number)
    }

    /// All decisions, also those that do not hold.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// Whether there are no decisions at all.
    pub fn is_empty(&self) -> bool {
        self.decisions.is_empty()
    }

    /// What holds for an edge as a whole: `allow`, `deny` or `ignore`. Single addresses of it may be decided otherwise:
    /// see [`Decided::of_address`].
    pub fn of(&self, edge: usize) -> Option<&Decision> {
        self.decision(*self.whole.get(&edge)?)
    }

    /// What holds for one address of an end of an edge outside the cluster: its own decision, or that of the edge.
    pub fn of_address(&self, edge: usize, address: IpAddr) -> Option<&Decision> {
        match self.addresses.get(&(edge, address.to_canonical())) {
            Some(number) => self.decision(*number),
            None => self.of(edge),
        }
    }

    /// The decision by which a metadata or link-local address of an edge is allowed.
    pub fn opened(&self, edge: usize, address: IpAddr) -> Option<&Decision> {
        self.decision(*self.opened.get(&(edge, address.to_canonical()))?)
    }

    /// The decisions that hold and close something, whether or not an edge matches them.
    fn closing(&self) -> impl Iterator<Item = &Decision> {
        let closes = |decision: &&Decision| matches!(decision.action, Action::Deny | Action::Ignore);
        self.decisions.iter().filter(closes).filter(|decision| !self.expired.contains(&decision.number))
    }

    /// Whether people closed some port between two workloads, whether or not they were seen to talk: no selector that stands
    /// for others may let them in.
    pub fn closes_pair(&self, client: &WorkloadRef, server: &WorkloadRef) -> bool {
        let ends = [client, server].map(|workload| Endpoint::Workload(workload.clone()));
        let is = |pattern: &Pattern, end: &Endpoint| pattern.extent(end) == Some(Extent::Whole);
        let [client, server] = &ends;
        self.closing().any(|decision| is(&decision.client, client) && is(&decision.server, server))
    }

    /// The blocks and addresses outside the cluster that people closed, for any end: no wider block may hold them.
    /// O(decisions + addresses of all edges).
    pub fn closed_blocks(&self, edges: &[Edge]) -> Vec<IpNet> {
        if self.closing().next().is_none() {
            return Vec::new();
        }
        let patterns = self.closing().flat_map(|decision| [&decision.client, &decision.server]);
        let blocks = patterns.filter_map(|pattern| match pattern {
            Pattern::Block(block) => Some(*block),
            _ => None,
        });
        let addresses = edges.iter().enumerate().flat_map(|(number, edge)| {
            let seen = edge.client_addresses.iter().chain(&edge.server_addresses);
            seen.filter(move |address| self.closes(number, **address)).map(|address| IpNet::from(*address))
        });
        blocks.chain(addresses).collect()
    }

    /// Whether an edge is to be taken as never observed.
    pub fn is_ignored(&self, edge: usize) -> bool {
        self.of(edge).is_some_and(|decision| decision.action == Action::Ignore)
    }

    /// Whether one address of an end of an edge outside the cluster is denied or ignored, the edge itself or only that address.
    pub fn closes(&self, edge: usize, address: IpAddr) -> bool {
        self.of_address(edge, address).is_some_and(|decision| matches!(decision.action, Action::Deny | Action::Ignore))
    }

    /// The blocks that are denied of the clients outside of an exposed server, which a rule for all addresses must
    /// leave out.
    pub fn excepted(&self, edge: usize) -> impl Iterator<Item = IpNet> {
        self.excepted.get(&edge).into_iter().flatten().copied()
    }

    /// What people wrote about an edge without deciding anything.
    pub fn notes(&self, edge: usize) -> impl Iterator<Item = &Decision> {
        self.notes.get(&edge).into_iter().flatten().filter_map(|number| self.decision(*number))
    }

    /// The edges for which, as a whole, a decision of this kind holds, in order.
    pub fn edges(&self, action: Action) -> impl Iterator<Item = usize> {
        let holding = self.whole.iter().map(|(edge, number)| (*edge, self.decision(*number)));
        holding.filter(move |(_, decision)| decision.is_some_and(|of| of.action == action)).map(|(edge, _)| edge)
    }
}
