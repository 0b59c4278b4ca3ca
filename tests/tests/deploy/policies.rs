//! Our own NetworkPolicies, asked by our own evaluator: agents reach the collector, others do not.

use crate::chart::VARIANTS;
use crate::objects::objects;
use crate::tools::template;
use netwright_policy::{Cluster, Labels, Party, Pod, PolicySet, Protocol, Source};
use std::collections::BTreeMap;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn pod(namespace: &str, name: &str, labels: Labels) -> Pod {
    let (addresses, node_addresses, ports) = (vec![], vec![], vec![]);
    Pod { namespace: namespace.into(), name: name.into(), labels, addresses, node_addresses, ports }
}

fn component(namespace: &str, component: &str) -> Pod {
    let pairs = [
        ("app.kubernetes.io/name", "netwright"),
        ("app.kubernetes.io/instance", "netwright"),
        ("app.kubernetes.io/component", component),
    ];
    pod(namespace, component, labels(&pairs))
}

/// The policies of these values, and namespaces with the label that the API server sets.
fn policies(values: &[&str]) -> Option<(PolicySet, Cluster)> {
    let rendered = objects(&template(values)?);
    let policies = rendered.iter().filter(|((kind, _), _)| kind == "NetworkPolicy");
    let text: String = policies.map(|(_, policy)| format!("---\n{policy}\n")).collect();
    let parsed = PolicySet::parse(&[Source { name: "chart".into(), text }]).unwrap();
    assert!(parsed.warnings.is_empty(), "{:?}", parsed.warnings);
    let names = ["netwright", "kube-system", "monitoring", "shop"];
    let namespaces: BTreeMap<String, Labels> =
        names.iter().map(|name| ((*name).to_owned(), labels(&[("kubernetes.io/metadata.name", name)]))).collect();
    Some((parsed.policies, Cluster { namespaces, ..Cluster::default() }))
}

#[test]
fn agents_reach_the_collector_and_nobody_else_does() {
    let Some((policies, cluster)) = policies(&[]) else { return };
    let ask =
        |from: &Pod, to: &Party, port| policies.verdict(&cluster, &Party::Pod(from), to, Protocol::Tcp, port).allowed();
    let allowed = |from: &Pod, to: &Pod, port| ask(from, &Party::Pod(to), port);
    let (agent, collector) = (component("netwright", "agent"), component("netwright", "collector"));
    let (stranger, impostor) = (pod("shop", "web", Labels::default()), component("shop", "agent"));
    let replica = Pod { name: "another".into(), ..collector.clone() };
    let neighbour = pod("netwright", "other", Labels::default());
    let prometheus = pod("monitoring", "prometheus", Labels::default());
    let dns = pod("kube-system", "coredns", Labels::default());
    assert!(allowed(&agent, &collector, 8443));
    for other in [&stranger, &impostor, &neighbour, &prometheus, &replica] {
        assert!(!allowed(other, &collector, 8443));
    }
    for port in [8444, 22, 8442] {
        assert!(!allowed(&agent, &collector, port), "{port}");
    }
    for ours in [&agent, &collector] {
        assert!(allowed(&prometheus, ours, 8080) && !allowed(&stranger, ours, 8080));
        assert!(allowed(ours, &dns, 53) && !allowed(ours, &dns, 9153) && !allowed(ours, &stranger, 80));
        assert!(!allowed(&stranger, ours, 53) && !allowed(&dns, ours, 53));
    }
    let address = |text: &str| Party::Address(text.parse().unwrap());
    for (to, port, expected) in
        [("198.18.0.1", 6443, true), ("198.18.0.1", 443, true), ("198.18.0.1", 80, false), ("169.254.20.10", 53, true)]
    {
        assert_eq!(ask(&agent, &address(to), port), expected, "{to}:{port}");
    }
}

#[test]
fn the_database_is_reached_by_the_collector_alone() {
    let Some((policies, cluster)) = policies(VARIANTS[2]) else { return };
    let database = Party::Address("198.18.0.9".parse().unwrap());
    let to_database = |from: &str| {
        policies.verdict(&cluster, &Party::Pod(&component("netwright", from)), &database, Protocol::Tcp, 5432).allowed()
    };
    assert!(to_database("collector") && !to_database("agent"));
}
