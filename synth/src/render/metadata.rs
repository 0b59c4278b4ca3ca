//! What every object that is written has in common: its kind, its name, whose it is, and from what it was made.

use super::Provenance;
use netwright_record::inventory::WorkloadRef;
use serde::Serialize;
use std::collections::BTreeMap;

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// An object: its fields in the order in which people write them. `S` is the `spec` of its kind.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiObject<'a, S> {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) metadata: Metadata<'a>,
    pub(super) spec: S,
}

/// `metadata`, in the order in which people write it.
#[derive(Debug, Serialize)]
pub(super) struct Metadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    labels: BTreeMap<&'static str, &'static str>,
    annotations: BTreeMap<&'static str, String>,
}

impl<'a> Metadata<'a> {
    /// Of an object in `namespace`, or of the whole cluster.
    pub(super) fn new(namespace: Option<&'a str>, name: &'a str, provenance: &Provenance) -> Self {
        let window = provenance.window;
        let annotations = BTreeMap::from([
            ("netwright.io/observation", format!("sha256:{}", provenance.digest)),
            ("netwright.io/version", provenance.version.into()),
            ("netwright.io/window", format!("{}/{}", window.from, window.until)),
        ]);
        Self { name, namespace, labels: BTreeMap::from([(MANAGED_BY, "netwright")]), annotations }
    }

    /// The same, of `workload`.
    pub(super) fn of(mut self, workload: &WorkloadRef) -> Self {
        self.annotations.insert("netwright.io/workload", format!("{}/{}", workload.kind, workload.name));
        self
    }

    /// The same with one more annotation.
    pub(super) fn annotated(mut self, key: &'static str, value: &str) -> Self {
        self.annotations.insert(key, value.to_owned());
        self
    }
}
