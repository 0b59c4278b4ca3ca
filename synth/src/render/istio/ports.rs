//! `to`: ports as Istio writes them: single numbers, over TCP.

use super::Notes;
use crate::infer::mesh::HBONE;
use crate::infer::rules::{PortMatch, Rule, RuleDirection, WorkloadPolicy};
use crate::render::context::{Context, Knowledge};
use crate::render::unsayable::Effect;
use netwright_record::Protocol;
use netwright_record::inventory::WorkloadRef;
use serde::Serialize;
use std::collections::BTreeSet;

/// How many ports of one range are listed. A longer range becomes every port of the same clients.
const LISTED: usize = 32;

/// The ports of one rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ports {
    Numbers(BTreeSet<u16>),
    Every,
}

#[derive(Serialize)]
pub(super) struct To {
    operation: Operation,
}

#[derive(Serialize)]
struct Operation {
    ports: Vec<String>,
}

impl Ports {
    /// The TCP ports of `rule`; `None` where it has none. What is left out or widened is noted.
    pub(super) fn of(context: &Context, policy: &WorkloadPolicy, rule: &Rule, notes: &mut Notes) -> Option<Self> {
        let (mut numbers, mut every, mut tcp) = (BTreeSet::new(), None, false);
        for port in &rule.ports {
            match (&port.at, port.protocol) {
                (_, Protocol::Udp | Protocol::Sctp) => {
                    notes.add(RuleDirection::Ingress, port.to_string(), TCP_ONLY, Effect::Open);
                    continue;
                }
                (PortMatch::Named(name), _) => {
                    let found = context.knowledge().numbers(&policy.workload, name);
                    notes.add(RuleDirection::Ingress, port.to_string(), NAMED, Effect::Wider { pairs: 0 });
                    if found.is_empty() {
                        every = Some(UNKNOWN_NAME);
                    }
                    numbers.extend(found);
                }
                (PortMatch::Range { first, last }, _) if usize::from(last - first) < LISTED => {
                    numbers.extend(*first..=*last);
                }
                (PortMatch::Range { .. }, _) => every = Some(LONG_RANGE),
            }
            tcp = true;
        }
        // The mesh's own port is the way there, not the port that the policy is asked about.
        if numbers.remove(&HBONE) && numbers.is_empty() {
            every = every.or(Some(HBONE_ONLY));
        }
        if let Some(why) = every {
            notes.add(RuleDirection::Ingress, ports(rule), why, Effect::Wider { pairs: 0 });
        }
        tcp.then_some(if every.is_some() { Self::Every } else { Self::Numbers(numbers) })
    }

    /// Nothing means every port.
    pub(super) fn operations(self) -> Vec<To> {
        match self {
            Self::Every => Vec::new(),
            Self::Numbers(numbers) => {
                vec![To { operation: Operation { ports: numbers.iter().map(ToString::to_string).collect() } }]
            }
        }
    }
}

fn ports(rule: &Rule) -> String {
    rule.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

const TCP_ONLY: &str = "the mesh carries TCP only";
const NAMED: &str = "ports have no names here: every number that the name stands for is allowed on every pod";
const UNKNOWN_NAME: &str = "no pod is known that declares the name: every TCP port is allowed to the same clients";
const LONG_RANGE: &str = "ports are listed one by one: every TCP port is allowed to the same clients";
const HBONE_ONLY: &str =
    "only the mesh's own port was seen, not the one inside: every TCP port is allowed to the same clients";

impl Knowledge<'_> {
    /// The TCP ports that pods of `workload` call `name`.
    fn numbers(&self, workload: &WorkloadRef, name: &str) -> BTreeSet<u16> {
        let Some(facts) = self.index.facts(workload) else { return BTreeSet::new() };
        let of_pods = facts.pods.iter().flat_map(|pod| &pod.ports);
        let declared = facts.declared.into_iter().flat_map(|declared| &declared.ports);
        let named = of_pods.chain(declared).filter(|port| port.name.as_deref() == Some(name));
        named.filter(|port| port.protocol == Protocol::Tcp).map(|port| port.port).collect()
    }
}
