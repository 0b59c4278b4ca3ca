//! Properties that hold whatever was observed: nothing seen is cut off, nothing unseen between workloads is let
//! through, and what is written means what was inferred.

use crate::infer::rules::Plan;
use crate::infer::{Options, infer};
use crate::render::form::Form;
use crate::render::render;
use crate::replay::replay;
use crate::review::Decided;
use crate::state::convert;
use crate::testing::{World, address};
use netwright_policy::{Party, Pod, PolicySet, Source};
use netwright_record::inventory::{HeldAddress, WorkloadRef};
use netwright_record::{Endpoint, Observation, Protocol};
use proptest::prelude::*;
use std::collections::BTreeSet;

mod budget;
mod options;

/// Label values that YAML readers like to misread, and that Kubernetes takes.
const VALUES: [&str; 10] = ["on", "y", "null", "1_000", "0x1f", "1e3", "007", "2026-11-01", "true", "x"];
pub(crate) const PORTS: [u16; 4] = [53, 80, 5432, 8080];

/// One endpoint of a random edge, by numbers.
#[derive(Debug, Clone)]
enum End {
    Workload(usize),
    Node(usize),
    Name(u8),
    Address(u8),
    LinkLocal(u8),
    ApiServer,
    Internet,
}

#[derive(Debug, Clone)]
struct Connection {
    client: End,
    server: End,
    protocol: Protocol,
    port: u16,
    failed: bool,
    through_dns_service: bool,
}

fn client() -> impl Strategy<Value = End> {
    prop_oneof![
        6 => (0..8usize).prop_map(End::Workload),
        1 => (0..3usize).prop_map(End::Node),
        1 => any::<u8>().prop_map(End::Address),
        1 => Just(End::ApiServer),
        1 => Just(End::Internet),
    ]
}

fn server() -> impl Strategy<Value = End> {
    prop_oneof![
        6 => (0..8usize).prop_map(End::Workload),
        1 => (0..3usize).prop_map(End::Node),
        1 => any::<u8>().prop_map(End::Name),
        1 => any::<u8>().prop_map(End::Address),
        1 => any::<u8>().prop_map(End::LinkLocal),
        1 => Just(End::ApiServer),
    ]
}

fn connection() -> impl Strategy<Value = Connection> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)];
    let port = proptest::sample::select(PORTS.to_vec());
    (client(), server(), protocol, port, proptest::bool::weighted(0.15), any::<bool>()).prop_map(
        |(client, server, protocol, port, failed, through_dns_service)| Connection {
            client,
            server,
            protocol,
            port,
            failed,
            through_dns_service,
        },
    )
}

/// A workload: its namespace, its two label values, how many pods, and whether it is on the host network or bare.
type Shape = (usize, usize, usize, usize, u8);

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    proptest::collection::vec((0..3usize, 0..VALUES.len(), 0..VALUES.len(), 0..4usize, 0..12u8), 8)
}

pub(crate) fn observation() -> impl Strategy<Value = Observation> {
    (shapes(), proptest::collection::vec(connection(), 1..40))
        .prop_map(|(shapes, connections)| build(&shapes, &connections))
}

fn build(shapes: &[Shape], connections: &[Connection]) -> Observation {
    let mut world = World::new();
    for (number, name) in ["n0", "n1", "n2"].into_iter().enumerate() {
        world.node(name, &[&format!("198.18.1.{}", number + 1), &format!("fd00:18::{}", number + 1)]);
        world.pod_range(name, &format!("10.244.{number}.0/24"));
    }
    world.covered("n0").covered("n1");
    let workloads: Vec<WorkloadRef> =
        shapes.iter().enumerate().map(|(number, shape)| workload(&mut world, number, shape)).collect();
    for connection in connections {
        connect(&mut world, &workloads, connection);
    }
    world.build()
}

