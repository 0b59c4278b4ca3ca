//! The dialect `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy: guard rails around NetworkPolicies, not a way to
//! write them.
//!
//! Source: `apis/v1alpha2/clusternetworkpolicy_types.go` of kubernetes-sigs/network-policy-api, and KEP-2091. Rules are
//! ordered and final, a few dozen at most, and made by whoever runs the cluster; so what each workload needs stays in
//! NetworkPolicies, which are written beside them, and these say what must hold whatever a namespace does:
//!
//! - tier Admin, decided before any NetworkPolicy: everybody reaches the cluster's DNS, whoever scrapes every namespace goes
//!   on doing so, and the metadata services are out of reach;
//! - tier Baseline, decided where no NetworkPolicy selects the pod: in a namespace that is closed today, a pod that comes
//!   without a policy stays closed even after its owner has removed the namespace's own default-deny.

mod manifest;
mod rails;
mod seen;

use super::RenderError;
use super::context::Context;
use super::unsayable::Unsayable;
use super::yaml;
use crate::infer::rules::Plan;
use manifest::Object;
use seen::Seen;

/// The guard rails as text, and what cannot be said of them.
#[derive(Debug, Default)]
pub(super) struct GuardRails {
    /// By file, in the order in which to apply them.
    pub(super) files: Vec<(String, String)>,
    pub(super) unsayable: Vec<Unsayable>,
}

/// The guard rails around the policies of `plan`.
pub(super) fn guard_rails(context: &Context, plan: &Plan) -> Result<GuardRails, RenderError> {
    let seen = Seen::of(context, plan);
    let mut all = GuardRails::default();
    let rails = [
        ("cluster-dns.yaml", rails::dns(&seen)),
        ("cluster-monitoring.yaml", rails::monitoring(&seen, &mut all.unsayable)),
        ("cluster-metadata.yaml", rails::metadata(&seen, &mut all.unsayable)),
        ("cluster-default-deny.yaml", rails::default_deny(plan, &mut all.unsayable)),
    ];
    for (file, objects) in rails {
        let documents: Vec<String> =
            objects.iter().map(|object| text(context, object)).collect::<Result<_, RenderError>>()?;
        if !documents.is_empty() {
            all.files.push((file.to_owned(), yaml::file(&documents)));
        }
    }
    Ok(all)
}

fn text(context: &Context, object: &Object) -> Result<String, RenderError> {
    yaml::typed(&object.manifest(context.provenance), &yaml::Above::new())
}
