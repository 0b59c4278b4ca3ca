//! What is listed against verdicts for single pairs of pods, on random small clusters.

use super::exposed::Everyone;
use super::*;
use crate::state::{State, StatePod};
use netwright_policy::{Cluster, Labels, NamedPort, Party, Pod, Protocol, Source};
use netwright_record::inventory::WorkloadRef;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::collections::BTreeMap;

/// The ends of each range of ports in the policies below, and what lies beside them.
const PORTS: [u16; 8] = [1, 79, 80, 90, 91, 5353, 8080, 65535];

/// Policies of which a set is made. Between them they use every kind of peer and port.
const POLICIES: [&str; 9] = [
    "{podSelector: {}, policyTypes: [Ingress]}",
    "{podSelector: {matchLabels: {tier: a}}, policyTypes: [Egress]}",
    "{podSelector: {matchLabels: {app: x}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {tier: a}}}], ports: [{port: 80, endPort: 90}]}]}",
    "{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {}}], ports: [{port: web}]}]}",
    "{podSelector: {matchLabels: {app: z}}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{to: [{podSelector: {}}], ports: [{protocol: UDP}]}]}",
    "{podSelector: {matchLabels: {tier: b}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 198.18.0.0/24, except: [198.18.0.2/32]}}], ports: [{port: 8080}]}]}",
    "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 80}]}, {to: [{podSelector: {matchLabels: {app: x}}}], ports: [{port: web}]}]}",
    "{podSelector: {matchLabels: {app: x}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 10.244.0.0/16}}]}]}",
    "{podSelector: {matchLabels: {app: z}}, policyTypes: [Ingress], ingress: [{ports: [{port: 80}]}, {from: [{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: '::/0'}}], ports: [{port: 90}]}]}",
];

fn policies() -> impl Strategy<Value = PolicySet> {
    let namespaced = POLICIES.iter().flat_map(|spec| ["one", "two"].map(|namespace| (namespace, *spec)));
    let all: Vec<(&str, &str)> = namespaced.collect();
    subsequence(all, 0..7).prop_map(|chosen| {
        let text: String = chosen
            .iter()
            .enumerate()
            .map(|(number, (namespace, spec))| {
                let kind = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy";
                format!("---\n{kind}\nmetadata: {{name: p{number}, namespace: {namespace}}}\nspec: {spec}\n")
            })
            .collect();
        PolicySet::parse(&[Source { name: "policies".into(), text }]).unwrap().policies
    })
}

