//! Reads what a cluster would consist of from plain manifests, or from what `kubectl get` prints, for those who ask
//! what policies would allow there.
//!
//! Unlike a record of what ran, manifests have neither UIDs nor addresses nor statuses, and most workloads have no pod
//! among them: for each of those stands a pod made of its template.

use super::error::{Fault, InventoryError, InventoryWarning};
use super::fields;
use super::objects::{Entry, Objects, Report};
use super::owners::Owners;
use super::pods;
use super::workloads;
use super::{document, inventory};
use k8s_openapi::api::core::v1::{Pod as ApiPod, PodTemplateSpec, ServicePort as ApiServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use netwright_record::inventory::{Inventory, Pod, WorkloadRef};
use netwright_record::{Name, Time};
use std::collections::{BTreeMap, BTreeSet};

/// A text with manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manifest<'a> {
    /// What messages call it: the file name.
    pub name: &'a str,
    /// YAML with any number of documents, or JSON.
    pub text: &'a str,
}

/// What the manifests say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifests {
    /// What they list. Of pods those that have not come to an end; a pod without UID has `namespace/name` for it.
    pub inventory: Inventory,
    /// One pod for each workload that runs pods of which none is listed: all labels and ports of its template, without
    /// addresses and UID. Its name is `Kind/name` of the workload, which no real pod can have.
    pub templates: Vec<Pod>,
    /// `targetPort` of each Service's ports, in the order of `ports`, by namespace and name.
    pub targets: BTreeMap<(String, String), Vec<TargetPort>>,
    /// How many pods have come to an end (`Succeeded`, `Failed`): they hold no address any more and are left out.
    pub finished: usize,
    /// How many objects of other kinds were passed over, by kind and `apiVersion`. Not escaped.
    pub passed_over: BTreeMap<(String, String), usize>,
    /// How many documents are no Kubernetes objects.
    pub no_objects: usize,
    /// What is probably a mistake.
    pub warnings: Vec<InventoryWarning>,
}

/// `targetPort` of a Service's port; where the manifest has none, the port itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetPort {
    /// The same number on every pod.
    Number(u16),
    /// The container port of that name.
    Name(String),
}

/// Reads manifests. `place` is where they come from, for messages. The vectors of the result are sorted.
///
/// # Errors
///
/// A text is no YAML or JSON, or an object without which the answer would be wrong is broken.
pub fn read_manifests(texts: &[Manifest], place: &str) -> Result<Manifests, InventoryError> {
    let mut report = Report::new(place);
    let mut objects = Objects::default();
    let mut no_objects = 0;
    for text in texts {
        let (found, passed_over) = document::manifests(text.text, text.name)?;
        no_objects += passed_over;
        objects.add(found, &mut report)?;
    }
    let owners = Owners::new(&objects);
    let (finished, done) = remove_finished(&mut objects, &owners);
    name_without_uid(&mut objects);
    // No pod that is left has come to an end, so no time ends.
    let inventory = inventory(&objects, &owners, Time::UNIX_EPOCH, &mut report)?;
    Ok(Manifests {
        templates: templates(&objects, &inventory.pods, &done, &mut report)?,
        targets: targets(&objects, &mut report)?,
        inventory,
        finished,
        passed_over: report.take_skipped(),
        no_objects,
        warnings: report.into_warnings(),
    })
}

/// Takes out the pods that have come to an end; how many, and the runs that are over with them.
fn remove_finished(objects: &mut Objects, owners: &Owners) -> (usize, BTreeSet<WorkloadRef>) {
    let (before, mut done) = (objects.pods.len(), BTreeSet::new());
    objects.pods.retain(|(namespace, ..), Entry { object, .. }| {
        if is_finished(object) {
            done.insert(owners.of_pod(namespace, &object.metadata));
        }
        !is_finished(object)
    });
    // The pods of any other kind are made anew.
    done.retain(|workload| workload.kind == "Job");
    (before - objects.pods.len(), done)
}

fn is_finished(pod: &ApiPod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// Gives each pod that has no UID its name for one.
fn name_without_uid(objects: &mut Objects) {
    for ((namespace, name, _), Entry { object, .. }) in &mut objects.pods {
        if pods::uid(object).is_none() {
            object.metadata.uid = Some(format!("{namespace}/{name}"));
        }
    }
}

/// A pod for each workload of which none is listed, except for the Jobs that are `done`.
fn templates(
    objects: &Objects,
    pods: &[Pod],
    done: &BTreeSet<WorkloadRef>,
    report: &mut Report,
) -> Result<Vec<Pod>, InventoryError> {
    let members: BTreeSet<&WorkloadRef> = pods.iter().map(|pod| &pod.workload).chain(done).collect();
    let mut found = Vec::new();
    for (workload, manifest) in workloads::manifests(objects) {
        if members.contains(&workload) {
            continue;
        }
        let Some(template) = manifest.template else {
            report.fault(manifest.place, Fault::new("spec.template", "is missing, so its pods are not known"))?;
            continue;
        };
        match template_pod(&workload, template) {
            Ok(pod) => found.push(pod),
            Err(fault) => report.fault(manifest.place, fault)?,
        }
    }
    Ok(found)
}

fn template_pod(workload: &WorkloadRef, template: &PodTemplateSpec) -> Result<Pod, Fault> {
    let spec = template.spec.as_ref().ok_or_else(|| Fault::new("spec.template.spec", "is missing"))?;
    Ok(Pod {
        namespace: workload.namespace.clone(),
        name: format!("{}/{}", workload.kind, workload.name).into(),
        uid: Name::default(),
        node: None,
        workload: workload.clone(),
        labels: fields::labels(template.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref())),
        addresses: Vec::new(),
        host_network: spec.host_network == Some(true),
        ports: fields::container_ports(spec, "spec.template.spec")?,
        service_account: fields::name(spec.service_account_name.as_ref()),
    })
}

type Targets = BTreeMap<(String, String), Vec<TargetPort>>;

fn targets(objects: &Objects, report: &mut Report) -> Result<Targets, InventoryError> {
    let mut found = Targets::new();
    for ((namespace, name, _), Entry { place, object }) in &objects.services {
        let ports = object.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
        match ports.enumerate().map(|(index, port)| target(index, port)).collect() {
            Ok(targets) => _ = found.insert((namespace.clone(), name.clone()), targets),
            Err(fault) => report.fault(place, fault)?,
        }
    }
    Ok(found)
}

/// The API writes the absence of a target port as 0 or as an empty name too.
fn target(index: usize, port: &ApiServicePort) -> Result<TargetPort, Fault> {
    let field = || format!("spec.ports[{index}].targetPort");
    match &port.target_port {
        None | Some(IntOrString::Int(0)) => Ok(TargetPort::Number(fields::port(port.port, field)?)),
        Some(IntOrString::String(name)) if name.is_empty() => Ok(TargetPort::Number(fields::port(port.port, field)?)),
        Some(IntOrString::Int(number)) => Ok(TargetPort::Number(fields::port(*number, field)?)),
        Some(IntOrString::String(name)) => Ok(TargetPort::Name(name.clone())),
    }
}
