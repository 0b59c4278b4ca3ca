//! Random clusters and what was seen in them, for the properties of inference and of dialects: workloads of all kinds with
//! pods as their controllers make them, nodes, an API server, and connections, directly or through [Services](super::exposures).

use super::exposures::{self, Exposed, Exposure, Extension, Reached};
use crate::testing::{World, address, api_server, at};
use netwright_record::inventory::{ContainerPort, HeldAddress, WorkloadRef};
use netwright_record::{Edge, Endpoint, FlatSet, Name, Observation, Protocol, ServiceRef};
use proptest::prelude::*;
use std::net::IpAddr;

/// Label values that YAML readers like to misread, and that Kubernetes takes.
const VALUES: [&str; 10] = ["on", "y", "null", "1_000", "0x1f", "1e3", "007", "2026-11-01", "true", "x"];
/// The ports on which pods listen.
pub(crate) const PORTS: [u16; 4] = [53, 80, 5432, 8080];
const NODES: [&str; 3] = ["n0", "n1", "n2"];
/// The nodes that were watched, for the whole window.
const WATCHED: [&str; 2] = ["n0", "n1"];
const KINDS: [&str; 5] = ["Deployment", "StatefulSet", "CronJob", "DaemonSet", "Job"];
const API_SERVER: [&str; 3] = ["198.18.2.1", "198.18.2.2", "fd00:2::1"];

/// What is unusual about a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavour {
    Plain,
    /// Its pods share the network of their nodes.
    HostNetwork,
    /// Nobody gave its pods labels.
    Bare,
    /// A label of its template was changed from one rollout to the next.
    Relabelled,
}

/// A workload by numbers.
#[derive(Debug, Clone)]
struct Shape {
    namespace: usize,
    app: usize,
    tier: usize,
    pods: usize,
    flavour: Flavour,
    dual_stack: bool,
    /// The port that its first pod calls `main`, the next pods each the one after that; or all the same.
    main: Option<(usize, bool)>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let flavour = prop_oneof![
        9 => Just(Flavour::Plain),
        1 => Just(Flavour::HostNetwork),
        1 => Just(Flavour::Bare),
        1 => Just(Flavour::Relabelled),
    ];
    let main = proptest::option::weighted(0.7, (0..PORTS.len(), any::<bool>()));
    (0..3usize, 0..VALUES.len(), 0..VALUES.len(), 0..5usize, flavour, any::<bool>(), main).prop_map(
        |(namespace, app, tier, pods, flavour, dual_stack, main)| Shape {
            namespace,
            app,
            tier,
            pods,
            flavour,
            dual_stack,
            main,
        },
    )
}

/// One endpoint of a random edge, by numbers.
#[derive(Debug, Clone)]
enum End {
    Workload(usize),
    /// The same, but known to run on the host network where it does.
    HostNetwork(usize),
    Node(usize),
    Name(u8),
    Address(u8),
    LinkLocal(u8),
    ApiServer,
    Internet,
    Service(usize),
}

#[derive(Debug, Clone)]
struct Connection {
    client: End,
    server: End,
    protocol: Protocol,
    port: usize,
    /// Which of the server's pods is reached; of backends, which one or all of them.
    pod: usize,
    failed: bool,
    /// Whether a Service that the inventory does not hold, on port 53, led there.
    through_dns_service: bool,
}

fn client() -> impl Strategy<Value = End> {
    prop_oneof![
        6 => (0..8usize).prop_map(End::Workload),
        1 => (0..3usize).prop_map(End::Node),
        1 => (0..8usize).prop_map(End::HostNetwork),
        1 => any::<u8>().prop_map(End::Address),
        1 => Just(End::ApiServer),
        1 => Just(End::Internet),
    ]
}

fn server() -> impl Strategy<Value = End> {
    prop_oneof![
        6 => (0..8usize).prop_map(End::Workload),
        6 => (0..6usize).prop_map(End::Service),
        1 => (0..3usize).prop_map(End::Node),
        1 => (0..8usize).prop_map(End::HostNetwork),
        1 => any::<u8>().prop_map(End::Name),
        1 => any::<u8>().prop_map(End::Address),
        1 => any::<u8>().prop_map(End::LinkLocal),
        1 => Just(End::ApiServer),
    ]
}

