//! ClusterNetworkPolicies as they are written, and their limits: what is too long for one rule or one object is divided.

use crate::infer::rules::Pods;
use crate::render::Provenance;
use crate::render::metadata::{ApiObject, Metadata};
use ipnet::IpNet;
use netwright_record::Protocol;
use netwright_record::inventory::Labels;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// The label that names a namespace; the API server sets it on every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// The most rules of a direction, peers or protocols of a rule, and networks of a peer.
const MOST: usize = 25;

/// One object before it is divided. Lower priorities are decided first.
#[derive(Debug, Clone)]
pub(super) struct Rail {
    pub(super) name: &'static str,
    pub(super) tier: &'static str,
    pub(super) priority: u16,
    pub(super) subject: Whose,
    pub(super) ingress: Vec<RailRule>,
    pub(super) egress: Vec<RailRule>,
}

/// Pods by namespaces or by labels, as a subject and as a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    Everyone,
    Namespaces(Vec<String>),
    NamespacesBut(Vec<String>),
    Pods(Pods),
    /// Addresses; only as a peer of egress.
    Networks(Vec<IpNet>),
}

/// A port of a protocol.
pub(super) type ProtocolPort = (Protocol, u16);

/// One rule before it is divided. No ports mean everything.
#[derive(Debug, Clone)]
pub(super) struct RailRule {
    pub(super) name: &'static str,
    pub(super) action: &'static str,
    pub(super) peers: Vec<Whose>,
    pub(super) ports: BTreeSet<ProtocolPort>,
}

/// One object as it is written.
#[derive(Debug)]
pub(super) struct Object {
    name: String,
    tier: &'static str,
    priority: u16,
    subject: Whose,
    ingress: Vec<WrittenRule>,
    egress: Vec<WrittenRule>,
}

#[derive(Debug, Clone)]
struct WrittenRule {
    egress: bool,
    name: &'static str,
    action: &'static str,
    peers: Vec<Whose>,
    ports: Vec<ProtocolPort>,
}

impl Rail {
    /// As many objects as its rules need. All of one rail have the same action for what they have in common, so that it does
    /// not matter which of them is asked first.
    pub(super) fn objects(self) -> Vec<Object> {
        self.numbered(0)
    }

    /// The same for the rail of this number among several of one name.
    pub(super) fn numbered(self, rail: usize) -> Vec<Object> {
        let base = if rail == 0 { self.name.to_owned() } else { format!("{}-{}", self.name, rail + 1) };
        let ingress: Vec<WrittenRule> = self.ingress.iter().flat_map(|rule| rule.divided(false)).collect();
        let egress: Vec<WrittenRule> = self.egress.iter().flat_map(|rule| rule.divided(true)).collect();
        let part = |rules: &[WrittenRule], number: usize| rules.chunks(MOST).nth(number).unwrap_or_default().to_vec();
        let parts = ingress.len().div_ceil(MOST).max(egress.len().div_ceil(MOST));
        (0..parts)
            .map(|number| Object {
                name: if number == 0 { base.clone() } else { format!("{base}-part-{}", number + 1) },
                tier: self.tier,
                priority: self.priority,
                subject: self.subject.clone(),
                ingress: part(&ingress, number),
                egress: part(&egress, number),
            })
            .collect()
    }
}

impl RailRule {
    fn divided(&self, egress: bool) -> Vec<WrittenRule> {
        let peers: Vec<Whose> = self.peers.iter().flat_map(Whose::divided).collect();
        let ports: Vec<ProtocolPort> = self.ports.iter().copied().collect();
        let chunks: Vec<&[ProtocolPort]> = if ports.is_empty() { vec![&[]] } else { ports.chunks(MOST).collect() };
        let each = peers.chunks(MOST).flat_map(|peers| chunks.iter().map(move |ports| (peers, *ports)));
        let rule = |(peers, ports): (&[Whose], &[ProtocolPort])| WrittenRule {
            egress,
            name: self.name,
            action: self.action,
            peers: peers.to_vec(),
            ports: ports.to_vec(),
        };
        each.map(rule).collect()
    }
}

