//! What was written in each dialect means what the plan means: read back by small readers that share no code with the
//! writers, and compared, for all pairs and ports, with what the NetworkPolicies of the same plan say. Where a dialect
//! allows more, it must have listed that; it never denies what was seen.

mod calico;
mod cases;
mod cilium;
mod istio;
mod shown;

use crate::infer::rules::{Plan, RuleDirection};
use crate::infer::selectors::selects;
use crate::infer::{Options, infer};
use crate::properties::{self, PORTS};
use crate::render::form::{Dialect, Form, Stage};
use crate::render::unsayable::Effect;
use crate::render::{Files, Provenance, Rendering, adapted, network_policies, render};
use crate::review::Decided;
use crate::state::convert;
use netwright_policy::{Cluster, Party, Pod, PolicySet, Source};
use netwright_record::inventory::{ContainerPort, Labels, WorkloadRef};
use netwright_record::{Endpoint, Name, Observation, Protocol};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Whoever may be at either end.
#[derive(Debug, Clone)]
enum Being {
    /// A pod; whether it can show a certificate.
    Pod {
        workload: WorkloadRef,
        namespace: String,
        labels: Labels,
        account: String,
        certificate: bool,
        addresses: Vec<IpAddr>,
        ports: Vec<ContainerPort>,
    },
    /// A node under this address.
    Node(IpAddr),
    /// The API server.
    ApiServer(IpAddr),
    /// Anywhere else.
    Address(IpAddr),
}

impl Being {
    fn address(&self) -> Option<IpAddr> {
        match self {
            Being::Pod { addresses, .. } => addresses.first().copied(),
            Being::Node(address) | Being::ApiServer(address) | Being::Address(address) => Some(*address),
        }
    }

    /// Whether its containers call `port` by this name.
    fn calls(&self, port: u16, protocol: Protocol, name: &str) -> bool {
        let Being::Pod { ports, .. } = self else { return false };
        ports.iter().any(|own| own.name.as_deref() == Some(name) && (own.protocol, own.port) == (protocol, port))
    }

    fn is_pod(&self) -> bool {
        matches!(self, Being::Pod { .. })
    }

    /// As the policies see it. Two replicas of a workload are two pods.
    fn pod(&self, name: &str) -> Option<Pod> {
        let Being::Pod { namespace, labels, addresses, ports, .. } = self else { return None };
        Some(Pod {
            namespace: namespace.clone(),
            name: name.into(),
            labels: labels.into(),
            addresses: addresses.clone(),
            node_addresses: Vec::new(),
            ports: convert::named_ports(ports),
        })
    }
}

/// A reader of one dialect. `own` is the pod whose policies are asked, `other` the far end.
trait Reader {
    fn allows(&self, direction: RuleDirection, own: &Being, other: &Being, protocol: Protocol, port: u16) -> bool;
}

/// The objects of `kind` in `files`.
fn objects(files: &Files, kind: &str) -> Vec<Value> {
    let yaml = files.iter().filter(|(name, _)| name.ends_with(".yaml"));
    let documents = yaml.flat_map(|(_, bytes)| {
        serde_yaml::Deserializer::from_slice(bytes)
            .map(|document| <Value as serde::Deserialize>::deserialize(document).unwrap())
            .collect::<Vec<_>>()
    });
    documents.filter(|object| object["kind"] == kind).collect()
}

/// The items of a list, none where there is no list.
fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether `address` is in the block, as text.
fn within(block: &str, address: IpAddr) -> bool {
    block.parse::<ipnet::IpNet>().unwrap().contains(&address)
}

/// Whether `labels` carry what a `matchLabels` asks for.
fn carries(labels: &Labels, asked: &Value) -> bool {
    asked.as_object().into_iter().flatten().all(|(key, value)| labels.get(key).map(Name::as_str) == value.as_str())
}

