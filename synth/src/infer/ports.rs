//! How the ports of one peer are written: as numbers, runs of consecutive ones as a range, and by name only where the number
//! behind a name differs among the pods that are selected.

use super::cover::ports::{exact_ranges, spanning};
use super::rules::{Port, PortMatch};
use crate::index::Facts;
use netwright_record::Protocol;
use std::collections::{BTreeMap, BTreeSet};

/// The ports that pods of one workload declare.
#[derive(Debug, Default)]
pub struct DeclaredPorts<'a> {
    /// Names of which the number is not the same in all pods.
    names: BTreeMap<(Protocol, &'a str), BTreeSet<u16>>,
    numbers: BTreeSet<(Protocol, u16)>,
}

impl<'a> DeclaredPorts<'a> {
    /// Looks at every pod the workload had. A name counts only if each pod has it.
    pub fn of(facts: &Facts<'a>) -> Self {
        let pods: Vec<_> = facts.pods.iter().filter(|pod| !pod.host_network).collect();
        let mut names: BTreeMap<(Protocol, &str), (usize, BTreeSet<u16>)> = BTreeMap::new();
        for pod in &pods {
            let mut of_pod = BTreeSet::new();
            for port in &pod.ports {
                let Some(name) = port.name.as_deref() else { continue };
                let (count, numbers) = names.entry((port.protocol, name)).or_default();
                *count += usize::from(of_pod.insert((port.protocol, name)));
                numbers.insert(port.port);
            }
        }
        let differing = names.into_iter().filter(|(_, (count, numbers))| *count == pods.len() && numbers.len() > 1);
        let names = differing.map(|(name, (_, numbers))| (name, numbers)).collect();
        let declared = facts.declared.into_iter().flat_map(|declared| &declared.ports);
        let all = pods.iter().flat_map(|pod| &pod.ports).chain(declared);
        Self { names, numbers: all.map(|port| (port.protocol, port.port)).collect() }
    }

    /// The same ports, by number only.
    pub fn without_names(self) -> Self {
        Self { names: BTreeMap::new(), ..self }
    }

    fn of_protocol(&self, protocol: Protocol) -> BTreeSet<u16> {
        self.numbers.range((protocol, 0)..=(protocol, u16::MAX)).map(|(_, number)| *number).collect()
    }

    /// The ports with the numbers that one name stands for replaced by that name, where all of them were seen.
    fn names(&self, ports: &mut BTreeSet<(Protocol, u16)>) -> Vec<Port> {
        let mut named = Vec::new();
        for ((protocol, name), numbers) in &self.names {
            let seen: Vec<(Protocol, u16)> =
                numbers.iter().map(|number| (*protocol, *number)).filter(|port| ports.contains(port)).collect();
            if seen.len() == numbers.len() {
                seen.iter().for_each(|port| _ = ports.remove(port));
                named.push(Port { protocol: *protocol, at: PortMatch::Named((*name).into()) });
            }
        }
        named
    }
}

/// The ports as a person would write them, and how many numbers that adds: sorted, by name where `declared` has one to
/// the purpose, consecutive numbers in a range; all that lie between many high ones too if `span`.
pub fn tidy(ports: &[Port], declared: &DeclaredPorts, span: bool) -> (Vec<Port>, u64) {
    let mut tidied = Vec::with_capacity(ports.len());
    let mut numbers = BTreeSet::new();
    for port in ports {
        match port.at {
            PortMatch::Range { first, last } if first == last => _ = numbers.insert((port.protocol, first)),
            _ => tidied.push(port.clone()),
        }
    }
    tidied.extend(declared.names(&mut numbers));
    let mut protocols: BTreeMap<Protocol, BTreeSet<u16>> = BTreeMap::new();
    for (protocol, number) in numbers {
        protocols.entry(protocol).or_default().insert(number);
    }
    let mut added = 0;
    for (protocol, numbers) in protocols {
        let (ranges, more) = if span {
            let spanned = spanning(&numbers, &declared.of_protocol(protocol));
            (spanned.ranges, spanned.added)
        } else {
            (exact_ranges(&numbers), 0)
        };
        tidied.extend(ranges.into_iter().map(|(first, last)| Port { protocol, at: PortMatch::Range { first, last } }));
        added += u64::from(more);
    }
    tidied.sort();
    (tidied, added)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;
    use crate::testing::World;
    use netwright_record::Protocol::{Tcp, Udp};
    use netwright_record::inventory::ContainerPort;

    fn numbers(numbers: &[u16]) -> Vec<Port> {
        numbers.iter().map(|number| Port::number(Tcp, *number)).collect()
    }

    fn written(ports: &[Port], declared: &DeclaredPorts) -> String {
        let (tidied, added) = tidy(ports, declared, false);
        assert_eq!(added, 0);
        tidied.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn three_consecutive_ports_are_a_range_and_two_are_not() {
        let ports = numbers(&[80, 81, 443, 8000, 8001, 8002, 65_534, 65_535]);
        assert_eq!(
            written(&ports, &DeclaredPorts::default()),
            "80/TCP 81/TCP 443/TCP 8000-8002/TCP 65534/TCP 65535/TCP"
        );
    }

    #[test]
    fn protocols_are_not_mixed() {
        let ports = [Port::number(Tcp, 1), Port::number(Udp, 2), Port::number(Tcp, 3)];
        assert_eq!(written(&ports, &DeclaredPorts::default()), "1/TCP 3/TCP 2/UDP");
    }

    /// What is written for `ports` of a workload of which each pod calls one number `http`.
    fn with_pods(http: &[Option<u16>], ports: &[u16]) -> String {
        let mut world = World::new();
        let web = world.workload("n", "Deployment", "web", &[("app", "web")]);
        for port in http {
            let named = port.map(|port| ContainerPort { name: Some("http".into()), protocol: Tcp, port });
            world.pod(&web, "n1", &[("app", "web")]).ports = named.into_iter().collect();
        }
        let observation = world.build();
        let index = Index::new(&observation);
        written(&numbers(ports), &DeclaredPorts::of(index.facts(&web).unwrap()))
    }

    #[test]
    fn a_name_stands_where_its_number_differs_among_the_pods() {
        assert_eq!(with_pods(&[Some(8080), Some(9090)], &[8080, 9090]), "http/TCP");
        assert_eq!(with_pods(&[Some(8080), Some(9090)], &[443, 8080, 9090]), "443/TCP http/TCP");
    }

    #[test]
    fn a_number_stands_where_the_name_says_no_more_than_it_or_more_than_was_seen() {
        assert_eq!(with_pods(&[Some(8080), Some(8080)], &[8080]), "8080/TCP");
        assert_eq!(with_pods(&[Some(8080), Some(9090)], &[8080]), "8080/TCP");
        assert_eq!(with_pods(&[Some(8080), Some(9090), Some(2222)], &[8080, 9090]), "8080/TCP 9090/TCP");
        assert_eq!(with_pods(&[Some(8080), Some(9090), None], &[8080, 9090]), "8080/TCP 9090/TCP");
    }
}
