//! What the cluster consisted of while it was watched: who could have been at an address, and how they can be selected.

use crate::edge::ServiceRef;
use crate::exact;
use crate::flow::Protocol;
use crate::{Name, Time};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

pub use crate::labels::Labels;

/// The whole inventory. Each vector is one kind of record in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Namespaces.
    pub namespaces: Vec<Namespace>,
    /// Workloads: the topmost owner of each pod.
    pub workloads: Vec<Workload>,
    /// Pods, also those that are gone, with the time range of each address.
    pub pods: Vec<Pod>,
    /// Services with their backends.
    pub services: Vec<Service>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// CronJobs with their schedules.
    pub cron_jobs: Vec<CronJob>,
    /// NetworkPolicies that already exist, as the API server returned them.
    pub policies: Vec<Policy>,
    /// What makes the API server call Services: webhooks and aggregated APIs.
    pub api_extensions: Vec<ApiExtension>,
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// `metadata.name`.
    pub name: Name,
    /// `metadata.labels`; the API server always sets `kubernetes.io/metadata.name`.
    #[serde(default)]
    pub labels: Labels,
}

/// The name of a workload: the topmost owner of a pod, or the pod itself where nothing owns it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkloadRef {
    /// The namespace.
    pub namespace: Name,
    /// The kind, as in the owner's manifest: `Deployment`, `CronJob`, `Pod`.
    #[serde(rename = "workload_kind")]
    pub kind: Name,
    /// The name.
    pub name: Name,
}

/// For logs and error messages: `shop/Deployment/cart`.
impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace.escape_debug(), self.kind.escape_debug(), self.name.escape_debug())
    }
}

/// A workload: something that runs pods and outlives them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Its name.
    #[serde(flatten)]
    pub workload: WorkloadRef,
    /// The labels that select all its pods, over the whole window, through every rollout: the owner's
    /// `spec.selector.matchLabels`, or what all its pods shared. Empty where there are none: then no policy can select it.
    #[serde(default)]
    pub selector: Labels,
    /// The stable labels of its pod template: a superset of `selector`, without those that change by rollout, pod or run.
    #[serde(default)]
    pub labels: Labels,
    /// Ports its containers declare, with their names where they have one.
    #[serde(default, deserialize_with = "exact::vec", skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<ContainerPort>,
    /// Whether its pods share the node's network: then policies see them as the node.
    #[serde(default, skip_serializing_if = "is_false")]
    pub host_network: bool,
    /// The replicas asked for, where the kind has such a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// The ServiceAccount its pods run as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<Name>,
    /// `metadata.creationTimestamp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
}

/// A port that a container declares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContainerPort {
    /// `name`, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// `protocol`, TCP by default.
    pub protocol: Protocol,
    /// `containerPort`.
    pub port: u16,
}

/// A pod, alive or gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// `metadata.namespace`.
    pub namespace: Name,
    /// `metadata.name`.
    pub name: Name,
    /// `metadata.uid`.
    pub uid: Name,
    /// `spec.nodeName`; absent while unscheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Name>,
    /// The workload it belongs to.
    pub workload: WorkloadRef,
    /// `metadata.labels`, all of them.
    #[serde(default)]
    pub labels: Labels,
    /// Its addresses and when it held each. Empty for host-network pods' own purposes: see `host_network`.
    #[serde(default, deserialize_with = "exact::vec")]
    pub addresses: Vec<HeldAddress>,
    /// `spec.hostNetwork`: its addresses are then the node's.
    #[serde(default, skip_serializing_if = "is_false")]
    pub host_network: bool,
    /// Ports its containers declare.
    #[serde(default, deserialize_with = "exact::vec", skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<ContainerPort>,
    /// `spec.serviceAccountName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<Name>,
}

/// An address and the time in which it was held, half open: `from <= t < until`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldAddress {
    /// The address.
    pub ip: IpAddr,
    /// From when; absent if it was held before anyone looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// Until when; absent while it is still held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// `metadata.namespace`.
    pub namespace: Name,
    /// `metadata.name`.
    pub name: Name,
    /// `spec.type`: `ClusterIP`, `NodePort`, `LoadBalancer`, `ExternalName`.
    #[serde(rename = "type")]
    pub service_type: Name,
    /// `spec.clusterIPs` without `None`: empty for a headless Service.
    #[serde(default, deserialize_with = "exact::vec", skip_serializing_if = "Vec::is_empty")]
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.externalIPs` and the addresses of `status.loadBalancer.ingress`.
    #[serde(default, deserialize_with = "exact::vec", skip_serializing_if = "Vec::is_empty")]
    pub external_ips: Vec<IpAddr>,
    /// `spec.externalTrafficPolicy`, where it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_traffic_policy: Option<Name>,
    /// `spec.selector`.
    #[serde(default)]
    pub selector: Labels,
    /// Its ports.
    #[serde(default, deserialize_with = "exact::vec")]
    pub ports: Vec<ServicePort>,
    /// The endpoints of its EndpointSlices.
    #[serde(default, deserialize_with = "exact::vec")]
    pub backends: Vec<Backend>,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePort {
    /// `name`; absent where the Service has just one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// `protocol`, TCP by default.
    pub protocol: Protocol,
    /// The Service's own port.
    pub port: u16,
    /// `nodePort`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_port: Option<u16>,
}

/// One endpoint of a Service, from an EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// The address, and when it was a backend.
    #[serde(flatten)]
    pub address: HeldAddress,
    /// `targetRef.uid` where the endpoint is a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<Name>,
    /// The target ports: `name` is that of the Service port each belongs to.
    #[serde(default, deserialize_with = "exact::vec")]
    pub ports: Vec<ContainerPort>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// `metadata.name`.
    pub name: Name,
    /// `metadata.labels`.
    #[serde(default)]
    pub labels: Labels,
    /// `status.addresses` that are addresses, and the gateway addresses of its pod ranges where those are known.
    #[serde(default, deserialize_with = "exact::vec")]
    pub addresses: Vec<IpAddr>,
    /// `spec.podCIDRs`.
    #[serde(default, deserialize_with = "exact::vec", skip_serializing_if = "Vec::is_empty")]
    pub pod_cidrs: Vec<String>,
}

/// A CronJob: what it does when it fires may not have been seen yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronJob {
    /// `metadata.namespace`.
    pub namespace: Name,
    /// `metadata.name`.
    pub name: Name,
    /// `spec.schedule`.
    pub schedule: String,
    /// `spec.timeZone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// `spec.suspend`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspended: bool,
    /// `status.lastScheduleTime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scheduled: Option<Time>,
}

/// A NetworkPolicy that exists already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The manifest, without `status` and `metadata.managedFields`.
    pub manifest: serde_json::Value,
}

/// An object that makes the API server call a Service of the cluster, whether or not it was seen to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ApiExtension {
    /// The object's kind: `ValidatingWebhookConfiguration`, `MutatingWebhookConfiguration`, `APIService`, or
    /// `CustomResourceDefinition` for a conversion webhook.
    #[serde(rename = "extension_kind")]
    pub kind: Name,
    /// `metadata.name`.
    pub name: Name,
    /// The Service and its port (443 where the object names none).
    pub service: ServiceRef,
}

pub(crate) fn is_false(b: &bool) -> bool {
    !b
}
