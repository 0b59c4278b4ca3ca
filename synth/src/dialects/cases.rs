//! Single things that a dialect says in its own way, each in a cluster made for it.

use super::{Case, list, objects};
use crate::infer::rules::{Peer, Port, PortMatch, Target, Unprotected, Whom};
use crate::infer::{Options, infer};
use crate::render::form::{Dialect, Form, Stage};
use crate::render::render;
use crate::render::unsayable::Effect;
use crate::review::Decided;
use crate::testing::{World, address};
use netwright_record::Endpoint;
use netwright_record::Protocol::{Tcp, Udp};
use netwright_record::inventory::{ContainerPort, WorkloadRef};
use serde_json::{Value, json};

fn case(world: &World, dialect: Dialect) -> Case {
    Case::enforced(world.build(), dialect)
}

/// The rules of one direction of the policy called `name`.
fn rules(case: &Case, kind: &str, name: &str, direction: &str) -> Vec<Value> {
    let all = objects(&case.rendering.files, kind);
    let object = all.into_iter().find(|object| object["metadata"]["name"] == name).unwrap();
    list(&object["spec"][direction]).to_vec()
}

/// What is listed, as pairs of what and effect.
fn listed(case: &Case, name: &str) -> Vec<(String, Effect)> {
    let of_policy = case.rendering.unsayable.iter().filter(|one| one.policy.as_deref() == Some(name));
    of_policy.map(|one| (one.what.clone(), one.effect)).collect()
}

fn end(workload: &WorkloadRef) -> Endpoint {
    Endpoint::Workload(workload.clone())
}

fn reach_by_name(world: &mut World, client: &WorkloadRef, name: &str) {
    let server = Endpoint::ExternalName { names: [name.into()].into() };
    world.edge(end(client), server, Tcp, 443).server_addresses = [address("198.18.0.7")].into();
}

#[test]
fn cilium_writes_a_name_only_where_it_can_learn_its_addresses() {
    let mut world = World::new();
    let (asks, other) = (world.running("n", "asks"), world.running("n", "other"));
    let dns = world.running("kube-system", "dns");
    for client in [&asks, &other] {
        reach_by_name(&mut world, client, "api.example");
    }
    world.edge(end(&asks), end(&dns), Udp, 53);
    let case = case(&world, Dialect::Cilium);
    let egress = |name| rules(&case, "CiliumNetworkPolicy", name, "egress");
    assert!(egress("asks").iter().any(|rule| rule["toFQDNs"] == json!([{"matchName": "api.example"}])));
    assert_eq!(egress("other")[0]["toCIDRSet"], json!([{"cidr": "198.18.0.7/32"}]));
    assert_eq!(listed(&case, "n/other")[0].1, Effect::Addresses);
    assert!(listed(&case, "n/asks").is_empty());
}

/// Whoever answers for the name must not be able to open the metadata service.
#[test]
fn cilium_denies_the_metadata_services_beside_names_unless_they_are_allowed() {
    let mut world = World::new();
    let (web, dns) = (world.running("n", "web"), world.running("kube-system", "dns"));
    world.edge(end(&web), end(&dns), Udp, 53);
    reach_by_name(&mut world, &web, "api.example");
    let observation = world.build();
    let mut plan = infer(&observation, &Options::default(), &Decided::default());
    let denied = |plan: &_, stage| {
        let form = Form { dialect: Dialect::Cilium, stage, ..Form::default() };
        let rendering = render(&observation, plan, &form).unwrap();
        let all = objects(&rendering.files, "CiliumNetworkPolicy");
        let web = all.into_iter().find(|object| object["metadata"]["name"] == "web").unwrap();
        list(&web["spec"]["egressDeny"][0]["toCIDRSet"]).iter().any(|block| block["cidr"] == "169.254.169.254/32")
    };
    assert!(denied(&plan, Stage::Enforce));
    assert!(!denied(&plan, Stage::Audit), "a rehearsal denies nothing");
    let metadata = Peer { target: Target::address(address("169.254.169.254")), whom: vec![Whom::Address] };
    let web = plan.policies.iter_mut().find(|policy| policy.name == "web").unwrap();
    web.egress[1].peers.push(metadata);
    assert!(!denied(&plan, Stage::Enforce));
}

#[test]
fn cilium_gives_no_policy_to_whom_it_cannot_tell_from_others() {
    let mut world = World::new();
    let ignored = [("k8s.io/role", "a")];
    let (a, b) = (world.workload("n", "Deployment", "a", &ignored), world.running("n", "b"));
    world.pod(&a, "n1", &ignored);
    world.edge(end(&a), end(&b), Tcp, 80);
    let case = case(&world, Dialect::Cilium);
    assert_eq!(case.plan.findings.unprotected.get(&a), Some(&Unprotected::DialectIgnoresLabels));
    assert!(case.plan.default_deny.is_empty() && !case.rendering.files.contains_key("n/a.yaml"));
    let from = &rules(&case, "CiliumNetworkPolicy", "b", "ingress")[0]["fromEndpoints"];
    assert_eq!(from, &json!([{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "n"}}]));
    assert_eq!(listed(&case, "n/b"), [("n/Deployment/a by its pods".to_owned(), Effect::Wider { pairs: 1 })]);
}

