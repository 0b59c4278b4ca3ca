//! Workloads: what runs pods and outlives them, with the labels that select its pods through every rollout.
//!
//! A workload is here if it is in the text, running or not (a Deployment of no replicas, a CronJob between two
//! runs), or if a pod names it as its owner.

use super::error::{Fault, InventoryError, Place};
use super::fields;
use super::labels::{intersect, keep_stable};
use super::objects::{Entry, Kept, Objects, Report};
use super::owners::controller;
use k8s_openapi::Metadata;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use netwright_record::inventory::{ContainerPort, Labels, Pod, Workload, WorkloadRef};
use netwright_record::{Name, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the manifest of a workload says about its pods.
pub(super) struct Manifest<'a> {
    pub(super) place: &'a Place,
    metadata: &'a ObjectMeta,
    selector: Option<&'a LabelSelector>,
    pub(super) template: Option<&'a PodTemplateSpec>,
    replicas: Option<i32>,
}

/// All workloads, those without a pod included, sorted by name.
pub(super) fn read(objects: &Objects, pods: &[Pod], report: &mut Report) -> Result<Vec<Workload>, InventoryError> {
    let manifests = manifests(objects);
    let mut members: BTreeMap<&WorkloadRef, Vec<&Pod>> = BTreeMap::new();
    for pod in pods {
        members.entry(&pod.workload).or_default().push(pod);
    }
    let names: BTreeSet<&WorkloadRef> = manifests.keys().chain(members.keys().copied()).collect();
    let mut workloads = Vec::new();
    for name in names {
        let (manifest, pods) = (manifests.get(name), members.get(name).map(Vec::as_slice).unwrap_or_default());
        match manifest.map(|manifest| (manifest.place, manifest.declared())) {
            None => workloads.push(workload(name, None, pods)),
            Some((_, Ok(declared))) => workloads.push(workload(name, Some(&declared), pods)),
            Some((place, Err(fault))) => report.fault(place, fault)?,
        }
    }
    Ok(workloads)
}

/// What a manifest says about its pods, without the manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Declared {
    /// `spec.selector.matchLabels`.
    #[serde(default)]
    selector: Labels,
    /// The labels of the pod template, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    labels: Option<Labels>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ports: Vec<ContainerPort>,
    #[serde(default)]
    host_network: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replicas: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service_account: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<Time>,
    /// Whether somebody let the API server make up its name.
    #[serde(default)]
    generated: bool,
}

impl Manifest<'_> {
    fn declared(&self) -> Result<Declared, Fault> {
        declared(self.metadata, (self.selector, self.template, self.replicas))
    }
}

/// What an object says about its pods.
pub(crate) fn declared(metadata: &ObjectMeta, (selector, template, replicas): Parts<'_>) -> Result<Declared, Fault> {
    let spec = template.and_then(|template| template.spec.as_ref());
    let ports = spec.map(|spec| fields::container_ports(spec, "spec.template.spec")).transpose()?;
    let labels = template.and_then(|template| template.metadata.as_ref());
    Ok(Declared {
        selector: fields::labels(selector.and_then(|selector| selector.match_labels.as_ref())),
        labels: labels.map(|metadata| fields::labels(metadata.labels.as_ref())),
        ports: ports.unwrap_or_default(),
        host_network: spec.is_some_and(|spec| spec.host_network == Some(true)),
        replicas: replicas.and_then(|replicas| u32::try_from(replicas).ok()),
        service_account: spec.and_then(|spec| fields::name(spec.service_account_name.as_ref())),
        created: fields::time(metadata.creation_timestamp.as_ref()),
        generated: metadata.generate_name.is_some(),
    })
}

/// The manifest of each workload; what runs pods for another is none.
pub(super) fn manifests(objects: &Objects) -> BTreeMap<WorkloadRef, Manifest<'_>> {
    let mut found = BTreeMap::new();
    add(&mut found, &objects.deployments, deployment);
    add(&mut found, &objects.stateful_sets, stateful_set);
    add(&mut found, &objects.daemon_sets, daemon_set);
    add(&mut found, &objects.replica_sets, |object| {
        let spec = object.spec.as_ref();
        let template = spec.and_then(|spec| spec.template.as_ref());
        (spec.map(|spec| &spec.selector), template, spec.map(|spec| spec.replicas.unwrap_or(1)))
    });
    // The selector of a Job is the UID of that one run.
    add(&mut found, &objects.jobs, |object| (None, object.spec.as_ref().map(|spec| &spec.template), None));
    add(&mut found, &objects.cron_jobs, cron_job);
    found.retain(|name, manifest| {
        !matches!(name.kind.as_str(), "ReplicaSet" | "Job") || controller(manifest.metadata).is_none()
    });
    found
}

