//! Questions to the policies that a run wrote, and their answers by `netwright-policy`, which shares no code with what
//! infers them. Serves whoever writes a case.
//!
//! `shop/front-1 -> shop/api-1:8080 allowed`; an end may be `NAMESPACE/POD`, `node NAME` or an address (an IPv6 one in
//! brackets as a server); the port may say its protocol, `53/UDP`.

use crate::seen::port_and_protocol;
use crate::snapshot::compared;
use anyhow::{Context, Result, bail};
use netwright_policy::{Cluster, NamedPort, Party, Pod, PolicySet, Source};
use netwright_record::inventory::{self, Inventory};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One question, read.
#[derive(Debug)]
pub(crate) struct Question {
    /// As it stands in the case.
    pub(crate) text: String,
    /// The client.
    pub(crate) client: End,
    /// The server.
    pub(crate) server: End,
    /// The protocol.
    pub(crate) protocol: netwright_record::Protocol,
    /// The server's own port.
    pub(crate) port: u16,
    /// The right answer.
    pub(crate) allowed: bool,
}

/// One end of a question, as policies see it.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// A pod with addresses of its own.
    Pod(Pod),
    /// A node, or a host-network pod.
    Node(Vec<IpAddr>),
    /// Somewhere else.
    Address(IpAddr),
}

impl End {
    /// A pod of the cluster.
    pub(crate) fn of_pod(pod: &inventory::Pod, inventory: &Inventory) -> Self {
        if pod.host_network {
            End::Node(node_addresses(pod.node.as_deref().unwrap_or_default(), inventory))
        } else {
            End::Pod(policy_pod(pod, inventory))
        }
    }

    /// `namespace/pod`, if it is one.
    pub(crate) fn pod(&self) -> Option<String> {
        match self {
            End::Pod(pod) => Some(format!("{}/{}", pod.namespace, pod.name)),
            End::Node(_) | End::Address(_) => None,
        }
    }

    fn party(&self) -> Party<'_> {
        match self {
            End::Pod(pod) => Party::Pod(pod),
            End::Node(addresses) => Party::Node { addresses },
            End::Address(address) => Party::Address(*address),
        }
    }
}

impl Question {
    pub(crate) fn read(text: &str, inventory: &Inventory) -> Result<Self> {
        let read = || {
            let (ends, answer) = text.rsplit_once(' ').context("no answer at its end")?;
            let (client, server) = ends.split_once(" -> ").context("no ` -> `")?;
            let (server, port) = server.trim().rsplit_once(':').context("no `:PORT` after the server")?;
            let (port, protocol) = port_and_protocol(port)?;
            let (client, server) = (end(client.trim(), inventory)?, end(server, inventory)?);
            let allowed = match answer {
                "allowed" => true,
                "denied" => false,
                other => bail!("{other:?} is neither `allowed` nor `denied`"),
            };
            Ok(Self { text: text.to_owned(), client, server, protocol, port, allowed })
        };
        read().with_context(|| format!("question {text:?}"))
    }

    /// Whether `policies` give the right answer.
    pub(crate) fn holds(&self, policies: &PolicySet, cluster: &Cluster) -> bool {
        let (client, server) = (self.client.party(), self.server.party());
        policies.verdict(cluster, &client, &server, protocol(self.protocol), self.port).allowed() == self.allowed
    }
}

/// The questions that `manifests` (by file) answer wrongly.
pub(crate) fn wrong(
    questions: &[Question],
    manifests: &BTreeMap<String, String>,
    inventory: &Inventory,
) -> Result<Vec<String>> {
    // Other dialects have no questions: `netwright-policy` reads Kubernetes' own.
    let policies = if questions.is_empty() { PolicySet::default() } else { parse(manifests)? };
    let cluster = cluster(inventory);
    let wrong = questions.iter().filter(|question| !question.holds(&policies, &cluster));
    Ok(wrong.map(|question| format!("not so: {}", question.text)).collect())
}

/// What the policies in `files` say of two ends, a protocol and a port.
pub(crate) fn verdicts(
    files: &BTreeMap<String, String>,
    inventory: &Inventory,
) -> Result<impl Fn(&End, &End, netwright_record::Protocol, u16) -> bool> {
    let (policies, cluster) = (parse(&compared(files))?, cluster(inventory));
    Ok(move |client: &End, server: &End, of, port| {
        policies.verdict(&cluster, &client.party(), &server.party(), protocol(of), port).allowed()
    })
}

fn parse(manifests: &BTreeMap<String, String>) -> Result<PolicySet> {
    let sources = manifests.iter().map(|(name, text)| Source { name: name.clone(), text: text.clone() });
    let parsed = PolicySet::parse(&sources.collect::<Vec<_>>());
    Ok(parsed.map_err(|failure| anyhow::anyhow!("{:?}", failure.errors))?.policies)
}

/// Whether every question would be answered rightly if there were no policies: then they ask nothing.
pub(crate) fn ask_nothing(questions: &[Question], inventory: &Inventory) -> bool {
    let (none, cluster) = (PolicySet::default(), cluster(inventory));
    questions.iter().all(|question| question.holds(&none, &cluster))
}

fn cluster(inventory: &Inventory) -> Cluster {
    let namespaces = inventory.namespaces.iter().map(|it| ((&it.name).into(), (&it.labels).into())).collect();
    Cluster { namespaces, ..Cluster::default() }
}

fn end(text: &str, inventory: &Inventory) -> Result<End> {
    if let Some(name) = text.strip_prefix("node ") {
        return Ok(End::Node(node_addresses(name, inventory)));
    }
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse() {
        return Ok(End::Address(address));
    }
    let found = inventory.pods.iter().find(|pod| text == format!("{}/{}", pod.namespace, pod.name));
    let pod = found.with_context(|| format!("no pod {text} in cluster.yaml"))?;
    Ok(End::of_pod(pod, inventory))
}

fn node_addresses(name: &str, inventory: &Inventory) -> Vec<IpAddr> {
    inventory.nodes.iter().find(|node| node.name == name).map(|node| node.addresses.clone()).unwrap_or_default()
}

/// The pod as policies see it.
fn policy_pod(pod: &inventory::Pod, inventory: &Inventory) -> Pod {
    let named = pod.ports.iter().filter_map(|port| {
        Some(NamedPort { name: port.name.as_ref()?.into(), protocol: protocol(port.protocol), port: port.port })
    });
    Pod {
        namespace: (&pod.namespace).into(),
        name: (&pod.name).into(),
        labels: (&pod.labels).into(),
        addresses: pod.addresses.iter().map(|held| held.ip).collect(),
        node_addresses: node_addresses(pod.node.as_deref().unwrap_or_default(), inventory),
        ports: named.collect(),
    }
}

fn protocol(protocol: netwright_record::Protocol) -> netwright_policy::Protocol {
    match protocol {
        netwright_record::Protocol::Tcp => netwright_policy::Protocol::Tcp,
        netwright_record::Protocol::Udp => netwright_policy::Protocol::Udp,
        netwright_record::Protocol::Sctp => netwright_policy::Protocol::Sctp,
    }
}
