//! Which ports a rule is for. For checks that compare them.

use crate::{NamedPort, PortRange, PortSet, Ports, Protocol, Rule};

/// The ports a rule admits on pods with these named ports.
pub(in crate::lint) fn ports_for(rule: &Rule, named: &[NamedPort]) -> PortSet {
    match &rule.ports {
        None => PortSet::all(),
        Some(ports) => PortSet::union_of(ports.iter().map(|range| of_range(range, named))),
    }
}

fn of_range(range: &PortRange, named: &[NamedPort]) -> PortSet {
    match &range.ports {
        Ports::All => PortSet::of(range.protocol, 1, u16::MAX),
        Ports::Numbers { first, last } => PortSet::of(range.protocol, *first, *last),
        Ports::Name(name) => named
            .iter()
            .filter(|port| port.name == *name && port.protocol == range.protocol)
            .fold(PortSet::default(), |all, port| all.union(&PortSet::of(port.protocol, port.port, port.port))),
    }
}

/// Whether a rule is for a port by its number.
pub(in crate::lint) fn may_use(rule: &Rule, protocol: Protocol, port: u16) -> bool {
    rule.ports.as_ref().is_none_or(|ports| {
        ports.iter().any(|range| {
            range.protocol == protocol
                && match range.ports {
                    Ports::All => true,
                    Ports::Numbers { first, last } => (first..=last).contains(&port),
                    Ports::Name(_) => false,
                }
        })
    })
}

/// Whether a rule is for every port of every protocol.
pub(in crate::lint) fn all_ports(rule: &Rule) -> bool {
    ports_for(rule, &[]).is_all()
}