#[test]
fn cilium_takes_forty_ports_at_a_time() {
    let mut world = World::new();
    let (a, b) = (world.running("n", "a"), world.running("n", "b"));
    for port in 0..50 {
        world.edge(end(&a), end(&b), Tcp, 1000 + 7 * port);
    }
    let case = case(&world, Dialect::Cilium);
    let rules = rules(&case, "CiliumNetworkPolicy", "b", "ingress");
    let sizes: Vec<usize> = list(&rules[0]["toPorts"]).iter().map(|entry| list(&entry["ports"]).len()).collect();
    assert_eq!((rules.len(), sizes), (1, vec![40, 10]));
}

/// The control plane's node is at both ends of this: as the API server on one port, as a node like all others on another.
#[test]
fn cilium_lists_that_every_node_has_a_port_that_the_api_server_alone_was_seen_on() {
    let mut world = World::new();
    world.node("n1", &["198.18.1.1"]).node("n2", &["198.18.1.2"]);
    world.observation.inventory.nodes[0].labels.insert("node-role.kubernetes.io/control-plane", "");
    let (web, agent) = (world.running("n", "web"), world.workload("n", "DaemonSet", "agent", &[("app", "agent")]));
    world.declared(&agent).host_network = true;
    for node in ["n1", "n2"] {
        world.pod(&agent, node, &[("app", "agent")]).host_network = true;
    }
    world.edge(end(&agent), end(&web), Tcp, 53);
    assert!(listed(&case(&world, Dialect::Cilium), "n/web").is_empty());
    world.edge(Endpoint::ApiServer, end(&web), Tcp, 80).client_addresses = [address("198.18.2.1")].into();
    let every_node = ("n/DaemonSet/agent".to_owned(), Effect::Wider { pairs: 0 });
    assert_eq!(listed(&case(&world, Dialect::Cilium), "n/web"), [every_node]);
}

#[test]
fn istio_counts_who_shares_a_service_account() {
    let mut world = World::new();
    let [a, b, server] = ["a", "b", "server"].map(|name| world.running("n", name));
    for workload in [&a, &b] {
        world.declared(workload).service_account = Some("shared".into());
    }
    world.edge(end(&a), end(&server), Tcp, 80);
    let case = case(&world, Dialect::Istio);
    let from = &rules(&case, "AuthorizationPolicy", "server", "rules")[0]["from"];
    assert_eq!(from, &json!([{"source": {"principals": ["cluster.local/ns/n/sa/shared"]}}]));
    let shared = ("n/Deployment/a by its ServiceAccount shared".to_owned(), Effect::Wider { pairs: 1 });
    assert!(listed(&case, "n/server").contains(&shared), "{:?}", case.rendering.unsayable);
}

/// A `*` in a principal would be a pattern.
#[test]
fn istio_takes_no_service_account_that_is_no_name() {
    let mut world = World::new();
    let (a, server) = (world.running("n", "a"), world.running("n", "server"));
    world.declared(&a).service_account = Some("*".into());
    world.edge(end(&a), end(&server), Tcp, 80);
    let case = case(&world, Dialect::Istio);
    let from = &rules(&case, "AuthorizationPolicy", "server", "rules")[0]["from"];
    assert_eq!(from, &json!([{"source": {"namespaces": ["n"]}}]));
}

#[test]
fn istio_writes_single_ports_and_every_port_where_it_must() {
    let mut world = World::new();
    let (a, server) = (world.running("n", "a"), world.running("n", "server"));
    world.observation.inventory.pods[1].ports =
        vec![ContainerPort { name: Some("http".into()), protocol: Tcp, port: 8081 }];
    world.edge(end(&a), end(&server), Tcp, 80);
    let observation = world.build();
    let form = Form { dialect: Dialect::Istio, ..Form::default() };
    let to = |ports: &[Port]| {
        let mut plan = infer(&observation, &Options::default(), &Decided::default());
        let policy = plan.policies.iter_mut().find(|policy| policy.name == "server").unwrap();
        policy.ingress[0].ports = ports.to_vec();
        let rendering = render(&observation, &plan, &form).unwrap();
        let all = objects(&rendering.files, "AuthorizationPolicy");
        all.iter().find(|object| object["metadata"]["name"] == "server").unwrap()["spec"]["rules"][0]["to"].clone()
    };
    let range = |first, last| Port { protocol: Tcp, at: PortMatch::Range { first, last } };
    let ports = |ports: Value| json!([{"operation": {"ports": ports}}]);
    assert_eq!(to(&[range(8000, 8002)]), ports(json!(["8000", "8001", "8002"])));
    assert_eq!(to(&[Port { protocol: Tcp, at: PortMatch::Named("http".into()) }]), ports(json!(["8081"])));
    assert_eq!(to(&[range(80, 80), Port::number(Tcp, 15_008)]), ports(json!(["80"])));
    for wide in [range(30_000, 32_767), range(15_008, 15_008)] {
        assert_eq!(to(&[wide]), Value::Null);
    }
    assert_eq!(to(&[range(80, 80), Port::number(Udp, 53)]), ports(json!(["80"])));
}

