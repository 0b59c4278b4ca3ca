//! What follows from edges, Services, webhooks and meshes, seen in the rules.

use crate::infer::rules::{Plan, Target, Unprotected};
use crate::infer::{Options, infer};
use crate::review::Decided;
use crate::testing::{World, address, api_server, labels};
use netwright_record::Protocol::{Tcp, Udp};
use netwright_record::inventory::{ApiExtension, ContainerPort, ServicePort, WorkloadRef};
use netwright_record::{Endpoint, ServiceRef};

/// What `workload` may reach, or who may reach it, as `peer port`.
fn allowed(plan: &Plan, workload: &WorkloadRef) -> Vec<String> {
    let policy = plan.policies.iter().find(|policy| policy.workload == *workload).unwrap();
    let rules = policy.rules().flat_map(|(direction, rule)| {
        rule.peers.iter().flat_map(move |peer| rule.ports.iter().map(move |port| (direction, peer, port)))
    });
    let described = rules.map(|(direction, peer, port)| {
        let peer = match &peer.target {
            Target::Pods(pods) => format!("{} {:?}", pods.namespace, pods.labels),
            Target::Block { cidr, .. } => cidr.to_string(),
        };
        format!("{direction:?} {peer} {port}")
    });
    described.collect()
}

fn plan(world: &World) -> Plan {
    infer(&world.build(), &Options::default(), &Decided::default())
}

fn https(number: u16) -> ContainerPort {
    ContainerPort { name: None, protocol: Tcp, port: number }
}

fn node(name: &str) -> Endpoint {
    Endpoint::Node { name: name.into(), workload: None }
}

/// A guard that serves a webhook, in a cluster whose API server is at 198.18.2.1; it was seen to do something.
fn guarded() -> (World, WorkloadRef) {
    let mut world = World::new();
    world.service(api_server(&["198.18.2.1"]));
    world.node("cp", &["198.18.2.1", "198.18.2.9"]);
    world.observation.inventory.nodes[0].labels = labels(&[("node-role.kubernetes.io/control-plane", "")]);
    let (guard, peer) = (world.running("n", "guard"), world.running("n", "peer"));
    world.edge(Endpoint::Workload(guard.clone()), Endpoint::Workload(peer), Tcp, 80);
    world.service_of(&guard, "guard", "ClusterIP", 443, https(9443));
    let service = ServiceRef { namespace: "n".into(), name: "guard".into(), port: 443 };
    let (kind, name) = ("ValidatingWebhookConfiguration".into(), "guard".into());
    world.observation.inventory.api_extensions.push(ApiExtension { kind, name, service });
    (world, guard)
}

#[test]
fn a_webhook_is_let_in_from_the_control_plane_though_it_was_never_called() {
    let (world, guard) = guarded();
    let plan = plan(&world);
    let ingress: Vec<String> = allowed(&plan, &guard).into_iter().filter(|rule| rule.starts_with("Ingress")).collect();
    assert_eq!(ingress, ["Ingress 198.18.2.1/32 9443/TCP", "Ingress 198.18.2.9/32 9443/TCP"]);
    assert!(plan.findings.uncalled.is_empty());
}

#[test]
fn a_webhook_is_reported_where_nobody_knows_from_where_it_is_called() {
    let (mut world, _) = guarded();
    world.observation.inventory.services.retain(|service| service.namespace != "default");
    world.observation.inventory.nodes.clear();
    assert_eq!(plan(&world).findings.uncalled, [0]);
}

#[test]
fn a_webhook_whose_service_leads_nowhere_is_reported() {
    let (mut world, _) = guarded();
    world.observation.inventory.services.retain(|service| service.name != "guard");
    assert_eq!(plan(&world).findings.uncalled, [0]);
}

#[test]
fn a_webhook_does_not_make_a_silent_workload_one_that_is_known() {
    let (mut world, guard) = guarded();
    world.observation.edges.clear();
    assert_eq!(plan(&world).findings.unprotected.get(&guard), Some(&Unprotected::Silent));
}

#[test]
fn the_api_servers_calls_that_nothing_explains_are_flagged() {
    let (mut world, guard) = guarded();
    world.edge(Endpoint::ApiServer, Endpoint::Workload(guard.clone()), Tcp, 9443);
    world.edge(Endpoint::ApiServer, Endpoint::Workload(guard), Tcp, 8080);
    let (findings, observation) = (plan(&world).findings, world.build());
    let ports: Vec<u16> = findings.service_proxy.iter().map(|edge| observation.edges[*edge].port).collect();
    assert_eq!(ports, [8080]);
}

