//! Sorts objects by kind and types them, and keeps the account of what was skipped, left out or missing.

use super::document::Object;
use super::error::{Fault, InventoryError, InventoryWarning, Place};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use netwright_record::inventory::Inventory;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Namespace and name, and for pods the UID: two pods of one name may have lived one after the other.
pub(super) type Key = (String, String, String);

/// The objects of one kind. Where the text holds an object twice, the later one stands.
pub(super) type Kept<T> = BTreeMap<Key, Entry<T>>;

/// An object and where it was read.
pub(super) struct Entry<T> {
    pub(super) place: Place,
    pub(super) object: T,
}

/// The objects an inventory is made of, by kind.
#[derive(Default)]
pub(super) struct Objects {
    pub(super) namespaces: Kept<Namespace>,
    pub(super) nodes: Kept<Node>,
    pub(super) pods: Kept<Pod>,
    pub(super) services: Kept<Service>,
    pub(super) slices: Kept<EndpointSlice>,
    pub(super) deployments: Kept<Deployment>,
    pub(super) stateful_sets: Kept<StatefulSet>,
    pub(super) daemon_sets: Kept<DaemonSet>,
    pub(super) replica_sets: Kept<ReplicaSet>,
    pub(super) jobs: Kept<Job>,
    pub(super) cron_jobs: Kept<CronJob>,
    /// Kept as they are: what a newer API server adds to a policy must not get lost.
    pub(super) policies: Kept<Value>,
    /// Of these only the Services they call are of interest.
    pub(super) validating_webhooks: Kept<Value>,
    pub(super) mutating_webhooks: Kept<Value>,
    pub(super) api_services: Kept<Value>,
    pub(super) custom_resources: Kept<Value>,
}

impl Objects {
    /// Types the objects that are of use.
    pub(super) fn sort_out(found: Vec<Object>, report: &mut Report) -> Result<Self, InventoryError> {
        let mut objects = Self::default();
        objects.add(found, report)?;
        Ok(objects)
    }

    /// Types the objects that are of use, and adds them.
    pub(super) fn add(&mut self, found: Vec<Object>, report: &mut Report) -> Result<(), InventoryError> {
        for object in found {
            let place = object.place.clone();
            if let Err(fault) = self.take(object, report) {
                report.fault(&place, fault)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, object: Object, report: &mut Report) -> Result<(), Fault> {
        match (object.api_version.as_str(), object.place.kind.as_str()) {
            ("v1", "Namespace") => keep(&mut self.namespaces, object, report),
            ("v1", "Node") => keep(&mut self.nodes, object, report),
            ("v1", "Pod") => keep(&mut self.pods, object, report),
            ("v1", "Service") => keep(&mut self.services, object, report),
            ("discovery.k8s.io/v1", "EndpointSlice") => keep(&mut self.slices, object, report),
            ("apps/v1", "Deployment") => keep(&mut self.deployments, object, report),
            ("apps/v1", "StatefulSet") => keep(&mut self.stateful_sets, object, report),
            ("apps/v1", "DaemonSet") => keep(&mut self.daemon_sets, object, report),
            ("apps/v1", "ReplicaSet") => keep(&mut self.replica_sets, object, report),
            ("batch/v1", "Job") => keep(&mut self.jobs, object, report),
            ("batch/v1", "CronJob") => keep(&mut self.cron_jobs, object, report),
            ("networking.k8s.io/v1", "NetworkPolicy") => keep(&mut self.policies, object, report),
            ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration") => {
                keep(&mut self.validating_webhooks, object, report)
            }
            ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration") => {
                keep(&mut self.mutating_webhooks, object, report)
            }
            ("apiregistration.k8s.io/v1", "APIService") => keep(&mut self.api_services, object, report),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition") => keep(&mut self.custom_resources, object, report),
            (api_version, kind) => {
                report.skip(api_version, kind);
                Ok(())
            }
        }
    }
}

/// Kinds without a namespace.
const CLUSTER_WIDE: [&str; 6] = [
    "Namespace",
    "Node",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "APIService",
    "CustomResourceDefinition",
];

