//! The peers of a rule as Cilium names them: endpoints by labels, entities, names, and blocks for what is none of these.

use super::dns::{self, Dns};
use super::labels::{NAMESPACE, SERVICE_ACCOUNT, relevant};
use super::{Block, Selector};
use crate::infer::rules::{Peer, Pods, Rule, RuleDirection, Target, Whom, WorkloadPolicy};
use crate::render::context::Context;
use crate::render::kubernetes::note;
use crate::render::unsayable::{Effect, Unsayable};
use crate::render::yaml::Noted;
use ipnet::IpNet;
use netwright_record::inventory::{Labels, WorkloadRef};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

const API_SERVER: &str = "kube-apiserver";
const HOST: &str = "host";
const REMOTE_NODE: &str = "remote-node";
const WORLD: &str = "world";

/// Peers of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ends {
    Endpoints(Vec<Selector>),
    Entities(Vec<&'static str>),
    Names(Vec<Name>),
    Blocks(Vec<Block>),
}

/// One name, literally.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Name {
    match_name: String,
}

/// The peers of one rule by their kind.
pub(super) struct Gathered<'a, 'c> {
    context: &'a Context<'c>,
    dns: &'a Dns,
    policy: &'a WorkloadPolicy,
    direction: RuleDirection,
    endpoints: BTreeSet<Selector>,
    entities: BTreeSet<&'static str>,
    names: BTreeSet<String>,
    blocks: BTreeMap<(IpNet, &'a [IpNet]), Option<String>>,
    /// Whether every node is meant, once asked for: they may be thousands.
    every_node: Option<bool>,
    /// What is said otherwise.
    pub(super) unsayable: BTreeSet<Unsayable>,
}

impl<'a, 'c> Gathered<'a, 'c> {
    pub(super) fn of(
        context: &'a Context<'c>,
        dns: &'a Dns,
        policy: &'a WorkloadPolicy,
        direction: RuleDirection,
        rule: &'a Rule,
    ) -> Self {
        let mut gathered = Self {
            context,
            dns,
            policy,
            direction,
            endpoints: BTreeSet::new(),
            entities: BTreeSet::new(),
            names: BTreeSet::new(),
            blocks: BTreeMap::new(),
            every_node: None,
            unsayable: BTreeSet::new(),
        };
        for peer in &rule.peers {
            match &peer.target {
                Target::Pods(pods) => gathered.pods(pods, peer),
                Target::Block { cidr, except } => gathered.block(rule, peer, *cidr, except),
            }
        }
        gathered.whole_world();
        gathered
    }

    /// The kinds of which there are any.
    pub(super) fn apart(self) -> Vec<Ends> {
        let blocks = self.blocks.into_iter().map(|((cidr, except), note)| Block {
            cidr: Noted(cidr.to_string(), note),
            except: except.iter().map(ToString::to_string).collect(),
        });
        let names = self.names.into_iter().map(|match_name| Name { match_name });
        let (blocks, names): (Vec<Block>, Vec<Name>) = (blocks.collect(), names.collect());
        let kinds = [
            (!self.endpoints.is_empty()).then(|| Ends::Endpoints(self.endpoints.into_iter().collect())),
            (!self.entities.is_empty()).then(|| Ends::Entities(self.entities.into_iter().collect())),
            (!names.is_empty()).then_some(Ends::Names(names)),
            (!blocks.is_empty()).then_some(Ends::Blocks(blocks)),
        ];
        kinds.into_iter().flatten().collect()
    }

    fn pods(&mut self, pods: &Pods, peer: &Peer) {
        let labels = relevant(&pods.labels);
        if labels.len() == pods.labels.len() {
            self.endpoint(&pods.namespace, labels);
            return;
        }
        let whom: BTreeSet<&WorkloadRef> = peer.whom.iter().filter_map(workload).collect();
        if labels.is_empty() {
            whom.iter().for_each(|workload| self.by_account(workload, IGNORED));
            return;
        }
        let knowledge = self.context.knowledge();
        let others = knowledge.matching(&pods.namespace, &labels).filter(|workload| !whom.contains(workload)).count();
        let what = format!("pods of {} by {}", pods.namespace, list(pods.labels.keys()));
        self.note(what, IGNORED, Effect::Wider { pairs: others });
        self.endpoint(&pods.namespace, labels);
    }

    fn block(&mut self, rule: &Rule, peer: &Peer, cidr: IpNet, except: &'a [IpNet]) {
        let mut as_block = false;
        for whom in &peer.whom {
            as_block |= self.whom(rule, whom, cidr);
        }
        if as_block {
            self.blocks.insert((cidr, except), note(peer));
        }
    }

    /// Names who is behind the block; `true` where only the block does.
    fn whom(&mut self, rule: &Rule, whom: &Whom, cidr: IpNet) -> bool {
        match whom {
            Whom::Workload(workload) => {
                self.by_account(workload, BLOCKS_ARE_NO_PODS);
                false
            }
            Whom::HostNetwork(_) | Whom::Node(_) | Whom::EveryNode => self.nodes(rule, whom),
            Whom::ThroughNodes(_) => {
                self.note(whom.note().unwrap_or_default(), THROUGH_NODES, Effect::Wider { pairs: 0 });
                self.entities.extend([HOST, REMOTE_NODE, WORLD]);
                false
            }
            Whom::ApiServer => {
                self.entities.insert(API_SERVER);
                false
            }
            // Where it runs as Cilium redirects to it, the address is an endpoint's; else it is the node's own.
            Whom::NodeLocalDns | Whom::ClusterDns(_) => {
                self.note(whom.note().unwrap_or_default(), NODE_LOCAL_DNS, Effect::Wider { pairs: 0 });
                self.entities.insert(HOST);
                true
            }
            Whom::Name(_) => self.name(rule, whom, cidr),
            Whom::AmbientProbes | Whom::Address | Whom::Internet => true,
        }
    }

