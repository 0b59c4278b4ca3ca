//! Puts the decisions of a review to every edge of an observation.

use super::additional::{Additional, Who, Workloads};
use super::book::{Side, both, ends};
use super::decided::{Contradiction, Decided, Unused, WhyUnused};
use super::pattern::{Extent, Pattern, reserved_in};
use super::{Action, Decision, Ports, Review};
use jiff::civil::Date;
use netwright_record::{Edge, Endpoint, FlatSet, Observation};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// See [`Review::apply`].
pub(super) fn decide(review: &Review, observation: &Observation, as_of: Date) -> Decided {
    let decisions = &review.decisions;
    let holding = || decisions.iter().filter(|decision| !decision.expired(as_of));
    let mut sides = [
        Side::new(holding().map(|decision| (decision.number, &decision.client))),
        Side::new(holding().map(|decision| (decision.number, &decision.server))),
    ];
    let expired = decisions.iter().filter(|decision| decision.expired(as_of)).map(|decision| decision.number);
    let mut deciding = Deciding {
        decisions,
        decided: Decided { decisions: decisions.clone(), expired: expired.collect(), ..Decided::default() },
        matched: vec![false; decisions.len()],
        pairs: HashMap::new(),
        additional: BTreeSet::new(),
    };
    if holding().next().is_some() {
        for (number, edge) in observation.edges.iter().enumerate() {
            deciding.edge(number, edge, &mut sides);
        }
    }
    let holding: Vec<&Decision> = holding().collect();
    deciding.finish(&holding, &Workloads::new(observation))
}

struct Deciding<'a> {
    decisions: &'a [Decision],
    decided: Decided,
    /// By decision: whether an edge matched it.
    matched: Vec<bool>,
    /// Decisions that met on an edge, the one that held first.
    pairs: HashMap<(usize, usize), Met>,
    additional: BTreeSet<Additional>,
}

/// What is known of two decisions that met.
enum Met {
    /// They may differ: the first is an exception to the second.
    Exception,
    Contradicting {
        edges: usize,
        edge: usize,
    },
}

/// A decision that is about an edge.
struct Holding<'a> {
    decision: &'a Decision,
    /// The addresses for which it holds; all where there are none.
    addresses: Option<BTreeSet<IpAddr>>,
}

impl Holding<'_> {
    fn is_whole(&self) -> bool {
        self.addresses.is_none()
    }

    fn holds_for(&self, address: IpAddr) -> bool {
        self.addresses.as_ref().is_none_or(|addresses| addresses.contains(&address))
    }

    fn meets(&self, other: &Holding) -> bool {
        match (&self.addresses, &other.addresses) {
            (Some(mine), Some(theirs)) => !mine.is_disjoint(theirs),
            _ => true,
        }
    }
}