fn connection() -> impl Strategy<Value = Connection> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)];
    let (failed, through_dns_service) = (proptest::bool::weighted(0.15), proptest::bool::weighted(0.2));
    (client(), server(), protocol, 0..PORTS.len(), 0..4usize, failed, through_dns_service).prop_map(
        |(client, server, protocol, port, pod, failed, through_dns_service)| Connection {
            client,
            server,
            protocol,
            port,
            pod,
            failed,
            through_dns_service,
        },
    )
}

/// What there is of the control plane: how many addresses of the API server the inventory knows, and which node says that
/// it is one of the control plane's.
type ControlPlane = (usize, Option<usize>);

/// What was observed of a random cluster.
pub(crate) fn observation() -> impl Strategy<Value = Observation> {
    (
        proptest::collection::vec(shape(), 8),
        proptest::collection::vec(exposures::exposure(), 0..7),
        proptest::collection::vec(exposures::extension(), 0..4),
        (0..=API_SERVER.len(), proptest::option::of(0..NODES.len())),
        proptest::collection::vec(connection(), 1..40),
    )
        .prop_map(|(shapes, exposures, extensions, control_plane, connections)| {
            let mut cluster = Cluster::new(&shapes, control_plane);
            cluster.exposed = exposures.iter().enumerate().map(|(number, one)| cluster.expose(number, one)).collect();
            cluster.extend(&extensions);
            connections.iter().for_each(|connection| cluster.connect(connection));
            cluster.world.build()
        })
}

/// A cluster under construction.
struct Cluster {
    world: World,
    workloads: Vec<WorkloadRef>,
    exposed: Vec<Exposed>,
}

impl Cluster {
    fn new(shapes: &[Shape], (addresses, node): ControlPlane) -> Self {
        let mut world = World::new();
        for (number, name) in NODES.into_iter().enumerate() {
            world.node(name, &[&format!("198.18.1.{}", number + 1), &format!("fd00:18::{}", number + 1)]);
            world.pod_range(name, &format!("10.244.{number}.0/24"));
        }
        WATCHED.iter().for_each(|node| _ = world.covered(node));
        if let Some(node) = node {
            let labels = &mut world.observation.inventory.nodes[node].labels;
            labels.insert("node-role.kubernetes.io/control-plane", "");
        }
        if addresses > 0 {
            world.service(api_server(&API_SERVER[..addresses]));
        }
        let workloads = shapes.iter().enumerate().map(|(number, shape)| workload(&mut world, number, shape)).collect();
        Self { world, workloads, exposed: Vec::new() }
    }

    fn expose(&mut self, number: usize, exposure: &Exposure) -> Exposed {
        exposures::expose(&mut self.world, &self.workloads, number, exposure)
    }

    fn extend(&mut self, extensions: &[Extension]) {
        for (number, extension) in extensions.iter().enumerate() {
            let object = exposures::extend(&self.exposed, number, extension);
            self.world.observation.inventory.api_extensions.push(object);
        }
    }

    fn connect(&mut self, connection: &Connection) {
        let Some(client) = self.client(&connection.client, &connection.server) else { return };
        for reached in self.reach(connection) {
            let nodes = [self.node_of(&client, 0), reached.node].into_iter().flatten();
            let reported: Vec<String> = nodes.filter(|node| WATCHED.contains(&node.as_str())).collect();
            let edge = self.edge(client.clone(), reached.endpoint, reached.protocol, reached.port);
            edge.nodes.extend(reported.into_iter().map(Name::from));
            edge.activity.failed = edge.activity.failed.min(u64::from(connection.failed));
            edge.services.extend(reached.service);
        }
    }

