//! What the checks ask again and again, worked out once: which pods a selector selects, which policies isolate which
//! pods, whose an address is, where cluster DNS is. For every check.

mod addresses;
mod dns;
mod groups;
mod named;
mod population;
mod ports;

pub(super) use addresses::Addresses;
pub(super) use dns::Dns;
pub(super) use groups::{Group, Groups};
pub(super) use named::Named;
pub(super) use population::Population;
pub(super) use ports::{all_ports, may_use, ports_for};

use super::field::{Field, Part};
use super::input::{Input, Service, Subject};
use crate::shorthand::{ShortPeer, ShortPolicy, ShortRule};
use crate::{Direction, IpBlock, NetworkPolicy, Peer, PolicySet, Rule, Selector};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The label by which a namespace or a pod joins an ambient mesh, or a pod leaves it.
pub(super) const DATAPLANE_MODE: &str = "istio.io/dataplane-mode";

/// What every cluster has (Kubernetes documentation, "Initial namespaces"), whether it is listed or not.
const INITIAL_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// The facts. Numbers of policies are their indexes in the set.
pub(super) struct Facts<'a> {
    pub(super) input: Input<'a>,
    /// Pods with addresses of their own.
    pub(super) pods: Population<'a>,
    /// Host-network pods: a policy means them by their labels and never meets them.
    pub(super) hosts: Population<'a>,
    selected: Vec<Rc<Groups>>,
    isolating: [OnceCell<Vec<Vec<usize>>>; 2],
    addresses: OnceCell<Addresses<u32>>,
    node_addresses: OnceCell<Addresses<usize>>,
    cluster_ips: OnceCell<Addresses<usize>>,
    dns: OnceCell<Option<Dns>>,
}

/// A rule that counts, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    /// The index of the policy.
    pub(super) index: usize,
    pub(super) direction: Direction,
    /// The index of the rule.
    pub(super) number: usize,
    pub(super) rule: &'a Rule,
    /// The same in numbers.
    short: &'a ShortRule,
}

impl<'a> At<'a> {
    pub(super) fn whole(&self) -> Field {
        Field::Rule { direction: self.direction, rule: self.number, part: None }
    }

    pub(super) fn part(&self, part: Part) -> Field {
        Field::Rule { direction: self.direction, rule: self.number, part: Some(part) }
    }

    /// The peers of the rule; none where it is for every peer.
    pub(super) fn peers(&self) -> impl Iterator<Item = (usize, &'a Peer)> + use<'a> {
        self.rule.peers.iter().flatten().enumerate()
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = (usize, &'a IpBlock)> + use<'a> {
        self.peers().filter_map(|(number, peer)| match peer {
            Peer::IpBlock(block) => Some((number, block)),
            Peer::Pods { .. } => None,
        })
    }

    /// The peers that are pods: their place, namespaceSelector and podSelector.
    pub(super) fn selectors(&self) -> impl Iterator<Item = Selectors<'a>> + use<'a> {
        let short = self.short.peers.iter().flatten();
        self.peers().zip(short).filter_map(|((place, peer), short)| match peer {
            Peer::Pods { namespaces, pods } => {
                Some(Selectors { place, namespaces: namespaces.as_ref(), pods: pods.as_ref(), short: *short })
            }
            Peer::IpBlock(_) => None,
        })
    }
}

/// A peer that selects pods.
#[derive(Clone, Copy)]
pub(super) struct Selectors<'a> {
    pub(super) place: usize,
    pub(super) namespaces: Option<&'a Selector>,
    pub(super) pods: Option<&'a Selector>,
    /// The same in numbers.
    short: ShortPeer,
}

impl<'a> Facts<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        let keys = mentioned_keys(&input);
        let known = input.cluster.namespaces.keys().map(String::as_str);
        let namespaces: BTreeSet<&str> = known
            .chain(input.pods.iter().map(|subject| subject.pod.namespace.as_str()))
            .chain(INITIAL_NAMESPACES)
            .collect();
        let population = |host_network: bool| {
            let subjects = input.pods.iter().filter(move |subject: &&Subject| subject.host_network == host_network);
            Population::new(&input, &namespaces, subjects, &keys)
        };
        let pods = population(false);
        let select = |policy: &ShortPolicy| pods.select(policy.selected());
        Self {
            input,
            selected: input.policies.shorthand().policies.iter().map(select).collect(),
            hosts: population(true),
            pods,
            isolating: Default::default(),
            addresses: OnceCell::new(),
            node_addresses: OnceCell::new(),
            cluster_ips: OnceCell::new(),
            dns: OnceCell::new(),
        }
    }

