//! What the checks look at. For the caller, who fills it from whatever is known of the cluster.

use super::profile::Profile;
use crate::{Cluster, Labels, Pod, PolicySet, Protocol};
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Policies, and the cluster they are meant for. Empty lists mean "not known", and are not judged by.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The policies.
    pub policies: &'a PolicySet,
    /// The namespaces and their labels.
    pub cluster: &'a Cluster,
    /// The pods, or stand-ins for the pods that a workload's template would make.
    pub pods: &'a [Subject<'a>],
    /// The Services.
    pub services: &'a [Service],
    /// The nodes.
    pub nodes: &'a [Node],
    /// Who enforces the policies.
    pub profile: Profile,
}

/// A pod, with what policies do not see of it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// The kind of the workload it belongs to: `Deployment`; `Pod` where nothing owns it.
    pub kind: &'a str,
    /// The name of that workload.
    pub workload: &'a str,
    /// `spec.hostNetwork`: to a policy it is its node.
    pub host_network: bool,
}

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `spec.clusterIPs` without `None`.
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.selector`; empty where it has none, then its backends are not known to be pods.
    pub selector: Labels,
    /// Its ports.
    pub ports: Vec<ServicePort>,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// `name`, where it has one.
    pub name: Option<String>,
    /// `protocol`.
    pub protocol: Protocol,
    /// The Service's own port.
    pub port: u16,
    /// The ports of the pods behind it; empty where they are not known.
    pub targets: BTreeSet<u16>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// `metadata.name`.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// `spec.podCIDRs`, where they are known.
    pub pod_cidrs: Vec<IpNet>,
}
