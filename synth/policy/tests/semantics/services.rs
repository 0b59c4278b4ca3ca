//! A Service is not a party: what counts is the pod behind it and the port that pod listens on.

use crate::{CLOSED, address, labels, outside, party, pod, policies, world};
use netwright_policy::{
    Backends, Candidate, Cluster, Decision, Destination, Endpoint, EndpointPort, Exemption, NamedPort, Party, Pod,
    Protocol, Resolution, Route, Service, ServicePort, TargetPort,
};

const ONE: EndpointPort = EndpointPort { name: None, protocol: Protocol::Tcp, port: 8080 };

fn service(target: TargetPort, backends: Backends) -> Service {
    Service {
        namespace: "shop".into(),
        name: "api".into(),
        cluster_ips: vec![address("10.96.0.10"), address("fd00:96::10")],
        ports: vec![ServicePort { name: None, protocol: Protocol::Tcp, port: 80, target }],
        backends,
    }
}

fn by_label(target: TargetPort) -> Service {
    service(target, Backends::Selected(labels(&[("app", "api")])))
}

/// A second `api` on which the name `http` is another number.
fn other_api() -> Pod {
    let mut other = pod("shop/api-2", &[("app", "api"), ("track", "canary")], &["10.244.0.3"]);
    other.ports = vec![NamedPort { name: "http".into(), protocol: Protocol::Tcp, port: 9090 }];
    other
}

fn candidates<'a>(pods: &[&'a Pod]) -> Vec<Candidate<'a>> {
    pods.iter().map(|pod| Candidate { pod, host_network: false }).collect()
}

fn ends<'a>(resolution: &Resolution<'a>) -> Vec<(Party<'a>, u16)> {
    resolution.destinations.iter().map(|destination| (destination.party, destination.port)).collect()
}

/// "Number or name of the port to access on the pods targeted by the service. [...] If this is a string, it will be
/// looked up as a named port in the target Pod's container ports." (k8s.io/api/core/v1/types.go, ServicePort.targetPort)
#[test]
fn a_service_port_becomes_the_target_port_of_each_backend() {
    let (world, other) = (world(), other_api());
    let (name, number) = (by_label(TargetPort::Name("http".into())), by_label(TargetPort::Number(8443)));
    let pods = candidates(&[&world.front, &world.api, &other, &world.bank_front]);
    let named = name.resolve(Protocol::Tcp, 80, &pods);
    assert_eq!(named.route, Route::Translated);
    assert_eq!(ends(&named), [(party(&world.api), 8080), (party(&other), 9090)]);
    assert_eq!(ends(&number.resolve(Protocol::Tcp, 80, &pods)), [(party(&world.api), 8443), (party(&other), 8443)]);
    assert!(named.is_served());
}

/// "Route service traffic to pods with label keys and values matching this selector." (ServiceSpec.selector): of the
/// Service's own namespace, with every one of the labels; without labels "the service is assumed to have an external
/// process managing its endpoints".
#[test]
fn backends_are_pods_of_the_namespace_with_all_the_labels() {
    let (world, other) = (world(), other_api());
    let stranger = pod("bank/api", &[("app", "api")], &["10.244.1.2"]);
    let pods = candidates(&[&stranger, &world.api, &other]);
    let ask = |pairs: &[(&str, &str)]| {
        let service = service(TargetPort::Number(1), Backends::Selected(labels(pairs)));
        let resolution = service.resolve(Protocol::Tcp, 80, &pods);
        (resolution.route, ends(&resolution).into_iter().map(|(party, _)| party).collect::<Vec<_>>())
    };
    assert_eq!(ask(&[("app", "api")]), (Route::Translated, vec![party(&world.api), party(&other)]));
    assert_eq!(ask(&[("app", "api"), ("track", "canary")]), (Route::Translated, vec![party(&other)]));
    assert_eq!(ask(&[]).0, Route::NoBackend);
}

