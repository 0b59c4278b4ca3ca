//! What decisions allow that no edge stands for: a job that runs once a quarter, the office's addresses instead of the
//! whole internet.

use super::decided::WhyUnused;
use super::pattern::{Extent, Pattern, reserved_in};
use super::{Action, Decision, Ports};
use ipnet::IpNet;
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Endpoint, Observation};
use std::collections::{BTreeMap, BTreeSet};

/// Something to allow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Additional {
    /// By which decision.
    pub decision: usize,
    /// The edge in whose place it stands, where it narrows the access of the internet to an exposed server.
    pub edge: Option<usize>,
    /// Who may connect.
    pub client: Who,
    /// To whom. At least one of the two is a workload.
    pub server: Who,
    /// The protocol and the ports, as the server's pods see them.
    pub ports: Ports,
}

/// An end that a decision names exactly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A workload of the observation.
    Workload(WorkloadRef),
    /// Addresses.
    Block {
        /// The block.
        cidr: IpNet,
        /// What of it is not meant: denied before, or metadata and link-local addresses.
        except: BTreeSet<IpNet>,
    },
}

/// Looked up by namespace and name.
pub(super) struct Workloads<'a> {
    kinds: BTreeMap<(&'a str, &'a str), BTreeSet<&'a WorkloadRef>>,
}

impl<'a> Workloads<'a> {
    pub(super) fn new(observation: &'a Observation) -> Self {
        let inventory = &observation.inventory;
        let declared = inventory.workloads.iter().map(|workload| &workload.workload);
        let running = inventory.pods.iter().map(|pod| &pod.workload);
        let talking = observation.edges.iter().flat_map(|edge| [&edge.client, &edge.server]);
        let mut kinds = BTreeMap::<_, BTreeSet<_>>::new();
        for workload in declared.chain(running).chain(talking.filter_map(Endpoint::workload)) {
            kinds.entry((workload.namespace.as_str(), workload.name.as_str())).or_default().insert(workload);
        }
        Self { kinds }
    }

    /// Whom a pattern names exactly; `side` is for the reason.
    fn who(&self, pattern: &Pattern, side: &'static str) -> Result<Who, WhyUnused> {
        if let Pattern::Block(cidr) = pattern {
            return Ok(Who::Block { cidr: *cidr, except: reserved_in(cidr) });
        }
        let (namespace, kind, name) = pattern.exact_workload().ok_or(WhyUnused::NoEdge)?;
        let known = self.kinds.get(&(namespace, name)).into_iter().flatten();
        let mut meant = known.filter(|workload| kind.is_none_or(|kind| kind == workload.kind));
        match (meant.next(), meant.next()) {
            (Some(workload), None) => Ok(Who::Workload((*workload).clone())),
            (None, _) => Err(WhyUnused::NoWorkload(side)),
            (Some(_), Some(_)) => Err(WhyUnused::SeveralWorkloads(side)),
        }
    }

    /// What `decision` allows by itself, edge or no edge.
    pub(super) fn named_by(&self, decision: &Decision) -> Result<Additional, WhyUnused> {
        if decision.action != Action::Allow {
            return Err(WhyUnused::NoEdge);
        }
        let client = self.who(&decision.client, "client")?;
        let server = self.who(&decision.server, "server")?;
        if matches!((&client, &server), (Who::Block { .. }, Who::Block { .. })) {
            return Err(WhyUnused::NoEdge);
        }
        let ports = decision.ports.ok_or(WhyUnused::NoPort)?;
        Ok(Additional { decision: decision.number, edge: None, client, server, ports })
    }
}

impl Additional {
    /// Takes out what `earlier` decisions deny or ignore: blocks become exceptions.
    ///
    /// # Errors
    ///
    /// They take all of it, or a part that is no block of addresses.
    pub(super) fn after<'d>(mut self, earlier: impl Iterator<Item = &'d Decision>) -> Result<Self, WhyUnused> {
        for decision in earlier.filter(|decision| matches!(decision.action, Action::Deny | Action::Ignore)) {
            let [client, server] = [(&self.client, &decision.client), (&self.server, &decision.server)]
                .map(|(who, pattern)| who.overlap(pattern));
            let ports = decision.ports.is_none_or(|ports| ports.overlaps(&self.ports));
            let overlap = (client, server, ports && decision.is_about(&self.ports));
            match overlap {
                (Overlap::None, _, _) | (_, Overlap::None, _) => {}
                _ if !ports => {}
                (Overlap::Block(block), Overlap::All, true) => self.client.except(block),
                (Overlap::All, Overlap::Block(block), true) => self.server.except(block),
                _ => return Err(WhyUnused::Overruled(decision.number)),
            }
        }
        Ok(self)
    }
}

impl Additional {
    /// Whether it is just what one edge between two workloads is.
    pub(super) fn is_one_edge(&self) -> bool {
        let workloads = [&self.client, &self.server].iter().all(|who| matches!(who, Who::Workload(_)));
        workloads && self.ports.first == self.ports.last
    }
}

/// How much of an end a pattern means.
#[derive(Clone, Copy)]
enum Overlap {
    None,
    All,
    /// A part.
    Block(IpNet),
}

impl Who {
    fn overlap(&self, pattern: &Pattern) -> Overlap {
        match (self, pattern) {
            (Who::Workload(workload), _) => match pattern.extent(&Endpoint::Workload(workload.clone())) {
                Some(Extent::Whole) => Overlap::All,
                _ => Overlap::None,
            },
            (Who::Block { cidr, .. }, Pattern::Block(block)) if block.contains(cidr) => Overlap::All,
            (Who::Block { cidr, .. }, Pattern::Block(block)) if cidr.contains(block) => Overlap::Block(*block),
            (Who::Block { cidr, .. }, _) if Pattern::Block(*cidr).within(pattern) => Overlap::All,
            // What is not a block of metadata or link-local addresses holds them as exceptions already.
            (Who::Block { .. }, _) => Overlap::None,
        }
    }

    fn except(&mut self, block: IpNet) {
        if let Who::Block { except, .. } = self {
            except.insert(block);
        }
    }
}
