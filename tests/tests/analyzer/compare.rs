//! One case, asked of both: every ordered pair of pods, and every pod against the ends of every block and their
//! neighbours outside, on every port that a policy or a pod names and its neighbours, for each protocol.

use crate::generate::Case;
use netwright_policy::{Classes, Cluster, Direction, Party, Pod, PolicySet, Ports, Protocol, Relation, Source};
use netwright_policy::{Peer, Rule};
use netwright_tests::oracle::{Oracle, Permission};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What the analyzer says about one case: all policies, and each direction as if the other isolated nobody.
pub(super) struct Answers {
    pub(super) whole: Oracle,
    pub(super) egress: Oracle,
    pub(super) ingress: Oracle,
}

/// What a run came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Questions answered by both: two ends, protocol, port, and in the halves the direction.
    pub(super) compared: usize,
    /// Those of them that both allow.
    pub(super) allowed: usize,
    /// Answers of the relation of all pairs held against verdicts.
    pub(super) related: usize,
    /// Questions left out: a named port beside an ipBlock of egress, where the analyzer sees an address without port names.
    pub(super) left_out: usize,
    /// Each answer that differs, with its question.
    pub(super) disagreements: Vec<String>,
}

/// A policy set with its cluster, as both sides are asked about it.
pub(super) struct Compared {
    set: PolicySet,
    cluster: Cluster,
    pods: Vec<Pod>,
    /// The same pods without addresses, as the analyzer sees them.
    bare: Vec<Pod>,
    targets: Vec<(Protocol, u16)>,
    addresses: BTreeSet<IpAddr>,
}

impl Compared {
    pub(super) fn new(case: &Case) -> Self {
        let text = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": case.policies}).to_string();
        let set = PolicySet::parse(&[Source { name: "case.json".into(), text }]).unwrap().policies;
        let cluster = Cluster { namespaces: case.namespaces.clone(), ..Cluster::default() };
        let bare = |pod: &Pod| Pod { addresses: Vec::new(), ..pod.clone() };
        let (targets, addresses) = (targets(&set, &case.pods), addresses(&set, &case.pods));
        Self { set, cluster, pods: case.pods.clone(), bare: case.pods.iter().map(bare).collect(), targets, addresses }
    }

    /// Compares all there is to compare.
    pub(super) fn compare(&self, answers: &Answers, tally: &mut Tally) {
        self.whole(&answers.whole, tally);
        self.halves(answers, tally);
        self.relation(tally);
    }

    /// Pods without addresses: the answers as they are, policies of both directions at once.
    fn whole(&self, oracle: &Oracle, tally: &mut Tally) {
        for (from, to) in self.pairs(&self.bare) {
            let theirs = oracle.between(&name(from), &name(to)).to_vec();
            self.ask(&Party::Pod(from), &Party::Pod(to), &theirs, tally);
        }
        for pod in &self.bare {
            for &address in &self.addresses {
                let (outside, inside) = (Party::Address(address), Party::Pod(pod));
                self.ask(&outside, &inside, &oracle.from_address(address, &name(pod)), tally);
                self.ask(&inside, &outside, &oracle.to_address(&name(pod), address), tally);
            }
        }
    }

    fn ask(&self, from: &Party, to: &Party, theirs: &[Permission], tally: &mut Tally) {
        for &(protocol, port) in &self.targets {
            let ours = self.set.verdict(&self.cluster, from, to, protocol, port).allowed();
            tally.note(ours, covers(theirs, protocol, port), || format!("{from:?} to {to:?}, {protocol} {port}"));
        }
    }

    /// Pods with their addresses, each direction apart. To the analyzer a pod is no address, so what a rule admits by an
    /// ipBlock is its answer about the address: a pod is admitted as itself or as one of its addresses.
    fn halves(&self, answers: &Answers, tally: &mut Tally) {
        let ambiguous = self.names_a_port_beside_a_block();
        for (from, to) in self.pairs(&self.pods) {
            let mut ingress = answers.ingress.between(&name(from), &name(to)).to_vec();
            ingress.extend(from.addresses.iter().flat_map(|it| answers.ingress.from_address(*it, &name(to))));
            let mut egress = answers.egress.between(&name(from), &name(to)).to_vec();
            egress.extend(to.addresses.iter().flat_map(|it| answers.egress.to_address(&name(from), *it)));
            for &(protocol, port) in &self.targets {
                let what = |direction| format!("{direction:?} of {from:?} to {to:?}, {protocol} {port}");
                let ours = self.set.verdict(&self.cluster, &Party::Pod(from), &Party::Pod(to), protocol, port);
                let theirs = covers(&ingress, protocol, port);
                tally.note(ours.ingress.allows(), theirs, || what(Direction::Ingress));
                if ambiguous && !to.addresses.is_empty() {
                    tally.left_out += 1;
                    continue;
                }
                tally.note(ours.egress.allows(), covers(&egress, protocol, port), || what(Direction::Egress));
            }
        }
    }

