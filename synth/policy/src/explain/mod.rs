//! Why a connection may be made or not: for the engineer who asks "why can't A call B?".
//!
//! [`PolicySet::verdict`] decides; [`explain`] tells how near every rule that could have admitted the connection came
//! to doing so: which entry of its `from` or `to` and which of its `ports` fit best, and what each lacks. What is
//! lacking is worked out apart from the evaluator, so that either can be held against the other.

mod gap;
mod nearness;
#[cfg(test)]
mod tests;
mod unmet;

pub use gap::{Entry, Gap};
pub use unmet::{Object, Unmet};

use crate::model::{Direction, NetworkPolicy, Rule};
use crate::verdict::Decision;
use crate::{Cluster, Party, Pod, PolicySet, Protocol};
use nearness::{Asked, Seen};
use std::net::IpAddr;

/// A verdict with all its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What the policies of the source say.
    pub egress: End,
    /// What the policies of the destination say.
    pub ingress: End,
}

impl Explanation {
    /// Whether the connection can be made: the same as [`crate::Verdict::allowed`].
    pub fn allowed(&self) -> bool {
        self.egress.decision.allows() && self.ingress.decision.allows()
    }
}

/// What the policies of one end say, and how near each rule comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// What the evaluator decided.
    pub decision: Decision,
    /// The policies that isolate this end, by their index; empty for an end that is no pod.
    pub isolated_by: Vec<usize>,
    /// The address of the other end that the gaps are about, where it has several and they are decided apart: a node.
    pub address: Option<IpAddr>,
    /// Every rule of the policies that isolate this end, nearest first: those that admit before all others.
    /// Empty where no policy isolates it or none can forbid the connection.
    pub rules: Vec<Gap>,
    /// Rules that would admit it if their policy applied to this end, and only one condition keeps it from that.
    /// Only filled where the decision is to deny.
    pub elsewhere: Vec<Gap>,
}

/// Explains one question: may `from` open a connection to `to` on this port, the one the destination listens on?
///
/// Looks at every policy of the set once for each end that denies.
pub fn explain(
    set: &PolicySet,
    cluster: &Cluster,
    from: &Party,
    to: &Party,
    protocol: Protocol,
    port: u16,
) -> Explanation {
    let target = match to {
        Party::Pod(pod) => Some(*pod),
        Party::Node { .. } | Party::Address(_) => None,
    };
    let question = Question { set, cluster, from, to, protocol, port, target };
    Explanation { egress: question.end(Direction::Egress), ingress: question.end(Direction::Ingress) }
}

struct Question<'a> {
    set: &'a PolicySet,
    cluster: &'a Cluster,
    from: &'a Party<'a>,
    to: &'a Party<'a>,
    protocol: Protocol,
    port: u16,
    target: Option<&'a Pod>,
}

impl<'a> Question<'a> {
    fn end(&self, direction: Direction) -> End {
        let (this, other) = match direction {
            Direction::Egress => (self.from, self.to),
            Direction::Ingress => (self.to, self.from),
        };
        let decision = self.decide(direction, other);
        let nothing =
            End { decision, isolated_by: Vec::new(), address: None, rules: Vec::new(), elsewhere: Vec::new() };
        match this {
            Party::Pod(this) => self.reasons(direction, this, other, nothing),
            Party::Node { .. } | Party::Address(_) => nothing,
        }
    }

    /// What the evaluator says with `other` in the place of the other end.
    fn decide(&self, direction: Direction, other: &Party) -> Decision {
        let Self { set, cluster, from, to, protocol, port, .. } = *self;
        match direction {
            Direction::Egress => set.verdict(cluster, from, other, protocol, port).egress,
            Direction::Ingress => set.verdict(cluster, other, to, protocol, port).ingress,
        }
    }

    fn reasons(&self, direction: Direction, this: &Pod, other: &Party, end: End) -> End {
        let isolated_by = self.set.isolating(this, direction);
        if !matches!(end.decision, Decision::Allowed { .. } | Decision::Denied { .. }) {
            return End { isolated_by, ..end };
        }
        let (seen, address) = self.seen(direction, other, &end.decision);
        let asked = Asked {
            cluster: self.cluster,
            home: &this.namespace,
            seen,
            protocol: self.protocol,
            port: self.port,
            target: self.target,
        };
        let mut rules: Vec<Gap> =
            isolated_by.iter().flat_map(|&index| self.rules(index, direction)).map(|at| asked.gap(at)).collect();
        rules.sort_by_key(Gap::distance);
        let elsewhere = match end.decision {
            Decision::Denied { .. } => self.elsewhere(direction, this, &isolated_by, &asked),
            _ => Vec::new(),
        };
        End { isolated_by, address, rules, elsewhere, ..end }
    }

    /// The other end as one connection shows it. Of a node's addresses the first that is decided as the whole is.
    fn seen<'b>(&self, direction: Direction, other: &Party<'b>, decision: &Decision) -> (Seen<'b>, Option<IpAddr>) {
        match other {
            Party::Pod(pod) => (Seen::Pod(pod), None),
            Party::Address(address) => (Seen::Address(address.to_canonical()), None),
            Party::Node { addresses } => {
                let alike =
                    |address: &&IpAddr| self.decide(direction, &Party::Node { addresses: &[**address] }) == *decision;
                match addresses.iter().find(alike) {
                    Some(address) => (Seen::Address(address.to_canonical()), Some(*address)),
                    None => (Seen::Unknown, None),
                }
            }
        }
    }

    fn rules(&self, policy: usize, direction: Direction) -> impl Iterator<Item = Place<'a>> + use<'a> {
        let set = self.set;
        let found = set.policies().get(policy);
        found.into_iter().flat_map(move |found| Place::all(policy, found, rules_of(found, direction)))
    }

    /// Rules that fit, in policies that do not apply to `this` for one reason.
    fn elsewhere(&self, direction: Direction, this: &Pod, isolated_by: &[usize], asked: &Asked) -> Vec<Gap> {
        let others = (0..self.set.policies().len()).filter(|index| isolated_by.binary_search(index).is_err());
        let fitting = others.flat_map(|index| self.rules(index, direction)).filter_map(|place| {
            let gap = asked.gap(place);
            let selection = nearness::selection(place.found, this, direction);
            (gap.admits() && selection.len() == 1).then_some(Gap { selection, ..gap })
        });
        let mut fitting: Vec<Gap> = fitting.collect();
        fitting.sort_by_key(Gap::distance);
        fitting
    }
}

/// The rules as written, also where `policyTypes` leaves the direction out and they mean nothing.
fn rules_of(policy: &NetworkPolicy, direction: Direction) -> &[Rule] {
    match direction {
        Direction::Ingress => &policy.ingress,
        Direction::Egress => &policy.egress,
    }
}

/// One rule, and where it stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    policy: usize,
    found: &'a NetworkPolicy,
    index: usize,
    rule: &'a Rule,
}

impl<'a> Place<'a> {
    fn all(policy: usize, found: &'a NetworkPolicy, rules: &'a [Rule]) -> impl Iterator<Item = Self> {
        rules.iter().enumerate().map(move |(index, rule)| Place { policy, found, index, rule })
    }
}
