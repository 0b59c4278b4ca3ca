//! Observations to write and read: one with every kind of record and every field, and any number of random ones.

use netwright_record::file::{ReadError, Warning, read, write, write_plain};
use netwright_record::inventory::{
    ApiExtension, Backend, ContainerPort, CronJob, HeldAddress, Inventory, Namespace, Node, Pod, Policy, Service,
    ServicePort, Workload, WorkloadRef,
};
use netwright_record::{
    Activity, Coverage, Direction, Edge, Ended, Endpoint, Flow, Header, Local, Losses, Observation, Protocol,
    ServiceRef, Time, Unresolved, Window,
};
use serde_json::json;
use std::net::IpAddr;
use std::path::Path;

pub(crate) type Read = Result<(Observation, Vec<Warning>), ReadError>;

/// Reads from memory; messages say `file`.
pub(crate) fn read_bytes(bytes: impl AsRef<[u8]>) -> Read {
    read(bytes.as_ref(), Path::new("file"))
}

pub(crate) fn plain(observation: &Observation) -> String {
    let mut text = Vec::new();
    write_plain(observation, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

pub(crate) fn compressed(observation: &Observation) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(observation, &mut bytes).unwrap();
    bytes
}

pub(crate) fn at(second: i64) -> Time {
    Time::from_second(second).unwrap()
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn empty() -> Observation {
    Observation::new(Header::new("test 1.0", Window { from: at(0), until: at(7200) }))
}

pub(crate) fn workload(name: &str) -> WorkloadRef {
    WorkloadRef { namespace: "shop".into(), kind: "Deployment".into(), name: name.into() }
}

pub(crate) fn activity() -> Activity {
    Activity {
        first: at(60),
        last: Time::new(7000, 123_456_789).unwrap(),
        connections: 12,
        failed: 3,
        bytes: Some(u64::MAX),
        hours: vec![(0, 2), (5, 1)].into(),
    }
}

pub(crate) fn flow() -> Flow {
    Flow {
        node: "n1".into(),
        direction: Direction::Ambiguous,
        protocol: Protocol::Udp,
        local: Local::Pod { uid: "u1".into(), ip: Some(address("10.244.0.1")) },
        remote: address("fd00:244::2"),
        port: 9000,
        remote_port: Some(9001),
        names: ["billing.example".into(), "\u{202e}\u{1b}[2J\"\n".into()].into(),
        activity: activity(),
    }
}

pub(crate) fn edge() -> Edge {
    Edge {
        client: Endpoint::Workload(workload("front")),
        server: Endpoint::ExternalName { names: ["billing.example".into()].into() },
        protocol: Protocol::Tcp,
        port: 443,
        services: [ServiceRef { namespace: "shop".into(), name: "api".into(), port: 80 }].into(),
        client_addresses: [address("10.0.0.1")].into(),
        server_addresses: [address("198.18.0.1"), address("::1")].into(),
        addresses_dropped: 7,
        activity: activity(),
        nodes: ["n1".into(), "n2".into()].into(),
    }
}

pub(crate) fn coverage() -> Coverage {
    let losses =
        Losses { connections: 1, ring_full: 2, map_full: 3, evicted: 4, dns_ring_full: 5, ..Losses::default() };
    Coverage {
        node: "n1".into(),
        run: "r1".into(),
        from: at(0),
        to: at(7200),
        ended: Ended::CutOff,
        losses: Losses {
            dns_clipped: 6,
            dns_malformed: 7,
            dns_unwatched: 8,
            spool_full: 9,
            dns_names_full: 10,
            ..losses
        },
        notes: vec!["no cookies on packets".into()],
    }
}

/// Every kind of record, every kind of endpoint, every field set.
pub(crate) fn sample() -> Observation {
    let mut sample = empty();
    sample.header.cluster = Some("test".into());
    sample.coverage = vec![coverage(), Coverage { ended: Ended::Clean, run: "r2".into(), ..coverage() }];
    sample.inventory = inventory();
    sample.flows = locals().map(|local| Flow { local, ..flow() }).into();
    sample.edges = endpoints().map(|server| Edge { server, ..edge() }).into();
    sample.unresolved = vec![Unresolved { flow: flow(), reason: "nobody held the address".into() }];
    sample.sort();
    sample
}

fn locals() -> [Local; 4] {
    [
        flow().local,
        Local::Host { ip: None },
        Local::Address { ip: address("10.244.0.1") },
        Local::Unknown { netns_cookie: u64::MAX },
    ]
}

fn endpoints() -> [Endpoint; 8] {
    [
        Endpoint::Workload(workload("api")),
        Endpoint::Node { name: "n1".into(), workload: Some(workload("exporter")) },
        Endpoint::Node { name: "n1".into(), workload: None },
        Endpoint::ApiServer,
        Endpoint::LinkLocal { address: address("169.254.169.254") },
        edge().server,
        Endpoint::External { address: address("2001:db8::1") },
        Endpoint::Internet,
    ]
}

fn inventory() -> Inventory {
    let labels = || [("app", "api")].into();
    let ports = vec![ContainerPort { name: Some("http".into()), protocol: Protocol::Tcp, port: 8080 }];
    let held = HeldAddress { ip: address("10.244.0.1"), from: Some(at(0)), until: Some(at(3600)) };
    Inventory {
        namespaces: vec![Namespace { name: "shop".into(), labels: labels() }],
        workloads: vec![Workload {
            workload: workload("api"),
            selector: labels(),
            labels: labels(),
            ports: ports.clone(),
            host_network: true,
            replicas: Some(2),
            service_account: Some("api".into()),
            created: Some(at(1)),
        }],
        pods: vec![Pod {
            namespace: "shop".into(),
            name: "api-1".into(),
            uid: "u1".into(),
            node: Some("n1".into()),
            workload: workload("api"),
            labels: labels(),
            addresses: vec![held.clone()],
            host_network: true,
            ports: ports.clone(),
            service_account: Some("api".into()),
        }],
        services: vec![service(Backend { address: held, pod_uid: Some("u1".into()), ports })],
        nodes: vec![Node {
            name: "n1".into(),
            labels: labels(),
            addresses: vec![address("192.0.2.1")],
            pod_cidrs: vec!["10.244.0.0/24".into()],
        }],
        cron_jobs: vec![CronJob {
            namespace: "shop".into(),
            name: "report".into(),
            schedule: "0 3 * * *".into(),
            time_zone: Some("Etc/UTC".into()),
            suspended: true,
            last_scheduled: Some(at(3600)),
        }],
        policies: vec![Policy { manifest: json!({"kind": "NetworkPolicy", "spec": {"podSelector": {}}}) }],
        api_extensions: vec![ApiExtension {
            kind: "APIService".into(),
            name: "v1beta1.metrics.example".into(),
            service: ServiceRef { namespace: "shop".into(), name: "api".into(), port: 443 },
        }],
    }
}

fn service(backend: Backend) -> Service {
    Service {
        namespace: "shop".into(),
        name: "api".into(),
        service_type: "NodePort".into(),
        cluster_ips: vec![address("10.96.0.1")],
        external_ips: vec![address("203.0.113.1")],
        external_traffic_policy: Some("Local".into()),
        selector: [("app", "api")].into(),
        ports: vec![ServicePort {
            name: Some("http".into()),
            protocol: Protocol::Sctp,
            port: 80,
            node_port: Some(30080),
        }],
        backends: vec![backend],
    }
}

/// Random observations whose records often have the same key.
pub(crate) mod random {
    use super::*;
    use netwright_record::Name;
    use proptest::collection::{btree_set, vec};
    use proptest::option;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![3 => Just("a".to_owned()), 1 => "[a-c]{0,2}", 1 => any::<String>()]
    }

    fn name() -> impl Strategy<Value = Name> {
        text().prop_map(Name::from)
    }

    fn time() -> impl Strategy<Value = Time> {
        prop_oneof![
            Just(at(0)),
            (-5000..5000i64, 0..1_000_000_000i32).prop_map(|(s, n)| Time::new(s.abs(), n).unwrap())
        ]
    }

    fn count() -> impl Strategy<Value = u64> {
        prop_oneof![0..3u64, any::<u64>()]
    }

    fn ip() -> impl Strategy<Value = IpAddr> {
        prop_oneof![Just(address("10.0.0.1")), any::<IpAddr>()]
    }

    fn protocol() -> impl Strategy<Value = Protocol> {
        prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)]
    }

    fn direction() -> impl Strategy<Value = Direction> {
        prop_oneof![Just(Direction::Egress), Just(Direction::Ingress), Just(Direction::Ambiguous)]
    }

    fn activity() -> impl Strategy<Value = Activity> {
        (time(), time(), count(), count(), option::of(count()), vec((-9..9i64, 0..4u32), 0..3)).prop_map(
            |(first, last, connections, failed, bytes, hours)| Activity {
                first,
                last,
                connections,
                failed,
                bytes,
                hours: hours.into(),
            },
        )
    }

    fn local() -> impl Strategy<Value = Local> {
        prop_oneof![
            (name(), option::of(ip())).prop_map(|(uid, ip)| Local::Pod { uid, ip }),
            option::of(ip()).prop_map(|ip| Local::Host { ip }),
            ip().prop_map(|ip| Local::Address { ip }),
            count().prop_map(|netns_cookie| Local::Unknown { netns_cookie }),
        ]
    }

    fn flow() -> impl Strategy<Value = Flow> {
        let ends = (local(), ip(), 0..3u16, option::of(0..3u16));
        (name(), direction(), protocol(), ends, btree_set(name(), 0..3), activity()).prop_map(
            |(node, direction, protocol, (local, remote, port, remote_port), names, activity)| Flow {
                node,
                direction,
                protocol,
                local,
                remote,
                port,
                remote_port,
                names: names.into(),
                activity,
            },
        )
    }

    fn endpoint() -> impl Strategy<Value = Endpoint> {
        let workload = || name().prop_map(|name| workload(&name));
        prop_oneof![
            workload().prop_map(Endpoint::Workload),
            (name(), option::of(workload())).prop_map(|(name, workload)| Endpoint::Node { name, workload }),
            Just(Endpoint::ApiServer),
            ip().prop_map(|address| Endpoint::LinkLocal { address }),
            btree_set(name(), 0..3).prop_map(|names| Endpoint::ExternalName { names: names.into() }),
            ip().prop_map(|address| Endpoint::External { address }),
            Just(Endpoint::Internet),
        ]
    }

    fn edge() -> impl Strategy<Value = Edge> {
        let key = (prop_oneof![Just(Endpoint::Internet), endpoint()], endpoint(), protocol(), 0..2u16);
        let addresses = (btree_set(ip(), 0..2), btree_set(ip(), 0..2), count());
        let service =
            (name(), name(), 0..2u16).prop_map(|(namespace, name, port)| ServiceRef { namespace, name, port });
        (key, addresses, btree_set(service, 0..2), activity(), btree_set(name(), 0..2)).prop_map(
            |((client, server, protocol, port), addresses, services, activity, nodes)| Edge {
                client,
                server,
                protocol,
                port,
                services: services.into(),
                client_addresses: addresses.0.into(),
                server_addresses: addresses.1.into(),
                addresses_dropped: addresses.2,
                activity,
                nodes: nodes.into(),
            },
        )
    }

    fn coverage() -> impl Strategy<Value = Coverage> {
        let ended = prop_oneof![Just(Ended::Continues), Just(Ended::Clean), Just(Ended::CutOff)];
        (name(), text(), time(), time(), ended, count(), vec(text(), 0..2)).prop_map(
            |(node, run, from, to, ended, spool_full, notes)| Coverage {
                node,
                run,
                from,
                to,
                ended,
                losses: Losses { spool_full, ..Losses::default() },
                notes,
            },
        )
    }

    fn pod() -> impl Strategy<Value = Pod> {
        let held = (ip(), option::of(time()), option::of(time())).prop_map(|(ip, from, until)| HeldAddress {
            ip,
            from,
            until,
        });
        (name(), name(), option::of(name()), vec(held, 0..2), any::<bool>()).prop_map(
            |(name, label, node, addresses, host_network)| Pod {
                namespace: "a".into(),
                name,
                uid: "u".into(),
                node,
                workload: workload("api"),
                labels: [("app", label)].into(),
                addresses,
                host_network,
                ports: Vec::new(),
                service_account: None,
            },
        )
    }

    fn namespace() -> impl Strategy<Value = Namespace> {
        (name(), name()).prop_map(|(name, label)| Namespace { name, labels: [("team", label)].into() })
    }

    fn policy() -> impl Strategy<Value = Policy> {
        (text(), any::<i64>()).prop_map(|(name, n)| Policy { manifest: json!({"metadata": {"name": name}, "n": n}) })
    }

    pub(crate) fn observation() -> impl Strategy<Value = Observation> {
        let unresolved = (flow(), text()).prop_map(|(flow, reason)| Unresolved { flow, reason });
        let seen = (vec(flow(), 0..5), vec(edge(), 0..5), vec(unresolved, 0..4), vec(coverage(), 0..4));
        (seen, vec(pod(), 0..4), vec(namespace(), 0..4), vec(policy(), 0..3)).prop_map(
            |((flows, edges, unresolved, coverage), pods, namespaces, policies)| Observation {
                flows,
                edges,
                unresolved,
                coverage,
                inventory: Inventory { pods, namespaces, policies, ..sample().inventory },
                ..empty()
            },
        )
    }
}
