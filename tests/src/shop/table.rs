//! The declaration of the shop: the one place to change when the demo should show something else.

use super::model::{Call, Container, Kind, Manner, OutsideHost, Resolver, Server, Service, Shop, Target, Workload};
use crate::world::Addresses;
use netwright_record::Protocol;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const CLUSTER_DNS: IpAddr = service_address(0, 10);
const OUTSIDE_DNS: IpAddr = outside(53);
const BILLING_API: IpAddr = outside(80);
const VENDOR: IpAddr = outside(90);
const NOBODY: IpAddr = outside(99);
const TIME: IpAddr = outside(123);
const SHOPPER: IpAddr = outside(200);
const SHOP_FRONT: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 19, 0, 10));

/// The shop, with every kind of conversation that a cluster commonly has.
pub fn shop() -> Shop {
    let mut workloads = shop_workloads();
    workloads.extend(billing_workloads());
    workloads.extend(operations_workloads());
    Shop {
        node: (
            "node-a",
            Addresses { v4: Ipv4Addr::new(172, 30, 0, 10), v6: Ipv6Addr::new(0xfd00, 0x30, 0, 0, 0, 0, 0, 0x10) },
        ),
        workloads,
        services: services(),
        node_processes: vec![(
            "kubelet.service",
            Call {
                manner: Manner::Http,
                to: Target::Pod("shop", "front", 8080),
                every: 900,
                resolver: Resolver::Nobody,
            },
        )],
        outside: outside_hosts(),
        outside_names: vec![
            (&["api.payments.example", "payments.edge.example", "pop7.edge.example"], BILLING_API),
            (&["updates.vendor.example"], VENDOR),
            (&["time.example"], TIME),
        ],
        resolvers: (CLUSTER_DNS, OUTSIDE_DNS),
    }
}

fn shop_workloads() -> Vec<Workload> {
    let jobs = Target::Service("shop", "redis", 6379);
    vec![
        workload("shop", Kind::Deployment, "front", 1).serves("http", Server::Http(8080)).calls(
            "backend",
            300,
            Manner::Http,
            Target::Service("shop", "api", 80),
        ),
        workload("shop", Kind::Deployment, "api", 2)
            .serves("http", Server::Http(9090))
            .calls("orders", 400, Manner::Redis("LPUSH,jobs,order"), jobs)
            .calls("metrics", 250, Manner::Statsd, Target::Service("ops", "statsd", 8125)),
        workload("shop", Kind::StatefulSet, "redis", 1).serves("redis", Server::Redis(6379)),
        workload("shop", Kind::Deployment, "worker", 1).calls("queue", 300, Manner::Redis("BRPOP,jobs,1"), jobs).calls(
            "payments",
            700,
            Manner::Http,
            Target::OutsideName("api.payments.example", 443),
        ),
        workload("shop", Kind::CronJob, "cleanup", 2).calls("sweep", 200, Manner::Redis("LTRIM,jobs,0,999"), jobs),
        workload("shop", Kind::Deployment, "search", 1).serves("http", Server::Http(7700)),
    ]
}

fn billing_workloads() -> Vec<Workload> {
    vec![
        workload("billing", Kind::StatefulSet, "ledger", 1).serves("sync", Server::Echo(7000)).calls(
            "clock",
            1500,
            Manner::Ntp,
            Target::OutsideName("time.example", 123),
        ),
        workload("billing", Kind::Deployment, "invoicer", 1).calls(
            "sync",
            500,
            Manner::HeldFromBefore,
            Target::Pod("billing", "ledger", 7000),
        ),
        workload("billing", Kind::Deployment, "updater", 1).asks_outside(
            "fetch",
            800,
            Manner::Http,
            Target::OutsideName("updates.vendor.example", 80),
        ),
    ]
}

