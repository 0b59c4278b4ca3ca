//! `from`: clients by the identity in their certificate where they have one, by address where they cannot have one.

use super::Notes;
use crate::infer::rules::{Peer, Rule, RuleDirection, Target, Whom};
use crate::render::context::{Context, has_valid_namespace};
use crate::render::kubernetes::note;
use crate::render::unsayable::Effect;
use crate::render::yaml::Noted;
use ipnet::IpNet;
use netwright_record::Name;
use netwright_record::inventory::WorkloadRef;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// One kind of client; the fields of one source are an AND.
#[derive(Debug, Serialize)]
pub(super) struct From {
    source: Source,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    principals: BTreeSet<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_principals: Vec<&'static str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    namespaces: BTreeSet<Name>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ip_blocks: Vec<Noted<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_ip_blocks: Vec<String>,
}

impl From {
    /// One address.
    pub(super) fn address(address: IpAddr) -> Self {
        let ip_blocks = vec![Noted(IpNet::from(address).to_string(), None)];
        Self { source: Source { ip_blocks, ..Source::default() } }
    }
}

/// The clients of one rule.
#[derive(Debug, Default)]
pub(super) struct Sources<'a> {
    principals: BTreeSet<String>,
    namespaces: BTreeSet<Name>,
    /// Clients whose identity does not show: any pod without one.
    plain: bool,
    plain_within: BTreeSet<IpNet>,
    blocks: BTreeMap<&'a [IpNet], BTreeMap<IpNet, Option<String>>>,
}

impl<'a> Sources<'a> {
    pub(super) fn of(context: &Context, rule: &'a Rule, notes: &mut Notes) -> Self {
        let mut sources = Self::default();
        let meant: BTreeSet<&WorkloadRef> =
            rule.peers.iter().flat_map(|peer| &peer.whom).filter_map(workload).collect();
        for peer in &rule.peers {
            match &peer.target {
                Target::Pods(pods) if pods.labels.is_empty() => _ = sources.namespaces.insert(pods.namespace.clone()),
                Target::Pods(_) => {}
                Target::Block { .. } => sources.block(peer),
            }
        }
        let within = sources.namespaces.clone();
        for workload in meant.iter().filter(|workload| !within.contains(&workload.namespace)) {
            sources.workload(context, workload, &meant, notes);
        }
        for namespace in within {
            if context.knowledge().of_namespace(&namespace).any(|workload| is_outside(context, workload)) {
                sources.without_identity(context, format!("pods of {namespace} that are not in the mesh"), notes);
            }
        }
        sources
    }

    /// One source for each kind. They are an OR.
    pub(super) fn from(self) -> Vec<From> {
        let mut all = Vec::new();
        if !self.principals.is_empty() {
            all.push(Source { principals: self.principals, ..Source::default() });
        }
        if !self.namespaces.is_empty() {
            all.push(Source { namespaces: self.namespaces, ..Source::default() });
        }
        if self.plain {
            let ip_blocks = self.plain_within.iter().map(|range| Noted(range.to_string(), None)).collect();
            all.push(Source { not_principals: vec!["*"], ip_blocks, ..Source::default() });
        }
        for (except, blocks) in self.blocks {
            let ip_blocks = blocks.into_iter().map(|(cidr, note)| Noted(cidr.to_string(), note)).collect();
            let not_ip_blocks = except.iter().map(ToString::to_string).collect();
            all.push(Source { ip_blocks, not_ip_blocks, ..Source::default() });
        }
        all.into_iter().map(|source| From { source }).collect()
    }

    /// Addresses that are no pods': those have an identity, or no address that lasts.
    fn block(&mut self, peer: &'a Peer) {
        let Target::Block { cidr, except } = &peer.target else { return };
        if peer.whom.iter().any(|whom| workload(whom).is_none()) {
            self.blocks.entry(except).or_default().insert(*cidr, note(peer));
        }
    }

    fn workload(&mut self, context: &Context, client: &WorkloadRef, meant: &BTreeSet<&WorkloadRef>, notes: &mut Notes) {
        if is_outside(context, client) {
            self.without_identity(context, format!("{client}, which is not in the mesh"), notes);
            return;
        }
        if !has_valid_namespace(client) {
            self.without_identity(context, format!("{client}, whose namespace is no valid name"), notes);
            return;
        }
        let knowledge = context.knowledge();
        let accounts: Vec<&str> = knowledge.accounts(client).collect();
        let pairs = |others: BTreeSet<&WorkloadRef>| others.difference(meant).count();
        if accounts.is_empty() {
            let others = pairs(knowledge.of_namespace(&client.namespace).collect());
            notes.add(RuleDirection::Ingress, client.to_string(), NO_ACCOUNT, Effect::Wider { pairs: others });
            self.namespaces.insert(client.namespace.clone());
            return;
        }
        for account in accounts {
            let others = pairs(knowledge.holders(&client.namespace, account).collect());
            if others > 0 {
                let what = format!("{client} by its ServiceAccount {account}");
                notes.add(RuleDirection::Ingress, what, SHARED_ACCOUNT, Effect::Wider { pairs: others });
            }
            let domain = context.form.trust_domain.as_str();
            self.principals.insert(format!("{domain}/ns/{}/sa/{account}", client.namespace));
        }
    }

    /// Whoever comes without a certificate, from where pods have their addresses.
    fn without_identity(&mut self, context: &Context, what: String, notes: &mut Notes) {
        let knowledge = context.knowledge();
        let outside = knowledge.all().filter(|workload| is_outside(context, workload)).count();
        let others = outside.saturating_sub(1);
        notes.add(RuleDirection::Ingress, what, NO_IDENTITY, Effect::Wider { pairs: others });
        self.plain = true;
        let ranges = knowledge.index.pod_ranges();
        let complete = context.observation.inventory.nodes.iter().all(|node| !node.pod_cidrs.is_empty());
        if complete {
            self.plain_within.extend(ranges);
        }
    }
}

/// Whether the workload has no certificate to show. Where nobody is in a mesh yet, all are thought to join.
fn is_outside(context: &Context, workload: &WorkloadRef) -> bool {
    let knowledge = context.knowledge();
    knowledge.any_mesh && !knowledge.in_mesh(workload)
}

fn workload(whom: &Whom) -> Option<&WorkloadRef> {
    match whom {
        Whom::Workload(workload) => Some(workload),
        _ => None,
    }
}

const NO_ACCOUNT: &str = "its ServiceAccount is not known: its namespace stands for it";
const SHARED_ACCOUNT: &str = "others run as the same ServiceAccount, which is all that a certificate names";
const NO_IDENTITY: &str = "without a certificate only the address tells who calls, and addresses of pods do not last: every \
                           pod without one is allowed on these ports";
