//! `toPorts`: ports as Cilium writes them, numbers in quotes, and the rule by which its proxy reads DNS.

use crate::infer::rules::{Port, PortMatch, Rule};
use serde::Serialize;

/// How many ports one entry takes (cilium/cilium, `rule_validation.go`: `maxPorts`).
const LONGEST: usize = 40;

/// Some ports, and what may be said there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct PortRule {
    ports: Vec<PortProtocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<L7>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct PortProtocol {
    port: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_port: Option<u16>,
    protocol: &'static str,
}

/// Which names may be asked for: every one, since what was asked for is not recorded, only what was then reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct L7 {
    dns: [Pattern; 1],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pattern {
    match_pattern: &'static str,
}

/// The ports of `rule`; those of which `reads` says so apart, with the rule that makes the proxy read them.
pub(super) fn rules(rule: &Rule, reads: impl Fn(&Port) -> bool) -> Vec<PortRule> {
    let (read, other): (Vec<&Port>, Vec<&Port>) = rule.ports.iter().partition(|port| reads(port));
    let dns = Some(L7 { dns: [Pattern { match_pattern: "*" }] });
    let each = [(read, dns), (other, None)];
    let chunks = each.iter().flat_map(|(ports, rules)| ports.chunks(LONGEST).map(move |ports| (ports, rules)));
    chunks
        .map(|(ports, rules)| PortRule { ports: ports.iter().map(|p| port(p)).collect(), rules: rules.clone() })
        .collect()
}

fn port(port: &Port) -> PortProtocol {
    let protocol = port.protocol.as_str();
    match &port.at {
        PortMatch::Range { first, last } => {
            PortProtocol { port: first.to_string(), end_port: (last > first).then_some(*last), protocol }
        }
        PortMatch::Named(name) => PortProtocol { port: name.to_string(), end_port: None, protocol },
    }
}
