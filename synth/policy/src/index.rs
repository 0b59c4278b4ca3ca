//! Which policies may select a pod, and which of their peers may be it, found without looking at all of them. For the
//! evaluator, which asks by one pod's namespace and labels, hundreds of thousands of times.

use crate::Pod;
use crate::filed::Filed;
use crate::model::{Direction, NetworkPolicy};
use crate::peers::{LONG, PeerIndex};
use crate::selector::Selector;
use crate::shorthand::Map;
use std::collections::BTreeMap;

/// The policies of each namespace, each filed under the rarest label it requires; and the peers of long rules.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    namespaces: Map<String, Filed<Member>>,
    /// By the place of the policy, the direction and the place of the rule.
    long_rules: Map<(usize, Direction, usize), PeerIndex>,
}

/// A policy as the index knows it: enough to say of most pods whether it isolates them without looking at the policy.
#[derive(Debug, Clone, Copy)]
struct Member {
    policy: usize,
    isolates_ingress: bool,
    isolates_egress: bool,
}

impl Member {
    fn isolates(&self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.isolates_ingress,
            Direction::Egress => self.isolates_egress,
        }
    }
}

impl Index {
    pub(crate) fn new(policies: &[NetworkPolicy]) -> Self {
        let mut members = BTreeMap::<&str, Vec<(Member, &Selector)>>::new();
        for (policy, manifest) in policies.iter().enumerate() {
            let NetworkPolicy { isolates_ingress, isolates_egress, .. } = *manifest;
            let member = Member { policy, isolates_ingress, isolates_egress };
            members.entry(&manifest.namespace).or_default().push((member, &manifest.pod_selector));
        }
        let namespaces = members.iter().map(|(name, members)| ((*name).to_owned(), Filed::new(members))).collect();
        Self { namespaces, long_rules: long_rules(policies) }
    }

    /// The policies of the pod's namespace that isolate it in a direction, in ascending order. `selects` is asked about
    /// those of which the index cannot tell whether they select the pod.
    pub(crate) fn isolating(&self, pod: &Pod, direction: Direction, selects: impl Fn(usize) -> bool) -> Vec<usize> {
        let Some(namespace) = self.namespaces.get(&pod.namespace) else { return Vec::new() };
        let candidates = namespace.candidates(|key| pod.label(key));
        let isolating = candidates
            .filter(|entry| entry.thing.isolates(direction) && (entry.is_certain || selects(entry.thing.policy)));
        let mut found: Vec<usize> = isolating.map(|entry| entry.thing.policy).collect();
        found.sort_unstable();
        found
    }

    /// The peers of a rule, where they are so many that trying each would take long.
    pub(crate) fn peers(&self, policy: usize, direction: Direction, rule: usize) -> Option<&PeerIndex> {
        self.long_rules.get(&(policy, direction, rule))
    }
}

fn long_rules(policies: &[NetworkPolicy]) -> Map<(usize, Direction, usize), PeerIndex> {
    let mut long = Map::default();
    for (number, policy) in policies.iter().enumerate() {
        for (direction, rules) in [(Direction::Ingress, &policy.ingress), (Direction::Egress, &policy.egress)] {
            for (place, rule) in rules.iter().enumerate() {
                if let Some(peers) = rule.peers.as_ref().filter(|peers| peers.len() >= LONG) {
                    long.insert((number, direction, place), PeerIndex::new(&policy.namespace, peers));
                }
            }
        }
    }
    long
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
