//! What nodes say about edges, in a form that can be added up: the same whatever the order, and whatever the portions.
//!
//! A node sees one end of a connection. Which edge that makes often shows only together with what others saw: which
//! backends of a Service answered, what listens at a port of a node, who spoke first. So flows become statements, each about
//! a [`Subject`]; statements of weeks are summed, kept and loaded again; and [`super::Resolver::finish`] draws the conclusions.

use super::index::Target;
use super::sighting::{Ambiguous, Direct, Key, Side, Through};
use foldhash::fast::RandomState;
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Activity, Direction, Endpoint, FlatSet, Flow, Local, Name, Protocol, ServiceRef};
use serde::{Deserialize, Serialize};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// What a statement is about. Two statements about one subject are added up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum Subject {
    /// An edge, seen at one of its ends.
    Edge {
        /// The edge.
        #[serde(flatten)]
        key: Key,
        /// The end.
        side: Side,
    },
    /// A client's traffic to a port of a node; what listens there others know.
    ToNode {
        /// The client.
        client: Endpoint,
        /// The node's name.
        node: Name,
        /// The transport protocol.
        protocol: Protocol,
        /// The port.
        port: u16,
    },
    /// A client's use of a Service that more than one endpoint may answer for.
    Through {
        /// The client.
        client: Endpoint,
        /// The Service and its port.
        service: ServiceRef,
        /// The transport protocol.
        protocol: Protocol,
        /// What may have answered, with the target port; sorted.
        targets: Vec<(Endpoint, u16)>,
    },
    /// A conversation of which nobody saw the first word.
    Ambiguous {
        /// The node that saw it.
        node: Name,
        /// The end on that node.
        local: Local,
        /// The transport protocol.
        protocol: Protocol,
        /// The other end.
        remote: IpAddr,
        /// The local port.
        port: u16,
        /// The remote port.
        remote_port: Option<u16>,
        /// The edge, if the local end was the client.
        as_client: Option<Key>,
        /// The edge, if it was the server.
        as_server: Option<Key>,
        /// Differs between the two ends of one conversation.
        side: Side,
    },
    /// A connection that a sidecar took: between these two something was said, on a port that only the client saw.
    BehindSidecar {
        /// The client.
        client: Endpoint,
        /// The server.
        server: Endpoint,
    },
    /// Something on a node was seen to answer at a port.
    Listener {
        /// The node's name.
        node: Name,
        /// The transport protocol.
        protocol: Protocol,
        /// The port.
        port: u16,
        /// The host-network workload; absent for a process of the node itself.
        workload: Option<WorkloadRef>,
    },
    /// A node that reports what arrives at it.
    Watched {
        /// The node's name.
        node: Name,
    },
}

impl Subject {
    /// The client, where the subject is a client's traffic.
    pub fn client(&self) -> Option<&Endpoint> {
        match self {
            Self::Edge { key, .. } => Some(&key.client),
            Self::ToNode { client, .. } | Self::Through { client, .. } | Self::BehindSidecar { client, .. } => {
                Some(client)
            }
            Self::Ambiguous { .. } | Self::Listener { .. } | Self::Watched { .. } => None,
        }
    }

    /// The server, where it is known.
    pub fn server(&self) -> Option<&Endpoint> {
        match self {
            Self::Edge { key, .. } => Some(&key.server),
            Self::BehindSidecar { server, .. } => Some(server),
            _ => None,
        }
    }
}