impl<'a> Deciding<'a> {
    fn edge(&mut self, number: usize, edge: &'a Edge, sides: &mut [Side<'a>; 2]) {
        let [client, server] = sides;
        let (clients, servers) = (client.about(&edge.client), server.about(&edge.server));
        let mut holding = Vec::new();
        for (decision, extents) in both(&clients, &servers) {
            let Some(decision) = self.decisions.get(decision) else { continue };
            if decision.is_about(&Ports::one(edge.protocol, edge.port)) {
                self.take(number, edge, decision, extents, &mut holding);
            }
        }
        if !holding.is_empty() {
            self.settle(number, edge, &holding);
        }
    }

    fn take(
        &mut self,
        number: usize,
        edge: &Edge,
        decision: &'a Decision,
        extents: [Extent; 2],
        holding: &mut Vec<Holding<'a>>,
    ) {
        let addresses = match extents {
            [Extent::Whole, Extent::Whole] => None,
            _ => Some(addresses_meant(edge, decision, extents)),
        };
        // An exposed server is open to addresses from which nobody came, too.
        let exposed = exposed_to(edge, decision);
        if addresses.as_ref().is_some_and(BTreeSet::is_empty) && exposed.is_none() {
            return;
        }
        if let Some(matched) = self.matched.get_mut(decision.number) {
            *matched = true;
        }
        if decision.action == Action::Note {
            self.decided.notes.entry(number).or_default().push(decision.number);
        } else {
            holding.push(Holding { decision, addresses });
        }
    }

    /// Decides one edge by all that is about it, in the order of the file.
    fn settle(&mut self, number: usize, edge: &Edge, holding: &[Holding<'a>]) {
        let all = addresses_of(edge);
        let mut own = BTreeMap::new();
        for holding in holding.iter().take_while(|holding| !holding.is_whole()) {
            for address in holding.addresses.iter().flatten() {
                own.entry(*address).or_insert(holding.decision);
            }
        }
        let whole = holding.iter().find(|holding| holding.is_whole()).map(|holding| holding.decision);
        let whole = whole.or_else(|| agreed(edge, &all, &own));
        self.decided.whole.extend(whole.map(|decision| (number, decision.number)));
        let own = own.into_iter().map(|(address, decision)| ((number, address), decision.number));
        self.decided.addresses.extend(own);
        self.open(number, &all, holding);
        self.narrow(number, edge, whole, holding);
        self.compare(number, holding);
    }

    /// Metadata and link-local addresses that are allowed by their own name.
    fn open(&mut self, number: usize, all: &BTreeSet<IpAddr>, holding: &[Holding]) {
        for address in all {
            let allowed = self.decided.of_address(number, *address).is_some_and(|of| of.action == Action::Allow);
            let opens =
                |of: &Decision| of.action == Action::Allow && (of.client.opens(*address) || of.server.opens(*address));
            let mut named = holding.iter().filter(|holding| holding.holds_for(*address) && opens(holding.decision));
            if let (true, Some(holding)) = (allowed, named.next()) {
                self.decided.opened.insert((number, *address), holding.decision.number);
            }
        }
    }

    /// Blocks of clients of an exposed server: denied ones are left out of the rule for all; allowed ones get a rule
    /// of their own where there is no rule for all.
    fn narrow(&mut self, number: usize, edge: &Edge, whole: Option<&Decision>, holding: &[Holding]) {
        let closed = whole.is_some_and(|of| matches!(of.action, Action::Deny | Action::Ignore));
        for Holding { decision, .. } in holding {
            let Some(block) = exposed_to(edge, decision) else { continue };
            match (decision.action, edge.server.workload()) {
                (Action::Deny, _) => _ = self.decided.excepted.entry(number).or_default().insert(block),
                (Action::Allow, Some(server)) if closed => {
                    self.additional.insert(Additional {
                        decision: decision.number,
                        edge: Some(number),
                        client: Who::Block { cidr: block, except: reserved_in(&block) },
                        server: Who::Workload(server.clone()),
                        ports: Ports::one(edge.protocol, edge.port),
                    });
                }
                _ => {}
            }
        }
    }

    /// Notes which decisions the first one, and the first about the whole, contradict.
    fn compare(&mut self, number: usize, holding: &[Holding]) {
        let whole = holding.iter().position(|holding| holding.is_whole());
        for place in BTreeSet::from([Some(0), whole]).into_iter().flatten() {
            let Some((first, later)) = holding.get(place..).and_then(<[_]>::split_first) else { continue };
            let other = |second: &&Holding| second.decision.action != first.decision.action && first.meets(second);
            for second in later.iter().filter(other) {
                self.met(number, first.decision, second.decision);
            }
        }
    }

    fn met(&mut self, edge: usize, first: &Decision, second: &Decision) {
        let met = self.pairs.entry((first.number, second.number)).or_insert_with(|| {
            let exception = first.within(second) && !second.within(first);
            if exception { Met::Exception } else { Met::Contradicting { edges: 0, edge } }
        });
        if let Met::Contradicting { edges, .. } = met {
            *edges += 1;
        }
    }

    fn finish(mut self, holding: &[&Decision], workloads: &Workloads) -> Decided {
        for decision in holding {
            self.by_itself(decision, holding, workloads);
        }
        self.decided.additional = std::mem::take(&mut self.additional).into_iter().collect();
        let mut contradicting: Vec<Contradiction> = self.pairs.iter().filter_map(contradiction).collect();
        contradicting.sort_by_key(|pair| (pair.first, pair.second));
        self.decided.contradicting = contradicting;
        self.decided
    }

    /// What a decision allows that was not seen, and whether it is of any use.
    fn by_itself(&mut self, decision: &Decision, holding: &[&Decision], workloads: &Workloads) {
        let earlier = || holding.iter().copied().take_while(|earlier| earlier.number < decision.number);
        let place = |of: &Additional| of.decision == decision.number;
        let in_place_of_edges: Vec<Additional> = self.additional.iter().filter(|of| place(of)).cloned().collect();
        for additional in in_place_of_edges {
            self.additional.remove(&additional);
            self.additional.extend(additional.after(earlier()));
        }
        let matched = self.matched.get(decision.number).is_some_and(|matched| *matched);
        match workloads.named_by(decision).and_then(|additional| additional.after(earlier())) {
            Ok(additional) if matched && additional.is_one_edge() => {}
            Ok(additional) => _ = self.additional.insert(additional),
            Err(WhyUnused::Overruled(by)) => {
                self.pairs.entry((by, decision.number)).or_insert(Met::Contradicting { edges: 0, edge: usize::MAX });
                if !matched {
                    self.decided.unused.push(Unused { decision: decision.number, why: WhyUnused::Overruled(by) });
                }
            }
            Err(why) if !matched => self.decided.unused.push(Unused { decision: decision.number, why }),
            Err(_) => {}
        }
    }
}

