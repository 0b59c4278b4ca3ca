//! Which policies may select a pod, found without looking at all of them. For the evaluator, which asks by one pod's
//! namespace and labels, hundreds of thousands of times.

use crate::Pod;
use crate::model::{Direction, NetworkPolicy};
use crate::selector::{Operator, Requirement};
use crate::shorthand::Map;
use std::collections::BTreeMap;

/// Label key, then label value, to something.
type ByLabel<T> = BTreeMap<String, Map<String, T>>;

/// The policies of each namespace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    namespaces: Map<String, Namespace>,
}

/// The policies of one namespace, each filed under the rarest label it requires, or as unfiled.
#[derive(Debug, Clone, Default)]
struct Namespace {
    /// Of one key or two, most often.
    by_label: ByLabel<Vec<Entry>>,
    /// Those that require no label to have one of some values: default-deny, `NotIn`, `Exists`.
    unfiled: Vec<Entry>,
}

/// A policy as the index knows it: enough to say of most pods whether it isolates them without looking at the policy.
#[derive(Debug, Clone, Copy)]
struct Entry {
    policy: usize,
    isolates_ingress: bool,
    isolates_egress: bool,
    /// Whether its selector requires nothing but the label it is filed under.
    is_certain: bool,
}

impl Entry {
    fn isolates(&self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.isolates_ingress,
            Direction::Egress => self.isolates_egress,
        }
    }
}

impl Index {
    pub(crate) fn new(policies: &[NetworkPolicy]) -> Self {
        let mut members = BTreeMap::<&str, Vec<(usize, &NetworkPolicy)>>::new();
        for (index, policy) in policies.iter().enumerate() {
            members.entry(&policy.namespace).or_default().push((index, policy));
        }
        let namespaces = members.iter().map(|(name, members)| ((*name).to_owned(), Namespace::new(members))).collect();
        Self { namespaces }
    }

    /// The policies of the pod's namespace that isolate it in a direction, in ascending order. `selects` is asked about
    /// those of which the index cannot tell whether they select the pod.
    pub(crate) fn isolating(&self, pod: &Pod, direction: Direction, selects: impl Fn(usize) -> bool) -> Vec<usize> {
        let Some(namespace) = self.namespaces.get(&pod.namespace) else { return Vec::new() };
        let mut found = Vec::new();
        let mut add = |entries: &[Entry]| {
            for entry in entries {
                if entry.isolates(direction) && (entry.is_certain || selects(entry.policy)) {
                    found.push(entry.policy);
                }
            }
        };
        add(&namespace.unfiled);
        for (key, values) in &namespace.by_label {
            if let Some(entries) = pod.label(key).and_then(|value| values.get(value)) {
                add(entries);
            }
        }
        found.sort_unstable();
        found
    }
}

impl Namespace {
    fn new(members: &[(usize, &NetworkPolicy)]) -> Self {
        let mut frequency = ByLabel::<usize>::new();
        for (key, value) in members.iter().flat_map(|(_, policy)| required(policy)).flat_map(pairs) {
            *frequency.entry(key.to_owned()).or_default().entry(value.to_owned()).or_default() += 1;
        }
        let mut namespace = Self::default();
        for (index, policy) in members {
            match required(policy).min_by_key(|requirement| commonness(requirement, &frequency)) {
                Some(requirement) => namespace.file(entry(*index, policy, 1), requirement),
                None => namespace.unfiled.push(entry(*index, policy, 0)),
            }
        }
        namespace
    }

    fn file(&mut self, entry: Entry, requirement: &Requirement) {
        for (key, value) in pairs(requirement) {
            self.by_label.entry(key.to_owned()).or_default().entry(value.to_owned()).or_default().push(entry);
        }
    }
}

/// The entry of a policy that is filed under so many of its requirements, one or none.
fn entry(policy: usize, manifest: &NetworkPolicy, filed: usize) -> Entry {
    Entry {
        policy,
        isolates_ingress: manifest.isolates_ingress,
        isolates_egress: manifest.isolates_egress,
        is_certain: manifest.pod_selector.requirements.len() == filed,
    }
}

