//! Names in place of addresses. Cilium learns the addresses of a name from the answers that its proxy reads on their way to
//! the very pods, so a policy with names must make it read their DNS; where no DNS of the workload was seen, names would
//! admit nothing, and the addresses stand.

use super::Block;
use crate::infer::link_local::METADATA;
use crate::infer::rules::{Ground, Port, PortMatch, Rule, Target, Whom, WorkloadPolicy};
use crate::render::yaml::Noted;
use ipnet::IpNet;
use netwright_record::{Observation, Protocol};
use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::infer::dns::DNS;
/// The longest name that is taken.
const LONGEST: usize = 255;

/// What one policy does with names.
#[derive(Debug)]
pub(super) struct Dns {
    /// The ports besides 53 on which the workload asks, through a Service on 53.
    ports: BTreeSet<u16>,
    /// Whether answers can be read.
    asks: bool,
    /// Whether there is a name to learn.
    names: bool,
}

impl Dns {
    pub(super) fn of(observation: &Observation, policy: &WorkloadPolicy) -> Self {
        let grounds = policy.egress.iter().flat_map(|rule| &rule.grounds);
        let ports = grounds.filter_map(|ground| match ground {
            Ground::TruncatedAnswers(edge) => Some(observation.edges.get(*edge)?.port),
            _ => None,
        });
        let mut dns = Self { ports: ports.chain([DNS]).collect(), asks: false, names: false };
        dns.asks = policy.egress.iter().any(|rule| dns.is_dns(rule));
        let named = policy.egress.iter().filter(|rule| !dns.is_dns(rule)).flat_map(|rule| &rule.peers);
        dns.names = dns.asks && named.flat_map(|peer| &peer.whom).any(|whom| name(whom).is_some());
        dns
    }

    /// Whether names can stand for addresses in `rule`: a server of DNS must be reached before any name is known.
    pub(super) fn can_name(&self, rule: &Rule) -> bool {
        self.asks && !self.is_dns(rule)
    }

    /// Whether the workload's DNS was seen.
    pub(super) fn asks(&self) -> bool {
        self.asks
    }

    /// Whether the proxy must read this port of `rule`.
    pub(super) fn reads(&self, rule: &Rule, port: &Port) -> bool {
        self.names && self.is_dns(rule) && self.is_dns_port(port)
    }

    fn is_dns(&self, rule: &Rule) -> bool {
        rule.ports.iter().any(|port| port.protocol == Protocol::Udp && self.is_dns_port(port))
    }

    fn is_dns_port(&self, port: &Port) -> bool {
        let PortMatch::Range { first, last } = port.at else { return false };
        first == last && self.ports.contains(&first) && port.protocol != Protocol::Sctp
    }

    /// What no name may lead to, if there are names: whoever answers for a name could answer with the address of the
    /// metadata service. Not what the plan allows by itself.
    pub(super) fn denied(&self, policy: &WorkloadPolicy) -> Vec<Block> {
        if !self.names {
            return Vec::new();
        }
        let targets = || policy.egress.iter().flat_map(|rule| &rule.peers).map(|peer| &peer.target);
        let allowed = |address: &IpAddr| {
            targets().any(|target| matches!(target, Target::Block { cidr, .. } if cidr.contains(address)))
        };
        let denied = METADATA.into_iter().filter(|address| !allowed(address));
        denied
            .map(|address| Block { cidr: Noted(IpNet::from(address).to_string(), None), except: Vec::new() })
            .collect()
    }
}

/// The name that Cilium would take for `whom`.
pub(super) fn name(whom: &Whom) -> Option<&str> {
    let Whom::Name(name) = whom else { return None };
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let labels = name.strip_suffix('.').unwrap_or(name).split('.').all(|label| !label.is_empty());
    (labels && name.len() <= LONGEST && name.bytes().all(valid)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_stand_as_names() {
        for valid in ["billing.example", "_sip._udp.a.example.", "a"] {
            assert_eq!(name(&Whom::Name(valid.into())), Some(valid));
        }
        let long = "a.".repeat(200);
        for invalid in ["*", "*.example", "a b", "", ".", "a..b", ".a", "a\n- b", "\u{e9}.example", &long] {
            assert_eq!(name(&Whom::Name(invalid.into())), None, "{invalid:?}");
        }
    }
}
