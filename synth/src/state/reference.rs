//! How a person names one end of a connection, and what in a cluster that is. For the verbs that ask about two ends.

use super::{State, StateNode, StatePod};
use crate::text;
use netwright_record::inventory::{Service, WorkloadRef};
use std::net::IpAddr;
use std::str::FromStr;

/// How a name may be written, for messages.
const FORMS: &str = "NAMESPACE/NAME, NAMESPACE/KIND/NAME, NAMESPACE/svc/NAME, node/NAME, an address, or internet";
/// How many near names a message lists.
const NAMES_SHOWN: usize = 8;
/// How alike two names are, from 0 to 1 (Jaro-Winkler), that one is offered for the other.
const ALIKE: f64 = 0.8;

/// A name as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `NAMESPACE/NAME` or `NAMESPACE/KIND/NAME`: pods.
    Pods {
        /// The namespace.
        namespace: String,
        /// The kind, spelt as in a manifest, or as it was written where it is unknown.
        kind: Option<String>,
        /// The name.
        name: String,
    },
    /// `NAMESPACE/svc/NAME`.
    Service {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
    /// `node/NAME`.
    Node(String),
    /// An address.
    Address(IpAddr),
    /// `internet`: any address outside the cluster.
    Internet,
}

/// Why a name cannot be used. What came from outside is escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It is written in none of the forms.
    #[error("{}: not understood: write {FORMS}", text::plain(.written))]
    Syntax {
        /// As written.
        written: String,
    },
    /// Nothing has that name.
    #[error("{}: there is no such {what} in the inventory{}", text::plain(.written), did_you_mean(.near))]
    Unknown {
        /// As written.
        written: String,
        /// What was looked for.
        what: &'static str,
        /// Names that are like it, the likest first.
        near: Vec<String>,
    },
    /// Several things have that name.
    #[error("{}: more than one thing has this name: write {}", text::plain(.written), options(.names))]
    Ambiguous {
        /// As written.
        written: String,
        /// The exact names.
        names: Vec<String>,
    },
}

fn did_you_mean(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", options(names)) }
}

fn options(names: &[String]) -> String {
    names.iter().map(|name| text::plain(name)).collect::<Vec<_>>().join(" or ")
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = written.parse() {
            return Ok(Reference::Address(address));
        }
        let parts: Vec<&str> = written.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(ReferenceError::Syntax { written: written.to_owned() });
        }
        match parts.as_slice() {
            ["internet"] => Ok(Reference::Internet),
            // What begins with an address is a block of addresses, and no party to a connection.
            [first, ..] if first.parse::<IpAddr>().is_ok() => {
                Err(ReferenceError::Syntax { written: written.to_owned() })
            }
            ["node" | "nodes" | "no", name] => Ok(Reference::Node((*name).to_owned())),
            [namespace, name] => Ok(Self::pods(namespace, None, name)),
            [namespace, kind, name] => match kind_of(kind) {
                "Service" => Ok(Reference::Service { namespace: (*namespace).to_owned(), name: (*name).to_owned() }),
                kind => Ok(Self::pods(namespace, Some(kind), name)),
            },
            _ => Err(ReferenceError::Syntax { written: written.to_owned() }),
        }
    }
}

impl Reference {
    fn pods(namespace: &str, kind: Option<&str>, name: &str) -> Self {
        let [namespace, name] = [namespace, name].map(str::to_owned);
        Reference::Pods { namespace, kind: kind.map(str::to_owned), name }
    }
}