fn keep<T: DeserializeOwned>(kept: &mut Kept<T>, object: Object, report: &mut Report) -> Result<(), Fault> {
    let Object { mut place, value, .. } = object;
    if place.name.is_empty() {
        return Err(Fault::new("metadata.name", "is missing"));
    }
    let cluster_wide = CLUSTER_WIDE.contains(&place.kind.as_str());
    if place.namespace.is_empty() && !cluster_wide {
        place.namespace = "default".to_owned();
    }
    let uid = match place.kind.as_str() {
        "Pod" => value.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    let object = serde_path_to_error::deserialize(value).map_err(|error| {
        let why = error.inner().to_string();
        Fault::new(error.path().to_string().escape_debug().to_string(), why.escape_debug())
    })?;
    let key = (place.namespace.clone(), place.name.clone(), uid);
    if let Some(first) = kept.insert(key, Entry { place: place.clone(), object }) {
        report.repeated(place, first.place);
    }
    Ok(())
}

/// The account of everything that did not go into the inventory.
pub(super) struct Report {
    name: String,
    warnings: Vec<InventoryWarning>,
    skipped: BTreeMap<(String, String), usize>,
}

impl Report {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.escape_debug().to_string(), warnings: Vec::new(), skipped: BTreeMap::new() }
    }

    /// A broken object: a warning if the rest stays true without it, an error if not.
    pub(super) fn fault(&mut self, place: &Place, fault: Fault) -> Result<(), InventoryError> {
        let consequence = match place.kind.as_str() {
            "Namespace" => "its labels are not known",
            "Job" => "its pods are named as those of a Job that was deleted",
            "CronJob" => "its schedule and pod template are not known",
            "NetworkPolicy" => "it is not compared with",
            "ValidatingWebhookConfiguration"
            | "MutatingWebhookConfiguration"
            | "APIService"
            | "CustomResourceDefinition" => {
                "calls that it makes the API server do are allowed only where they were seen"
            }
            _ => {
                let (name, object) = (self.name.clone(), Box::new(place.clone()));
                return Err(InventoryError::Broken { name, object, field: fault.field, why: fault.why });
            }
        };
        self.left_out(place, fault, consequence);
        Ok(())
    }

    /// An object, or part of one, that has no place in an inventory.
    pub(super) fn left_out(&mut self, place: &Place, fault: Fault, consequence: &'static str) {
        let Fault { field, why } = fault;
        self.warnings.push(InventoryWarning::LeftOut { object: place.clone(), field, why, consequence });
    }

    /// An object that replaces another. One list of `kubectl get` cannot hold it twice, and several lists agree.
    fn repeated(&mut self, object: Place, first: Place) {
        if object.file.is_some() {
            self.warnings.push(InventoryWarning::Repeated { object, first: Box::new(first) });
        }
    }

    fn skip(&mut self, api_version: &str, kind: &str) {
        *self.skipped.entry((api_version.to_owned(), kind.to_owned())).or_default() += 1;
    }

    /// Notes each kind of which there is nothing although something refers to it.
    pub(super) fn missing_kinds(&mut self, objects: &Objects, inventory: &Inventory) {
        let missing = missing_addresses(objects, inventory).into_iter().chain(missing_owners(objects, inventory));
        let warnings = missing.filter(|(is_missing, ..)| *is_missing);
        self.warnings.extend(warnings.map(|(_, kind, consequence)| InventoryWarning::Missing { kind, consequence }));
    }

    /// Takes out how many objects were skipped, by kind and API version.
    pub(super) fn take_skipped(&mut self) -> BTreeMap<(String, String), usize> {
        let skipped = std::mem::take(&mut self.skipped);
        skipped.into_iter().map(|((api_version, kind), count)| ((kind, api_version), count)).collect()
    }

    /// All warnings, in a fixed order.
    pub(super) fn into_warnings(mut self) -> Vec<InventoryWarning> {
        for ((api_version, kind), count) in self.skipped {
            let (api_version, kind) = (api_version.escape_debug().to_string(), kind.escape_debug().to_string());
            self.warnings.push(match (api_version.as_str(), kind.as_str()) {
                ("v1", "Secret" | "ConfigMap") => InventoryWarning::Confidential { kind, count },
                _ => InventoryWarning::UnknownKind { api_version, kind, count },
            });
        }
        self.warnings.sort();
        self.warnings
    }
}

/// Whether a kind is missing, which, and what suffers.
type Missing = (bool, &'static str, &'static str);

fn missing_addresses(objects: &Objects, inventory: &Inventory) -> [Missing; 5] {
    let has_nodes = !inventory.nodes.is_empty();
    let has_ranges = inventory.nodes.iter().any(|node| !node.pod_cidrs.is_empty());
    let has_services = !objects.services.is_empty();
    [
        (inventory.namespaces.is_empty(), "Namespace", "labels of namespaces are not known"),
        (!has_nodes, "Node", "addresses of nodes, and of pods that are gone, pass for addresses outside the cluster"),
        (
            has_nodes && !has_ranges,
            "spec.podCIDRs on any Node",
            "the address of a pod that is not in the inventory passes for one outside the cluster",
        ),
        (
            !has_services,
            "Service",
            "connections to a cluster IP pass for connections to an address outside the cluster",
        ),
        (
            has_services && objects.slices.is_empty(),
            "EndpointSlice",
            "connections to a Service cannot be followed to the pods behind it",
        ),
    ]
}

/// Nothing of a kind is normal where nothing says that a pod belongs to it.
fn missing_owners(objects: &Objects, inventory: &Inventory) -> [Missing; 5] {
    let workloads: BTreeSet<&str> = inventory.pods.iter().map(|pod| pod.workload.kind.as_str()).collect();
    let pods = objects.pods.values();
    let owners: BTreeSet<&str> = pods
        .flat_map(|pod| pod.object.metadata.owner_references.iter().flatten())
        .map(|owner| owner.kind.as_str())
        .collect();
    let selector = "the selectors of its pods are guessed from the labels they share";
    let deployment = "the Deployment of a pod is guessed from the name of its ReplicaSet";
    let cron_job = "the CronJob of a pod is guessed from the name of its Job";
    [
        (objects.deployments.is_empty() && workloads.contains("Deployment"), "Deployment", selector),
        (objects.stateful_sets.is_empty() && workloads.contains("StatefulSet"), "StatefulSet", selector),
        (objects.daemon_sets.is_empty() && workloads.contains("DaemonSet"), "DaemonSet", selector),
        (objects.replica_sets.is_empty() && owners.contains("ReplicaSet"), "ReplicaSet", deployment),
        (objects.jobs.is_empty() && owners.contains("Job"), "Job", cron_job),
    ]
}
