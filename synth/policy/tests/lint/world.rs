//! A small cluster in code, and how a test asks what the linter finds in it.

use netwright_policy::lint::{CHECKS, Finding, Input, Node, Profile, Service, ServicePort, Subject, lint};
use netwright_policy::{Cluster, Labels, NamedPort, Pod, PolicySet, Protocol, Source};

/// A pod and its workload.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) pod: Pod,
    pub(crate) kind: &'static str,
    pub(crate) workload: String,
    pub(crate) host_network: bool,
}

/// A cluster to lint policies for.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) members: Vec<Member>,
    pub(crate) services: Vec<Service>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) profile: Profile,
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// `kind/workload` in a namespace, one pod, labelled `app` after the workload.
pub(crate) fn member(namespace: &str, kind: &'static str, workload: &str) -> Member {
    let pod = Pod {
        namespace: namespace.into(),
        name: format!("{workload}-0"),
        labels: labels(&[("app", workload)]),
        addresses: vec![],
        node_addresses: vec![],
        ports: vec![],
    };
    Member { pod, kind, workload: workload.into(), host_network: false }
}

impl Member {
    pub(crate) fn labelled(mut self, pairs: &[(&str, &str)]) -> Self {
        self.pod.labels.extend(labels(pairs));
        self
    }

    pub(crate) fn at(mut self, address: &str) -> Self {
        self.pod.addresses.push(address.parse().unwrap());
        self
    }

    pub(crate) fn port(mut self, name: &str, protocol: Protocol, port: u16) -> Self {
        self.pod.ports.push(NamedPort { name: name.into(), protocol, port });
        self
    }

    pub(crate) fn on_host_network(mut self) -> Self {
        self.host_network = true;
        self
    }

    pub(crate) fn called(mut self, name: &str) -> Self {
        self.pod.name = name.into();
        self
    }
}

impl World {
    /// `shop` with `front` and `cart`, and `bank` with `ledger`.
    pub(crate) fn shop() -> Self {
        let members = vec![
            member("shop", "Deployment", "front").at("10.244.0.1"),
            member("shop", "Deployment", "cart").at("10.244.0.2").port("http", Protocol::Tcp, 8080),
            member("bank", "Deployment", "ledger").at("10.244.1.1"),
        ];
        Self { members, ..Self::default() }.namespace("shop", &[]).namespace("bank", &[])
    }

    pub(crate) fn namespace(mut self, name: &str, pairs: &[(&str, &str)]) -> Self {
        self.cluster.namespaces.insert(name.into(), labels(pairs));
        self
    }

    pub(crate) fn with(mut self, member: Member) -> Self {
        self.members.push(member);
        self
    }

    pub(crate) fn under(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    pub(crate) fn node(mut self, name: &str, address: &str) -> Self {
        self.nodes.push(Node { name: name.into(), addresses: vec![address.parse().unwrap()], pod_cidrs: vec![] });
        self
    }

    /// A Service for the pods with `app: workload`, its port and the pods' port.
    pub(crate) fn service(
        mut self,
        namespace: &str,
        workload: &str,
        address: &str,
        ports: &[(Protocol, u16, u16)],
    ) -> Self {
        let port = |(protocol, port, target): &(Protocol, u16, u16)| ServicePort {
            name: None,
            protocol: *protocol,
            port: *port,
            targets: [*target].into(),
        };
        self.services.push(Service {
            namespace: namespace.into(),
            name: workload.into(),
            cluster_ips: vec![address.parse().unwrap()],
            selector: labels(&[("app", workload)]),
            ports: ports.iter().map(port).collect(),
        });
        self
    }

    /// Gives the last Service another selector.
    pub(crate) fn selecting(mut self, pairs: &[(&str, &str)]) -> Self {
        self.services.last_mut().unwrap().selector = labels(pairs);
        self
    }

    /// The cluster's DNS, listening on 53 and on 5353 behind it.
    pub(crate) fn dns(self, target: u16) -> Self {
        let ports = [(Protocol::Udp, 53, target), (Protocol::Tcp, 53, target)];
        self.namespace("kube-system", &[])
            .with(member("kube-system", "Deployment", "kube-dns").at("10.244.9.9"))
            .service("kube-system", "kube-dns", "10.96.0.10", &ports)
    }

    /// Everything found for policies, given as flow mappings of `metadata` name, namespace `shop` and spec.
    pub(crate) fn lint(&self, policies: &[(&str, &str)]) -> Vec<Finding> {
        let manifest = |(name, spec): &(&str, &str)| {
            format!(
                "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n"
            )
        };
        let text = policies.iter().map(manifest).collect();
        let parsed = PolicySet::parse(&[Source { name: "policies.yaml".into(), text }]).unwrap();
        let subjects: Vec<Subject<'_>> = self.members.iter().map(Member::subject).collect();
        lint(&Input {
            policies: &parsed.policies,
            cluster: &self.cluster,
            pods: &subjects,
            services: &self.services,
            nodes: &self.nodes,
            profile: self.profile,
        })
    }

    /// What one check says about one policy: `field: message: objects`.
    pub(crate) fn find(&self, code: &str, spec: &str) -> Vec<String> {
        self.find_in(code, &[("policy", spec)])
    }

    /// The same about several policies, by name.
    pub(crate) fn find_in(&self, code: &str, policies: &[(&str, &str)]) -> Vec<String> {
        assert!(CHECKS.iter().any(|check| check.code == code), "no check is called {code}");
        let found = self.lint(policies);
        found.iter().filter(|finding| finding.code == code).map(describe).collect()
    }
}

impl Member {
    fn subject(&self) -> Subject<'_> {
        Subject { pod: &self.pod, kind: self.kind, workload: &self.workload, host_network: self.host_network }
    }
}

fn describe(finding: &Finding) -> String {
    let field = finding.field.map_or_else(|| finding.namespace.clone(), |field| field.to_string());
    let objects = if finding.objects.is_empty() { String::new() } else { format!(": {}", finding.objects.join(", ")) };
    format!("{field}: {}{objects}", finding.message)
}
