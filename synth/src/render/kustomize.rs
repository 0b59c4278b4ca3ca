//! The `kustomization.yaml` of each namespace's folder and of the whole: `kubectl apply -k DIR` takes everything.

use super::{RenderError, policy_file, yaml};
use crate::infer::names::DEFAULT_DENY;
use crate::infer::rules::Plan;
use serde_json::json;
use std::collections::BTreeMap;

/// The name of each such file.
pub const FILE: &str = "kustomization.yaml";

/// The kustomizations, by file. Resources are applied in the order of the list, the default-deny last; `cluster` are the files
/// of the whole cluster, which come after every namespace.
pub fn kustomizations(plan: &Plan, cluster: Vec<String>) -> Result<Vec<(String, String)>, RenderError> {
    let mut folders: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let policies = plan.policies.iter().map(|policy| (policy.workload.namespace.as_str(), policy.name.as_str()));
    let denies = plan.default_deny.iter().map(|namespace| (namespace.as_str(), DEFAULT_DENY));
    for (namespace, name) in policies.chain(denies) {
        let file = policy_file(namespace, name);
        let resource = file.rsplit('/').next().unwrap_or(&file).to_owned();
        folders.entry(namespace).or_default().push(resource);
    }
    let top =
        (FILE.to_owned(), kustomization(folders.keys().map(|folder| (*folder).to_owned()).chain(cluster).collect())?);
    let below = folders
        .into_iter()
        .map(|(namespace, resources)| Ok((format!("{namespace}/{FILE}"), kustomization(resources)?)));
    std::iter::once(Ok(top)).chain(below).collect()
}

fn kustomization(resources: Vec<String>) -> Result<String, RenderError> {
    let object = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        // Without it kustomize sorts by name, and the default-deny would come first.
        "sortOptions": { "order": "fifo" },
        "resources": resources,
    });
    yaml::document(&object, &yaml::Comments::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::{Options, infer};
    use crate::review::Decided;
    use crate::testing::World;
    use netwright_record::{Endpoint, Protocol};

    #[test]
    fn the_default_deny_is_last() {
        let mut world = World::new();
        let (a, z) = (world.running("n", "aa"), world.running("n", "zz"));
        world.edge(Endpoint::Workload(a), Endpoint::Workload(z), Protocol::Tcp, 80);
        let files: BTreeMap<String, String> =
            kustomizations(&infer(&world.build(), &Options::default(), &Decided::default()), Vec::new())
                .unwrap()
                .into_iter()
                .collect();
        let resources = |file: &str| {
            let value: serde_json::Value = serde_yaml::from_str(files.get(file).unwrap()).unwrap();
            value.get("resources").unwrap().clone()
        };
        assert_eq!(resources("n/kustomization.yaml"), json!(["aa.yaml", "zz.yaml", "default-deny.yaml"]));
        assert_eq!(resources("kustomization.yaml"), json!(["n"]));
    }
}
