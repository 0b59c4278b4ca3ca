//! Tells agents whom to trust: writes the authorities to a ConfigMap that they mount.
//!
//! The ConfigMap has to be there, and is patched without being read: the right to change one object by its name is all that this
//! takes.

use anyhow::Context as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};

/// The key that agents read.
const KEY: &str = "ca.crt";

/// Writes to one ConfigMap.
#[derive(Debug, Clone)]
pub struct Publisher {
    config_maps: Api<ConfigMap>,
    name: String,
}

impl Publisher {
    /// Writes to the ConfigMap `name` in `namespace`.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self { config_maps: Api::namespaced(client, namespace), name: name.to_owned() }
    }

    /// Sees to it that the ConfigMap says `authorities`. Where it does, the API server writes nothing.
    ///
    /// # Errors
    /// It is not there, or may not be patched.
    pub async fn publish(&self, authorities: &str) -> anyhow::Result<()> {
        let told = || format!("cannot write the certificates that agents trust to the ConfigMap {}", self.name);
        let patch = Patch::Merge(serde_json::json!({ "data": { KEY: authorities } }));
        self.config_maps.patch(&self.name, &PatchParams::default(), &patch).await.with_context(told)?;
        Ok(())
    }
}