fn pod() -> impl Strategy<Value = StatePod> {
    let label = |values: [&'static str; 2]| prop::option::of(select(values.to_vec()));
    // A node and a pod have no address in common.
    let address = prop::option::of(0_usize..3);
    let port = prop::option::of(select(vec![80_u16, 5353]));
    let traits = (select(vec!["one", "two"]), select(vec!["w", "v"]), label(["x", "z"]), label(["a", "b"]));
    (traits, address, port, prop::bool::weighted(0.15)).prop_map(
        |((namespace, workload, app, tier), address, port, host)| {
            let labels = [("app", app), ("tier", tier)];
            let labels = labels.iter().filter_map(|(key, value)| Some(((*key).to_owned(), (*value)?.to_owned())));
            let web = |port| NamedPort { name: "web".into(), protocol: Protocol::Tcp, port };
            let known = if host {
                ["198.18.0.1", "198.18.0.2", "2001:db8::1"]
            } else {
                ["10.244.0.1", "10.243.0.1", "fd00:244::1"]
            };
            let addresses: Vec<_> = address.iter().map(|number| known[*number].parse().unwrap()).collect();
            let pod = Pod {
                namespace: namespace.into(),
                name: String::new(),
                labels: labels.collect::<Labels>(),
                addresses,
                node_addresses: Vec::new(),
                ports: port.map(web).into_iter().collect(),
            };
            let workload =
                WorkloadRef { namespace: namespace.into(), kind: "Deployment".into(), name: workload.into() };
            StatePod { pod, workload, host_network: host, node: None, from_template: false }
        },
    )
}

fn state() -> impl Strategy<Value = State> {
    prop::collection::vec(pod(), 1..7).prop_map(|mut pods| {
        pods.sort_by(|a, b| a.workload.cmp(&b.workload));
        for (number, pod) in pods.iter_mut().enumerate() {
            pod.pod.name = format!("pod-{number}");
        }
        State { cluster: Cluster::default(), pods, ..State::default() }
    })
}

fn sampled() -> impl Iterator<Item = (Protocol, u16)> {
    Protocol::ALL.into_iter().flat_map(|protocol| PORTS.map(|port| (protocol, port)))
}

/// What the evaluator says of two pods, port by port. Of a node without a known address it only knows rules for every
/// peer, while here blocks that are all addresses together let it in too; so it is asked for one address of each family.
fn verdicts(set: &PolicySet, from: &StatePod, to: &StatePod) -> Vec<bool> {
    let anywhere: [std::net::IpAddr; 2] = ["255.255.255.254".parse().unwrap(), "ffff::1".parse().unwrap()];
    let party = |pod| match StatePod::party(pod) {
        Party::Node { addresses: [] } => None,
        party => Some(party),
    };
    let ask = |from: Party, to: Party, (protocol, port)| {
        set.verdict(&Cluster::default(), &from, &to, protocol, port).allowed()
    };
    let both = |pod| party(pod).map_or(anywhere.map(Party::Address).to_vec(), |party| vec![party]);
    sampled().map(|what| both(from).iter().all(|from| both(to).iter().all(|to| ask(*from, *to, what)))).collect()
}

fn listed(connectivity: &Connectivity) -> BTreeMap<(WorkloadRef, WorkloadRef), Allowed> {
    let mut found = BTreeMap::new();
    let visited = connectivity.visit(|entry| {
        if let (End::Unit(from), End::Unit(to)) = (entry.from, entry.to) {
            assert!(!entry.allowed.ports.is_empty(), "nothing is no entry");
            assert_eq!(found.insert((from.name.clone(), to.name.clone()), entry.allowed), None, "an entry twice");
        }
        Ok::<(), std::convert::Infallible>(())
    });
    assert!(visited.is_ok());
    found
}

fn ports(allowed: Option<&Allowed>) -> Vec<bool> {
    sampled().map(|(protocol, port)| allowed.is_some_and(|allowed| allowed.ports.contains(protocol, port))).collect()
}

fn workload_of(pod: &StatePod) -> WorkloadRef {
    pod.workload.clone()
}

/// All pairs of different pods of two workloads. One pod that is the only one with an address of its own counts as two.
fn pairs<'s>(state: &'s State, from: &WorkloadRef, to: &WorkloadRef) -> Vec<(&'s StatePod, &'s StatePod)> {
    let of = |name: &WorkloadRef| state.pods.iter().filter(|pod| pod.workload == *name).collect::<Vec<_>>();
    let (from, to) = (of(from), of(to));
    let is_single = from.iter().filter(|pod| !pod.host_network).count() == 1;
    let is_pair = |one: &StatePod, other: &StatePod| one.pod.name != other.pod.name || one.host_network || is_single;
    from.iter()
        .flat_map(|one| to.iter().map(move |other| (*one, *other)))
        .filter(|(one, other)| is_pair(one, other))
        .collect()
}

/// As another pod like it, where a pod stands for two.
fn renamed(pod: &StatePod) -> StatePod {
    let mut other = pod.clone();
    other.pod.name.push_str("-again");
    other
}