/// A random observation in which workloads have ServiceAccounts, some are in a mesh, and some names are names.
fn observation() -> impl Strategy<Value = Observation> {
    (properties::observation(), any::<u8>(), any::<[u8; 8]>()).prop_map(|(mut observation, mesh, accounts)| {
        let inventory = &mut observation.inventory;
        for (number, workload) in inventory.workloads.iter_mut().enumerate() {
            let account = accounts.get(number).copied().unwrap_or_default() % 4;
            workload.service_account = ["web", "db", "default"].get(usize::from(account)).map(|name| (*name).into());
            let pods = inventory.pods.iter_mut().filter(|pod| pod.workload == workload.workload);
            if mesh >> number & 1 == 1 && !workload.host_network {
                pods.for_each(|pod| pod.labels.insert("security.istio.io/tlsMode", "istio"));
            }
        }
        for (number, edge) in observation.edges.iter_mut().enumerate() {
            if let Endpoint::ExternalName { names } = &mut edge.server
                && number % 2 == 0
            {
                *names = names.iter().map(|name| name.replace("\n- evil", "").into()).collect();
            }
        }
        observation.sort();
        observation
    })
}

/// Everybody in `observation`.
fn beings(observation: &Observation) -> Vec<Being> {
    let inventory = &observation.inventory;
    let member = |pod: &netwright_record::inventory::Pod| pod.labels.contains_key("security.istio.io/tlsMode");
    let anybody = inventory.pods.iter().any(|pod| member(pod) && !pod.host_network);
    let pods = inventory.workloads.iter().filter(|workload| !workload.host_network).enumerate();
    let pods = pods.map(|(number, workload)| {
        let own: Vec<_> = inventory.pods.iter().filter(|pod| pod.workload == workload.workload).collect();
        let held: Vec<IpAddr> = own.iter().flat_map(|pod| &pod.addresses).map(|held| held.ip).collect();
        Being::Pod {
            workload: workload.workload.clone(),
            namespace: (&workload.workload.namespace).into(),
            labels: own.first().map_or(workload.labels.clone(), |pod| pod.labels.clone()),
            account: workload.service_account.as_ref().map_or_else(|| format!("unknown{number}"), String::from),
            certificate: !anybody || own.iter().any(|pod| member(pod)),
            addresses: if held.is_empty() { vec![[10, 244, 0, 200 + number as u8].into()] } else { held },
            ports: own.first().map_or(Vec::new(), |pod| pod.ports.clone()),
        }
    });
    let nodes = inventory.nodes.iter().flat_map(|node| &node.addresses).map(|address| Being::Node(*address));
    let api_server = [198, 18, 2, 1].into();
    let outside: BTreeSet<IpAddr> = observation
        .edges
        .iter()
        .flat_map(|edge| edge.server_addresses.iter().chain(&edge.client_addresses).copied().chain(of(&edge.server)))
        .filter(|address| *address != api_server)
        .collect();
    let known: Vec<Being> = pods.chain(nodes).collect();
    let addresses = outside.into_iter().filter(|address| !known.iter().any(|being| being.address() == Some(*address)));
    let outside: Vec<Being> = addresses.map(Being::Address).chain([Being::ApiServer(api_server)]).collect();
    known.into_iter().chain(outside).collect()
}

fn of(end: &Endpoint) -> Option<IpAddr> {
    match end {
        Endpoint::External { address } | Endpoint::LinkLocal { address } => Some(*address),
        _ => None,
    }
}

/// Who was seen to reach whom.
type Seen = BTreeSet<(WorkloadRef, WorkloadRef, Protocol, u16)>;

fn written(observation: &Observation, form: &Form) -> (Plan, Rendering) {
    let plan = adapted(observation, infer(observation, &Options::default(), &Decided::default()), form);
    let rendering = render(observation, &plan, form).unwrap();
    (plan, rendering)
}

/// A plan in one form, beside the NetworkPolicies that say the same.
struct Case {
    observation: Observation,
    plan: Plan,
    rendering: Rendering,
    policies: PolicySet,
    cluster: Cluster,
}