/// A policy is held against the pod and its target port: the Service's own port in a rule admits nothing.
#[test]
fn the_verdict_is_about_the_target_port() {
    let (world, other) = (world(), other_api());
    let service = by_label(TargetPort::Name("http".into()));
    let pods = candidates(&[&world.api, &other]);
    let resolution = service.resolve(Protocol::Tcp, 80, &pods);
    let allowed = |spec: &str| {
        let verdicts = resolution.verdicts(&policies(&[spec]), &world.cluster, &party(&world.front), Protocol::Tcp);
        verdicts.into_iter().map(|(_, verdict)| verdict.allowed()).collect::<Vec<_>>()
    };
    let ingress = |port: &str| {
        format!("{{podSelector: {{matchLabels: {{app: api}}}}, ingress: [{{ports: [{{port: {port}}}]}}]}}")
    };
    assert_eq!(allowed(&ingress("80")), [false, false]);
    assert_eq!(allowed(&ingress("8080")), [true, false]);
    assert_eq!(allowed(&ingress("http")), [true, true]);
    assert_eq!(allowed(CLOSED), [false, false]);
}

/// FindPort (k8s.io/kubernetes/pkg/api/v1/pod) compares the protocol too, and a pod without the named port is no backend.
#[test]
fn a_pod_without_the_named_port_is_no_backend() {
    let (world, mut udp) = (world(), other_api());
    udp.ports = vec![NamedPort { name: "http".into(), protocol: Protocol::Udp, port: 9090 }];
    let service = by_label(TargetPort::Name("http".into()));
    let pods = candidates(&[&udp, &world.api]);
    assert_eq!(ends(&service.resolve(Protocol::Tcp, 80, &pods)), [(party(&world.api), 8080)]);
    assert_eq!(service.resolve(Protocol::Tcp, 80, &candidates(&[&udp])).route, Route::NoBackend);
}

/// Translation needs a backend: without one the packet keeps the cluster IP, and an egress policy is held against that.
#[test]
fn without_backend_the_packet_keeps_the_cluster_ip() {
    let world = world();
    let service = by_label(TargetPort::Number(8080));
    let pods = candidates(&[&world.front]);
    let resolution = service.resolve(Protocol::Tcp, 80, &pods);
    assert_eq!(resolution.route, Route::NoBackend);
    assert!(!resolution.is_served());
    assert_eq!(ends(&resolution), [(outside("10.96.0.10"), 80), (outside("fd00:96::10"), 80)]);
    let block = "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.96.0.0/16}}]}]}";
    let pods_only = "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}]}]}";
    for (spec, expected) in [(block, [true, false]), (pods_only, [false, false])] {
        let verdicts = resolution.verdicts(&policies(&[spec]), &world.cluster, &party(&world.front), Protocol::Tcp);
        assert_eq!(verdicts.iter().map(|(_, verdict)| verdict.allowed()).collect::<Vec<_>>(), expected, "{spec}");
    }
}

/// A Service has the ports it lists, each for one protocol.
#[test]
fn a_port_the_service_does_not_have_goes_nowhere() {
    let world = world();
    let service = by_label(TargetPort::Number(8080));
    let pods = candidates(&[&world.api]);
    for (protocol, port) in [(Protocol::Tcp, 8080), (Protocol::Udp, 80)] {
        let resolution = service.resolve(protocol, port, &pods);
        assert_eq!(resolution.route, Route::NoSuchPort);
        assert_eq!(ends(&resolution)[0], (outside("10.96.0.10"), port));
        assert!(!resolution.is_served());
    }
}

