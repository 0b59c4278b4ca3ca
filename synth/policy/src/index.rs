//! Which policies may select a pod, found without looking at all of them. For the evaluator, which asks by one pod's
//! namespace and labels, hundreds of thousands of times.

use crate::Labels;
use crate::model::NetworkPolicy;
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
    by_label: ByLabel<Vec<usize>>,
    /// Those that require no label to have one of some values: default-deny, `NotIn`, `Exists`.
    unfiled: Vec<usize>,
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

    /// The policies that may select a pod with these labels, in ascending order, none twice. All that do are among them.
    pub(crate) fn candidates(&self, namespace: &str, labels: &Labels) -> Vec<usize> {
        let Some(namespace) = self.namespaces.get(namespace) else { return Vec::new() };
        let mut found = Vec::with_capacity(namespace.unfiled.len() + 3);
        found.extend_from_slice(&namespace.unfiled);
        for (key, values) in &namespace.by_label {
            found.extend(labels.get(key).and_then(|value| values.get(value)).into_iter().flatten());
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
                Some(requirement) => namespace.file(*index, requirement),
                None => namespace.unfiled.push(*index),
            }
        }
        namespace
    }

    fn file(&mut self, index: usize, requirement: &Requirement) {
        for (key, value) in pairs(requirement) {
            self.by_label.entry(key.to_owned()).or_default().entry(value.to_owned()).or_default().push(index);
        }
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

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    /// What keeps a verdict quick: one namespace with many policies that share a label is not scanned.
    #[test]
    fn a_pod_meets_few_of_many_policies() {
        let mut selectors: Vec<_> =
            (0..1000).map(|app| format!("{{matchLabels: {{app: a{app}, part-of: shop}}}}")).collect();
        selectors.push("{}".to_owned());
        let index = Index::new(&policies("shop", &selectors));
        let pod = labels(&[("app", "a7"), ("part-of", "shop"), ("other", "x")]);
        assert_eq!(index.candidates("shop", &pod), [7, 1000]);
        assert!(index.candidates("bank", &pod).is_empty());
        assert_eq!(index.candidates("shop", &labels(&[("part-of", "shop")])), [1000]);
    }

    #[test]
    fn a_policy_for_several_values_is_met_once() {
        let either =
            "{matchExpressions: [{key: app, operator: In, values: [a, b]}, {key: tier, operator: In, values: [x, z]}]}";
        let without = "{matchExpressions: [{key: app, operator: NotIn, values: [a]}]}";
        let index = Index::new(&policies("shop", &[either.to_owned(), without.to_owned()]));
        assert_eq!(index.candidates("shop", &labels(&[("app", "b"), ("tier", "x")])), [0, 1]);
        assert_eq!(index.candidates("shop", &Labels::new()), [1]);
    }
}
