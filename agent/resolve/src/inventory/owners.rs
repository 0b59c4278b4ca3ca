//! Who owns a pod in the end: the name under which its traffic is remembered through rollouts and runs.

use super::objects::{Kept, Objects};
use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use netwright_record::inventory::WorkloadRef;
use std::collections::{BTreeMap, BTreeSet};

const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// The controllers that only pass ownership on: their names change with each rollout or run.
///
/// A Deployment, StatefulSet or DaemonSet ends the chain even where a custom resource owns it: it has a selector of
/// its own, and one custom resource may own several with different tasks.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// (namespace, name) of each ReplicaSet, and its controller.
    replica_sets: BTreeMap<(String, String), Option<(String, String)>>,
    /// (namespace, name) of each Job, and its controller.
    jobs: BTreeMap<(String, String), Option<(String, String)>>,
    /// (namespace, name) of each CronJob.
    cron_jobs: BTreeSet<(String, String)>,
}

impl Owners {
    pub(super) fn new(objects: &Objects) -> Self {
        Self {
            replica_sets: controllers(&objects.replica_sets),
            jobs: controllers(&objects.jobs),
            cron_jobs: objects.cron_jobs.keys().map(|(namespace, name, _)| (namespace.clone(), name.clone())).collect(),
        }
    }

    /// The workload of the pod that `metadata` belongs to.
    pub(super) fn of_pod(&self, namespace: &str, metadata: &ObjectMeta) -> WorkloadRef {
        let owner = controller(metadata);
        let (kind, name) = match owner {
            Some(owner) if owner.kind == "ReplicaSet" => self.of_replica_set(namespace, &owner.name, metadata),
            Some(owner) if owner.kind == "Job" => self.of_job(namespace, &owner.name),
            // A static pod: the kubelet that runs it is its owner.
            Some(owner) if owner.kind == "Node" => own_name(metadata),
            Some(owner) => (owner.kind.clone(), owner.name.clone()),
            None => own_name(metadata),
        };
        WorkloadRef { namespace: namespace.into(), kind: kind.into(), name: name.into() }
    }

    fn of_replica_set(&self, namespace: &str, name: &str, pod: &ObjectMeta) -> (String, String) {
        match self.replica_sets.get(&(namespace.to_owned(), name.to_owned())) {
            Some(Some(owner)) => owner.clone(),
            Some(None) => ("ReplicaSet".to_owned(), name.to_owned()),
            None => match deployment_name(name, pod) {
                Some(deployment) => ("Deployment".to_owned(), deployment.to_owned()),
                None => ("ReplicaSet".to_owned(), name.to_owned()),
            },
        }
    }

    fn of_job(&self, namespace: &str, name: &str) -> (String, String) {
        match self.jobs.get(&(namespace.to_owned(), name.to_owned())) {
            Some(Some(owner)) => owner.clone(),
            Some(None) => ("Job".to_owned(), name.to_owned()),
            None => match cron_job_name(name) {
                Some(cron_job) if self.cron_jobs.contains(&(namespace.to_owned(), cron_job.to_owned())) => {
                    ("CronJob".to_owned(), cron_job.to_owned())
                }
                _ => ("Job".to_owned(), name.to_owned()),
            },
        }
    }
}

/// The owner that controls an object, if one does.
pub(super) fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

fn controllers<T: Metadata<Ty = ObjectMeta>>(kept: &Kept<T>) -> BTreeMap<(String, String), Option<(String, String)>> {
    kept.iter()
        .map(|((namespace, name, _), entry)| {
            let owner = controller(entry.object.metadata()).map(|owner| (owner.kind.clone(), owner.name.clone()));
            ((namespace.clone(), name.clone()), owner)
        })
        .collect()
}

fn own_name(metadata: &ObjectMeta) -> (String, String) {
    ("Pod".to_owned(), metadata.name.clone().unwrap_or_default())
}

/// A Deployment names its ReplicaSets `<deployment>-<pod-template-hash>`.
fn deployment_name<'a>(replica_set: &'a str, pod: &ObjectMeta) -> Option<&'a str> {
    let hash = pod.labels.as_ref()?.get(POD_TEMPLATE_HASH)?;
    replica_set.strip_suffix(hash.as_str())?.strip_suffix('-').filter(|name| !name.is_empty())
}

/// A CronJob names its Jobs `<cronjob>-<minutes since the epoch>`.
fn cron_job_name(job: &str) -> Option<&str> {
    let (name, digits) = job.rsplit_once('-')?;
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (all_digits && !name.is_empty()).then_some(name)
}