impl Case {
    fn new(observation: Observation, form: &Form) -> Self {
        let (plan, rendering) = written(&observation, form);
        let sources = network_policies(&observation, &plan, &Provenance::of(&observation)).unwrap().into_iter();
        let sources: Vec<Source> = sources.map(|(name, text)| Source { name, text }).collect();
        let policies = PolicySet::parse(&sources).unwrap().policies;
        let cluster = convert::cluster(&observation.inventory.namespaces);
        Self { observation, plan, rendering, policies, cluster }
    }

    fn enforced(observation: Observation, dialect: Dialect) -> Self {
        Self::new(observation, &Form { dialect, ..Form::default() })
    }

    /// What the NetworkPolicies of `own` say.
    fn expected(&self, direction: RuleDirection, own: &Being, other: &Being, protocol: Protocol, port: u16) -> bool {
        let (own, far, addresses) =
            (own.pod("own").unwrap(), other.pod("other"), other.address().into_iter().collect::<Vec<_>>());
        let own = Party::Pod(&own);
        let far = match (other, &far) {
            (_, Some(pod)) => Party::Pod(pod),
            (Being::Node(_), _) => Party::Node { addresses: &addresses },
            (_, None) => Party::Address(addresses[0]),
        };
        let protocol = convert::protocol(protocol);
        match direction {
            RuleDirection::Egress => self.policies.verdict(&self.cluster, &own, &far, protocol, port).egress.allows(),
            RuleDirection::Ingress => self.policies.verdict(&self.cluster, &far, &own, protocol, port).ingress.allows(),
        }
    }

    /// Whether that is what was seen, and not merely what labels or blocks of NetworkPolicies cannot tell from it: another
    /// workload with the same labels, a node among all addresses.
    fn was_seen(
        &self,
        seen: &Seen,
        direction: RuleDirection,
        own: &Being,
        other: &Being,
        asked: (Protocol, u16),
    ) -> bool {
        let Being::Pod { workload: own, .. } = own else { return false };
        match (direction, other) {
            (RuleDirection::Egress, Being::Pod { workload, .. }) => {
                seen.contains(&(own.clone(), workload.clone(), asked.0, asked.1))
            }
            (RuleDirection::Ingress, Being::Pod { workload, .. }) => {
                seen.contains(&(workload.clone(), own.clone(), asked.0, asked.1))
            }
            (_, Being::Node(address)) => self.meets_node(direction, own, *address, asked),
            _ => true,
        }
    }

    /// Whether a node with this address, not a pod's own, was seen at the other end.
    fn meets_node(&self, direction: RuleDirection, own: &WorkloadRef, address: IpAddr, asked: (Protocol, u16)) -> bool {
        let index = crate::index::Index::new(&self.observation);
        self.observation.edges.iter().filter(|edge| edge.activity.established()).any(|edge| {
            let (near, far) = match direction {
                RuleDirection::Ingress => (&edge.server, &edge.client),
                RuleDirection::Egress => (&edge.client, &edge.server),
            };
            let Endpoint::Node { name, .. } = far else { return false };
            (edge.protocol, edge.port) == asked
                && near.workload() == Some(own)
                && index.node_addresses(name).contains(&address)
                && index.own_node(edge).is_none()
        })
    }

    /// Whether a policy that selects `own` says that it is wider in this direction.
    fn is_listed(&self, direction: RuleDirection, own: &Being) -> bool {
        let Being::Pod { namespace, labels, .. } = own else { return false };
        let selecting =
            self.plan.policies.iter().filter(|policy| {
                policy.workload.namespace == *namespace && selects(&policy.selection.pods.labels, labels)
            });
        let names: BTreeSet<String> =
            selecting.map(|policy| format!("{}/{}", policy.workload.namespace, policy.name)).collect();
        self.rendering.unsayable.iter().any(|unsayable| {
            let wider = matches!(unsayable.effect, Effect::Wider { .. } | Effect::Open);
            wider && unsayable.direction == Some(direction) && names.contains(unsayable.policy.as_deref().unwrap_or(""))
        })
    }