impl Whose {
    fn divided(&self) -> Vec<Whose> {
        match self {
            Whose::Networks(all) => all.chunks(MOST).map(|some| Whose::Networks(some.to_vec())).collect(),
            other => vec![other.clone()],
        }
    }
}

impl Object {
    /// The object, in the order in which people write it.
    pub(super) fn manifest<'a>(&'a self, provenance: &Provenance) -> impl Serialize + 'a {
        Manifest {
            api_version: "policy.networking.k8s.io/v1alpha2",
            kind: "ClusterNetworkPolicy",
            metadata: Metadata::new(None, &self.name, provenance),
            spec: Spec {
                tier: self.tier,
                priority: self.priority,
                subject: &self.subject,
                ingress: &self.ingress,
                egress: &self.egress,
            },
        }
    }
}

type Manifest<'a> = ApiObject<'a, Spec<'a>>;

#[derive(Serialize)]
struct Spec<'a> {
    tier: &'static str,
    priority: u16,
    subject: &'a Whose,
    #[serde(skip_serializing_if = "<[WrittenRule]>::is_empty")]
    ingress: &'a [WrittenRule],
    #[serde(skip_serializing_if = "<[WrittenRule]>::is_empty")]
    egress: &'a [WrittenRule],
}

impl Serialize for WrittenRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("name", self.name)?;
        fields.serialize_entry("action", self.action)?;
        fields.serialize_entry(if self.egress { "to" } else { "from" }, &self.peers)?;
        if !self.ports.is_empty() {
            let protocols: Vec<_> = self.ports.iter().map(protocol).collect();
            fields.serialize_entry("protocols", &protocols)?;
        }
        fields.end()
    }
}

/// `tcp: {destinationPort: {number: 53}}`.
fn protocol((protocol, port): &ProtocolPort) -> BTreeMap<&'static str, Ports> {
    let key = match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    };
    BTreeMap::from([(key, Ports { destination_port: Number { number: *port } })])
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ports {
    destination_port: Number,
}

#[derive(Serialize)]
struct Number {
    number: u16,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Selector<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    match_labels: Option<BTreeMap<&'a str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    match_expressions: Option<[Expression<'a>; 1]>,
}

#[derive(Serialize)]
struct Expression<'a> {
    key: &'static str,
    operator: &'static str,
    values: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NamespacedPods<'a> {
    namespace_selector: Selector<'a>,
    pod_selector: Selector<'a>,
}

fn labelled(labels: &Labels) -> Selector<'_> {
    let labels = labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    Selector { match_labels: Some(labels), match_expressions: None }
}

fn named<'a>(operator: &'static str, values: &'a [String]) -> Selector<'a> {
    Selector { match_labels: None, match_expressions: Some([Expression { key: NAMESPACE_NAME, operator, values }]) }
}

impl Serialize for Whose {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut field = serializer.serialize_map(Some(1))?;
        match self {
            Whose::Everyone => field.serialize_entry("namespaces", &Selector::default())?,
            Whose::Namespaces(names) => field.serialize_entry("namespaces", &named("In", names))?,
            Whose::NamespacesBut(names) if names.is_empty() => {
                field.serialize_entry("namespaces", &Selector::default())?;
            }
            Whose::NamespacesBut(names) => field.serialize_entry("namespaces", &named("NotIn", names))?,
            Whose::Pods(Pods { namespace, labels }) => {
                let namespace = BTreeMap::from([(NAMESPACE_NAME, namespace.as_str())]);
                let namespace_selector = Selector { match_labels: Some(namespace), match_expressions: None };
                let pods = NamespacedPods { namespace_selector, pod_selector: labelled(labels) };
                field.serialize_entry("pods", &pods)?;
            }
            Whose::Networks(networks) => field.serialize_entry("networks", networks)?,
        }
        field.end()
    }
}
