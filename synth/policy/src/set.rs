//! A set of policies and the questions it answers. The entry to this crate.

use crate::error::{LoadError, ParseError, ParseFailure, Problem};
use crate::index::Index;
use crate::load::{Parsed, ReadOptions, Source};
use crate::model::{Direction, NetworkPolicy};
use crate::parse::Kept;
use crate::peers::PeerIndex;
use crate::shorthand::Shorthand;
use crate::verdict::{Answer, Verdict};
use crate::{Cluster, Party, Pod, Protocol, Traffic, evaluate, parse};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

/// NetworkPolicies that are in force together.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    policies: Vec<NetworkPolicy>,
    index: Index,
    /// Made when first asked for: single verdicts do without.
    shorthand: OnceLock<Shorthand>,
    kept: Vec<Kept>,
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

    /// One set of the policies of several, in their order. Texts that were kept are not: [`PolicySet::line`] tells nothing
    /// of it. For those who read very many files a part at a time.
    ///
    /// # Errors
    ///
    /// Two policies of the same namespace and name.
    pub fn join(parts: impl IntoIterator<Item = PolicySet>) -> Result<PolicySet, ParseFailure> {
        let policies: Vec<NetworkPolicy> = parts.into_iter().flat_map(|part| part.policies).collect();
        let mut named: BTreeMap<(&str, &str), &NetworkPolicy> = BTreeMap::new();
        let mut errors = Vec::new();
        for policy in &policies {
            if let Some(first) = named.insert((&policy.namespace, &policy.name), policy) {
                let (namespace, name) = (policy.namespace.clone(), policy.name.clone());
                let problem = Problem::Duplicate { namespace, name, first: first.origin.clone() };
                errors.push(ParseError { origin: policy.origin.clone(), field: "metadata.name".into(), problem });
            }
        }
        if !errors.is_empty() {
            return Err(ParseFailure { errors, warnings: Vec::new() });
        }
        Ok(Self::with_texts(policies, Vec::new()))
    }

    #[cfg(test)]
    pub(crate) fn new(policies: Vec<NetworkPolicy>) -> Self {
        Self::with_texts(policies, Vec::new())
    }

    pub(crate) fn with_texts(policies: Vec<NetworkPolicy>, kept: Vec<Kept>) -> Self {
        let index = Index::new(&policies);
        Self { policies, index, shorthand: OnceLock::new(), kept }
    }

    /// The policies. Decisions name them by their place here.
    pub fn policies(&self) -> &[NetworkPolicy] {
        &self.policies
    }

    /// The line in its file of a field of a policy, such as `spec.ingress[0]`, counted from 1; that of the innermost
    /// part of the path that is there, and of the whole policy where `field` is empty. Without
    /// [`ReadOptions::keep_text`] it is the line of the policy's document.
    ///
    /// `None` if there is no such policy. The first question about a document goes through its text, the others do not.
    pub fn line(&self, policy: usize, field: &str) -> Option<usize> {
        let found = self.policies.get(policy)?;
        parse::line(&self.kept, policy, found, field).or(Some(found.origin.line))
    }

    /// The policies with everything that repeats replaced by a number.
    pub(crate) fn shorthand(&self) -> &Shorthand {
        self.shorthand.get_or_init(|| Shorthand::new(&self.policies))
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

    /// The peers of a rule by what they may be, where there are very many.
    pub(crate) fn long_rule(&self, policy: usize, direction: Direction, rule: usize) -> Option<&PeerIndex> {
        self.index.peers(policy, direction, rule)
    }

    /// The policies that isolate a pod in a direction, in ascending order; none means that it is open.
    pub fn isolating(&self, pod: &Pod, direction: Direction) -> Vec<usize> {
        self.index.isolating(pod, direction, |policy| {
            self.policies.get(policy).is_some_and(|policy| policy.pod_selector.matches(|key| pod.label(key)))
        })
    }
}