fn any(lists: &[Vec<bool>]) -> Vec<bool> {
    (0..PORTS.len() * Protocol::ALL.len()).map(|index| lists.iter().any(|list| list[index])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn pods_may_what_the_verdict_lets_them(state in state(), set in policies()) {
        let units = Units::new(&state, By::Pod, &[&set]);
        let found = listed(&Connectivity::new(&units, &set));
        let name = |pod: &StatePod| WorkloadRef { namespace: (&pod.pod.namespace).into(), kind: "Pod".into(), name: (&pod.pod.name).into() };
        for from in &state.pods {
            for to in &state.pods {
                let pair = (name(from), name(to));
                if from == to {
                    prop_assert!(!found.contains_key(&pair), "a pod to itself");
                    continue;
                }
                prop_assert_eq!(ports(found.get(&pair)), verdicts(&set, from, to), "{:?}", pair);
                prop_assert!(found.get(&pair).is_none_or(|allowed| !allowed.some));
            }
        }
    }

    #[test]
    fn workloads_may_what_any_of_their_pods_may(state in state(), set in policies()) {
        let units = Units::new(&state, By::Workload, &[&set]);
        let found = listed(&Connectivity::new(&units, &set));
        for from in units.all() {
            for to in units.all() {
                let pairs = pairs(&state, &from.name, &to.name);
                let asked: Vec<Vec<bool>> = pairs.iter().map(|(from, to)| verdicts(&set, from, &renamed(to))).collect();
                let allowed = found.get(&(from.name.clone(), to.name.clone()));
                prop_assert_eq!(ports(allowed), any(&asked), "{} to {}", from, to);
                if let Some(allowed) = allowed {
                    prop_assert!(allowed.some || asked.iter().all(|one| *one == asked[0]), "{} to {} is not of all", from, to);
                }
            }
        }
    }

    #[test]
    fn a_difference_is_what_one_set_lets_a_pair_do_and_the_other_does_not(
        state in state(), before in policies(), after in policies(),
    ) {
        let units = Units::new(&state, By::Workload, &[&before, &after]);
        let (one, other) = (Connectivity::new(&units, &before), Connectivity::new(&units, &after));
        let comparison = one.compare(&other);
        let back = other.compare(&one);
        prop_assert_eq!((&comparison.allowed, &comparison.denied), (&back.denied, &back.allowed));
        prop_assert!(one.compare(&one).is_equal());
        for (entries, more, less) in [(&comparison.allowed, &after, &before), (&comparison.denied, &before, &after)] {
            for (from, to) in state.pods.iter().map(workload_of).flat_map(|from| state.pods.iter().map(move |to| (from.clone(), workload_of(to)))) {
                let differs = |(from, to): &(&StatePod, &StatePod)| -> Vec<bool> {
                    let (more, less) = (verdicts(more, from, &renamed(to)), verdicts(less, from, &renamed(to)));
                    more.iter().zip(less).map(|(more, less)| *more && !less).collect()
                };
                let expected = any(&pairs(&state, &from, &to).iter().map(differs).collect::<Vec<_>>());
                let entry = entries.iter().find(|entry| {
                    matches!((entry.from, entry.to), (End::Unit(one), End::Unit(other)) if one.name == from && other.name == to)
                });
                prop_assert_eq!(ports(entry.map(|entry| &entry.allowed)), expected, "{} to {}", from, to);
            }
        }
    }

    #[test]
    fn what_is_open_to_everyone_is_open_to_a_stranger_and_to_anywhere(state in state(), set in policies()) {
        let units = Units::new(&state, By::Pod, &[&set]);
        let stranger = Pod { namespace: "elsewhere".into(), ..state.pods[0].pod.clone() };
        let stranger = Pod { name: "stranger".into(), labels: Labels::new(), addresses: Vec::new(), ..stranger };
        let v4: std::net::IpAddr = "198.51.100.1".parse().unwrap();
        let v6: std::net::IpAddr = "2001:db8:ffff::1".parse().unwrap();
        for entry in Connectivity::new(&units, &set).exposed() {
            let (End::Everyone(everyone), End::Unit(unit)) = (entry.from, entry.to) else { panic!("{entry:?}") };
            let to = state.pods.iter().find(|pod| pod.pod.name == unit.name.name).unwrap();
            let Everyone { pods, ipv4, ipv6 } = everyone;
            let parties = [(pods, Party::Pod(&stranger)), (ipv4, Party::Address(v4)), (ipv6, Party::Address(v6))];
            for (_, party) in parties.into_iter().filter(|(is_meant, _)| *is_meant) {
                for (protocol, port) in sampled().filter(|(protocol, port)| entry.allowed.ports.contains(*protocol, *port)) {
                    prop_assert!(set.verdict(&Cluster::default(), &party, &to.party(), protocol, port).allowed());
                }
            }
        }
    }
}

#[test]
fn addresses_are_those_for_which_the_verdict_is_the_same() {
    let text = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: one}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{ipBlock: {cidr: 198.18.0.0/16, except: [198.18.0.0/24]}}], ports: [{port: 80}]}]
  egress: [{to: [{ipBlock: {cidr: '2001:db8::/32', except: ['2001:db8:1::/48']}}], ports: [{protocol: UDP, port: 53}]}]
";
    let set = PolicySet::parse(&[Source { name: "p".into(), text: text.into() }]).unwrap().policies;
    let workload = WorkloadRef { namespace: "one".into(), kind: "Deployment".into(), name: "web".into() };
    let pod = Pod {
        namespace: "one".into(),
        name: "web".into(),
        labels: Labels::new(),
        addresses: Vec::new(),
        node_addresses: Vec::new(),
        ports: Vec::new(),
    };
    let pod = StatePod { pod, workload, host_network: false, node: None, from_template: true };
    let state = State { pods: vec![pod], ..State::default() };
    let units = Units::new(&state, By::Workload, &[&set]);
    let mut lines = Vec::new();
    let connectivity = Connectivity::new(&units, &set);
    let visited = connectivity.visit(|entry| {
        lines.push(format!("{} -> {}: {}", entry.from, entry.to, entry.allowed));
        Ok::<(), std::convert::Infallible>(())
    });
    assert!(visited.is_ok());
    assert_eq!(
        lines,
        [
            "one/Deployment/web -> 2001:db8::/48: UDP 53",
            "one/Deployment/web -> 2001:db8:2::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff: UDP 53",
            "198.18.1.0-198.18.255.255 -> one/Deployment/web: TCP 80",
        ]
    );
}
