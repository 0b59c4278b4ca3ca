//! Reads the inventory of a cluster from what `kubectl get` prints, for those who observe without a collector in
//! the cluster; and from plain manifests, for those who ask about a cluster that may not exist yet ([`read_manifests`]).
//!
//! The text becomes objects ([`document`]), the objects are typed ([`objects`]), and each kind is turned into
//! records in a module of its own. Broken objects stop the reading unless they can be left out without a lie.

mod document;
pub(crate) mod error;
pub(crate) mod extensions;
mod fields;
mod labels;
mod manifests;
pub(crate) mod nodes;
mod objects;
pub(crate) mod owners;
pub(crate) mod pods;
pub(crate) mod services;
mod unique;
pub(crate) mod workloads;

pub use error::{Fault, InventoryError, InventoryWarning, KUBECTL_COMMAND, Place};
pub use labels::is_stable_label;
pub use manifests::{Manifest, Manifests, TargetPort, read_manifests};
pub use pods::{pod_uid, read_pod};

use netwright_record::Time;
use netwright_record::inventory::Inventory;
use objects::{Objects, Report};
use owners::Owners;

/// Reads what [`KUBECTL_COMMAND`] printed, as YAML (several documents too) or JSON.
///
/// `name` is the file's name, for messages. `now` ends the time of a pod that is known to be over but not since
/// when. The vectors of the result are sorted.
///
/// # Errors
///
/// The text is no YAML or JSON, holds something that is no Kubernetes object, holds no pod at all, or an object
/// without which flows would get wrong names is broken.
pub fn read_kubectl(text: &str, name: &str, now: Time) -> Result<(Inventory, Vec<InventoryWarning>), InventoryError> {
    let mut report = Report::new(name);
    let objects = Objects::sort_out(document::objects(text, name)?, &mut report)?;
    if objects.pods.is_empty() {
        return Err(InventoryError::NoPods { name: name.escape_debug().to_string() });
    }
    let owners = Owners::new(&objects);
    let inventory = inventory(&objects, &owners, now, &mut report)?;
    report.missing_kinds(&objects, &inventory);
    Ok((inventory, report.into_warnings()))
}

/// The records of all kinds.
fn inventory(objects: &Objects, owners: &Owners, now: Time, report: &mut Report) -> Result<Inventory, InventoryError> {
    let pods = pods::read(objects, owners, now, report)?;
    Ok(Inventory {
        namespaces: nodes::namespaces(objects),
        workloads: workloads::read(objects, &pods, report)?,
        nodes: nodes::nodes(objects, &pods, report)?,
        services: services::read(objects, report)?,
        cron_jobs: nodes::cron_jobs(objects),
        policies: nodes::policies(objects),
        api_extensions: extensions::read(objects),
        pods,
    })
}