fn workload(world: &mut World, number: usize, shape: &Shape) -> WorkloadRef {
    let (namespace, app, tier, pods, flavour) = *shape;
    let namespace = ["shop", "data", "kube-system"][namespace];
    let selector = [("app", VALUES[app])];
    let template = [("app", VALUES[app]), ("tier", VALUES[tier])];
    let bare = flavour == 1;
    let name = format!("w{number}");
    let kind = ["Deployment", "StatefulSet", "CronJob", "DaemonSet"][number % 4];
    let workload = world.workload(namespace, kind, &name, if bare { &[] } else { &selector });
    world.template(&workload, if bare { &[] } else { &template });
    world.declared(&workload).host_network = flavour == 0;
    for pod in 0..pods {
        let revision = format!("r{pod}");
        let mut labels: Vec<(&str, &str)> = if bare { Vec::new() } else { template.to_vec() };
        labels.push(("pod-template-hash", &revision));
        let made = world.pod(&workload, ["n0", "n1", "n2"][pod % 3], &labels);
        made.host_network = flavour == 0;
        if flavour % 2 == 0 {
            let ip = address(&format!("fd00:244::{number}:{pod}"));
            made.addresses.push(HeldAddress { ip, from: None, until: None });
        }
    }
    workload
}

fn connect(world: &mut World, workloads: &[WorkloadRef], connection: &Connection) {
    let endpoint = |end: &End| match end {
        End::Workload(number) => Endpoint::Workload(workloads[*number].clone()),
        End::Node(number) => Endpoint::Node { name: format!("n{number}").into(), workload: None },
        End::Name(number) => Endpoint::ExternalName { names: [format!("name{number}\n- evil.example").into()].into() },
        End::Address(number) => Endpoint::External { address: [198, 18, 5, *number].into() },
        End::LinkLocal(number) => Endpoint::LinkLocal { address: [169, 254, 169, *number].into() },
        End::ApiServer => Endpoint::ApiServer,
        End::Internet => Endpoint::Internet,
    };
    let (client, server) = (endpoint(&connection.client), endpoint(&connection.server));
    let key = (&client, &server, connection.protocol, connection.port);
    if world.observation.edges.iter().any(|edge| (&edge.client, &edge.server, edge.protocol, edge.port) == key) {
        return;
    }
    let (through_dns_service, failed) = (connection.through_dns_service, connection.failed);
    let edge = world.edge(client, server, connection.protocol, connection.port);
    edge.activity.failed = u64::from(failed);
    let names = |end: &End| match end {
        End::Name(number) => [address(&format!("198.18.6.{number}")), address(&format!("fd00:6::{number}"))].into(),
        End::ApiServer => [address("198.18.2.1")].into(),
        End::Internet => [address("198.18.9.9")].into(),
        _ => BTreeSet::new(),
    };
    edge.client_addresses = names(&connection.client);
    edge.server_addresses = names(&connection.server);
    if through_dns_service {
        edge.services.insert(netwright_record::ServiceRef {
            namespace: "kube-system".into(),
            name: "kube-dns".into(),
            port: 53,
        });
    }
}

/// The policies of a plan, through their text.
fn policies(observation: &Observation, plan: &Plan) -> PolicySet {
    let sources: Vec<Source> = render(observation, plan, &Form::default())
        .unwrap()
        .files
        .into_iter()
        .filter(|(name, _)| name.ends_with(".yaml"))
        .map(|(name, bytes)| Source { name, text: String::from_utf8(bytes).unwrap() })
        .collect();
    PolicySet::parse(&sources).unwrap().policies
}

/// A pod of `workload` as its template makes it, without an address.
fn template_pod(observation: &Observation, workload: &WorkloadRef, name: &str) -> Pod {
    let declared = observation.inventory.workloads.iter().find(|declared| declared.workload == *workload).unwrap();
    Pod {
        namespace: (&workload.namespace).into(),
        name: name.into(),
        labels: (&declared.labels).into(),
        addresses: Vec::new(),
        node_addresses: Vec::new(),
        ports: Vec::new(),
    }
}