    /// One node, or some, are every node.
    fn nodes(&mut self, rule: &Rule, whom: &Whom) -> bool {
        if !self.names_every_node(rule) {
            self.note(whom.note().unwrap_or_default(), NODES, Effect::Wider { pairs: 0 });
        }
        self.entities.extend([HOST, REMOTE_NODE]);
        false
    }

    /// Whether the plan admits every node on all ports of `rule`. What is at the address of one node besides (the API server,
    /// say) gives that one a rule with more ports.
    fn names_every_node(&mut self, rule: &Rule) -> bool {
        let (context, policy, direction) = (self.context, self.policy, self.direction);
        *self.every_node.get_or_insert_with(|| {
            let rules = policy.rules().filter(|(of, _)| *of == direction).map(|(_, rule)| rule);
            let rules = rules.filter(|other| rule.ports.iter().all(|port| other.ports.contains(port)));
            let named: BTreeSet<IpNet> = rules.flat_map(|rule| &rule.peers).filter_map(block).collect();
            let mut addresses = context.observation.inventory.nodes.iter().flat_map(|node| &node.addresses);
            addresses.all(|address| named.contains(&IpNet::from(address.to_canonical())))
        })
    }

    fn name(&mut self, rule: &Rule, whom: &Whom, cidr: IpNet) -> bool {
        let Whom::Name(written) = whom else { return true };
        match dns::name(whom) {
            _ if self.direction == RuleDirection::Ingress => true,
            Some(name) if self.dns.can_name(rule) => {
                self.names.insert(name.to_lowercase());
                false
            }
            Some(_) if self.dns.asks() => true,
            Some(_) => {
                self.note(format!("the name {written} ({cidr})"), NO_DNS, Effect::Addresses);
                true
            }
            None => {
                self.note(format!("the name {written} ({cidr})"), NO_NAME, Effect::Addresses);
                true
            }
        }
    }

    /// Pods that no label selects, or none that Cilium knows: by their ServiceAccount, or else by their namespace.
    fn by_account(&mut self, workload: &WorkloadRef, why: &'static str) {
        let knowledge = self.context.knowledge();
        let accounts: Vec<&str> = knowledge.accounts(workload).collect();
        let mut others: BTreeSet<&WorkloadRef> =
            accounts.iter().flat_map(|account| knowledge.holders(&workload.namespace, account)).collect();
        let labels = accounts.iter().map(|account| Labels::from([(SERVICE_ACCOUNT, *account)]));
        let mut selectors: Vec<Labels> = labels.collect();
        if selectors.is_empty() {
            others.extend(knowledge.of_namespace(&workload.namespace));
            selectors.push(Labels::new());
        }
        others.remove(workload);
        self.note(format!("{workload} by its pods"), why, Effect::Wider { pairs: others.len() });
        selectors.into_iter().for_each(|labels| self.endpoint(&workload.namespace, labels));
    }

    fn endpoint(&mut self, namespace: &str, mut labels: Labels) {
        if namespace != self.policy.workload.namespace || labels.is_empty() {
            labels.insert(NAMESPACE, namespace);
        }
        self.endpoints.insert(Selector::of(labels));
    }

    /// Every address of both families is the world: neither pods nor nodes.
    fn whole_world(&mut self) {
        let everything = |(cidr, _): &(IpNet, &[IpNet])| cidr.prefix_len() == 0;
        let families: BTreeSet<bool> =
            self.blocks.keys().filter(|block| everything(block)).map(|(cidr, _)| cidr.addr().is_ipv6()).collect();
        if families.len() == 2 {
            self.blocks.retain(|block, _| !everything(block));
            self.entities.insert(WORLD);
        }
    }

    fn note(&mut self, what: String, why: &'static str, effect: Effect) {
        let policy = Some(format!("{}/{}", self.policy.workload.namespace, self.policy.name));
        self.unsayable.insert(Unsayable { policy, direction: Some(self.direction), what, why, effect });
    }
}

fn block(peer: &Peer) -> Option<IpNet> {
    match &peer.target {
        Target::Block { cidr, .. } => Some(*cidr),
        Target::Pods(_) => None,
    }
}

const IGNORED: &str = "Cilium makes no identity of these labels";
const BLOCKS_ARE_NO_PODS: &str = "no label selects it, and a block of addresses matches no pod: its ServiceAccount stands \
                                  for it, or its namespace where that is not known";
const NODES: &str = "Cilium tells nodes apart only by configuration (nodeSelectorLabels): every node is allowed";
const THROUGH_NODES: &str = "Cilium may know such a client as a node or as the world: both are allowed";
const NODE_LOCAL_DNS: &str = "where the cache listens on the node, Cilium knows its address as the host's: the host is \
                              allowed on these ports";
const NO_DNS: &str = "the workload's own DNS was not seen, from which Cilium would learn the name's addresses";
const NO_NAME: &str = "Cilium takes no such name";

fn workload(whom: &Whom) -> Option<&WorkloadRef> {
    match whom {
        Whom::Workload(workload) => Some(workload),
        _ => None,
    }
}

fn list<'a>(keys: impl Iterator<Item = &'a netwright_record::Name>) -> String {
    keys.map(|key| key.as_str()).collect::<Vec<_>>().join(", ")
}