fn operations_workloads() -> Vec<Workload> {
    vec![
        workload("ops", Kind::Deployment, "statsd", 1).serves("metrics", Server::Statsd(9125)),
        workload("ops", Kind::Deployment, "indexer", 1).calls(
            "index",
            600,
            Manner::Http,
            Target::Service("shop", "search", 80),
        ),
        workload("ops", Kind::Deployment, "prometheus", 1).calls(
            "scrape",
            1000,
            Manner::Http,
            Target::Node("ops", "node-exporter", 9100),
        ),
        workload("ops", Kind::HostNetworkDaemonSet, "node-exporter", 1).serves("metrics", Server::Http(9100)),
        workload("ops", Kind::Deployment, "canary", 1)
            .calls("refused", 1200, Manner::Refused, Target::Pod("billing", "ledger", 9999))
            .calls("unanswered", 500, Manner::Unanswered, Target::OutsideAddress(NOBODY, 443)),
        workload("kube-system", Kind::Deployment, "coredns", 1).serves("dns", Server::ClusterDns(53)),
    ]
}

fn services() -> Vec<Service> {
    let front = service("shop", "front", service_address(1, 5), 80, 8080);
    let dns = service("kube-system", "coredns", CLUSTER_DNS, 53, 53);
    let search = service("shop", "search", IpAddr::V6(Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, 0x77)), 80, 7700);
    let ledger = service("billing", "ledger", CLUSTER_DNS, 7000, 7000);
    vec![
        Service { load_balancer: Some(SHOP_FRONT), ..front },
        service("shop", "api", service_address(1, 10), 80, 9090),
        service("shop", "redis", service_address(1, 20), 6379, 6379),
        search,
        Service { address: None, ..ledger },
        Service { protocol: Protocol::Udp, ..service("ops", "statsd", service_address(3, 10), 8125, 9125) },
        Service { name: "kube-dns", protocol: Protocol::Udp, ..dns },
    ]
}

fn outside_hosts() -> Vec<OutsideHost> {
    let serves = |server| Some(Container::Serves { name: "server", server });
    let shopper = Call {
        manner: Manner::Http,
        to: Target::LoadBalancer("shop", "front", 80),
        every: 650,
        resolver: Resolver::Nobody,
    };
    vec![
        OutsideHost { name: "resolver", address: OUTSIDE_DNS, container: serves(Server::OutsideDns(53)) },
        OutsideHost { name: "payments", address: BILLING_API, container: serves(Server::Http(443)) },
        OutsideHost { name: "vendor", address: VENDOR, container: serves(Server::Http(80)) },
        OutsideHost { name: "time", address: TIME, container: serves(Server::Ntp(123)) },
        OutsideHost {
            name: "shopper",
            address: SHOPPER,
            container: Some(Container::Calls { name: "browser", call: shopper }),
        },
    ]
}

fn workload(namespace: &'static str, kind: Kind, name: &'static str, replicas: usize) -> Workload {
    Workload { namespace, kind, name, replicas, containers: Vec::new() }
}

impl Workload {
    fn serves(mut self, name: &'static str, server: Server) -> Self {
        self.containers.push(Container::Serves { name, server });
        self
    }

    /// A call that asks the cluster's DNS where its target is a name.
    fn calls(mut self, name: &'static str, every: u32, manner: Manner, to: Target) -> Self {
        let resolver = match to {
            Target::Service(..) | Target::OutsideName(..) => Resolver::Cluster,
            _ => Resolver::Nobody,
        };
        self.containers.push(Container::Calls { name, call: Call { manner, to, every, resolver } });
        self
    }

    fn asks_outside(mut self, name: &'static str, every: u32, manner: Manner, to: Target) -> Self {
        self.containers.push(Container::Calls { name, call: Call { manner, to, every, resolver: Resolver::Outside } });
        self
    }
}

/// A TCP Service that selects the workload of its own name.
fn service(namespace: &'static str, name: &'static str, address: IpAddr, port: u16, target_port: u16) -> Service {
    Service {
        namespace,
        name,
        workload: name,
        address: Some(address),
        load_balancer: None,
        protocol: Protocol::Tcp,
        port,
        target_port,
    }
}

const fn service_address(third: u8, fourth: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 96, third, fourth))
}

const fn outside(fourth: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(198, 18, 0, fourth))
}
