//! The workloads of a made-up cluster, as traffic needs them: what they are called, where they run, which port they serve.

use netwright_record::inventory::WorkloadRef;
use netwright_record::{Endpoint, Name, Protocol, ServiceRef};
use std::collections::BTreeSet;

/// What runs the pods of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Deployment,
    StatefulSet,
    CronJob,
    Job,
    DaemonSet,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::Deployment => "Deployment",
            Kind::StatefulSet => "StatefulSet",
            Kind::CronJob => "CronJob",
            Kind::Job => "Job",
            Kind::DaemonSet => "DaemonSet",
        }
    }

    /// Whether its pods end: then nobody calls them.
    pub(super) fn ends(self) -> bool {
        matches!(self, Kind::CronJob | Kind::Job)
    }
}

/// A workload.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) workload: WorkloadRef,
    pub(super) kind: Kind,
    /// The number of its namespace.
    pub(super) namespace: usize,
    pub(super) host_network: bool,
    /// What it listens on.
    pub(super) protocol: Protocol,
    pub(super) port: u16,
    /// Nodes on which its pods ran; of a DaemonSet a few only, so that its edges stay as long as those of others.
    pub(super) nodes: BTreeSet<Name>,
}

impl Member {
    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::Workload(self.workload.clone())
    }

    /// The Service in front of it, which has its name and most often another port.
    pub(super) fn service(&self) -> ServiceRef {
        let WorkloadRef { namespace, name, .. } = self.workload.clone();
        ServiceRef { namespace, name, port: if self.port == 8080 { 80 } else { self.port } }
    }
}