    /// Where a connection ends; nowhere if nothing stands behind a Service.
    fn reach(&self, connection: &Connection) -> Vec<Reached> {
        let Connection { server, protocol, port, pod, .. } = connection;
        if let End::Service(_) = server {
            return self.exposed_as(server).map_or(Vec::new(), |exposed| exposed.reach(*port, *pod));
        }
        let unknown = ServiceRef { namespace: "kube-system".into(), name: "kube-dns".into(), port: 53 };
        let endpoint = self.endpoint(server, *pod);
        // Nothing link-local speaks SCTP.
        let udp = matches!((server, protocol), (End::LinkLocal(_), Protocol::Sctp));
        vec![Reached {
            node: self.node_of(&endpoint, *pod),
            endpoint,
            protocol: if udp { Protocol::Udp } else { *protocol },
            port: PORTS[*port],
            service: connection.through_dns_service.then_some(unknown),
        }]
    }

    fn exposed_as(&self, end: &End) -> Option<&Exposed> {
        let End::Service(number) = end else { return None };
        self.exposed.get(number.checked_rem(self.exposed.len())?)
    }

    /// Who is seen as the client: where a Service hides who came from outside, a node. Nobody from outside comes through
    /// a Service that is not exposed.
    fn client(&self, client: &End, server: &End) -> Option<Endpoint> {
        let outside = matches!(client, End::Internet | End::Address(_));
        match server {
            End::Service(_) if outside => self.exposed_as(server)?.seen_from_outside(self.endpoint(client, 0)),
            _ => Some(self.endpoint(client, 0)),
        }
    }

    fn endpoint(&self, end: &End, pod: usize) -> Endpoint {
        match end {
            End::Workload(number) => Endpoint::Workload(self.workloads[*number].clone()),
            End::HostNetwork(number) => {
                let workload = self.workloads[*number].clone();
                let declared = self.world.observation.inventory.workloads.iter();
                let shared = declared.filter(|one| one.host_network).any(|one| one.workload == workload);
                let seen = Endpoint::Workload(workload.clone());
                match self.node_of(&seen, pod) {
                    Some(node) if shared => Endpoint::Node { name: node.as_str().into(), workload: Some(workload) },
                    _ => seen,
                }
            }
            End::Node(number) => Endpoint::Node { name: NODES[*number].into(), workload: None },
            End::Name(number) => {
                Endpoint::ExternalName { names: [format!("name{number}\n- evil.example").into()].into() }
            }
            End::Address(number) => Endpoint::External { address: [198, 18, 5, *number].into() },
            End::LinkLocal(number) => Endpoint::LinkLocal { address: [169, 254, 169, *number].into() },
            End::ApiServer | End::Service(_) => Endpoint::ApiServer,
            End::Internet => Endpoint::Internet,
        }
    }

    /// The node on which an end is, if it is on one.
    fn node_of(&self, end: &Endpoint, pod: usize) -> Option<String> {
        match end {
            Endpoint::Node { name, .. } => Some(name.to_string()),
            Endpoint::Workload(workload) => {
                let all = self.world.observation.inventory.pods.iter();
                let pods: Vec<_> = all.filter(|pod| pod.workload == *workload).collect();
                let reached = pods.get(pod.checked_rem(pods.len())?)?;
                reached.node.as_ref().map(ToString::to_string)
            }
            _ => None,
        }
    }

    /// The edge between two ends, of which there is one a protocol and port.
    fn edge(&mut self, client: Endpoint, server: Endpoint, protocol: Protocol, port: u16) -> &mut Edge {
        let key = (&client, &server, protocol, port);
        let of = |edge: &Edge| (&edge.client, &edge.server, edge.protocol, edge.port) == key;
        if let Some(known) = self.world.observation.edges.iter().position(of) {
            return &mut self.world.observation.edges[known];
        }
        let addresses = [addresses(&client), addresses(&server)];
        let edge = self.world.edge(client, server, protocol, port);
        [edge.client_addresses, edge.server_addresses] = addresses;
        edge.nodes = FlatSet::new();
        edge.activity.failed = edge.activity.connections;
        edge
    }
}

