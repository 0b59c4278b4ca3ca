//! Builds small observations for tests, in the library's own and in those of the binary.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

use netwright_record::inventory::{
    Backend, ContainerPort, HeldAddress, Labels, Namespace, Node, Pod, Service, ServicePort, Workload, WorkloadRef,
};
use netwright_record::{
    Activity, Coverage, Edge, Ended, Endpoint, FlatSet, Header, Losses, Observation, Protocol, Time, Window,
};
use std::net::IpAddr;

/// Midnight of 1 November 2026.
pub const START: i64 = 1_793_491_200;

/// The address in `text`.
pub fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// `seconds` after [`START`].
pub fn at(seconds: i64) -> Time {
    Time::from_second(START + seconds).unwrap()
}

/// The labels in `pairs`.
pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The Service of the API server, with these endpoints.
pub fn api_server(addresses: &[&str]) -> Service {
    let port = ContainerPort { name: None, protocol: Protocol::Tcp, port: 6443 };
    let backend = |text: &&str| Backend {
        address: HeldAddress { ip: address(text), from: None, until: None },
        pod_uid: None,
        ports: vec![port.clone()],
    };
    Service {
        namespace: "default".into(),
        name: "kubernetes".into(),
        service_type: "ClusterIP".into(),
        cluster_ips: Vec::new(),
        external_ips: Vec::new(),
        external_traffic_policy: None,
        selector: Labels::new(),
        ports: Vec::new(),
        backends: addresses.iter().map(backend).collect(),
    }
}

/// An observation under construction.
pub struct World {
    /// What there is so far, in the order in which it was added.
    pub observation: Observation,
}

impl World {
    /// A cluster in which nothing is yet, watched for a day.
    pub fn new() -> Self {
        let window = Window { from: at(0), until: at(86_400) };
        Self { observation: Observation::new(Header::new("test 1.0.0", window)) }
    }

    /// The observation, sorted as one that was read from a file.
    pub fn build(&self) -> Observation {
        let mut observation = self.observation.clone();
        observation.sort();
        observation
    }

    /// Adds a namespace, if it is not there.
    pub fn namespace(&mut self, name: &str) -> &mut Self {
        let namespaces = &mut self.observation.inventory.namespaces;
        if namespaces.iter().all(|namespace| namespace.name != name) {
            namespaces.push(Namespace { name: name.into(), labels: Labels::new() });
        }
        self
    }

    /// Adds a workload without pods, whose template's stable labels are its selector.
    pub fn workload(&mut self, namespace: &str, kind: &str, name: &str, selector: &[(&str, &str)]) -> WorkloadRef {
        self.namespace(namespace);
        let workload = WorkloadRef { namespace: namespace.into(), kind: kind.into(), name: name.into() };
        self.observation.inventory.workloads.push(Workload {
            workload: workload.clone(),
            selector: labels(selector),
            labels: labels(selector),
            ports: Vec::new(),
            host_network: false,
            replicas: None,
            service_account: None,
            created: None,
        });
        workload
    }

    /// Adds a Deployment `name` selected by `app: name`, and one pod of it on node `n1`.
    pub fn running(&mut self, namespace: &str, name: &str) -> WorkloadRef {
        let workload = self.workload(namespace, "Deployment", name, &[("app", name)]);
        self.pod(&workload, "n1", &[("app", name)]);
        workload
    }

    /// Changes the stable labels of a workload's template.
    pub fn template(&mut self, workload: &WorkloadRef, pairs: &[(&str, &str)]) {
        self.declared(workload).labels = labels(pairs);
    }

    /// The inventory's record of a workload.
    pub fn declared(&mut self, workload: &WorkloadRef) -> &mut Workload {
        self.observation.inventory.workloads.iter_mut().find(|declared| declared.workload == *workload).unwrap()
    }

    /// Adds a pod with the next free address of 10.244.0.0/16.
    pub fn pod(&mut self, workload: &WorkloadRef, node: &str, pairs: &[(&str, &str)]) -> &mut Pod {
        let pods = &mut self.observation.inventory.pods;
        let number = pods.len() + 1;
        let ip = IpAddr::from([10, 244, (number / 250) as u8, (number % 250) as u8]);
        pods.push(Pod {
            namespace: workload.namespace.clone(),
            name: format!("{}-{number}", workload.name).into(),
            uid: format!("uid-{number}").into(),
            node: Some(node.into()),
            workload: workload.clone(),
            labels: labels(pairs),
            addresses: vec![HeldAddress { ip, from: None, until: None }],
            host_network: false,
            ports: Vec::new(),
            service_account: None,
        });
        pods.last_mut().unwrap()
    }