    /// The relation of all pairs says what the verdicts say.
    fn relation(&self, tally: &mut Tally) {
        let classes = Classes::new(&[&self.set], &self.cluster, &self.pods);
        let relation = Relation::new(&classes, &self.set);
        let class = |pod: &Pod| classes.of_pod(self.pods.iter().position(|it| it == pod).unwrap());
        for (from, to) in self.pairs(&self.pods) {
            let ports = relation.between(class(from), class(to));
            for &(protocol, port) in &self.targets {
                let verdict = self.set.verdict(&self.cluster, &Party::Pod(from), &Party::Pod(to), protocol, port);
                let what = || format!("relation of {from:?} to {to:?}, {protocol} {port}");
                tally.relate(ports.contains(protocol, port), verdict.allowed(), what);
            }
        }
        for pod in &self.pods {
            for &address in &self.addresses {
                let (range, party) = (classes.range_of(address), Party::Address(address));
                for &(protocol, port) in &self.targets {
                    let what = || format!("relation of {pod:?} and {address}, {protocol} {port}");
                    let out = self.set.verdict(&self.cluster, &Party::Pod(pod), &party, protocol, port).allowed();
                    tally.relate(relation.to_range(class(pod), range).contains(protocol, port), out, what);
                    let into = self.set.verdict(&self.cluster, &party, &Party::Pod(pod), protocol, port).allowed();
                    tally.relate(relation.from_range(range, class(pod)).contains(protocol, port), into, what);
                }
            }
        }
    }

    fn pairs<'a>(&self, pods: &'a [Pod]) -> impl Iterator<Item = (&'a Pod, &'a Pod)> + use<'a> {
        pods.iter().flat_map(move |from| pods.iter().filter(move |to| *to != from).map(move |to| (from, to)))
    }

    fn names_a_port_beside_a_block(&self) -> bool {
        let rules = self.set.policies().iter().filter_map(|policy| policy.rules(Direction::Egress)).flatten();
        let named = |rule: &Rule| rule.ports.iter().flatten().any(|range| matches!(range.ports, Ports::Name(_)));
        let block = |rule: &Rule| rule.peers.iter().flatten().any(|peer| matches!(peer, Peer::IpBlock(_)));
        rules.into_iter().any(|rule| named(rule) && block(rule))
    }
}

impl Tally {
    /// The analyzer's answer against the verdict.
    fn note(&mut self, ours: bool, theirs: bool, what: impl Fn() -> String) {
        self.compared += 1;
        self.allowed += usize::from(ours && theirs);
        self.hold(ours, theirs, what);
    }

    /// The verdict against the relation's answer.
    fn relate(&mut self, ours: bool, verdict: bool, what: impl Fn() -> String) {
        self.related += 1;
        self.hold(ours, verdict, what);
    }

    fn hold(&mut self, ours: bool, theirs: bool, what: impl Fn() -> String) {
        if ours != theirs {
            self.disagreements.push(format!("{}: here {ours}, there {theirs}", what()));
        }
    }
}

pub(super) fn covers(permissions: &[Permission], protocol: Protocol, port: u16) -> bool {
    let protocol = match protocol {
        Protocol::Tcp => netwright_record::Protocol::Tcp,
        Protocol::Udp => netwright_record::Protocol::Udp,
        Protocol::Sctp => netwright_record::Protocol::Sctp,
    };
    permissions.iter().any(|it| it.covers(protocol, port))
}

fn name(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace, pod.name)
}

fn rules(set: &PolicySet) -> impl Iterator<Item = &Rule> {
    set.policies().iter().flat_map(|policy| policy.ingress.iter().chain(&policy.egress))
}

/// Every port where an answer may change, and one beside it, for each protocol.
fn targets(set: &PolicySet, pods: &[Pod]) -> Vec<(Protocol, u16)> {
    let named = pods.iter().flat_map(|pod| pod.ports.iter().map(|port| port.port));
    let ranges = rules(set).flat_map(|rule| rule.ports.iter().flatten());
    let numbers = ranges.flat_map(|range| match &range.ports {
        Ports::Numbers { first, last } => vec![*first, *last],
        Ports::All | Ports::Name(_) => Vec::new(),
    });
    let around = |port: u16| [port.saturating_sub(1), port, port.saturating_add(1)];
    let ports: BTreeSet<u16> =
        named.chain(numbers).chain([1, 65535]).flat_map(around).filter(|port| *port > 0).collect();
    Protocol::ALL.into_iter().flat_map(|protocol| ports.iter().map(move |port| (protocol, *port))).collect()
}

/// The ends of every block and their neighbours, without those that a pod holds.
fn addresses(set: &PolicySet, pods: &[Pod]) -> BTreeSet<IpAddr> {
    let peers = rules(set).flat_map(|rule| rule.peers.iter().flatten());
    let blocks = peers.filter_map(|peer| match peer {
        Peer::IpBlock(block) => Some(block),
        Peer::Pods { .. } => None,
    });
    let nets = blocks.flat_map(|block| block.except.iter().chain([&block.cidr]));
    let ends = nets.flat_map(|net| [net.network(), net.broadcast()]);
    let mut found: BTreeSet<IpAddr> = ends.flat_map(|end| [Some(end), step(end, -1), step(end, 1)]).flatten().collect();
    found.retain(|address| !pods.iter().any(|pod| pod.addresses.contains(address)));
    found
}

/// The address that many further on, in the same family.
fn step(address: IpAddr, by: i8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(four) => u32::from(four).checked_add_signed(by.into()).map(|it| IpAddr::V4(it.into())),
        IpAddr::V6(six) => u128::from(six).checked_add_signed(by.into()).map(|it| IpAddr::V6(it.into())),
    }
}
