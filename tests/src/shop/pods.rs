//! The pods of the shop: their names, owners, UIDs, addresses and labels, as its controllers would have made them.

use super::model::{Kind, Shop, Workload};
use super::naming;
use crate::world::Addresses;
use netwright_record::inventory::Labels;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The first pod's last octet; lower ones are left to gateways.
const FIRST: usize = 10;
/// CronJob runs are numbered by the minute (since the Unix epoch) they were scheduled for.
const FIRST_RUN: usize = 29_400_000;

/// A pod, before or while it runs.
#[derive(Debug, Clone)]
pub struct Pod<'a> {
    /// What it belongs to.
    pub workload: &'a Workload,
    /// Which of its pods (or runs), from 0.
    pub index: usize,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// Its own addresses, or the node's.
    pub addresses: Addresses,
    /// `metadata.labels`.
    pub labels: Labels,
    /// Its direct owner: (kind, name).
    pub owner: (&'static str, String),
}

impl Pod<'_> {
    /// The label of the process of one of its containers: `shop/front-6d8c7b5f9-x2x4x/http`.
    pub fn process(&self, container: &str) -> String {
        format!("{}/{}/{container}", self.workload.namespace, self.name)
    }

    /// The cgroup of one of its containers, below the node's root, as the cgroupfs driver lays it out.
    pub fn cgroup(&self, container: &str) -> String {
        format!("kubepods/burstable/pod{}/{}", self.uid, naming::container_id(&format!("{}/{container}", self.uid)))
    }
}

/// All pods, in the order of the declaration.
pub fn pods(shop: &Shop) -> Vec<Pod<'_>> {
    let runs = shop.workloads.iter().flat_map(|workload| (0..workload.replicas).map(move |index| (workload, index)));
    runs.enumerate().map(|(number, (workload, index))| pod(shop, workload, index, number)).collect()
}

fn pod<'a>(shop: &Shop, workload: &'a Workload, index: usize, number: usize) -> Pod<'a> {
    let owner = owner(workload, index);
    let name = match workload.kind {
        Kind::StatefulSet => format!("{}-{index}", owner.1),
        _ => format!("{}-{}", owner.1, naming::suffix(&format!("{}/{}/{index}", workload.namespace, owner.1), 5)),
    };
    Pod {
        uid: naming::uid(&format!("Pod/{}/{name}", workload.namespace)),
        addresses: match workload.kind {
            Kind::HostNetworkDaemonSet => shop.node.1,
            _ => addresses(FIRST + number),
        },
        labels: labels(workload, index, &name, &owner.1),
        workload,
        index,
        name,
        owner,
    }
}

fn addresses(host: usize) -> Addresses {
    let host = u8::try_from(host).unwrap_or(u8::MAX);
    Addresses { v4: Ipv4Addr::new(10, 244, 0, host), v6: Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, u16::from(host)) }
}

fn owner(workload: &Workload, index: usize) -> (&'static str, String) {
    let name = workload.name;
    match workload.kind {
        Kind::Deployment => ("ReplicaSet", format!("{name}-{}", template_hash(workload))),
        Kind::StatefulSet => ("StatefulSet", name.to_owned()),
        Kind::HostNetworkDaemonSet => ("DaemonSet", name.to_owned()),
        Kind::CronJob => ("Job", format!("{name}-{}", FIRST_RUN + index)),
    }
}

/// The value of `pod-template-hash` or `controller-revision-hash`.
pub(super) fn template_hash(workload: &Workload) -> String {
    naming::suffix(&format!("{}/{}", workload.namespace, workload.name), 10)
}

/// The labels that the controller adds to the template's.
fn labels(workload: &Workload, index: usize, pod: &str, owner: &str) -> Labels {
    let mut labels = template_labels(workload);
    let mut add = |key: &str, value: String| labels.insert(key, value);
    match workload.kind {
        Kind::Deployment => {
            add("pod-template-hash", template_hash(workload));
        }
        Kind::StatefulSet => {
            add("apps.kubernetes.io/pod-index", index.to_string());
            add("controller-revision-hash", format!("{}-{}", workload.name, template_hash(workload)));
            add("statefulset.kubernetes.io/pod-name", pod.to_owned());
        }
        Kind::HostNetworkDaemonSet => {
            add("controller-revision-hash", template_hash(workload));
            add("pod-template-generation", "1".into());
        }
        Kind::CronJob => {
            let uid = naming::uid(&format!("Job/{}/{owner}", workload.namespace));
            for key in ["batch.kubernetes.io/controller-uid", "controller-uid"] {
                add(key, uid.clone());
            }
            for key in ["batch.kubernetes.io/job-name", "job-name"] {
                add(key, owner.to_owned());
            }
        }
    }
    labels
}

/// The labels that select the workload's pods.
pub(super) fn selector(workload: &Workload) -> Labels {
    Labels::from([("app.kubernetes.io/name", workload.name)])
}

/// The labels of the workload's pod template.
pub(super) fn template_labels(workload: &Workload) -> Labels {
    let mut labels = selector(workload);
    labels.insert("app.kubernetes.io/part-of", workload.namespace);
    labels.insert("app.kubernetes.io/version", "1.4.2");
    labels
}

#[cfg(test)]
mod tests {
    use super::super::shop;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_pods_share_a_name_a_uid_or_an_address() {
        let shop = shop();
        let pods = pods(&shop);
        let own: Vec<_> = pods.iter().filter(|pod| pod.workload.kind != Kind::HostNetworkDaemonSet).collect();
        assert_eq!(pods.iter().map(|pod| &pod.name).collect::<BTreeSet<_>>().len(), pods.len());
        assert_eq!(pods.iter().map(|pod| &pod.uid).collect::<BTreeSet<_>>().len(), pods.len());
        assert_eq!(own.iter().map(|pod| pod.addresses.v4).collect::<BTreeSet<_>>().len(), own.len());
    }

    #[test]
    fn the_runs_of_a_cron_job_are_pods_of_different_jobs() {
        let shop = shop();
        let owners: BTreeSet<String> =
            pods(&shop).into_iter().filter(|pod| pod.workload.kind == Kind::CronJob).map(|pod| pod.owner.1).collect();
        assert_eq!(owners, BTreeSet::from(["cleanup-29400000".into(), "cleanup-29400001".into()]));
    }
}
