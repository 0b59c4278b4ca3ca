//! Istio's ambient mesh: what goes between two of its pods is carried on one port of its own, and probes come from one address.
//!
//! Whether the real port or the mesh's is seen on the wire depends on where the enforcer sits, so both are allowed. Pods
//! with a sidecar speak the same protocol to ambient pods. Source: Istio's documentation, "Ambient and Kubernetes NetworkPolicy".

use crate::index::Facts;
use netwright_record::Name;
use netwright_record::inventory::{Inventory, Labels, WorkloadRef};
use std::collections::BTreeMap;

/// HBONE, on which ambient mesh carries everything.
pub const HBONE: u16 = 15_008;
/// On a namespace or a pod: `ambient` joins the mesh, `none` leaves it.
const DATAPLANE_MODE: &str = "istio.io/dataplane-mode";
/// On pods with a sidecar, set by its injection.
const TLS_MODE: &str = "security.istio.io/tlsMode";

/// Which namespaces are in an ambient mesh.
#[derive(Debug)]
pub struct Mesh<'a> {
    namespaces: BTreeMap<&'a str, &'a str>,
}

impl<'a> Mesh<'a> {
    /// Reads the labels of the inventory's namespaces.
    pub fn new(inventory: &'a Inventory) -> Self {
        let mode = |labels: &'a Labels| labels.get(DATAPLANE_MODE).map(Name::as_str);
        let namespaces = inventory.namespaces.iter();
        Self {
            namespaces: namespaces.filter_map(|namespace| Some((&*namespace.name, mode(&namespace.labels)?))).collect(),
        }
    }

    /// Whether pods of `workload` are in the mesh without a sidecar.
    pub fn is_ambient(&self, workload: &WorkloadRef, facts: &Facts) -> bool {
        let of_pods = labels(facts, DATAPLANE_MODE);
        of_pods.or_else(|| self.namespaces.get(workload.namespace.as_str()).copied()) == Some("ambient")
    }

    /// Whether pods of `workload` speak the mesh's protocol, ambient or by a sidecar.
    pub fn is_member(&self, workload: &WorkloadRef, facts: &Facts) -> bool {
        self.is_ambient(workload, facts) || labels(facts, TLS_MODE) == Some("istio")
    }
}

/// The value of a label that is the same for pods of one workload: of the youngest pod, or of the template.
fn labels<'a>(facts: &Facts<'a>, key: &str) -> Option<&'a str> {
    let pods = facts.pods.last().map(|pod| &pod.labels).or(facts.declared.map(|declared| &declared.labels));
    pods?.get(key).map(Name::as_str)
}