/// What was said about one subject so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// How often, and when; absent where nothing was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
    /// The Services that the client used.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub services: BTreeSet<ServiceRef>,
    /// Addresses of a client that is known by address.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub client_addresses: BTreeSet<IpAddr>,
    /// Addresses of a server that is known by address.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub server_addresses: BTreeSet<IpAddr>,
    /// Addresses that were left out of the two sets above; at least so many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub addresses_dropped: u64,
    /// The nodes that said it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub nodes: BTreeSet<Name>,
    /// The names by which the local end of an ambiguous conversation knew the other.
    #[serde(default, skip_serializing_if = "FlatSet::is_empty")]
    pub names: FlatSet<Name>,
    /// For [`Subject::Through`], what is known of each of its targets, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Statement {
    /// Adds what `other` says about the same subject.
    pub fn merge(&mut self, other: Statement) {
        match (&mut self.activity, other.activity) {
            (Some(mine), Some(theirs)) => mine.merge(&theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
        self.services.extend(other.services);
        self.client_addresses.extend(other.client_addresses);
        self.server_addresses.extend(other.server_addresses);
        self.addresses_dropped = self.addresses_dropped.max(other.addresses_dropped);
        self.nodes.extend(other.nodes);
        self.names.extend(other.names);
        match self.targets.is_empty() {
            true => self.targets = other.targets,
            false => {
                self.targets.iter_mut().zip(other.targets).for_each(|(mine, theirs)| mine.merge(theirs));
            }
        }
    }

    /// Keeps no more than `most` addresses of each end, the lowest ones, and counts the others.
    pub fn bound_addresses(&mut self, most: usize) {
        let mut dropped = 0;
        for addresses in [&mut self.client_addresses, &mut self.server_addresses] {
            while addresses.len() > most {
                addresses.pop_last();
                dropped += 1;
            }
        }
        self.addresses_dropped = self.addresses_dropped.max(dropped);
    }

    fn counted(flow: &Flow) -> Self {
        let nodes = BTreeSet::from([flow.node.clone()]);
        Self { activity: Some(flow.activity.clone()), nodes, ..Self::default() }
    }
}

/// Statements by their subjects.
#[derive(Debug, Clone, Default)]
pub struct Statements {
    by_subject: HashMap<Subject, Statement, RandomState>,
}

impl Statements {
    /// Adds one statement. O(size of the statement).
    pub fn add(&mut self, subject: Subject, statement: Statement) {
        match self.by_subject.entry(subject) {
            Entry::Occupied(mut known) => known.get_mut().merge(statement),
            Entry::Vacant(vacant) => {
                vacant.insert(statement);
            }
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: Statements) {
        for (subject, statement) in other.by_subject {
            self.add(subject, statement);
        }
    }

    /// How many subjects there are.
    pub fn len(&self) -> usize {
        self.by_subject.len()
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.by_subject.is_empty()
    }

    /// What was said about each subject, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Subject, &Statement)> {
        self.by_subject.iter()
    }

    /// Takes them out in the order of their subjects.
    pub fn into_sorted(self) -> BTreeMap<Subject, Statement> {
        self.by_subject.into_iter().collect()
    }

    /// Notes that the node of `flow` is watched, if the flow shows it.
    pub(super) fn watch(&mut self, flow: &Flow) {
        if flow.direction == Direction::Ingress {
            self.note(Subject::Watched { node: flow.node.clone() });
        }
    }

    /// Says something that needs no words besides.
    pub(super) fn note(&mut self, subject: Subject) {
        self.by_subject.entry(subject).or_default();
    }

    /// Adds a flow of which both ends have a name.
    pub(super) fn direct(&mut self, flow: &Flow, direct: Direct) {
        let Direct { key, side, client_address, server_address, listener_unknown } = direct;
        let subject = match (&key.server, listener_unknown) {
            (Endpoint::Node { name, .. }, true) => {
                Subject::ToNode { client: key.client, node: name.clone(), protocol: key.protocol, port: key.port }
            }
            _ => Subject::Edge { key, side },
        };
        let statement = Statement {
            client_addresses: client_address.into_iter().collect(),
            server_addresses: server_address.into_iter().collect(),
            ..Statement::counted(flow)
        };
        self.add(subject, statement);
    }

    /// Adds a flow to a Service. Where only one endpoint can have answered, there is nothing left to find out.
    pub(super) fn through(&mut self, flow: &Flow, through: Through) {
        let Through { client, client_address, service, protocol, targets, at_node } = through;
        if let Some(direct) = at_node {
            let subject = Subject::Edge { key: direct.key.clone(), side: direct.side };
            self.add(subject, Statement { services: BTreeSet::from([service.clone()]), ..Statement::default() });
            self.direct(flow, direct);
        }
        let counted = Statement { client_addresses: client_address.into_iter().collect(), ..Statement::counted(flow) };
        let mut all = targets.iter();
        if let (Some(((server, port), target)), None) = (all.next(), all.next()) {
            let key = Key { client, server: server.clone(), protocol, port: *port };
            let (services, server_addresses) = (BTreeSet::from([service]), target.addresses.clone());
            let statement = Statement { services, server_addresses, ..counted };
            return self.add(Subject::Edge { key, side: Side::Client }, statement);
        }
        let subject = Subject::Through { client, service, protocol, targets: targets.keys().cloned().collect() };
        self.add(subject, Statement { targets: targets.values().cloned().collect(), ..counted });
    }

    /// Adds a flow whose direction is not known yet.
    pub(super) fn ambiguous(&mut self, flow: &Flow, ambiguous: Ambiguous) {
        let subject = Subject::Ambiguous {
            node: flow.node.clone(),
            local: flow.local.clone(),
            protocol: flow.protocol,
            remote: flow.remote,
            port: flow.port,
            remote_port: flow.remote_port,
            as_client: ambiguous.as_client.ok(),
            as_server: ambiguous.as_server.ok(),
            side: ambiguous.side,
        };
        self.add(subject, Statement { names: flow.names.clone(), ..Statement::counted(flow) });
    }
}