/// The parts of a Deployment; the API takes one replica where none are asked for.
pub(crate) fn deployment(object: &Deployment) -> Parts<'_> {
    let spec = object.spec.as_ref();
    (spec.map(|spec| &spec.selector), spec.map(|spec| &spec.template), spec.map(|spec| spec.replicas.unwrap_or(1)))
}

/// The parts of a StatefulSet.
pub(crate) fn stateful_set(object: &StatefulSet) -> Parts<'_> {
    let spec = object.spec.as_ref();
    (spec.map(|spec| &spec.selector), spec.map(|spec| &spec.template), spec.map(|spec| spec.replicas.unwrap_or(1)))
}

/// The parts of a DaemonSet.
pub(crate) fn daemon_set(object: &DaemonSet) -> Parts<'_> {
    let spec = object.spec.as_ref();
    (spec.map(|spec| &spec.selector), spec.map(|spec| &spec.template), None)
}

/// The parts of a CronJob.
pub(crate) fn cron_job(object: &CronJob) -> Parts<'_> {
    let job = object.spec.as_ref().and_then(|spec| spec.job_template.spec.as_ref());
    (None, job.map(|job| &job.template), None)
}

/// Selector, pod template and replicas of an object.
pub(crate) type Parts<'a> = (Option<&'a LabelSelector>, Option<&'a PodTemplateSpec>, Option<i32>);

fn add<'a, T: Metadata<Ty = ObjectMeta>>(
    found: &mut BTreeMap<WorkloadRef, Manifest<'a>>,
    kept: &'a Kept<T>,
    parts: impl Fn(&'a T) -> Parts<'a>,
) {
    for ((namespace, name, _), Entry { place, object }) in kept {
        let (selector, template, replicas) = parts(object);
        let name = WorkloadRef { namespace: namespace.into(), kind: (&place.kind).into(), name: name.into() };
        found.insert(name, Manifest { place, metadata: object.metadata(), selector, template, replicas });
    }
}

/// One workload, from what it declares and from its pods.
pub(crate) fn workload(name: &WorkloadRef, declared: Option<&Declared>, pods: &[&Pod]) -> Workload {
    let mut ports: BTreeSet<ContainerPort> = pods.iter().flat_map(|pod| &pod.ports).cloned().collect();
    ports.extend(declared.iter().flat_map(|declared| &declared.ports).cloned());
    let (selector, labels) = labels(name, declared, pods);
    let account = declared.and_then(|declared| declared.service_account.clone());
    Workload {
        workload: name.clone(),
        selector,
        labels,
        ports: ports.into_iter().collect(),
        host_network: declared.is_some_and(|declared| declared.host_network) || pods.iter().any(|pod| pod.host_network),
        replicas: declared.and_then(|declared| declared.replicas),
        service_account: account.or_else(|| pods.iter().find_map(|pod| pod.service_account.clone())),
        created: declared.and_then(|declared| declared.created),
    }
}

/// The selector of a workload, and all its stable labels.
fn labels(name: &WorkloadRef, declared: Option<&Declared>, pods: &[&Pod]) -> (Labels, Labels) {
    let generated = declared.is_none_or(|declared| declared.generated);
    let named_job = name.kind == "Job" && !generated;
    let mut shared = declared.and_then(|declared| declared.labels.clone());
    for pod in pods {
        intersect(shared.get_or_insert_with(|| pod.labels.clone()), &pod.labels);
    }
    let mut labels = shared.unwrap_or_default();
    keep_stable(&mut labels, named_job);
    let mut selector = declared.map(|declared| declared.selector.clone()).unwrap_or_default();
    // A selector written by hand is kept whole: it never changes, and all pods satisfy it.
    if selector.is_empty() {
        selector = labels.clone();
    }
    labels.extend(selector.clone());
    (selector, labels)
}
