//! The dialect `networking.k8s.io/v1` NetworkPolicy: understood by every enforcer.
//!
//! What is written is borrowed from the plan and goes straight to the writer: a cluster has tens of thousands of policies.

use super::evidence::words;
use super::form::{Form, Stage};
use super::metadata::{ApiObject, Metadata};
use super::yaml::{self, Above, Noted};
use super::{Provenance, RenderError};
use crate::infer::names::DEFAULT_DENY;
use crate::infer::rules::{Peer, Port, PortMatch, Rule, Target, Whom, WorkloadPolicy};
use crate::review::Decided;
use crate::text;
use ipnet::IpNet;
use netwright_record::Observation;
use netwright_record::inventory::Labels;
use serde::Serialize;
use std::collections::BTreeMap;

/// The label by which a peer in another namespace is selected; the API server sets it on every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
const INGRESS: &str = "Ingress";
const EGRESS: &str = "Egress";

/// How policies are divided into objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Division {
    /// One object with both directions.
    #[default]
    Together,
    /// One object a direction, in one file: exact on enforcers that mix up the halves of one (kube-router).
    ByDirection,
}

/// The manifest of one workload's policy.
pub fn policy(
    observation: &Observation,
    decided: &Decided,
    policy: &WorkloadPolicy,
    provenance: &Provenance,
    form: &Form,
) -> Result<String, RenderError> {
    let object = |suffix: &str, types: &'static [&'static str]| -> Result<String, RenderError> {
        let name = format!("{}{suffix}", policy.name);
        let manifest = manifest(policy, &name, types, provenance).staged(form.stage);
        yaml::typed(&manifest, &above(observation, decided, policy, types))
    };
    match form.division {
        Division::Together => Ok(yaml::file(&[object("", &[INGRESS, EGRESS])?])),
        Division::ByDirection => Ok(yaml::file(&[object("-ingress", &[INGRESS])?, object("-egress", &[EGRESS])?])),
    }
}

/// The manifest that denies everything in `namespace` that no other policy allows.
pub fn default_deny(namespace: &str, provenance: &Provenance, stage: Stage) -> Result<String, RenderError> {
    let manifest = Manifest {
        api_version: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: Metadata::new(Some(namespace), DEFAULT_DENY, provenance),
        spec: Spec {
            staged_action: None,
            pod_selector: Selector { match_labels: None },
            policy_types: &[INGRESS, EGRESS],
            ingress: None,
            egress: None,
        },
    };
    Ok(yaml::file(&[yaml::typed(&manifest.staged(stage), &Above::new())?]))
}

type Manifest<'a> = ApiObject<'a, Spec<'a>>;

impl Manifest<'_> {
    /// As the object that Calico only logs: the same, word for word, under another name (projectcalico/api,
    /// `stagedkubernetesnetworkpolicy.go`).
    fn staged(mut self, stage: Stage) -> Self {
        if stage == Stage::Audit {
            self.api_version = "projectcalico.org/v3";
            self.kind = "StagedKubernetesNetworkPolicy";
            self.spec.staged_action = Some("Set");
        }
        self
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    staged_action: Option<&'static str>,
    pod_selector: Selector<'a>,
    /// Always written out: what an absent or partial list means differs between directions and enforcers.
    policy_types: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    ingress: Option<Vec<IngressRule<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    egress: Option<Vec<EgressRule<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Selector<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    match_labels: Option<&'a Labels>,
}

#[derive(Serialize)]
struct IngressRule<'a> {
    from: Vec<PeerManifest<'a>>,
    ports: Vec<PortManifest<'a>>,
}

#[derive(Serialize)]
struct EgressRule<'a> {
    to: Vec<PeerManifest<'a>>,
    ports: Vec<PortManifest<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PeerManifest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace_selector: Option<NamespaceSelector<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod_selector: Option<Selector<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_block: Option<IpBlock<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NamespaceSelector<'a> {
    match_labels: BTreeMap<&'static str, &'a str>,
}

#[derive(Serialize)]
struct IpBlock<'a> {
    cidr: Noted<String>,
    #[serde(skip_serializing_if = "<[IpNet]>::is_empty")]
    except: &'a [IpNet],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PortManifest<'a> {
    protocol: &'static str,
    port: PortValue<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_port: Option<u16>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum PortValue<'a> {
    Number(u16),
    Name(&'a str),
}

fn manifest<'a>(
    policy: &'a WorkloadPolicy,
    name: &'a str,
    types: &'static [&'static str],
    provenance: &Provenance,
) -> Manifest<'a> {
    let namespace = policy.workload.namespace.as_str();
    let ingress = policy.ingress.iter().map(|rule| IngressRule { from: peers(rule, namespace), ports: ports(rule) });
    let egress = policy.egress.iter().map(|rule| EgressRule { to: peers(rule, namespace), ports: ports(rule) });
    Manifest {
        api_version: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: Metadata::new(Some(namespace), name, provenance).of(&policy.workload),
        spec: Spec {
            staged_action: None,
            pod_selector: selector(&policy.selection.pods.labels),
            policy_types: types,
            ingress: types.contains(&INGRESS).then(|| ingress.collect()),
            egress: types.contains(&EGRESS).then(|| egress.collect()),
        },
    }
}

/// Every pod where there are no labels.
fn selector(labels: &Labels) -> Selector<'_> {
    Selector { match_labels: (!labels.is_empty()).then_some(labels) }
}

fn peers<'a>(rule: &'a Rule, own_namespace: &str) -> Vec<PeerManifest<'a>> {
    rule.peers.iter().map(|peer| self::peer(peer, own_namespace)).collect()
}