    /// Adds a node.
    pub fn node(&mut self, name: &str, addresses: &[&str]) -> &mut Self {
        let addresses = addresses.iter().map(|text| address(text)).collect();
        let node = Node { name: name.into(), labels: Labels::new(), addresses, pod_cidrs: Vec::new() };
        self.observation.inventory.nodes.push(node);
        self
    }

    /// Gives a node a range for its pods.
    pub fn pod_range(&mut self, node: &str, cidr: &str) -> &mut Self {
        let nodes = &mut self.observation.inventory.nodes;
        nodes.iter_mut().find(|known| known.name == node).unwrap().pod_cidrs.push(cidr.into());
        self
    }

    /// Says that a node was watched for the whole window.
    pub fn covered(&mut self, node: &str) -> &mut Self {
        let Window { from, until: to } = self.observation.header.window;
        let (run, losses, notes) = (format!("run-{node}"), Losses::default(), Vec::new());
        let coverage = Coverage { node: node.into(), run, from, to, ended: Ended::Clean, losses, notes };
        self.observation.coverage.push(coverage);
        self
    }

    /// Adds a Service.
    pub fn service(&mut self, service: Service) -> &mut Self {
        self.observation.inventory.services.push(service);
        self
    }

    /// Adds a Service of `service_type` on `port`, whose only backends are the pods of `workload` on `target`.
    pub fn service_of(
        &mut self,
        workload: &WorkloadRef,
        name: &str,
        service_type: &str,
        port: u16,
        target: ContainerPort,
    ) {
        let pods = self.observation.inventory.pods.iter().filter(|pod| pod.workload == *workload);
        let backend = |pod: &Pod| Backend {
            address: pod.addresses[0].clone(),
            pod_uid: Some(pod.uid.clone()),
            ports: vec![ContainerPort { name: None, ..target.clone() }],
        };
        let service = Service {
            namespace: workload.namespace.clone(),
            name: name.into(),
            service_type: service_type.into(),
            cluster_ips: vec![address("10.96.0.10")],
            ports: vec![ServicePort { name: None, protocol: target.protocol, port, node_port: None }],
            backends: pods.map(backend).collect(),
            ..api_server(&[])
        };
        self.observation.inventory.services.push(service);
    }

    /// Adds an edge with one established connection.
    pub fn edge(&mut self, client: Endpoint, server: Endpoint, protocol: Protocol, port: u16) -> &mut Edge {
        self.observation.edges.push(Edge {
            client,
            server,
            protocol,
            port,
            services: FlatSet::new(),
            client_addresses: FlatSet::new(),
            server_addresses: FlatSet::new(),
            addresses_dropped: 0,
            activity: Activity::once(at(3600)),
            nodes: ["n1".into()].into(),
        });
        self.observation.edges.last_mut().unwrap()
    }
}

/// A shop in three namespaces: each kind of endpoint once, an attempt that failed, a silent workload in `data`.
pub fn shop() -> World {
    let mut world = World::new();
    world.node("n1", &["198.18.1.1"]).node("n2", &["198.18.1.2"]).covered("n1").covered("n2");
    world.pod_range("n1", "10.244.0.0/24");
    let [front, api, job] = ["front", "api", "job"].map(|name| Endpoint::Workload(world.running("shop", name)));
    let [db, dns] =
        [("data", "db"), ("kube-system", "dns")].map(|(n, name)| Endpoint::Workload(world.running(n, name)));
    world.running("data", "silent");
    let node = |name: &str| Endpoint::Node { name: name.into(), workload: None };
    let billing = Endpoint::ExternalName { names: ["billing.example".into()].into() };
    world.edge(Endpoint::Internet, front.clone(), Protocol::Tcp, 8080).client_addresses =
        [address("198.18.9.9")].into();
    world.edge(front.clone(), api.clone(), Protocol::Tcp, 8080);
    for client in [&front, &api, &job] {
        world.edge(client.clone(), dns.clone(), Protocol::Udp, 53);
    }
    world.edge(api.clone(), db.clone(), Protocol::Tcp, 5432);
    world.edge(api.clone(), billing, Protocol::Tcp, 443).server_addresses = [address("198.18.0.7")].into();
    world.edge(api.clone(), Endpoint::ApiServer, Protocol::Tcp, 6443).server_addresses = [address("198.18.2.1")].into();
    world.edge(job.clone(), Endpoint::LinkLocal { address: address("169.254.169.254") }, Protocol::Tcp, 80);
    world.edge(job.clone(), db.clone(), Protocol::Tcp, 6379).activity.failed = 1;
    world.edge(node("n1"), api.clone(), Protocol::Tcp, 8080);
    world.edge(node("n2"), db.clone(), Protocol::Tcp, 9187).nodes = ["n1".into(), "n2".into()].into();
    world.edge(db.clone(), db, Protocol::Tcp, 5433);
    world.edge(api, node("n2"), Protocol::Tcp, 9100);
    world
}