    /// Whether any pod is known, so that selecting none means something.
    pub(super) fn knows_pods(&self) -> bool {
        !self.input.pods.is_empty()
    }

    pub(super) fn policies(&self) -> impl Iterator<Item = (usize, &'a NetworkPolicy)> + use<'a> {
        self.input.policies.policies().iter().enumerate()
    }

    /// The rules of all policies in the directions that they isolate.
    pub(super) fn rules(&self) -> impl Iterator<Item = At<'a>> + use<'a> {
        let set = self.input.policies;
        let both = move |index| [Direction::Ingress, Direction::Egress].map(|direction| rules(set, index, direction));
        (0..set.policies().len()).flat_map(both).flatten()
    }

    /// The rules of one policy in a direction that it isolates.
    pub(super) fn rules_of(&self, index: usize, direction: Direction) -> impl Iterator<Item = At<'a>> + use<'a> {
        rules(self.input.policies, index, direction)
    }

    /// The pods that a policy selects.
    pub(super) fn selected(&self, policy: usize) -> Rc<Groups> {
        self.selected.get(policy).cloned().unwrap_or_default()
    }

    /// The host-network pods that a policy means, and does not apply to.
    pub(super) fn selected_hosts(&self, policy: usize) -> Rc<Groups> {
        let policy = self.input.policies.shorthand().policies.get(policy);
        policy.map(|policy| self.hosts.select(policy.selected())).unwrap_or_default()
    }

    /// The pods that a peer selects.
    pub(super) fn peer(&self, peer: &Selectors<'a>) -> Rc<Groups> {
        self.pods.select(peer.short)
    }

    /// The host-network pods that a peer means, and does not match.
    pub(super) fn peer_hosts(&self, peer: &Selectors<'a>) -> Rc<Groups> {
        self.hosts.select(peer.short)
    }

    /// Whether a peer names namespaces by a selector that selects none.
    pub(super) fn has_no_namespace(&self, peer: &Selectors<'a>) -> bool {
        peer.namespaces.is_some() && self.pods.places(peer.short).names.is_empty()
    }

    /// Whether a peer looks in a namespace of which nothing is known but that it is there.
    pub(super) fn is_unknown(&self, peer: &Selectors<'a>) -> bool {
        let is_unknown = |name: &&str| !self.input.cluster.namespaces.contains_key(*name);
        let is_empty = |name: &&str| self.pods.is_empty(name) && self.hosts.is_empty(name);
        peer.namespaces.is_some()
            && self.pods.places(peer.short).names.iter().any(|name| is_unknown(name) && is_empty(name))
    }

    /// The policies that isolate a group of pods, in ascending order.
    pub(super) fn isolating(&self, direction: Direction, group: usize) -> &[usize] {
        let cell = match direction {
            Direction::Ingress => &self.isolating[0],
            Direction::Egress => &self.isolating[1],
        };
        let lists = cell.get_or_init(|| {
            let mut lists = vec![Vec::new(); self.pods.groups.len()];
            for (index, _) in self.policies().filter(|(_, policy)| policy.rules(direction).is_some()) {
                for group in self.selected(index).iter() {
                    lists.get_mut(group).into_iter().for_each(|list: &mut Vec<usize>| list.push(index));
                }
            }
            lists
        });
        lists.get(group).map(Vec::as_slice).unwrap_or_default()
    }

    /// The names of the workloads of groups.
    pub(super) fn workloads(&self, groups: &Groups) -> Named {
        self.pods.members(groups).map(Group::name).collect()
    }

    /// Addresses of pods, with the number of their place in the input.
    pub(super) fn addresses(&self) -> &Addresses<u32> {
        self.addresses.get_or_init(|| {
            let subjects = (0_u32..).zip(self.input.pods).filter(|(_, subject)| !subject.host_network);
            Addresses::new(
                subjects
                    .flat_map(|(number, subject)| subject.pod.addresses.iter().map(move |address| (*address, number))),
            )
        })
    }

    /// Addresses of nodes, with their index.
    pub(super) fn node_addresses(&self) -> &Addresses<usize> {
        self.node_addresses.get_or_init(|| {
            let nodes = self.input.nodes.iter().enumerate();
            Addresses::new(
                nodes.flat_map(|(number, node)| node.addresses.iter().map(move |address| (*address, number))),
            )
        })
    }

    /// ClusterIPs, with the index of their Service.
    pub(super) fn cluster_ips(&self) -> &Addresses<usize> {
        self.cluster_ips.get_or_init(|| {
            let services = self.input.services.iter().enumerate();
            Addresses::new(
                services.flat_map(|(number, service)| service.cluster_ips.iter().map(move |ip| (*ip, number))),
            )
        })
    }

    /// `shop/Deployment/cart` for the number of a pod.
    pub(super) fn pod_name(&self, number: u32) -> String {
        let subject = usize::try_from(number).ok().and_then(|number| self.input.pods.get(number));
        subject
            .map(|subject| format!("{}/{}/{}", subject.pod.namespace, subject.kind, subject.workload))
            .unwrap_or_default()
    }

    /// `shop/cart` for the index of a Service.
    pub(super) fn service_name(&self, index: usize) -> String {
        self.input.services.get(index).map(service_name).unwrap_or_default()
    }

    /// The pods behind a Service; none where it has no selector.
    pub(super) fn backends(&self, service: &'a Service) -> Groups {
        let has_label = |group: &Group| service.selector.iter().all(|(key, value)| group.label(key) == Some(value));
        if service.selector.is_empty() {
            return Groups::default();
        }
        self.pods.with_labels(&service.namespace, &service.selector, has_label)
    }

    /// Where cluster DNS is; `None` if that is not known.
    pub(super) fn dns(&self) -> Option<&Dns> {
        self.dns.get_or_init(|| Dns::find(self)).as_ref()
    }
}

/// The rules of a policy in a direction, if it isolates that.
fn rules(set: &PolicySet, index: usize, direction: Direction) -> impl Iterator<Item = At<'_>> {
    let policy = set.policies().get(index).zip(set.shorthand().policies.get(index));
    let rules = policy.and_then(|(policy, short)| Some((policy.rules(direction)?, short.rules(direction)?)));
    rules.into_iter().flat_map(move |(rules, short)| {
        let both = rules.iter().zip(short).enumerate();
        both.map(move |(number, (rule, short))| At { index, direction, number, rule, short })
    })
}

/// `shop/cart`.
pub(super) fn service_name(service: &Service) -> String {
    format!("{}/{}", service.namespace, service.name)
}

/// The keys of the labels that decide anything.
fn mentioned_keys<'a>(input: &Input<'a>) -> BTreeSet<&'a str> {
    let mut keys = BTreeSet::new();
    for policy in input.policies.policies() {
        let rules = policy.ingress.iter().chain(&policy.egress);
        let peers = rules.flat_map(|rule| rule.peers.iter().flatten()).filter_map(|peer| match peer {
            Peer::Pods { pods, .. } => pods.as_ref(),
            Peer::IpBlock(_) => None,
        });
        for selector in peers.chain([&policy.pod_selector]) {
            keys.extend(selector.requirements.iter().map(|requirement| &*requirement.key));
        }
    }
    keys.insert(DATAPLANE_MODE);
    keys.extend(input.services.iter().flat_map(|service| service.selector.keys()).map(String::as_str));
    keys
}