/// The addresses that are kept beside an end.
fn addresses(end: &Endpoint) -> FlatSet<IpAddr> {
    match end {
        Endpoint::ExternalName { names } => names
            .iter()
            .flat_map(|name| {
                let number: String = name.chars().filter(char::is_ascii_digit).collect();
                [address(&format!("198.18.6.{number}")), address(&format!("fd00:6::{number}"))]
            })
            .collect(),
        Endpoint::ApiServer => [address("198.18.2.1")].into(),
        Endpoint::Internet => [address("198.18.9.9")].into(),
        _ => FlatSet::new(),
    }
}

fn workload(world: &mut World, number: usize, shape: &Shape) -> WorkloadRef {
    let namespace = ["shop", "data", "kube-system"][shape.namespace];
    let (kind, name) = (KINDS[number % KINDS.len()], format!("w{number}"));
    let app = ("app", VALUES[shape.app]);
    let mut template = vec![app, ("tier", VALUES[shape.tier])];
    if kind == "Job" {
        template.push(("batch.kubernetes.io/job-name", &name));
    }
    // These have no selector of their own that outlives a run: it is what their pods shared.
    let selector = if matches!(kind, "Job" | "CronJob") { template.clone() } else { vec![app] };
    let bare = shape.flavour == Flavour::Bare;
    let workload = world.workload(namespace, kind, &name, if bare { &[] } else { &selector });
    world.template(&workload, if bare { &[] } else { &template });
    let host_network = shape.flavour == Flavour::HostNetwork;
    world.declared(&workload).host_network = host_network;
    for pod in 0..shape.pods {
        let mut labels = if bare { Vec::new() } else { template.clone() };
        if shape.flavour == Flavour::Relabelled && pod % 2 == 1 {
            labels[1].1 = VALUES[(shape.tier + 1) % VALUES.len()];
        }
        let made = world.pod(&workload, NODES[pod % NODES.len()], &labels);
        passing(kind, &name, pod, bare).into_iter().for_each(|(key, value)| made.labels.insert(key, value));
        made.host_network = host_network;
        made.ports = shape.main.into_iter().map(|main| main_port(main, pod)).collect();
        if shape.dual_stack {
            let ip = address(&format!("fd00:244::{number}:{pod}"));
            made.addresses.push(HeldAddress { ip, from: None, until: None });
        }
        if matches!(kind, "Job" | "CronJob") {
            let start = i64::try_from(600 * (4 * number + pod)).unwrap();
            // Pods of Jobs come and go, and those of one node get the same address in turn.
            let ip = [10, 244, (pod % NODES.len()) as u8, 249].into();
            made.addresses[0] = HeldAddress { ip, from: Some(at(start)), until: Some(at(start + 30)) };
        }
    }
    workload
}

fn main_port((first, differs): (usize, bool), pod: usize) -> ContainerPort {
    let number = if differs { first + pod } else { first };
    ContainerPort { name: Some("main".into()), protocol: Protocol::Tcp, port: PORTS[number % PORTS.len()] }
}

/// The labels that controllers put on pods and that pass with a rollout, a run or the pod.
fn passing(kind: &str, name: &str, pod: usize, bare: bool) -> Vec<(&'static str, String)> {
    let run = if kind == "Job" && !bare { name.to_owned() } else { format!("{name}-{}", 29_800_000 + pod) };
    let (hash, uid) = (["5d4f9c", "7c9b8d"][pod % 2], format!("4f0c-{name}-{pod}"));
    match kind {
        "Deployment" => vec![("pod-template-hash", hash.into())],
        "StatefulSet" => vec![
            ("apps.kubernetes.io/pod-index", pod.to_string()),
            ("controller-revision-hash", hash.into()),
            ("statefulset.kubernetes.io/pod-name", format!("{name}-{pod}")),
        ],
        "DaemonSet" => vec![("controller-revision-hash", hash.into()), ("pod-template-generation", "1".into())],
        _ => vec![
            ("batch.kubernetes.io/controller-uid", uid.clone()),
            ("batch.kubernetes.io/job-name", run.clone()),
            ("controller-uid", uid),
            ("job-name", run),
        ],
    }
}