/// The subjects of the guard rails called `name`, with the first rule's action.
fn rails(case: &Case, name: &str) -> Vec<Value> {
    let all = objects(&case.rendering.files, "ClusterNetworkPolicy").into_iter();
    all.filter(|object| object["metadata"]["name"].as_str().unwrap().starts_with(name)).collect()
}

#[test]
fn a_dns_server_of_one_tenant_is_not_opened_to_all() {
    let mut world = World::new();
    let (cluster, own) = (world.running("kube-system", "dns"), world.running("a", "resolver"));
    for namespace in ["a", "b", "c"] {
        let client = world.running(namespace, "client");
        world.edge(end(&client), end(&cluster), Udp, 53);
    }
    let client = world.running("a", "picky");
    world.edge(end(&client), end(&own), Udp, 53);
    let case = case(&world, Dialect::Cluster);
    let servers = rails(&case, "netwright-dns-servers");
    assert_eq!(servers.len(), 1);
    assert_eq!(servers[0]["spec"]["subject"]["pods"]["podSelector"]["matchLabels"], json!({"app": "dns"}));
}

#[test]
fn whoever_scrapes_every_namespace_may_go_on() {
    let mut world = World::new();
    let scraper = world.running("monitoring", "scraper");
    let proxy = world.running("edge", "proxy");
    for namespace in ["a", "b"] {
        let [api, db, web] = ["api", "db", "web"].map(|name| world.running(namespace, name));
        world.edge(end(&proxy), end(&web), Tcp, 8080);
        for server in [&api, &db] {
            world.edge(end(&scraper), end(server), Tcp, 9090);
        }
    }
    world.edge(end(&scraper), end(&proxy), Tcp, 9090);
    let case = case(&world, Dialect::Cluster);
    let all = rails(&case, "netwright-monitoring");
    let [servers, clients] = all.as_slice() else { panic!("{all:?}") };
    let rule = &servers["spec"]["ingress"][0];
    assert_eq!(rule["from"][0]["pods"]["podSelector"]["matchLabels"], json!({"app": "scraper"}));
    assert_eq!(rule["protocols"], json!([{"tcp": {"destinationPort": {"number": 9090}}}]));
    assert_eq!(clients["spec"]["subject"]["pods"]["podSelector"]["matchLabels"], json!({"app": "scraper"}));
    let wider = case.rendering.unsayable.iter().find(|one| one.what.contains("scraper")).unwrap();
    assert_eq!(wider.effect, Effect::Wider { pairs: 2 });
}

#[test]
fn metadata_is_not_denied_where_a_workload_without_policy_uses_it() {
    let mut world = World::new();
    let (a, b) = (world.running("a", "a"), world.running("b", "b"));
    let bare = world.workload("b", "Pod", "bare", &[]);
    world.pod(&bare, "n1", &[]);
    let metadata = address("169.254.169.254");
    for client in [&a, &bare] {
        world.edge(end(client), Endpoint::LinkLocal { address: metadata }, Tcp, 80);
    }
    world.edge(end(&a), end(&b), Tcp, 80);
    let case = case(&world, Dialect::Cluster);
    let subject = &rails(&case, "netwright-metadata")[0]["spec"]["subject"]["namespaces"];
    let expected = json!([{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["b"]}]);
    assert_eq!(subject["matchExpressions"], expected);
}

/// 25 peers and 25 ports in a rule, 25 rules in a direction.
#[test]
fn guard_rails_are_divided_where_they_are_too_long() {
    let mut world = World::new();
    let scraper = world.running("monitoring", "scraper");
    for namespace in ["a", "b"] {
        let server = world.running(namespace, "server");
        for port in 0..700 {
            world.edge(end(&scraper), end(&server), Tcp, 1000 + 3 * port);
        }
    }
    let case = case(&world, Dialect::Cluster);
    let all = rails(&case, "netwright-monitoring");
    let names: Vec<&str> = all.iter().map(|object| object["metadata"]["name"].as_str().unwrap()).collect();
    let expected = ["", "-part-2", "-clients", "-clients-part-2"].map(|end| format!("netwright-monitoring{end}"));
    assert_eq!(names, expected);
    let rules = |object: &Value| [list(&object["spec"]["ingress"]), list(&object["spec"]["egress"])].concat();
    assert!(all.iter().all(|object| rules(object).len() <= 25));
    let ports = |object: &Value| rules(object).iter().map(|rule| list(&rule["protocols"]).len()).collect::<Vec<_>>();
    assert!(all.iter().flat_map(ports).all(|ports| ports <= 25));
    assert_eq!(all.iter().flat_map(ports).sum::<usize>(), 2 * 700);
}
