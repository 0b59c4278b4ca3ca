//! Who owns a pod in the end: the name under which its traffic is remembered through rollouts and runs.

use super::objects::{Kept, Objects};
use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use netwright_record::inventory::WorkloadRef;
use std::collections::{BTreeMap, BTreeSet};

/// The label by which a Deployment tells its ReplicaSets apart.
pub(crate) const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// The controllers that only pass ownership on: their names change with each rollout or run.
///
/// A Deployment, StatefulSet or DaemonSet ends the chain even where a custom resource owns it: it has a selector of
/// its own, and one custom resource may own several with different tasks.
#[derive(Debug, Default)]
pub(crate) struct Owners {
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
    pub(crate) fn of_pod(&self, namespace: &str, metadata: &ObjectMeta) -> WorkloadRef {
        let owner = controller(metadata).map(|owner| (owner.kind.as_str(), owner.name.as_str()));
        let hash = metadata.labels.as_ref().and_then(|labels| labels.get(POD_TEMPLATE_HASH));
        self.of(namespace, metadata.name.as_deref().unwrap_or_default(), owner, hash.map(String::as_str))
    }

    /// The workload of the pod `pod`, given kind and name of its controller, and its label `pod-template-hash`.
    pub(crate) fn of(
        &self,
        namespace: &str,
        pod: &str,
        controller: Option<(&str, &str)>,
        hash: Option<&str>,
    ) -> WorkloadRef {
        let (kind, name) = match controller {
            Some(("ReplicaSet", name)) => self.of_replica_set(namespace, name, hash),
            Some(("Job", name)) => self.of_job(namespace, name),
            // A static pod: the kubelet that runs it is its owner.
            Some(("Node", _)) | None => ("Pod".to_owned(), pod.to_owned()),
            Some((kind, name)) => (kind.to_owned(), name.to_owned()),
        };
        WorkloadRef { namespace: namespace.into(), kind: kind.into(), name: name.into() }
    }

    /// Notes the controller of a ReplicaSet or a Job, or that there is a CronJob of this name. Other kinds are passed over.
    pub(crate) fn note(&mut self, kind: &str, namespace: &str, name: &str, controller: Option<(String, String)>) {
        let key = (namespace.to_owned(), name.to_owned());
        match kind {
            "ReplicaSet" => _ = self.replica_sets.insert(key, controller),
            "Job" => _ = self.jobs.insert(key, controller),
            "CronJob" => _ = self.cron_jobs.insert(key),
            _ => {}
        }
    }

    /// Forgets what [`Owners::note`] noted.
    pub(crate) fn forget(&mut self, kind: &str, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        match kind {
            "ReplicaSet" => _ = self.replica_sets.remove(&key),
            "Job" => _ = self.jobs.remove(&key),
            "CronJob" => _ = self.cron_jobs.remove(&key),
            _ => {}
        }
    }

    fn of_replica_set(&self, namespace: &str, name: &str, hash: Option<&str>) -> (String, String) {
        match self.replica_sets.get(&(namespace.to_owned(), name.to_owned())) {
            Some(Some(owner)) => owner.clone(),
            Some(None) => ("ReplicaSet".to_owned(), name.to_owned()),
            None => match deployment_name(name, hash) {
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
pub(crate) fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
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

/// A Deployment names its ReplicaSets `<deployment>-<pod-template-hash>`.
fn deployment_name<'a>(replica_set: &'a str, hash: Option<&str>) -> Option<&'a str> {
    replica_set.strip_suffix(hash?)?.strip_suffix('-').filter(|name| !name.is_empty())
}

/// A CronJob names its Jobs `<cronjob>-<minutes since the epoch>`.
fn cron_job_name(job: &str) -> Option<&str> {
    let (name, digits) = job.rsplit_once('-')?;
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (all_digits && !name.is_empty()).then_some(name)
}