/// The requirements under which a policy can be filed. A pod has one value for a key, so it meets the policy once.
fn required(policy: &NetworkPolicy) -> impl Iterator<Item = &Requirement> {
    policy.pod_selector.requirements.iter().filter(|requirement| matches!(requirement.operator, Operator::In(_)))
}

fn pairs(requirement: &Requirement) -> impl Iterator<Item = (&str, &str)> {
    let values = match &requirement.operator {
        Operator::In(values) => Some(values),
        _ => None,
    };
    values.into_iter().flatten().map(|value| (requirement.key.as_str(), value.as_str()))
}

/// How many policies stand under the labels of a requirement: the fewer, the less a pod's candidates.
fn commonness(requirement: &Requirement, frequency: &ByLabel<usize>) -> usize {
    let count = |(key, value)| frequency.get(key).and_then(|values| values.get(value));
    pairs(requirement).filter_map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PolicySet, Source};

    fn policies(namespace: &str, selectors: &[String]) -> Vec<NetworkPolicy> {
        let manifest = |(index, selector): (usize, &String)| {
            format!(
                "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p{index}, namespace: {namespace}}}, spec: {{podSelector: {selector}}}}}\n---\n"
            )
        };
        let text = selectors.iter().enumerate().map(manifest).collect();
        PolicySet::parse(&[Source { name: "test".into(), text }]).unwrap().policies.policies().to_vec()
    }

    const NOBODY: [Vec<usize>; 2] = [Vec::new(), Vec::new()];

    /// The policies said to isolate a pod if every selector that is asked selects, and those that were asked.
    fn asked(index: &Index, namespace: &str, labels: &[(&str, &str)], direction: Direction) -> [Vec<usize>; 2] {
        let pod = Pod {
            namespace: namespace.to_owned(),
            name: String::new(),
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            addresses: Vec::new(),
            node_addresses: Vec::new(),
            ports: Vec::new(),
        };
        let asked = std::cell::RefCell::default();
        let isolating = index.isolating(&pod, direction, |policy| {
            Vec::push(&mut asked.borrow_mut(), policy);
            true
        });
        [isolating, asked.into_inner()]
    }

    /// What keeps a verdict quick: one namespace with many policies that share a label is not scanned.
    #[test]
    fn a_pod_meets_few_of_many_policies() {
        let mut selectors: Vec<_> =
            (0..1000).map(|app| format!("{{matchLabels: {{all: shop, app: a{app}}}}}")).collect();
        selectors.push("{}".to_owned());
        let index = Index::new(&policies("shop", &selectors));
        let pod = [("app", "a7"), ("all", "shop"), ("other", "x")];
        assert_eq!(asked(&index, "shop", &pod, Direction::Ingress), [vec![7, 1000], vec![7]]);
        assert_eq!(asked(&index, "shop", &pod, Direction::Egress), NOBODY);
        assert_eq!(asked(&index, "bank", &pod, Direction::Ingress), NOBODY);
        assert_eq!(asked(&index, "shop", &[("all", "shop")], Direction::Ingress), [vec![1000], vec![]]);
    }

    #[test]
    fn a_policy_for_several_values_is_met_once() {
        let either =
            "{matchExpressions: [{key: app, operator: In, values: [a, b]}, {key: tier, operator: In, values: [x, z]}]}";
        let without = "{matchExpressions: [{key: app, operator: NotIn, values: [a]}]}";
        let index = Index::new(&policies("shop", &[either.to_owned(), without.to_owned()]));
        let pod = [("app", "b"), ("tier", "x")];
        assert_eq!(asked(&index, "shop", &pod, Direction::Ingress), [vec![0, 1], vec![1, 0]]);
        assert_eq!(asked(&index, "shop", &[], Direction::Ingress), [vec![1], vec![1]]);
    }
}