/// A front on n1 that node n2 reaches, in a cluster of three nodes.
fn fronted(service_type: &str, policy: Option<&str>) -> (World, WorkloadRef) {
    let mut world = World::new();
    for (name, ip) in [("n1", "198.18.1.1"), ("n2", "198.18.1.2"), ("n3", "198.18.1.3")] {
        world.node(name, &[ip]).covered(name);
    }
    let front = world.running("shop", "front");
    world.service_of(&front, "front", service_type, 80, https(8080));
    world.observation.inventory.services[0].external_traffic_policy = policy.map(Into::into);
    world.edge(node("n2"), Endpoint::Workload(front.clone()), Tcp, 8080);
    (world, front)
}

#[test]
fn clients_that_nodes_hide_are_let_in_from_every_node_and_the_service_is_named() {
    for service_type in ["NodePort", "LoadBalancer"] {
        let (world, front) = fronted(service_type, None);
        let plan = plan(&world);
        let expected = ["1", "2", "3"].map(|node| format!("Ingress 198.18.1.{node}/32 8080/TCP"));
        assert_eq!(allowed(&plan, &front), expected);
        let through = plan.findings.exposed_through_nodes.get(&front).unwrap();
        assert_eq!((through.services.len(), through.edges.as_slice()), (1, [0].as_slice()));
    }
}

#[test]
fn a_node_is_only_itself_where_no_service_hides_clients_behind_it() {
    for (service_type, policy) in [("ClusterIP", None), ("NodePort", Some("Local"))] {
        let (world, front) = fronted(service_type, policy);
        let plan = plan(&world);
        assert_eq!(allowed(&plan, &front), ["Ingress 198.18.1.2/32 8080/TCP"]);
        assert!(plan.findings.exposed_through_nodes.is_empty());
    }
}

#[test]
fn probes_of_the_own_node_open_nothing_though_a_service_exposes_the_port() {
    let (mut world, front) = fronted("NodePort", None);
    world.observation.edges[0].client = node("n1");
    let peer = Endpoint::Workload(world.running("shop", "peer"));
    world.edge(Endpoint::Workload(front.clone()), peer, Tcp, 80);
    let rules = allowed(&plan(&world), &front);
    assert!(rules.iter().all(|rule| rule.starts_with("Egress")), "{rules:?}");
}

#[test]
fn every_node_is_named_where_a_process_of_one_was_reached() {
    let (mut world, front) = fronted("ClusterIP", None);
    world.observation.edges.clear();
    world.edge(Endpoint::Workload(front.clone()), node("n2"), Tcp, 10250);
    let expected = ["1", "2", "3"].map(|node| format!("Egress 198.18.1.{node}/32 10250/TCP"));
    assert_eq!(allowed(&plan(&world), &front), expected);
}

#[test]
fn where_a_cache_runs_on_the_node_all_three_ways_to_dns_are_open() {
    let mut world = World::new();
    let [a, b, dns] = [("n", "a"), ("n", "b"), ("kube-system", "dns")].map(|(n, name)| world.running(n, name));
    world.service_of(&dns, "dns", "ClusterIP", 53, ContainerPort { name: None, protocol: Udp, port: 1053 });
    let service = ServiceRef { namespace: "kube-system".into(), name: "dns".into(), port: 53 };
    let cache = Endpoint::LinkLocal { address: address("169.254.20.10") };
    world.edge(Endpoint::Workload(a.clone()), cache, Udp, 53);
    world.edge(Endpoint::Workload(b.clone()), Endpoint::Workload(dns), Udp, 1053).services = [service].into();
    let plan = plan(&world);
    let besides = ["Egress 10.96.0.10/32 53", "Egress 169.254.20.10/32 53"];
    for (workload, own) in [(a, None), (b, Some("Egress kube-system {\"app\": \"dns\"} 1053"))] {
        let expected: Vec<String> = besides
            .into_iter()
            .chain(own)
            .flat_map(|peer| ["TCP", "UDP"].map(|protocol| format!("{peer}/{protocol}")))
            .collect();
        let mut allowed = allowed(&plan, &workload);
        allowed.sort();
        assert_eq!(allowed, expected);
    }
}

#[test]
fn without_a_cache_on_the_node_dns_is_the_pods_alone() {
    let mut world = World::new();
    let [b, dns] = [("n", "b"), ("kube-system", "dns")].map(|(n, name)| world.running(n, name));
    world.service_of(&dns, "dns", "ClusterIP", 53, ContainerPort { name: None, protocol: Udp, port: 1053 });
    let service = ServiceRef { namespace: "kube-system".into(), name: "dns".into(), port: 53 };
    world.edge(Endpoint::Workload(b.clone()), Endpoint::Workload(dns), Udp, 1053).services = [service].into();
    assert_eq!(allowed(&plan(&world), &b).len(), 2);
}