/// "For headless Services, a cluster IP is not allocated, kube-proxy does not handle these Services, and there is no
/// load balancing or proxying done by the platform for them." (website, concepts/services-networking/service): so
/// nothing changes the port either, and every port of a backend can be asked for.
#[test]
fn a_headless_service_is_its_backends_on_the_port_that_was_asked_for() {
    let (world, other) = (world(), other_api());
    let mut service = by_label(TargetPort::Name("http".into()));
    service.cluster_ips.clear();
    let pods = candidates(&[&world.front, &world.api, &other]);
    for port in [80, 8080] {
        let resolution = service.resolve(Protocol::Tcp, port, &pods);
        assert_eq!(resolution.route, Route::Direct);
        assert_eq!(ends(&resolution), [(party(&world.api), port), (party(&other), port)]);
        assert!(resolution.is_served());
    }
    let resolution = service.resolve(Protocol::Tcp, 80, &candidates(&[&world.front]));
    assert_eq!(resolution, Resolution { route: Route::NoBackend, destinations: vec![] });
}

/// "The name of this port. All ports in an EndpointSlice must have a unique name. If the EndpointSlice is derived from a
/// Kubernetes service, this corresponds to the Service.ports[].name." (k8s.io/api/discovery/v1/types.go, EndpointPort)
#[test]
fn listed_endpoints_serve_the_service_port_of_the_same_name() {
    let (world, other) = (world(), other_api());
    let port = |name: &str, protocol, port| EndpointPort { name: Some(name.into()), protocol, port };
    let endpoint = |text: &str, ports: &[EndpointPort]| Endpoint { address: address(text), ports: ports.to_vec() };
    let listed = vec![
        endpoint("10.244.0.2", &[port("metrics", Protocol::Tcp, 9100), port("web", Protocol::Tcp, 8080)]),
        endpoint("fd00:244::2", &[port("web", Protocol::Tcp, 8080)]),
        endpoint("::ffff:10.244.0.3", &[port("web", Protocol::Udp, 1), port("web", Protocol::Tcp, 9090)]),
        endpoint("10.244.0.9", &[port("metrics", Protocol::Tcp, 9100)]),
        endpoint("198.18.0.5", &[port("web", Protocol::Tcp, 443)]),
    ];
    let mut service = service(TargetPort::Number(1), Backends::Listed(listed));
    service.ports[0].name = Some("web".into());
    let pods = candidates(&[&world.api, &other]);
    let expected = [(party(&world.api), 8080), (party(&other), 9090), (outside("198.18.0.5"), 443)];
    assert_eq!(ends(&service.resolve(Protocol::Tcp, 80, &pods)), expected);
    assert_eq!(service.resolve(Protocol::Tcp, 81, &pods).route, Route::NoSuchPort);
    service.ports[0].name = None;
    assert_eq!(
        service.resolve(Protocol::Tcp, 80, &pods).route,
        Route::NoBackend,
        "no endpoint has a port without name"
    );
}

/// A port without a name is written as an absent name or as an empty one, in the Service and in the slice.
#[test]
fn an_empty_name_of_a_port_is_no_name() {
    let world = world();
    let ask = |in_service: Option<&str>, in_slice: Option<&str>| {
        let ports = vec![EndpointPort { name: in_slice.map(Into::into), ..ONE }];
        let listed = Backends::Listed(vec![Endpoint { address: address("10.244.0.2"), ports }]);
        let mut service = service(TargetPort::Number(1), listed);
        service.ports[0].name = in_service.map(Into::into);
        service.resolve(Protocol::Tcp, 80, &candidates(&[&world.api])).route
    };
    assert_eq!(ask(None, Some("")), Route::Translated);
    assert_eq!(ask(Some(""), None), Route::Translated);
    assert_eq!(ask(Some("web"), None), Route::NoBackend);
    assert_eq!(ask(None, Some("web")), Route::NoBackend);
}

