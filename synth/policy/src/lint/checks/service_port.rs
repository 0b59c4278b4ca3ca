//! A Service's port where the pod's is meant.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{At, Facts, Groups, Named, may_use, service_name};
use crate::lint::field::Part;
use crate::lint::finding::Findings;
use crate::lint::input::{Service, ServicePort};
use crate::{Direction, Ports, Protocol};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

pub(super) const CHECK: Check = Check {
    code: "service-port",
    level: Level::Warning,
    profile: None,
    why: "Policies are asked after a Service's port has been translated, so they see the port of the pod only.",
    advice: "Write the Service's targetPort in its place.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    let services = translating(facts);
    if services.is_empty() {
        return;
    }
    for at in facts.rules() {
        let destinations = destinations(facts, &at);
        for (place, range) in at.rule.ports.iter().flatten().enumerate() {
            let Ports::Numbers { first, last } = range.ports else { continue };
            if first != last {
                continue;
            }
            let groups = destinations.iter().flat_map(|groups| groups.iter().take(WIDEST));
            let behind = groups.filter_map(|group| services.get(&(range.protocol, first, group))).flatten();
            let names: BTreeSet<String> = behind.filter(|one| one.is_meant(&at)).map(Translated::describe).collect();
            let names: Named = names.into_iter().collect();
            if !names.shown.is_empty() {
                let message = format!("{} {first} is the port of a Service, not of its pods", range.protocol);
                found.policy(at.index, at.part(Part::Port(place)), message, names);
            }
        }
    }
}

/// Of more kinds of pods than this, only so many are looked at: a rule that wide was not written for a Service.
const WIDEST: usize = 256;

/// A port of a Service behind which none of the pods listens on the same number.
#[derive(Clone, Copy)]
struct Translated<'a> {
    service: &'a Service,
    port: &'a ServicePort,
    /// Whether the number is also the target of some port of a Service with the same pods.
    is_target: bool,
}

impl Translated<'_> {
    /// Whether a rule for pods behind it means the Service: its target port is not allowed.
    fn is_meant(&self, at: &At<'_>) -> bool {
        let allowed = |target: &u16| may_use(at.rule, self.port.protocol, *target);
        !self.is_target && !self.port.targets.iter().any(allowed)
    }

    fn describe(&self) -> String {
        let targets: Vec<String> = self.port.targets.iter().map(ToString::to_string).collect();
        format!("{} has target port {}", service_name(self.service), targets.join(" or "))
    }
}

/// The translated ports by protocol, number and the group of pods behind them.
fn translating<'a>(facts: &Facts<'a>) -> BTreeMap<(Protocol, u16, usize), Vec<Translated<'a>>> {
    let mut found = BTreeMap::<_, Vec<Translated<'_>>>::new();
    let behind: Vec<Groups> = facts.input.services.iter().map(|service| facts.backends(service)).collect();
    let targets = targets(facts, &behind);
    for (service, backends) in facts.input.services.iter().zip(&behind) {
        let ports = service.ports.iter().filter(|port| !port.targets.is_empty() && !port.targets.contains(&port.port));
        for port in ports {
            let is_forwarded_to = |group| targets.contains(&(port.protocol, port.port, group));
            let is_target = is_named(facts, port, backends) || backends.iter().any(is_forwarded_to);
            for group in backends.iter() {
                let one = Translated { service, port, is_target };
                found.entry((port.protocol, port.port, group)).or_default().push(one);
            }
        }
    }
    found
}

/// What Services forward to: protocol, port and group.
fn targets(facts: &Facts<'_>, behind: &[Groups]) -> BTreeSet<(Protocol, u16, usize)> {
    let services = facts.input.services.iter().zip(behind);
    let ports = services.flat_map(|(service, backends)| service.ports.iter().map(move |port| (port, backends)));
    let numbers = ports.flat_map(|(port, backends)| port.targets.iter().map(move |target| (port, *target, backends)));
    numbers
        .flat_map(|(port, target, backends)| backends.iter().map(move |group| (port.protocol, target, group)))
        .collect()
}

/// Whether a pod behind it has a container port of that number that has a name.
fn is_named(facts: &Facts<'_>, port: &ServicePort, backends: &Groups) -> bool {
    let listens = |named: &crate::NamedPort| named.port == port.port && named.protocol == port.protocol;
    facts.pods.members(backends).any(|group| group.ports.iter().any(listens))
}

/// The pods that are connected to under a rule.
fn destinations<'a>(facts: &Facts<'a>, at: &At<'a>) -> Vec<Rc<Groups>> {
    match at.direction {
        Direction::Ingress => vec![facts.selected(at.index)],
        Direction::Egress => at.selectors().map(|peer| facts.peer(&peer)).collect(),
    }
}