    /// Whether the API server is expected under another of its addresses: a dialect that knows who it is means all of them.
    fn is_expected_elsewhere(
        &self,
        direction: RuleDirection,
        own: &Being,
        other: &Being,
        (protocol, port): (Protocol, u16),
    ) -> bool {
        let Being::ApiServer(_) = other else { return false };
        let inventory = &self.observation.inventory;
        let services = inventory.services.iter().filter(|service| service.name == "kubernetes");
        let endpoints = services.flat_map(|service| &service.backends).map(|backend| backend.address.ip);
        let nodes = inventory.nodes.iter().filter(|node| !node.labels.is_empty());
        let mut all = endpoints.chain(nodes.flat_map(|node| node.addresses.iter().copied()));
        all.any(|address| self.expected(direction, own, &Being::ApiServer(address), protocol, port))
    }

    /// Whether the server's pod means another port by the name that others of its workload have for this one: dialects
    /// without names write all the numbers.
    fn means_another(
        &self,
        direction: RuleDirection,
        own: &Being,
        other: &Being,
        protocol: Protocol,
        port: u16,
    ) -> bool {
        let server = if direction == RuleDirection::Ingress { own } else { other };
        let Being::Pod { workload, ports, .. } = server else { return false };
        properties::means_another(&self.observation, workload, ports, protocol, port)
    }

    /// Compares every question about those that `asks` lets through. If not `exactly`, what NetworkPolicies allow besides
    /// what was seen may be denied.
    fn compare(
        &self,
        reader: &impl Reader,
        directions: &[RuleDirection],
        protocols: &[Protocol],
        exactly: bool,
        asks: impl Fn(&Being) -> bool,
    ) -> Result<(), TestCaseError> {
        let seen = properties::seen(&self.observation);
        let beings = beings(&self.observation);
        let owns = || beings.iter().filter(|being| being.is_pod());
        let pairs = owns().flat_map(|own| beings.iter().filter(|other| asks(other)).map(move |other| (own, other)));
        for (own, other) in pairs.filter(|(own, other)| own.address() != other.address() || own.address().is_none()) {
            for (direction, protocol, port) in directions.iter().flat_map(|direction| {
                protocols.iter().flat_map(move |protocol| PORTS.map(|port| (*direction, *protocol, port)))
            }) {
                let expected = self.expected(direction, own, other, protocol, port);
                let found = reader.allows(direction, own, other, protocol, port);
                if found == expected || self.means_another(direction, own, other, protocol, port) {
                    continue;
                }
                let question = format!("{direction:?} of {own:?} with {other:?} on {port}/{protocol}");
                let must = expected && (exactly || self.was_seen(&seen, direction, own, other, (protocol, port)));
                prop_assert!(!must, "denied: {}", question);
                let elsewhere = || self.is_expected_elsewhere(direction, own, other, (protocol, port));
                let may = expected || self.is_listed(direction, own) || elsewhere();
                prop_assert!(may, "wider, not listed: {}", question);
            }
        }
        Ok(())
    }
}