/// The endpoints of a headless Service count whatever ports their slice lists; one pod under two addresses is one.
#[test]
fn listed_endpoints_of_a_headless_service() {
    let world = world();
    let endpoint = |text: &str| Endpoint { address: address(text), ports: vec![] };
    let listed = ["10.244.0.2", "fd00:244::2", "198.18.0.5", "198.18.0.6"].map(endpoint).to_vec();
    let mut service = service(TargetPort::Number(8080), Backends::Listed(listed));
    service.cluster_ips.clear();
    let pods = candidates(&[&world.api]);
    let resolution = service.resolve(Protocol::Udp, 5353, &pods);
    assert_eq!(resolution.route, Route::Direct);
    let expected = [(party(&world.api), 5353), (outside("198.18.0.5"), 5353), (outside("198.18.0.6"), 5353)];
    assert_eq!(ends(&resolution), expected);
}

/// A host-network pod behind a Service is its node: selectors do not find it, blocks do.
#[test]
fn a_backend_on_the_host_network_is_its_node() {
    let world = world();
    let agent = pod("shop/agent", &[("app", "api")], &["192.0.2.9"]);
    let pods = [Candidate { pod: &agent, host_network: true }];
    let node = Party::Node { addresses: &agent.addresses };
    let listed = Backends::Listed(vec![Endpoint { address: address("192.0.2.9"), ports: vec![ONE] }]);
    for service in [by_label(TargetPort::Number(8080)), service(TargetPort::Number(8080), listed)] {
        let resolution = service.resolve(Protocol::Tcp, 80, &pods);
        assert_eq!(resolution.destinations, [Destination { party: node, port: 8080 }]);
        let allowed = |to: &str| {
            let set = policies(&[&format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{to}]}}]}}")]);
            resolution.verdicts(&set, &world.cluster, &party(&world.front), Protocol::Tcp)[0].1.allowed()
        };
        assert!(!allowed("{podSelector: {matchLabels: {app: api}}}"));
        assert!(allowed("{ipBlock: {cidr: 192.0.2.9/32}}"));
    }
}

/// Two nodes that serve the same Service are two destinations, as are two ports of one of them.
#[test]
fn backends_that_differ_are_all_kept() {
    let (first, second) = (pod("shop/a", &[], &["192.0.2.8"]), pod("shop/b", &[], &["192.0.2.9"]));
    let pods = [&first, &second].map(|pod| Candidate { pod, host_network: true });
    let other = EndpointPort { port: 8081, ..ONE };
    let endpoint = |text: &str, port: &EndpointPort| Endpoint { address: address(text), ports: vec![port.clone()] };
    let listed = vec![endpoint("192.0.2.8", &ONE), endpoint("192.0.2.9", &ONE), endpoint("192.0.2.8", &other)];
    let service = service(TargetPort::Number(1), Backends::Listed(listed));
    let resolution = service.resolve(Protocol::Tcp, 80, &pods);
    assert_eq!(ends(&resolution).iter().map(|(_, port)| *port).collect::<Vec<_>>(), [8080, 8080, 8081]);
    assert_eq!(resolution.destinations[1].party, Party::Node { addresses: &second.addresses });
}

/// A pod that is a backend of the Service it calls may be sent to itself, which no policy forbids.
#[test]
fn a_pod_may_be_its_own_backend() {
    let (world, other) = (world(), other_api());
    let service = by_label(TargetPort::Number(8080));
    let pods = candidates(&[&world.api, &other]);
    let verdicts = service.resolve(Protocol::Tcp, 80, &pods).verdicts(
        &policies(&[CLOSED]),
        &Cluster::default(),
        &party(&world.api),
        Protocol::Tcp,
    );
    assert_eq!(verdicts[0].1.egress, Decision::Exempt(Exemption::SamePod));
    assert!(verdicts[0].1.allowed() && !verdicts[1].1.allowed());
}

/// A Service is found by any of its cluster IPs, however that is written.
#[test]
fn a_service_is_at_its_cluster_ips() {
    let service = by_label(TargetPort::Number(8080));
    for (text, expected) in
        [("10.96.0.10", true), ("::ffff:10.96.0.10", true), ("fd00:96::10", true), ("10.96.0.11", false)]
    {
        assert_eq!(service.is_at(address(text)), expected, "{text}");
    }
}
