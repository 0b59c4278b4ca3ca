//! The made-up cluster of this bench: 5,000 nodes with ten workloads each, one pod a workload, and who talks to whom.
//!
//! Four edges a workload, to servers of which few are called by very many; each second edge goes through a Service. Every edge is seen from
//! both ends, by the agents of two nodes.

use netwright_record::inventory::{HeldAddress, Pod, WorkloadRef};
use netwright_record::{
    Activity, Coverage, Direction, Ended, Flow, Header, Local, Losses, Name, Observation, Protocol, Time, Window, file,
};
use netwright_tests::synthetic::Random;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

pub(crate) const NODES: usize = 5_000;
const PODS_A_NODE: usize = 10;
pub(crate) const WORKLOADS: usize = NODES * PODS_A_NODE;
const EDGES_A_WORKLOAD: usize = 4;
pub(crate) const EDGES: usize = WORKLOADS * EDGES_A_WORKLOAD;
/// Every fifth workload serves, and has a Service.
const SERVES: usize = 5;
pub(crate) const SERVICES: usize = WORKLOADS / SERVES;
pub(crate) const NAMESPACES: usize = 500;
pub(crate) const TARGET_PORT: u16 = 8080;
pub(crate) const SERVICE_PORT: u16 = 80;
const SEED: u64 = 7;

/// How long a segment of an agent is, in seconds.
pub(crate) const INTERVAL: i64 = 10;

/// Who talks to whom.
pub(crate) struct World {
    /// When the recording began, in seconds.
    start: i64,
    /// The records of each node, without their times.
    flows: Vec<Vec<Flow>>,
}

impl World {
    /// The same in each run, but for when it begins.
    pub(crate) fn new(start: i64) -> Self {
        let mut random = Random(SEED);
        let mut flows = vec![Vec::new(); NODES];
        for client in 0..WORKLOADS {
            let mut servers = BTreeSet::new();
            while servers.len() < EDGES_A_WORKLOAD {
                let server = SERVES * few_for_many(&mut random);
                if server != client {
                    servers.insert(server);
                }
            }
            for (number, server) in servers.into_iter().enumerate() {
                let by_service = number % 2 == 0;
                let (remote, port) = if by_service {
                    (service_ip(server / SERVES), SERVICE_PORT)
                } else {
                    (pod_ip(server), TARGET_PORT)
                };
                flows[client / PODS_A_NODE].push(flow(client, Direction::Egress, remote, port));
                flows[server / PODS_A_NODE].push(flow(server, Direction::Ingress, pod_ip(client), TARGET_PORT));
            }
        }
        Self { start, flows }
    }

    /// How many flow records all agents send in one round.
    pub(crate) fn records(&self) -> u64 {
        self.flows.iter().map(|flows| flows.len() as u64).sum()
    }

    /// A node's segment of `INTERVAL` seconds from the second `from` of the recording on; without flows of `length` seconds.
    pub(crate) fn segment(&self, node: usize, from: i64, length: i64, with_flows: bool) -> Vec<u8> {
        let at = |second: i64| Time::from_second(self.start + second).expect("far from the ends of time");
        let window = Window { from: at(from), until: at(from + length) };
        let mut observation = Observation::new(Header::new("netwright-agent 0.1.0", window));
        observation.coverage.push(Coverage {
            node: node_name(node).into(),
            run: RUN.into(),
            from: window.from,
            to: window.until,
            ended: Ended::Continues,
            losses: Losses::default(),
            notes: Vec::new(),
        });
        if from == 0 {
            observation.inventory.pods = pods_of(node).map(|number| reported(number, window.from)).collect();
        }
        if with_flows {
            observation.flows.clone_from(&self.flows[node]);
            for (number, flow) in observation.flows.iter_mut().enumerate() {
                let first = at(from + number as i64 % length);
                flow.activity = Activity { connections: 1 + number as u64 % 7, ..Activity::once(first) };
            }
        }
        let mut bytes = Vec::new();
        file::write(&observation, &mut bytes).expect("memory takes all");
        bytes
    }
}

/// The run of every agent.
pub(crate) const RUN: &str = "20261101T000000Z-5a17";

/// The number of a server: the more seldom the higher.
fn few_for_many(random: &mut Random) -> usize {
    let part = random.below(1 << 20) as f64 / f64::from(1 << 20);
    ((part * part * SERVICES as f64) as usize).min(SERVICES - 1)
}

fn flow(pod: usize, direction: Direction, remote: Ipv4Addr, port: u16) -> Flow {
    Flow {
        node: node_name(pod / PODS_A_NODE).into(),
        direction,
        protocol: Protocol::Tcp,
        local: Local::Pod { uid: pod_uid(pod).into(), ip: Some(pod_ip(pod).into()) },
        remote: remote.into(),
        port,
        remote_port: None,
        names: Default::default(),
        activity: Activity::once(Time::MIN),
    }
}

/// What an agent tells of a pod: it knows the controller and no more.
fn reported(number: usize, from: Time) -> Pod {
    let ip = IpAddr::V4(pod_ip(number));
    Pod {
        namespace: namespace(number).into(),
        name: pod_name(number).into(),
        uid: pod_uid(number).into(),
        node: Some(node_name(number / PODS_A_NODE).into()),
        workload: WorkloadRef {
            namespace: namespace(number).into(),
            kind: "ReplicaSet".into(),
            name: replica_set(number).into(),
        },
        labels: [(Name::from("app"), Name::from(workload(number)))].into_iter().collect(),
        addresses: vec![HeldAddress { ip, from: Some(from), until: None }],
        host_network: false,
        ports: Vec::new(),
        service_account: Some(workload(number).into()),
    }
}

pub(crate) fn pods_of(node: usize) -> std::ops::Range<usize> {
    node * PODS_A_NODE..(node + 1) * PODS_A_NODE
}

pub(crate) fn node_of(pod: usize) -> usize {
    pod / PODS_A_NODE
}

pub(crate) fn node_name(node: usize) -> String {
    format!("node-{node:04}")
}

pub(crate) fn node_ip(node: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xac10_0000 + node as u32 + 1)
}

/// The /24 of each node begins with this.
pub(crate) fn pod_range(node: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a40_0000 + ((node as u32) << 8))
}

pub(crate) fn pod_ip(pod: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(pod_range(node_of(pod)).to_bits() + 10 + (pod % PODS_A_NODE) as u32)
}

pub(crate) fn service_ip(service: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0ac8_0000 + service as u32 + 10)
}

pub(crate) fn service_workload(service: usize) -> usize {
    service * SERVES
}

pub(crate) fn namespace(workload: usize) -> String {
    format!("team-{:03}", workload % NAMESPACES)
}

pub(crate) fn workload(number: usize) -> String {
    format!("app-{number:05}")
}

pub(crate) fn replica_set(number: usize) -> String {
    format!("app-{number:05}-{:x}", 0x6b9d_0000_usize + number)
}

pub(crate) fn pod_name(number: usize) -> String {
    format!("{}-{:05x}", replica_set(number), number * 17)
}

pub(crate) fn pod_uid(number: usize) -> String {
    format!("{number:08x}-6a2f-4c11-9d3e-{:012x}", number * 7919)
}
