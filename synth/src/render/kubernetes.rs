//! The dialect `networking.k8s.io/v1` NetworkPolicy: understood by every enforcer.

use super::yaml::{self, Comments};
use super::{Provenance, RenderError};
use crate::infer::names::DEFAULT_DENY;
use crate::infer::rules::{Peer, Port, PortMatch, Rule, Target, Whom, WorkloadPolicy};
use crate::text;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use netwright_record::inventory::{Labels, WorkloadRef};
use std::collections::BTreeMap;

/// The label by which a peer in another namespace is selected; the API server sets it on every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The manifest of one workload's policy.
pub fn policy(policy: &WorkloadPolicy, provenance: &Provenance) -> Result<String, RenderError> {
    let namespace = &policy.workload.namespace;
    let ingress = policy
        .ingress
        .iter()
        .map(|rule| NetworkPolicyIngressRule { from: Some(peers(rule, namespace)), ports: Some(ports(rule)) });
    let egress = policy
        .egress
        .iter()
        .map(|rule| NetworkPolicyEgressRule { to: Some(peers(rule, namespace)), ports: Some(ports(rule)) });
    let spec = NetworkPolicySpec {
        pod_selector: Some(selector(&policy.selection.pods.labels)),
        policy_types: Some(both_directions()),
        ingress: Some(ingress.collect()),
        egress: Some(egress.collect()),
    };
    let metadata = metadata(namespace, &policy.name, Some(&policy.workload), provenance);
    let comments = comments("ingress", "from", &policy.ingress).chain(comments("egress", "to", &policy.egress));
    yaml::document(&NetworkPolicy { metadata, spec: Some(spec) }, &comments.collect())
}

/// The manifest that denies everything in `namespace` that no other policy allows.
pub fn default_deny(namespace: &str, provenance: &Provenance) -> Result<String, RenderError> {
    let spec = NetworkPolicySpec {
        pod_selector: Some(LabelSelector::default()),
        policy_types: Some(both_directions()),
        ..NetworkPolicySpec::default()
    };
    let metadata = metadata(namespace, DEFAULT_DENY, None, provenance);
    yaml::document(&NetworkPolicy { metadata, spec: Some(spec) }, &Comments::new())
}

/// Always written out: what an absent or partial list means differs between directions and enforcers.
fn both_directions() -> Vec<String> {
    vec!["Ingress".into(), "Egress".into()]
}

fn metadata(namespace: &str, name: &str, workload: Option<&WorkloadRef>, provenance: &Provenance) -> ObjectMeta {
    let window = provenance.window;
    let mut annotations = BTreeMap::from([
        ("netwright.io/observation".into(), format!("sha256:{}", provenance.digest)),
        ("netwright.io/version".into(), provenance.version.into()),
        ("netwright.io/window".into(), format!("{}/{}", window.from, window.until)),
    ]);
    if let Some(workload) = workload {
        annotations.insert("netwright.io/workload".into(), format!("{}/{}", workload.kind, workload.name));
    }
    ObjectMeta {
        namespace: Some(namespace.into()),
        name: Some(name.into()),
        labels: Some(BTreeMap::from([(MANAGED_BY.into(), "netwright".into())])),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    }
}

fn selector(labels: &Labels) -> LabelSelector {
    LabelSelector { match_labels: Some(labels.clone()), match_expressions: None }
}

fn peers(rule: &Rule, own_namespace: &str) -> Vec<NetworkPolicyPeer> {
    rule.peers.iter().map(|peer| self::peer(peer, own_namespace)).collect()
}

fn peer(peer: &Peer, own_namespace: &str) -> NetworkPolicyPeer {
    match &peer.target {
        Target::Pods(pods) => NetworkPolicyPeer {
            namespace_selector: (pods.namespace != own_namespace)
                .then(|| selector(&Labels::from([(NAMESPACE_NAME.into(), pods.namespace.clone())]))),
            pod_selector: Some(selector(&pods.labels)),
            ip_block: None,
        },
        Target::Block { cidr, except } => {
            let except: Vec<String> = except.iter().map(ToString::to_string).collect();
            let block = IPBlock { cidr: cidr.to_string(), except: (!except.is_empty()).then_some(except) };
            NetworkPolicyPeer { ip_block: Some(block), ..NetworkPolicyPeer::default() }
        }
    }
}

fn ports(rule: &Rule) -> Vec<NetworkPolicyPort> {
    rule.ports.iter().map(port).collect()
}

fn port(port: &Port) -> NetworkPolicyPort {
    let (number, end_port) = match &port.at {
        PortMatch::Range { first, last } => {
            (IntOrString::Int(i32::from(*first)), (last > first).then(|| i32::from(*last)))
        }
        PortMatch::Named(name) => (IntOrString::String(name.to_string()), None),
    };
    NetworkPolicyPort { protocol: Some(port.protocol.as_str().into()), port: Some(number), end_port }
}

/// How many names stand beside an address.
const NAMES_SHOWN: usize = 3;

/// What stands beside the blocks of `rules`: who is at that address.
fn comments(direction: &str, peers: &str, rules: &[Rule]) -> impl Iterator<Item = (String, String)> {
    rules.iter().enumerate().flat_map(move |(rule_number, rule)| {
        rule.peers.iter().enumerate().filter_map(move |(number, peer)| {
            let path = format!("/spec/{direction}/{rule_number}/{peers}/{number}/ipBlock/cidr");
            Some((path, note(peer)?))
        })
    })
}

/// Who is behind a block; nothing where the block is all that is known.
fn note(peer: &Peer) -> Option<String> {
    let by_address = |whom: &Whom| match whom {
        Whom::Workload(workload) => Some(workload.to_string()),
        whom => whom.note(),
    };
    let notes: Vec<String> = peer.whom.iter().filter_map(by_address).collect();
    (matches!(peer.target, Target::Block { .. }) && !notes.is_empty()).then(|| text::some_of(&notes, NAMES_SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::{Options, infer};
    use crate::testing::{World, address};
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

    #[test]
    fn a_policy_reads_as_a_careful_person_would_write_it() {
        let observation = shop().build();
        let plan = infer(&observation, &Options::default());
        let provenance = Provenance { window: observation.header.window, digest: "0".repeat(64), version: "1.2.3" };
        let api = plan.policies.iter().find(|policy| policy.name == "api").unwrap();
        insta::assert_snapshot!("policy", policy(api, &provenance).unwrap());
        insta::assert_snapshot!("default-deny", default_deny("shop", &provenance).unwrap());
    }
}
