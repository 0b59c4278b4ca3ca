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
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use netwright_record::inventory::{ContainerPort, Labels, Pod, Workload, WorkloadRef};
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
        match workload(name, manifest, pods) {
            Ok(workload) => workloads.push(workload),
            Err((place, fault)) => report.fault(place, fault)?,
        }
    }
    Ok(workloads)
}

/// The manifest of each workload; what runs pods for another is none.
pub(super) fn manifests(objects: &Objects) -> BTreeMap<WorkloadRef, Manifest<'_>> {
    let mut found = BTreeMap::new();
    add(&mut found, &objects.deployments, |object| {
        let spec = object.spec.as_ref();
        (spec.map(|spec| &spec.selector), spec.map(|spec| &spec.template), spec.map(|spec| spec.replicas.unwrap_or(1)))
    });
    add(&mut found, &objects.stateful_sets, |object| {
        let spec = object.spec.as_ref();
        (spec.map(|spec| &spec.selector), spec.map(|spec| &spec.template), spec.map(|spec| spec.replicas.unwrap_or(1)))
    });
    add(&mut found, &objects.daemon_sets, |object| {
        let spec = object.spec.as_ref();
        (spec.map(|spec| &spec.selector), spec.map(|spec| &spec.template), None)
    });
    add(&mut found, &objects.replica_sets, |object| {
        let spec = object.spec.as_ref();
        let template = spec.and_then(|spec| spec.template.as_ref());
        (spec.map(|spec| &spec.selector), template, spec.map(|spec| spec.replicas.unwrap_or(1)))
    });
    // The selector of a Job is the UID of that one run.
    add(&mut found, &objects.jobs, |object| (None, object.spec.as_ref().map(|spec| &spec.template), None));
    add(&mut found, &objects.cron_jobs, |object| {
        let job = object.spec.as_ref().and_then(|spec| spec.job_template.spec.as_ref());
        (None, job.map(|job| &job.template), None)
    });
    found.retain(|name, manifest| {
        !matches!(name.kind.as_str(), "ReplicaSet" | "Job") || controller(manifest.metadata).is_none()
    });
    found
}

type Parts<'a> = (Option<&'a LabelSelector>, Option<&'a PodTemplateSpec>, Option<i32>);

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

fn workload<'a>(
    name: &WorkloadRef,
    manifest: Option<&Manifest<'a>>,
    pods: &[&Pod],
) -> Result<Workload, (&'a Place, Fault)> {
    let template = manifest.and_then(|manifest| manifest.template);
    let spec = template.and_then(|template| template.spec.as_ref());
    let mut ports: BTreeSet<ContainerPort> = pods.iter().flat_map(|pod| &pod.ports).cloned().collect();
    if let (Some(manifest), Some(spec)) = (manifest, spec) {
        let declared = fields::container_ports(spec, "spec.template.spec");
        ports.extend(declared.map_err(|fault| (manifest.place, fault))?);
    }
    let (selector, labels) = labels(name, manifest, pods);
    let account = spec.and_then(|spec| fields::name(spec.service_account_name.as_ref()));
    Ok(Workload {
        workload: name.clone(),
        selector,
        labels,
        ports: ports.into_iter().collect(),
        host_network: spec.is_some_and(|spec| spec.host_network == Some(true))
            || pods.iter().any(|pod| pod.host_network),
        replicas: manifest.and_then(|manifest| u32::try_from(manifest.replicas?).ok()),
        service_account: account.or_else(|| pods.iter().find_map(|pod| pod.service_account.clone())),
        created: manifest.and_then(|manifest| fields::time(manifest.metadata.creation_timestamp.as_ref())),
    })
}

/// The selector of a workload, and all its stable labels.
fn labels(name: &WorkloadRef, manifest: Option<&Manifest<'_>>, pods: &[&Pod]) -> (Labels, Labels) {
    let generated = manifest.is_none_or(|manifest| manifest.metadata.generate_name.is_some());
    let named_job = name.kind == "Job" && !generated;
    let template = manifest.and_then(|manifest| manifest.template?.metadata.as_ref());
    let mut shared = template.map(|metadata| fields::labels(metadata.labels.as_ref()));
    for pod in pods {
        intersect(shared.get_or_insert_with(|| pod.labels.clone()), &pod.labels);
    }
    let mut labels = shared.unwrap_or_default();
    keep_stable(&mut labels, named_job);
    let declared = manifest.and_then(|manifest| manifest.selector?.match_labels.as_ref());
    let mut selector = fields::labels(declared);
    // A selector written by hand is kept whole: it never changes, and all pods satisfy it.
    if selector.is_empty() {
        selector = labels.clone();
    }
    labels.extend(selector.clone());
    (selector, labels)
}