/// Two pods of one mesh.
fn meshed(client: &str, server: &str) -> (World, [WorkloadRef; 2]) {
    let mut world = World::new();
    world.node("n1", &["198.18.1.1"]).covered("n1");
    let [a, b] = [("a", "web"), ("b", "api")].map(|(namespace, name)| world.running(namespace, name));
    for (namespace, mode) in world.observation.inventory.namespaces.iter_mut().zip([client, server]) {
        namespace.labels = labels(&[("istio.io/dataplane-mode", mode)]);
    }
    world.edge(Endpoint::Workload(a.clone()), Endpoint::Workload(b.clone()), Tcp, 8080);
    (world, [a, b])
}

#[test]
fn an_ambient_mesh_needs_its_own_port_beside_the_real_one() {
    let (world, [a, b]) = meshed("ambient", "ambient");
    let plan = plan(&world);
    for (workload, other) in [(&a, "Egress b {\"app\": \"api\"}"), (&b, "Ingress a {\"app\": \"web\"}")] {
        assert_eq!(allowed(&plan, workload), [format!("{other} 8080/TCP"), format!("{other} 15008/TCP")]);
    }
}

#[test]
fn half_a_mesh_is_none() {
    for (client, server) in [("ambient", "none"), ("none", "ambient")] {
        let (world, [a, b]) = meshed(client, server);
        let plan = plan(&world);
        assert_eq!((allowed(&plan, &a).len(), allowed(&plan, &b).len()), (1, 1));
    }
}

#[test]
fn probes_reach_ambient_pods_from_the_address_that_stands_for_them() {
    let (mut world, [_, b]) = meshed("none", "ambient");
    world.edge(node("n1"), Endpoint::Workload(b.clone()), Tcp, 8081);
    world.edge(Endpoint::LinkLocal { address: address("169.254.7.127") }, Endpoint::Workload(b.clone()), Tcp, 8082);
    let plan = plan(&world);
    let mut rules = allowed(&plan, &b);
    rules.retain(|rule| rule.contains("/32"));
    assert_eq!(rules, ["Ingress 169.254.7.127/32 8081/TCP", "Ingress 169.254.7.127/32 8082/TCP"]);
    assert!(plan.findings.left_out.is_empty());
}

/// `web` asks `dns` through a Service whose UDP port 53 leads to 1053, and its TCP port 53 to 1054; a workload on the host
/// network answers it on port 53 as well.
fn asked() -> (World, WorkloadRef, WorkloadRef) {
    let mut world = World::new();
    world.node("n1", &["198.18.1.1"]);
    let [web, dns] = ["web", "dns"].map(|name| world.running("n", name));
    let port = |protocol, port| ContainerPort { name: None, protocol, port };
    world.service_of(&dns, "dns", "ClusterIP", 53, port(Udp, 1053));
    let service = world.observation.inventory.services.last_mut().unwrap();
    service.ports.push(ServicePort { protocol: Tcp, ..service.ports[0].clone() });
    service.backends[0].ports.push(port(Tcp, 1054));
    let edge = world.edge(Endpoint::Workload(web.clone()), Endpoint::Workload(dns.clone()), Udp, 1053);
    edge.services = [ServiceRef { namespace: "n".into(), name: "dns".into(), port: 53 }].into();
    (world, web, dns)
}

#[test]
fn dns_over_tcp_goes_to_the_target_port_of_the_services_tcp_port() {
    let (world, web, dns) = asked();
    let plan = plan(&world);
    let of = |workload, direction, peer| {
        ["1054/TCP", "1053/UDP"].map(|port| format!("{direction} n {:?} {port}", labels(&[("app", peer)])))
            == *allowed(&plan, workload)
    };
    assert!(of(&web, "Egress", "dns") && of(&dns, "Ingress", "web"), "{:?}", allowed(&plan, &web));
}

#[test]
fn where_a_service_has_no_tcp_port_dns_over_tcp_goes_to_the_same_port() {
    let (mut world, web, _) = asked();
    world.observation.inventory.services[0].backends[0].ports.pop();
    assert!(allowed(&plan(&world), &web).iter().any(|rule| rule.ends_with("1053/TCP")));
}

#[test]
fn what_answers_dns_on_the_host_network_is_a_cache_unless_the_service_leads_to_it() {
    let (mut world, web, dns) = asked();
    let cache = world.workload("n", "DaemonSet", "cache", &[("app", "cache")]);
    world.pod(&cache, "n1", &[("app", "cache")]).host_network = true;
    let opens = |world: &World| allowed(&plan(world), &web).iter().any(|rule| rule.contains("10.96.0.10/32"));
    assert!(!opens(&world));
    let server = |workload| Endpoint::Node { name: "n1".into(), workload: Some(workload) };
    world.edge(Endpoint::Workload(web.clone()), server(cache), Udp, 53);
    assert!(opens(&world));
    world.observation.edges.pop();
    world.edge(Endpoint::Workload(web.clone()), server(dns), Udp, 53);
    assert!(!opens(&world));
}