const BOTH: [RuleDirection; 2] = [RuleDirection::Ingress, RuleDirection::Egress];
const ALL: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Calico can say all of it: staged or not, and with nothing listed.
    #[test]
    fn calico_says_exactly_what_the_plan_says(observation in observation(), staged in any::<bool>()) {
        let stage = if staged { Stage::Audit } else { Stage::Enforce };
        let case = Case::new(observation, &Form { dialect: Dialect::Calico, stage, ..Form::default() });
        prop_assert_eq!(&case.rendering.unsayable, &vec![]);
        let kind = if staged { "StagedNetworkPolicy" } else { "NetworkPolicy" };
        case.compare(&calico::Calico::read(&case.rendering.files, kind), &BOTH, &ALL, true, |_| true)?;
    }

    #[test]
    fn cilium_says_what_the_plan_says_or_lists_it(observation in observation()) {
        let case = Case::enforced(observation, Dialect::Cilium);
        let reader = cilium::Cilium::read(&case.rendering.files, &case.observation);
        case.compare(&reader, &BOTH, &ALL, false, |_| true)?;
    }

    /// In a rehearsal nothing is denied.
    #[test]
    fn cilium_denies_nothing_in_audit(observation in observation()) {
        let form = Form { dialect: Dialect::Cilium, stage: Stage::Audit, ..Form::default() };
        let case = Case::new(observation, &form);
        let reader = cilium::Cilium::read(&case.rendering.files, &case.observation);
        let beings = beings(&case.observation);
        for (own, other) in beings.iter().filter(|own| own.is_pod()).flat_map(|own| beings.iter().map(move |other| (own, other))) {
            prop_assert!(reader.allows(RuleDirection::Egress, own, other, Protocol::Tcp, 80));
            prop_assert!(reader.allows(RuleDirection::Ingress, own, other, Protocol::Tcp, 80));
        }
    }

    /// Nodes apart: what comes from a pod's own node no NetworkPolicy stops.
    #[test]
    fn istio_says_of_ingress_what_the_plan_says_or_lists_it(observation in observation()) {
        let case = Case::enforced(observation, Dialect::Istio);
        let reader = istio::Istio::read(&case.rendering.files);
        let asks = |being: &Being| !matches!(being, Being::Node(_));
        case.compare(&reader, &[RuleDirection::Ingress], &[Protocol::Tcp], false, asks)?;
    }

    #[test]
    fn istio_lets_in_every_node_that_was_seen(observation in observation()) {
        let case = Case::enforced(observation, Dialect::Istio);
        let reader = istio::Istio::read(&case.rendering.files);
        let nodes = &case.observation.inventory.nodes;
        for edge in case.observation.edges.iter().filter(|edge| edge.activity.established() && edge.protocol == Protocol::Tcp) {
            let (Endpoint::Node { name, .. }, Some(server)) = (&edge.client, edge.server.workload()) else { continue };
            let beings = beings(&case.observation);
            let known = case.observation.inventory.workloads.iter().filter(|known| !known.host_network);
            let Some(server) = known.zip(&beings).find(|(known, _)| known.workload == *server).map(|(_, being)| being) else { continue };
            for address in nodes.iter().filter(|node| node.name == *name).flat_map(|node| &node.addresses) {
                prop_assert!(reader.allows(RuleDirection::Ingress, server, &Being::Node(*address), Protocol::Tcp, edge.port));
            }
        }
    }

    /// Two renderings of one observation are the same bytes.
    #[test]
    fn dialects_are_written_the_same_way_each_time(observation in observation()) {
        for dialect in [Dialect::Calico, Dialect::Cilium, Dialect::Istio, Dialect::Cluster] {
            let form = Form { dialect, ..Form::default() };
            let written = || written(&observation, &form).1;
            prop_assert_eq!(written(), written());
        }
    }
}

/// The random observations hold what makes dialects differ.
#[test]
fn random_observations_exercise_what_dialects_cannot_say() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut names, mut wider, mut plain, mut principals) = (0, 0, 0, 0);
    for _ in 0..48 {
        let observation = observation().new_tree(&mut runner).unwrap().current();
        let cilium = Case::enforced(observation.clone(), Dialect::Cilium).rendering;
        let istio = Case::enforced(observation, Dialect::Istio).rendering;
        let count = |rendering: &Rendering, text: &str| {
            rendering.files.values().filter(|bytes| String::from_utf8_lossy(bytes).contains(text)).count()
        };
        names += count(&cilium, "toFQDNs");
        wider += cilium.unsayable.iter().filter(|unsayable| matches!(unsayable.effect, Effect::Wider { .. })).count();
        plain += count(&istio, "notPrincipals");
        principals += count(&istio, "principals:");
    }
    assert!(names > 0 && wider > 0 && plain > 0 && principals > 0, "{names} {wider} {plain} {principals}");
}
