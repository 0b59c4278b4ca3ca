//! Objects as the API server has them, of the kinds an inventory is made of.

use super::Kind;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob as ApiCronJob;
use k8s_openapi::api::core::v1::{Namespace as ApiNamespace, Node as ApiNode, Pod as ApiPod, Service as ApiService};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

/// An object as the API server has it.
#[derive(Debug)]
pub enum Object<'a> {
    /// `v1` Namespace.
    Namespace(&'a ApiNamespace),
    /// `v1` Node.
    Node(&'a ApiNode),
    /// `v1` Pod.
    Pod(&'a ApiPod),
    /// `v1` Service.
    Service(&'a ApiService),
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice(&'a EndpointSlice),
    /// `apps/v1` Deployment.
    Deployment(&'a Deployment),
    /// `apps/v1` StatefulSet.
    StatefulSet(&'a StatefulSet),
    /// `apps/v1` DaemonSet.
    DaemonSet(&'a DaemonSet),
    /// `batch/v1` CronJob.
    CronJob(&'a ApiCronJob),
    /// The metadata of an `apps/v1` ReplicaSet.
    ReplicaSet(&'a ObjectMeta),
    /// The metadata of a `batch/v1` Job.
    Job(&'a ObjectMeta),
    /// `networking.k8s.io/v1` NetworkPolicy, whole.
    NetworkPolicy(&'a ObjectMeta, &'a Value),
    /// A webhook configuration or an APIService: its kind, and the object.
    Extension(&'a str, &'a ObjectMeta, &'a Value),
}

impl Object<'_> {
    /// The kind it is kept as.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Namespace(_) => Kind::Namespace,
            Self::Node(_) => Kind::Node,
            Self::Pod(_) => Kind::Pod,
            Self::Service(_) => Kind::Service,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::Deployment(_) | Self::StatefulSet(_) | Self::DaemonSet(_) => Kind::Workload,
            Self::CronJob(_) => Kind::CronJob,
            Self::ReplicaSet(_) => Kind::ReplicaSet,
            Self::Job(_) => Kind::Job,
            Self::NetworkPolicy(..) => Kind::NetworkPolicy,
            Self::Extension(..) => Kind::Extension,
        }
    }

    pub(super) fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Namespace(object) => &object.metadata,
            Self::Node(object) => &object.metadata,
            Self::Pod(object) => &object.metadata,
            Self::Service(object) => &object.metadata,
            Self::EndpointSlice(object) => &object.metadata,
            Self::Deployment(object) => &object.metadata,
            Self::StatefulSet(object) => &object.metadata,
            Self::DaemonSet(object) => &object.metadata,
            Self::CronJob(object) => &object.metadata,
            Self::ReplicaSet(metadata) | Self::Job(metadata) => metadata,
            Self::NetworkPolicy(metadata, _) | Self::Extension(_, metadata, _) => metadata,
        }
    }
}

impl<'a> From<&'a ApiNamespace> for Object<'a> {
    fn from(object: &'a ApiNamespace) -> Self {
        Self::Namespace(object)
    }
}

impl<'a> From<&'a ApiNode> for Object<'a> {
    fn from(object: &'a ApiNode) -> Self {
        Self::Node(object)
    }
}

impl<'a> From<&'a ApiPod> for Object<'a> {
    fn from(object: &'a ApiPod) -> Self {
        Self::Pod(object)
    }
}

impl<'a> From<&'a ApiService> for Object<'a> {
    fn from(object: &'a ApiService) -> Self {
        Self::Service(object)
    }
}

impl<'a> From<&'a EndpointSlice> for Object<'a> {
    fn from(object: &'a EndpointSlice) -> Self {
        Self::EndpointSlice(object)
    }
}

impl<'a> From<&'a Deployment> for Object<'a> {
    fn from(object: &'a Deployment) -> Self {
        Self::Deployment(object)
    }
}

impl<'a> From<&'a StatefulSet> for Object<'a> {
    fn from(object: &'a StatefulSet) -> Self {
        Self::StatefulSet(object)
    }
}

impl<'a> From<&'a DaemonSet> for Object<'a> {
    fn from(object: &'a DaemonSet) -> Self {
        Self::DaemonSet(object)
    }
}

impl<'a> From<&'a ApiCronJob> for Object<'a> {
    fn from(object: &'a ApiCronJob) -> Self {
        Self::CronJob(object)
    }
}
