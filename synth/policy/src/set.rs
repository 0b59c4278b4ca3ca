//! A set of policies and the questions it answers. The entry to this crate.

use crate::error::{LoadError, ParseFailure};
use crate::index::Index;
use crate::load::{Parsed, ReadOptions, Source};
use crate::model::{Direction, NetworkPolicy};
use crate::verdict::{Answer, Verdict};
use crate::{Cluster, Party, Pod, Protocol, Traffic, evaluate};
use std::path::Path;

/// NetworkPolicies that are in force together.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    policies: Vec<NetworkPolicy>,
    index: Index,
}

impl PolicySet {
    /// Reads manifests: any number of YAML documents, JSON, `kind: List`. Objects of other kinds are skipped and
    /// counted, unknown fields are warnings; [`ReadOptions::parse`] has it otherwise.
    ///
    /// # Errors
    ///
    /// Everything the API server would reject, all of it at once, in the order of the sources; and two policies of
    /// the same namespace and name.
    pub fn parse(sources: &[Source]) -> Result<Parsed, ParseFailure> {
        ReadOptions::default().parse(sources)
    }

    /// Reads the manifests of a file, or of all `*.yaml`, `*.yml` and `*.json` files in a directory and below, in
    /// the order of their paths. Entries whose name begins with a dot are left out. [`ReadOptions::load`] has it otherwise.
    ///
    /// # Errors
    ///
    /// If something cannot be read, the directory holds no such file, or [`PolicySet::parse`] fails.
    pub fn load(path: &Path) -> Result<Parsed, LoadError> {
        ReadOptions::default().load(path)
    }

    pub(crate) fn new(policies: Vec<NetworkPolicy>) -> Self {
        let index = Index::new(&policies);
        Self { policies, index }
    }

    /// The policies. Decisions name them by their place here.
    pub fn policies(&self) -> &[NetworkPolicy] {
        &self.policies
    }

    /// Whether `from` may open a connection to `to` (or send the first datagram), and why.
    ///
    /// `port` is the one the destination listens on, after any translation by a Service. Replies need no asking.
    pub fn verdict(&self, cluster: &Cluster, from: &Party, to: &Party, protocol: Protocol, port: u16) -> Verdict {
        evaluate::verdict(self, cluster, from, to, protocol, port)
    }

    /// As [`PolicySet::verdict`], for any traffic: [`Answer::Undefined`] where it is of a protocol that policies do not
    /// speak about and a policy isolates an end.
    pub fn ask(&self, cluster: &Cluster, from: &Party, to: &Party, traffic: Traffic) -> Answer {
        evaluate::answer(self, cluster, from, to, traffic)
    }

    /// The policies that isolate a pod in a direction, in ascending order; none means that it is open.
    pub fn isolating(&self, pod: &Pod, direction: Direction) -> Vec<usize> {
        let mut found = self.index.candidates(&pod.namespace, &pod.labels);
        found.retain(|&index| self.policies.get(index).is_some_and(|policy| policy.isolates(pod, direction)));
        found
    }
}
