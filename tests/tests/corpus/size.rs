//! How long the rules are: with `--peers labels`, no rule of any case has more peers than a plain greedy cover of the same
//! workloads by conjunctions of their labels would take.

use crate::case::{Case, Run};
use anyhow::{Context, Result, ensure};
use netwright_policy::{METADATA_NAME, Peer, PolicySet, Selector};
use netwright_record::inventory::{Pod, WorkloadRef};
use netwright_resolve::inventory::is_stable_label;
use netwright_tests::demo::netwright;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

#[path = "../../../synth/tests/common/biclique.rs"]
mod biclique;

/// Labels of the tool that installed a workload, which say nothing of whom it belongs with.
const TOOLS: [&str; 2] = ["app.kubernetes.io/managed-by", "heritage"];

/// The pods of a cluster by workload.
struct Population {
    members: Vec<biclique::Workload>,
}

/// Every rule of every case that runs without flags.
pub(crate) fn no_rule_is_longer(cases: &[Case]) -> Result<()> {
    let longer = longer(cases, "labels")?;
    ensure!(longer.is_empty(), "{}", longer.join("\n"));
    Ok(())
}

/// Where each workload is a peer of its own, some rule is longer, or the question would be none.
pub(crate) fn can_fail(cases: &[Case]) -> Result<()> {
    ensure!(!longer(cases, "workload")?.is_empty(), "no case has workloads with labels of their own");
    Ok(())
}

/// The rules that are longer than need be, with peers by `peers`.
fn longer(cases: &[Case], peers: &str) -> Result<Vec<String>> {
    let mut rules = 0;
    let mut longer = Vec::new();
    for case in cases {
        let Ok(run) = case.run() else { continue };
        if run.expect.flags.is_empty() && run.outcome.code == Some(0) {
            let (seen, found) = compare(run, peers).with_context(|| case.name.clone())?;
            rules += seen;
            longer.extend(found.into_iter().map(|text| format!("{}: {text}", case.name)));
        }
    }
    ensure!(rules > cases.len(), "only {rules} rules");
    Ok(longer)
}

/// How many rules there are, and those that have too many peers.
fn compare(run: &Run, peers: &str) -> Result<(usize, Vec<String>)> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out");
    let file = run.out.with_file_name("observation.zst");
    let arguments: [&Path; 6] = ["synth".as_ref(), &file, "--out".as_ref(), &out, "--peers".as_ref(), peers.as_ref()];
    netwright(arguments)?.expect(0)?;
    let policies = PolicySet::load(&out)?.policies;
    let population = Population::of(run);
    let mut rules = 0;
    let mut longer = Vec::new();
    for policy in policies.policies() {
        for rule in policy.ingress.iter().chain(&policy.egress) {
            rules += 1;
            let (peers, fewest) = population.peers(rule.peers.as_deref().unwrap_or_default(), &policy.namespace);
            if peers > fewest {
                longer.push(format!("{}/{}: {peers} peers where {fewest} do", policy.namespace, policy.name));
            }
        }
    }
    Ok((rules, longer))
}

impl Population {
    fn of(run: &Run) -> Self {
        let mut members: BTreeMap<&WorkloadRef, Vec<biclique::Labels>> = BTreeMap::new();
        let selectable = |pod: &&Pod| !pod.host_network && !pod.labels.is_empty();
        for pod in run.observation.inventory.pods.iter().filter(selectable) {
            members.entry(&pod.workload).or_default().push((&pod.labels).into());
        }
        let members = members.into_iter().map(|(workload, pods)| ((&workload.namespace).into(), pods)).collect();
        Self { members }
    }

    /// How many of `peers` select pods, and how many selectors a greedy cover of the same workloads takes.
    fn peers(&self, peers: &[Peer], own_namespace: &str) -> (usize, usize) {
        let pods = peers.iter().filter_map(|peer| match peer {
            Peer::Pods { namespaces, pods } => Some((namespaces.as_ref(), pods.as_ref())),
            Peer::IpBlock(_) => None,
        });
        let mut wanted = BTreeSet::new();
        let mut selectors = 0;
        for (namespaces, pods) in pods {
            selectors += 1;
            wanted.extend(self.selected(namespaces, pods, own_namespace));
        }
        let may_select = |key: &str| is_stable_label(key) && !TOOLS.contains(&key);
        (selectors, biclique::greedy(&self.members, &wanted, may_select))
    }

    /// The workloads of which a peer selects a pod.
    fn selected(&self, namespaces: Option<&Selector>, pods: Option<&Selector>, own_namespace: &str) -> Vec<usize> {
        let is_there = |namespace: &str| match namespaces {
            None => namespace == own_namespace,
            Some(selector) => selector.matches(|key| (key == METADATA_NAME).then_some(namespace)),
        };
        let selects =
            |labels: &biclique::Labels| pods.is_none_or(|it| it.matches(|key| labels.get(key).map(String::as_str)));
        let members = self.members.iter().enumerate();
        let found = members.filter(|(_, (namespace, pods))| is_there(namespace) && pods.iter().any(selects));
        found.map(|(number, _)| number).collect()
    }
}