fn contradiction((pair, met): (&(usize, usize), &Met)) -> Option<Contradiction> {
    let Met::Contradicting { edges, edge } = met else { return None };
    Some(Contradiction { first: pair.0, second: pair.1, edges: *edges, edge: (*edges > 0).then_some(*edge) })
}

/// The one decision that all addresses of an end outside come to, if they were all kept and all come to the same. What
/// is allowed of clients of an exposed server says nothing about the others.
fn agreed<'a>(edge: &Edge, all: &BTreeSet<IpAddr>, own: &BTreeMap<IpAddr, &'a Decision>) -> Option<&'a Decision> {
    let mut decisions = all.iter().map(|address| own.get(address).copied());
    let first = decisions.next()??;
    let same = decisions.all(|decision| decision.is_some_and(|of| of.action == first.action));
    let partial = edge.client == Endpoint::Internet && first.action == Action::Allow;
    (same && edge.addresses_dropped == 0 && !partial).then_some(first)
}

/// The addresses of the ends outside the cluster, as far as they were kept, and of link-local ends.
fn addresses_of(edge: &Edge) -> BTreeSet<IpAddr> {
    let seen = [&edge.client_addresses, &edge.server_addresses];
    ends(edge).into_iter().zip(seen).flat_map(|(end, seen)| addresses_of_end(end, seen)).collect()
}

fn addresses_of_end(end: &Endpoint, seen: &FlatSet<IpAddr>) -> BTreeSet<IpAddr> {
    let (own, seen) = match end {
        Endpoint::External { address } | Endpoint::LinkLocal { address } => (Some(*address), Some(seen)),
        Endpoint::ExternalName { .. } | Endpoint::Internet => (None, Some(seen)),
        _ => (None, None),
    };
    own.into_iter().chain(seen.into_iter().flatten().copied()).map(|address| address.to_canonical()).collect()
}

/// The addresses of an edge for which a decision holds that is about addresses at one end, or at both.
fn addresses_meant(edge: &Edge, decision: &Decision, extents: [Extent; 2]) -> BTreeSet<IpAddr> {
    let [client, server] = [
        (&edge.client, &decision.client, &edge.client_addresses, extents[0]),
        (&edge.server, &decision.server, &edge.server_addresses, extents[1]),
    ]
    .map(|(end, pattern, seen, extent)| {
        let mut addresses = addresses_of_end(end, seen);
        if extent == Extent::Addresses {
            addresses.retain(|address| pattern.holds(*address));
        }
        (extent, addresses)
    });
    match (client, server) {
        ((Extent::Addresses, client), (Extent::Addresses, server)) if client.is_empty() || server.is_empty() => {
            BTreeSet::new()
        }
        ((Extent::Addresses, client), (Extent::Addresses, server)) => &client | &server,
        ((Extent::Addresses, client), _) => client,
        (_, (_, server)) => server,
    }
}

/// The block that a decision means of the clients of an exposed server.
fn exposed_to(edge: &Edge, decision: &Decision) -> Option<ipnet::IpNet> {
    match &decision.client {
        Pattern::Block(block) if edge.client == Endpoint::Internet => Some(*block),
        _ => None,
    }
}