/// The kind as manifests spell it, from the names that kubectl takes.
fn kind_of(written: &str) -> &str {
    match written.to_ascii_lowercase().as_str() {
        "po" | "pod" | "pods" => "Pod",
        "deploy" | "deployment" | "deployments" => "Deployment",
        "sts" | "statefulset" | "statefulsets" => "StatefulSet",
        "ds" | "daemonset" | "daemonsets" => "DaemonSet",
        "rs" | "replicaset" | "replicasets" => "ReplicaSet",
        "job" | "jobs" => "Job",
        "cj" | "cronjob" | "cronjobs" => "CronJob",
        "svc" | "service" | "services" => "Service",
        _ => written,
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// All pods of a workload.
    Workload(&'a WorkloadRef),
    /// One pod.
    Pod(&'a StatePod),
    /// A Service.
    Service(&'a Service),
    /// A node under any of its addresses.
    Node(&'a StateNode),
    /// A node under one of its addresses.
    NodeAddress(&'a StateNode, IpAddr),
    /// An address of which nothing else is known.
    Address(IpAddr),
    /// Any address outside the cluster.
    Internet,
}

impl State {
    /// Finds what `written` stands for. An address is the pod, the Service or the node that holds it, if one does. Looks
    /// at everything the state holds, once.
    ///
    /// # Errors
    ///
    /// If it is in no known form, or names nothing, or several things.
    pub fn find(&self, written: &str) -> Result<Subject<'_>, ReferenceError> {
        match written.parse()? {
            Reference::Internet => Ok(Subject::Internet),
            Reference::Address(address) => Ok(self.at(address)),
            Reference::Node(name) => {
                let known = || self.nodes.iter().map(|node| format!("node/{}", node.name));
                self.node(&name).map(Subject::Node).ok_or_else(|| unknown(written, "node", known()))
            }
            Reference::Service { namespace, name } => {
                let is_it = |service: &&Service| service.namespace == namespace && service.name == name;
                let known = || self.services.iter().map(service_name);
                let found = self.services.iter().find(is_it);
                found.map(Subject::Service).ok_or_else(|| unknown(written, "Service", known()))
            }
            Reference::Pods { namespace, kind, name } => self.pods_called(written, &namespace, kind.as_deref(), &name),
        }
    }

    fn pods_called(
        &self,
        written: &str,
        namespace: &str,
        kind: Option<&str>,
        name: &str,
    ) -> Result<Subject<'_>, ReferenceError> {
        let workloads = self.workloads.keys().filter(|workload| {
            workload.namespace == namespace && workload.name == name && kind.is_none_or(|kind| kind == workload.kind)
        });
        let is_pod = |pod: &&StatePod| pod.pod.namespace == namespace && pod.pod.name == name && !pod.from_template;
        let pods = self.pods.iter().filter(is_pod).filter(|_| kind.is_none_or(|kind| kind == "Pod"));
        // A pod that nothing owns is its own workload, under the same name.
        let pods = pods.filter(|pod| pod.workload.name != pod.pod.name || pod.workload.kind != "Pod");
        let found: Vec<Subject> = workloads.map(Subject::Workload).chain(pods.map(Subject::Pod)).collect();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(self.unknown_pods(written, namespace, name)),
            several => Err(ReferenceError::Ambiguous {
                written: written.to_owned(),
                names: several.iter().filter_map(exact_name).collect(),
            }),
        }
    }

    /// Names that are like this one, and a Service that has it.
    fn unknown_pods(&self, written: &str, namespace: &str, name: &str) -> ReferenceError {
        let workloads = self.workloads.keys().map(|workload| format!("{}/{}", workload.namespace, workload.name));
        let pods = self.pods.iter().filter(|pod| !pod.from_template);
        let pods = pods.map(|pod| format!("{}/{}", pod.pod.namespace, pod.pod.name));
        let mut error = unknown(&format!("{namespace}/{name}"), "pod or workload", workloads.chain(pods));
        let is_service = |service: &&Service| service.namespace == namespace && service.name == name;
        if let ReferenceError::Unknown { written: own, near, .. } = &mut error {
            written.clone_into(own);
            near.splice(0..0, self.services.iter().find(is_service).map(service_name));
        }
        error
    }

    /// Who holds an address.
    pub fn at(&self, address: IpAddr) -> Subject<'_> {
        let address = address.to_canonical();
        let holds = |addresses: &[IpAddr]| addresses.iter().any(|held| held.to_canonical() == address);
        let pod = self.pods.iter().find(|pod| !pod.host_network && holds(&pod.pod.addresses));
        let service = self.services.iter().find(|service| holds(&service.cluster_ips));
        let node = self.nodes.iter().find(|node| holds(&node.addresses));
        let node = node.map(|node| Subject::NodeAddress(node, address));
        pod.map(Subject::Pod).or(service.map(Subject::Service)).or(node).unwrap_or(Subject::Address(address))
    }
}

fn service_name(service: &Service) -> String {
    format!("{}/svc/{}", service.namespace, service.name)
}

/// How to write it so that nothing else is meant.
fn exact_name(subject: &Subject) -> Option<String> {
    match subject {
        Subject::Workload(workload) => Some(format!("{}/{}/{}", workload.namespace, workload.kind, workload.name)),
        Subject::Pod(pod) => Some(format!("{}/Pod/{}", pod.pod.namespace, pod.pod.name)),
        _ => None,
    }
}

/// The error with those of `known` that are like what was written.
fn unknown(written: &str, what: &'static str, known: impl Iterator<Item = String>) -> ReferenceError {
    ReferenceError::Unknown { written: written.to_owned(), what, near: near(written, known) }
}

/// Those of `known` that are like what was written, the likest first: equal but for the namespace, or nearly so.
pub(crate) fn near(written: &str, known: impl Iterator<Item = String>) -> Vec<String> {
    // What stands before the name is alike too often to count along with it.
    let split = |name: &str| {
        let (place, name) = name.rsplit_once('/').unwrap_or(("", name));
        (place.to_owned(), name.to_owned())
    };
    let (place, wanted) = split(written);
    let likeness = |known: &str| match split(known) {
        (_, name) if name == wanted => 1.0,
        (other, name) => strsim::jaro_winkler(&name, &wanted).min(strsim::jaro_winkler(&other, &place)),
    };
    let mut near: Vec<(f64, String)> =
        known.map(|name| (likeness(&name), name)).filter(|(likeness, _)| *likeness >= ALIKE).collect();
    near.sort_by(|(one, a), (other, b)| other.total_cmp(one).then_with(|| a.cmp(b)));
    near.dedup();
    near.into_iter().take(NAMES_SHOWN).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use netwright_resolve::inventory::{Manifest, read_manifests};

    const CLUSTER: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, namespace: shop}
spec: {selector: {matchLabels: {app: front}}, template: {metadata: {labels: {app: front}}, spec: {containers: [{name: a}]}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec: {selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: a}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: db, namespace: shop}
spec: {template: {metadata: {labels: {app: db}}, spec: {restartPolicy: Never, containers: [{name: a}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: bare, namespace: shop}
spec: {containers: [{name: a}]}
status: {podIPs: [{ip: 10.244.0.5}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.7, ports: [{port: 80}], selector: {app: front}}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
";

    fn state() -> State {
        let manifests = read_manifests(&[Manifest { name: "c", text: CLUSTER }], "c").unwrap();
        crate::state::inventory::state(&manifests.inventory, &manifests.templates)
    }

    fn found(written: &str) -> String {
        match state().find(written) {
            Ok(Subject::Workload(workload)) => workload.to_string(),
            Ok(Subject::Pod(pod)) => format!("pod {}", pod.pod.name),
            Ok(Subject::Service(service)) => format!("service {}", service.name),
            Ok(Subject::Node(node)) => format!("node {}", node.name),
            Ok(Subject::NodeAddress(node, address)) => format!("node {} at {address}", node.name),
            Ok(other) => format!("{other:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_form_finds_what_it_names() {
        assert_eq!(found("shop/front"), "shop/Deployment/front");
        assert_eq!(found("shop/sts/db"), "shop/StatefulSet/db");
        assert_eq!(found("shop/bare"), "shop/Pod/bare");
        assert_eq!(found("shop/pod/bare"), "shop/Pod/bare");
        assert_eq!(found("shop/svc/web"), "service web");
        assert_eq!(found("node/n1"), "node n1");
        assert_eq!(found("internet"), "Internet");
    }

    #[test]
    fn an_address_is_who_holds_it() {
        assert_eq!(found("10.244.0.5"), "pod bare");
        assert_eq!(found("::ffff:10.244.0.5"), "pod bare");
        assert_eq!(found("10.96.0.7"), "service web");
        assert_eq!(found("192.0.2.1"), "node n1 at 192.0.2.1");
        assert_eq!(found("198.18.0.1"), "Address(198.18.0.1)");
    }

    #[test]
    fn what_is_unknown_or_ambiguous_is_answered_with_names() {
        let ambiguous = "shop/db: more than one thing has this name: write shop/Job/db or shop/StatefulSet/db";
        assert_eq!(found("shop/db"), ambiguous);
        let near = "shop/frnt: there is no such pod or workload in the inventory; did you mean shop/front?";
        assert_eq!(found("shop/frnt"), near);
        let elsewhere = "bank/front: there is no such pod or workload in the inventory; did you mean shop/front?";
        assert_eq!(found("bank/front"), elsewhere);
        let service = "shop/web: there is no such pod or workload in the inventory; did you mean shop/svc/web?";
        assert_eq!(found("shop/web"), service);
        assert_eq!(found("node/n11"), "node/n11: there is no such node in the inventory; did you mean node/n1?");
        for wrong in ["front", "a/b/c/d", "10.0.0.0/8", "shop/", ""] {
            assert!(found(wrong).contains("not understood"), "{wrong}: {}", found(wrong));
        }
        assert!(found("shop/\u{1b}[31m").starts_with(r"shop/\u{1b}[31m: there is no such"));
    }
}
