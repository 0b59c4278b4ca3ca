//! Which labels Cilium knows a pod by. Others are ignored when identities are made, and a selector with one of those
//! matches nothing.

use netwright_record::inventory::Labels;

/// The label that names the namespace of an endpoint.
pub(super) const NAMESPACE: &str = "k8s:io.kubernetes.pod.namespace";
/// The label that names its ServiceAccount.
pub(super) const SERVICE_ACCOUNT: &str = "k8s:io.cilium.k8s.policy.serviceaccount";

/// Beginnings of keys that are ignored unless someone changed `--labels` (cilium/cilium, `pkg/labelsfilter/filter.go`).
const IGNORED: [&str; 13] = [
    "io.kubernetes",
    "kubernetes.io",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/controller-uid",
    "k8s.io",
    "pod-template-generation",
    "pod-template-hash",
    "controller-revision-hash",
    "controller-uid",
    "annotation",
    "topology.kubernetes.io",
];

/// Whether Cilium ignores the label.
fn is_ignored(key: &str) -> bool {
    IGNORED.iter().any(|start| key.starts_with(start))
        || key.contains("beta.kubernetes.io")
        || key.starts_with("etcd_node")
}

/// The labels that Cilium knows a pod by.
pub(super) fn relevant(labels: &Labels) -> Labels {
    let kept = labels.iter().filter(|(key, _)| !is_ignored(key));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::labels;

    #[test]
    fn labels_that_make_no_identity_are_left_out() {
        let all = labels(&[
            ("app", "a"),
            ("app.kubernetes.io/name", "a"),
            ("k8s-app", "a"),
            ("k8s.io/x", "a"),
            ("kubernetes.io/cluster-service", "true"),
            ("failure-domain.beta.kubernetes.io/zone", "a"),
            ("annotation.example/x", "a"),
        ]);
        let kept = relevant(&all);
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["app", "app.kubernetes.io/name", "k8s-app"]);
    }
}
