//! Which labels stay the same over all pods of a workload and through its rollouts: those a policy may select by.

use netwright_record::inventory::Labels;

/// Labels that change with the rollout, the pod, the run, the release or the place a pod landed on.
const UNSTABLE: &[&str] = &[
    "app.kubernetes.io/version",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "chart",
    "controller-revision-hash",
    "controller-uid",
    "helm.sh/chart",
    "job-name",
    "pod-template-generation",
    "pod-template-hash",
    "rollouts-pod-template-hash",
    "service.istio.io/canonical-revision",
    "statefulset.kubernetes.io/pod-name",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "version",
];

/// The name of the Job a pod belongs to. Stable only for a Job whose name nobody generated.
pub(super) const JOB_NAME: &str = "batch.kubernetes.io/job-name";

/// Whether a label with this key outlives the pods that have it: what a policy may select by. The name of a Job does not,
/// unless a person gave it.
pub fn is_stable_label(key: &str) -> bool {
    !UNSTABLE.contains(&key) && key != JOB_NAME
}

/// Removes the labels that do not outlive a pod. `named_job` says that the pods are those of a Job with a name of
/// its own, whose name selects them in each run.
pub(super) fn keep_stable(labels: &mut Labels, named_job: bool) {
    labels.retain(|key, _| is_stable_label(key) || (named_job && key == JOB_NAME));
}

/// Keeps the labels of `labels` that `other` has too, with the same value.
pub(super) fn intersect(labels: &mut Labels, other: &Labels) {
    labels.retain(|key, value| other.get(key) == Some(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn drops_what_changes_with_the_rollout_the_pod_or_the_release() {
        let mut found = labels(&[
            ("app", "cart"),
            ("pod-template-hash", "5d4f"),
            ("rollouts-pod-template-hash", "5d4f"),
            ("batch.kubernetes.io/job-completion-index", "0"),
            ("controller-revision-hash", "x"),
            ("statefulset.kubernetes.io/pod-name", "db-0"),
            ("apps.kubernetes.io/pod-index", "0"),
            ("controller-uid", "u"),
            ("batch.kubernetes.io/controller-uid", "u"),
            ("job-name", "report-123"),
            ("batch.kubernetes.io/job-name", "report-123"),
            ("helm.sh/chart", "cart-1.2.3"),
            ("app.kubernetes.io/version", "1.2.3"),
            ("version", "1.2.3"),
            ("chart", "cart-1.2.3"),
        ]);
        keep_stable(&mut found, false);
        assert_eq!(found, labels(&[("app", "cart")]));
    }

    #[test]
    fn keeps_the_name_of_a_job_that_has_one_of_its_own() {
        let mut found = labels(&[("job-name", "migrate"), ("batch.kubernetes.io/job-name", "migrate")]);
        keep_stable(&mut found, true);
        assert_eq!(found, labels(&[("batch.kubernetes.io/job-name", "migrate")]));
    }
}