/// The pairs of workloads, protocols and ports that were seen, and what DNS needs besides.
pub(crate) fn seen(observation: &Observation) -> BTreeSet<(WorkloadRef, WorkloadRef, Protocol, u16)> {
    let established = observation.edges.iter().filter(|edge| edge.activity.established());
    established
        .filter_map(|edge| Some((edge, edge.client.workload()?.clone(), edge.server.workload()?.clone())))
        .flat_map(|(edge, client, server)| {
            let tcp = crate::infer::dns::needs_tcp(edge).then_some(Protocol::Tcp);
            let protocols: Vec<Protocol> = [edge.protocol].into_iter().chain(tcp).collect();
            protocols.into_iter().map(move |protocol| (client.clone(), server.clone(), protocol, edge.port))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_that_was_seen_is_denied(observation in observation()) {
        let policies = policies(&observation, &infer(&observation, &Options::default(), &Decided::default()));
        let replay = replay(&observation, &policies, &Decided::default(), || Ok(())).unwrap();
        prop_assert_eq!(replay.denied, vec![]);
    }

    /// Between two workloads that both have a policy and overlap with no other, exactly what was seen passes.
    #[test]
    fn nothing_unseen_is_allowed_between_known_workloads(observation in observation()) {
        let plan = infer(&observation, &Options::default(), &Decided::default());
        let policies = policies(&observation, &plan);
        let seen = seen(&observation);
        let cluster = convert::cluster(&observation.inventory.namespaces);
        let exact: Vec<&WorkloadRef> =
            plan.policies.iter().filter(|policy| policy.selection.widened.is_empty()).map(|policy| &policy.workload).collect();
        let widened: BTreeSet<&WorkloadRef> = plan.findings.widened.values().flatten().collect();
        for (client, server) in exact.iter().flat_map(|client| exact.iter().map(move |server| (*client, *server))) {
            if widened.contains(client) || widened.contains(server) {
                continue;
            }
            let (from, to) = (template_pod(&observation, client, "client"), template_pod(&observation, server, "server"));
            for (protocol, port) in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter().flat_map(|protocol| PORTS.map(|port| (protocol, port))) {
                let verdict = policies.verdict(&cluster, &Party::Pod(&from), &Party::Pod(&to), convert::protocol(protocol), port);
                let expected = seen.contains(&(client.clone(), server.clone(), protocol, port));
                prop_assert_eq!(verdict.allowed(), expected, "{} -> {} {}/{}", client, server, port, protocol);
            }
        }
    }

    /// What was rendered selects, read back, exactly the labels that were inferred.
    #[test]
    fn what_is_written_selects_what_was_inferred(observation in observation()) {
        let plan = infer(&observation, &Options::default(), &Decided::default());
        let policies = policies(&observation, &plan);
        prop_assert_eq!(policies.policies().len(), plan.policies.len() + plan.default_deny.len());
        for policy in &plan.policies {
            let read = policies.policies().iter().find(|read| read.name == policy.name && read.namespace == policy.workload.namespace).unwrap();
            let matches = |labels: &netwright_record::Labels| read.pod_selector.matches(|key| labels.get(key).map(|value| value.as_str()));
            prop_assert!(matches(&policy.selection.pods.labels));
            for key in policy.selection.pods.labels.keys() {
                let mut without = policy.selection.pods.labels.clone();
                without.remove(key);
                prop_assert!(!matches(&without));
            }
            prop_assert_eq!((read.ingress.len(), read.egress.len()), (policy.ingress.len(), policy.egress.len()));
        }
    }

    #[test]
    fn the_order_of_records_does_not_matter(observation in observation()) {
        let mut reversed = observation.clone();
        reversed.edges.reverse();
        reversed.inventory.pods.reverse();
        reversed.inventory.workloads.reverse();
        reversed.inventory.nodes.reverse();
        reversed.sort();
        let files = |observation: &Observation| render(observation, &infer(observation, &Options::default(), &Decided::default()), &Form::default()).unwrap();
        prop_assert_eq!(files(&observation), files(&reversed));
    }
}

/// The random observations are not so poor that the properties hold for nothing.
#[test]
fn random_observations_exercise_what_they_should() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut policies, mut widened, mut added, mut closed, mut blocks) = (0, 0, 0, 0, 0);
    for _ in 0..64 {
        let observation = observation().new_tree(&mut runner).unwrap().current();
        let plan = infer(&observation, &Options::default(), &Decided::default());
        policies += plan.policies.len();
        widened += plan.findings.widened.len();
        added += plan.policies.iter().filter(|policy| !policy.selection.added.is_empty()).count();
        closed += plan.default_deny.len();
        blocks += plan.findings.by_address.len() + plan.findings.left_out.len();
    }
    assert!(policies > 100 && widened > 0 && added > 0 && closed > 0 && blocks > 0);
}
