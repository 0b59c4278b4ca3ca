//! What a NetworkPolicy means, sentence by sentence. Each test names the sentence it holds to: those in quotation marks
//! without another source are from the comments on the API's types (`k8s.io/api/networking/v1/types.go`); the website is kubernetes.io/docs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod addresses;
mod isolation;
mod parties;
mod peers;
mod ports;
mod protocols;
mod selectors;
mod services;

use netwright_policy::{Cluster, Labels, NamedPort, Party, Pod, PolicySet, Protocol, Source};
use std::net::IpAddr;

/// The pods of every test: `front` and `api` in `shop`, another `front` in `bank`, where the namespace has labels.
struct World {
    cluster: Cluster,
    front: Pod,
    api: Pod,
    bank_front: Pod,
}

fn world() -> World {
    let mut api = pod("shop/api", &[("app", "api"), ("tier", "back")], &["10.244.0.2", "fd00:244::2"]);
    let port = |name: &str, protocol, port| NamedPort { name: name.into(), protocol, port };
    api.ports = vec![port("http", Protocol::Tcp, 8080), port("dns", Protocol::Udp, 5353)];
    api.node_addresses = vec![address("192.0.2.1"), address("192.0.2.2")];
    World {
        cluster: Cluster { namespaces: [("bank".into(), labels(&[("team", "money")]))].into(), ..Cluster::default() },
        front: pod("shop/front", &[("app", "front")], &["10.244.0.1"]),
        api,
        bank_front: pod("bank/front", &[("app", "front")], &["10.244.1.1"]),
    }
}

fn pod(name: &str, pairs: &[(&str, &str)], addresses: &[&str]) -> Pod {
    let (namespace, name) = name.split_once('/').unwrap();
    Pod {
        namespace: namespace.into(),
        name: name.into(),
        labels: labels(pairs),
        addresses: addresses.iter().map(|text| address(text)).collect(),
        node_addresses: vec![],
        ports: vec![],
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Policies of the namespace `shop` with these `spec`s.
fn policies(specs: &[&str]) -> PolicySet {
    let manifest = |(index, spec): (usize, &&str)| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p{index}, namespace: shop}}\nspec: {spec}\n---\n"
        )
    };
    let text = specs.iter().enumerate().map(manifest).collect();
    PolicySet::parse(&[Source { name: "test.yaml".into(), text }]).unwrap().policies
}

/// Whether TCP port 80 may be reached under one policy.
fn allows(spec: &str, from: Party, to: Party) -> bool {
    allows_port(spec, from, to, Protocol::Tcp, 80)
}

fn allows_port(spec: &str, from: Party, to: Party, protocol: Protocol, port: u16) -> bool {
    policies(&[spec]).verdict(&world().cluster, &from, &to, protocol, port).allowed()
}

const OUTSIDE: Party = Party::Address(IpAddr::V4(std::net::Ipv4Addr::new(198, 18, 0, 1)));

fn party(pod: &Pod) -> Party<'_> {
    Party::Pod(pod)
}

fn block_admits(block: &str, from: Party) -> bool {
    allows(&format!("{{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {block}}}]}}]}}"), from, party(&world().api))
}

fn outside(text: &str) -> Party<'static> {
    Party::Address(address(text))
}

const CLOSED: &str = "{podSelector: {}, policyTypes: [Ingress, Egress]}";