fn peer<'a>(peer: &'a Peer, own_namespace: &str) -> PeerManifest<'a> {
    match &peer.target {
        Target::Pods(pods) => {
            let other = (pods.namespace != own_namespace).then_some(pods.namespace.as_str());
            PeerManifest {
                namespace_selector: other
                    .map(|namespace| NamespaceSelector { match_labels: BTreeMap::from([(NAMESPACE_NAME, namespace)]) }),
                pod_selector: Some(selector(&pods.labels)),
                ip_block: None,
            }
        }
        Target::Block { cidr, except } => PeerManifest {
            namespace_selector: None,
            pod_selector: None,
            ip_block: Some(IpBlock { cidr: Noted(cidr.to_string(), note(peer)), except }),
        },
    }
}

fn ports(rule: &Rule) -> Vec<PortManifest<'_>> {
    rule.ports.iter().map(port).collect()
}

fn port(port: &Port) -> PortManifest<'_> {
    let (number, end_port) = match &port.at {
        PortMatch::Range { first, last } => (PortValue::Number(*first), (last > first).then_some(*last)),
        PortMatch::Named(name) => (PortValue::Name(name), None),
    };
    PortManifest { protocol: port.protocol.as_str(), port: number, end_port }
}

/// How many names stand beside an address.
const NAMES_SHOWN: usize = 3;

/// Who is behind a block; nothing where the block is all that is known.
pub(super) fn note(peer: &Peer) -> Option<String> {
    let by_address = |whom: &Whom| match whom {
        Whom::Workload(workload) => Some(workload.to_string()),
        whom => whom.note(),
    };
    let notes: Vec<String> = peer.whom.iter().filter_map(by_address).collect();
    (!notes.is_empty()).then(|| text::some_of(&notes, NAMES_SHOWN))
}

/// What stands above each rule: how much was seen of it, and how much wider than that it is.
fn above(observation: &Observation, decided: &Decided, policy: &WorkloadPolicy, types: &[&str]) -> Above {
    let directions = [("ingress", INGRESS, &policy.ingress), ("egress", EGRESS, &policy.egress)];
    let written = directions.into_iter().filter(|(_, kind, _)| types.contains(kind));
    let lines = |rules: &[Rule]| rules.iter().map(|rule| words::comment(observation, decided, rule)).collect();
    written.map(|(key, _, rules)| (key, lines(rules))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::{Options, infer};
    use crate::testing::{World, address};
    use netwright_policy::{Direction, NetworkPolicy, Pod, PolicySet, Source};
    use netwright_record::Endpoint;
    use netwright_record::Protocol::{Tcp, Udp};

    fn shop() -> World {
        let mut world = World::new();
        let (front, api) = (world.running("shop", "front"), world.running("shop", "api"));
        let dns = world.running("kube-system", "dns");
        let (front, api, dns) = (Endpoint::Workload(front), Endpoint::Workload(api), Endpoint::Workload(dns));
        world.edge(front.clone(), api.clone(), Tcp, 8080);
        world.edge(front, dns.clone(), Udp, 53);
        world.edge(api.clone(), dns, Udp, 53);
        let billing = Endpoint::ExternalName { names: ["billing.example".into()].into() };
        world.edge(api, billing, Tcp, 443).server_addresses = [address("198.18.0.7"), address("fd00:18::7")].into();
        world
    }

    fn provenance(observation: &Observation) -> Provenance {
        Provenance { window: observation.header.window, digest: "0".repeat(64), version: "1.2.3" }
    }

    #[test]
    fn a_policy_reads_as_a_careful_person_would_write_it() {
        let observation = shop().build();
        let plan = infer(&observation, &Options::default(), &Decided::default());
        let provenance = provenance(&observation);
        let api = plan.policies.iter().find(|policy| policy.name == "api").unwrap();
        insta::assert_snapshot!(
            "policy",
            policy(&observation, &Decided::default(), api, &provenance, &Form::default()).unwrap()
        );
        insta::assert_snapshot!("default-deny", default_deny("shop", &provenance, Stage::Enforce).unwrap());
    }

    #[test]
    fn divided_by_direction_it_is_two_objects_of_one_type_each() {
        let observation = shop().build();
        let plan = infer(&observation, &Options::default(), &Decided::default());
        let api = plan.policies.iter().find(|policy| policy.name == "api").unwrap();
        let form = Form { division: Division::ByDirection, ..Form::default() };
        let text = policy(&observation, &Decided::default(), api, &provenance(&observation), &form).unwrap();
        let parsed = PolicySet::parse(&[Source { name: "api.yaml".into(), text }]).unwrap().policies;
        let [ingress, egress] = parsed.policies() else { panic!("{parsed:?}") };
        assert_eq!((egress.name.as_str(), ingress.name.as_str()), ("api-egress", "api-ingress"));
        assert_eq!((egress.ingress.len(), egress.egress.len()), (0, 2));
        assert_eq!((ingress.ingress.len(), ingress.egress.len()), (1, 0));
        let labels = [("app".into(), "api".into())].into();
        let (namespace, name) = ("shop".into(), "api-1".into());
        let pod = Pod { namespace, name, labels, addresses: Vec::new(), node_addresses: Vec::new(), ports: Vec::new() };
        let isolated = |policy: &NetworkPolicy| {
            [Direction::Egress, Direction::Ingress].map(|direction| policy.isolates(&pod, direction))
        };
        assert_eq!((isolated(egress), isolated(ingress)), ([true, false], [false, true]));
    }
}
