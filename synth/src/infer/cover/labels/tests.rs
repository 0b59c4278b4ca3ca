//! Covers of small populations by hand, and of random ones against brute force and against a plain greedy cover.

use super::*;
use crate::testing::labels;
use netwright_record::Name;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[path = "../../../../tests/common/biclique.rs"]
mod biclique;

/// Workloads that own what members borrow.
#[derive(Debug, Clone, Default)]
struct Population {
    namespaces: Vec<String>,
    pods: Vec<Vec<Labels>>,
    own: Vec<Option<Labels>>,
}

impl Population {
    /// A workload with one pod, selected by its label `app`.
    fn with(mut self, namespace: &str, pairs: &[(&str, &str)]) -> Self {
        self.namespaces.push(namespace.into());
        self.pods.push(vec![labels(pairs)]);
        let own: Labels = labels(pairs).into_iter().filter(|(key, _)| key == "app").collect();
        self.own.push((!own.is_empty()).then_some(own));
        self
    }

    fn members(&self) -> Vec<Member<'_>> {
        (0..self.pods.len())
            .map(|position| Member {
                namespace: &self.namespaces[position],
                label_sets: self.pods[position].iter().collect(),
                own: self.own[position].as_ref(),
            })
            .collect()
    }

    fn cover(&self, wanted: &[usize], limits: Limits) -> LabelCover {
        Vocabulary::new(&self.members()).cover(&wanted.iter().copied().collect(), limits)
    }

    fn matches(&self, selector: &Selector, position: usize) -> Vec<bool> {
        let holds = |pod: &Labels| selector.labels.iter().all(|(key, value)| pod.get(key) == Some(value));
        let here = self.namespaces[position] == selector.namespace;
        self.pods[position].iter().map(|pod| here && holds(pod)).collect()
    }

    /// Whom `selector` selects a pod of.
    fn admitted(&self, selector: &Selector) -> BTreeSet<usize> {
        (0..self.pods.len()).filter(|position| self.matches(selector, *position).contains(&true)).collect()
    }
}

fn exact() -> Limits {
    Limits::default()
}

fn over(over_permitted: usize) -> Limits {
    Limits { over_permitted, ..Limits::default() }
}

/// The selectors as text, and for how many each stands.
fn written(cover: &LabelCover) -> Vec<(String, usize)> {
    let text = |selector: &Selector| {
        let labels: Vec<String> = selector.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        (format!("{}: {}", selector.namespace, labels.join(",")), selector.stands_for.len())
    };
    cover.selectors.iter().map(text).collect()
}

fn shop() -> Population {
    Population::default()
        .with("shop", &[("app", "cart"), ("team", "buy"), ("tier", "api")])
        .with("shop", &[("app", "pay"), ("team", "buy"), ("tier", "api")])
        .with("shop", &[("app", "web"), ("team", "buy"), ("tier", "web")])
        .with("shop", &[("app", "stock"), ("team", "store"), ("tier", "api")])
        .with("bank", &[("app", "pay"), ("team", "buy"), ("tier", "api")])
}

#[test]
fn a_label_that_all_share_and_nobody_else_has_stands_for_them() {
    let cover = shop().cover(&[0, 1, 2], exact());
    assert_eq!(written(&cover), [("shop: team=buy".to_owned(), 3)]);
    assert_eq!(cover.admitted(), BTreeSet::new());
}

#[test]
fn two_labels_tell_apart_what_one_does_not() {
    assert_eq!(written(&shop().cover(&[0, 1], exact())), [("shop: team=buy,tier=api".to_owned(), 2)]);
}

#[test]
fn three_labels_tell_apart_what_two_do_not() {
    let population = [("1", "1", "1"), ("1", "1", "1"), ("1", "1", "0"), ("1", "0", "1"), ("0", "1", "1")]
        .into_iter()
        .enumerate()
        .fold(Population::default(), |population, (number, (a, b, c))| {
            population.with("n", &[("app", &format!("w{number}")), ("a", a), ("b", b), ("c", c)])
        });
    assert_eq!(written(&population.cover(&[0, 1], exact())), [("n: a=1,b=1,c=1".to_owned(), 2)]);
}

#[test]
fn without_a_common_label_each_has_its_own_selector() {
    let cover = shop().cover(&[2, 3], exact());
    assert_eq!(written(&cover), [("shop: app=stock".to_owned(), 1), ("shop: app=web".to_owned(), 1)]);
}

#[test]
fn namespaces_are_kept_apart() {
    let cover = shop().cover(&[0, 1, 4], exact());
    assert_eq!(written(&cover), [("bank: app=pay".to_owned(), 1), ("shop: team=buy,tier=api".to_owned(), 2)]);
}

#[test]
fn a_label_of_the_release_is_no_selector() {
    let population = Population::default()
        .with("n", &[("app", "a"), ("helm.sh/chart", "c-1"), ("version", "1")])
        .with("n", &[("app", "b"), ("helm.sh/chart", "c-1"), ("version", "1")]);
    assert_eq!(population.cover(&[0, 1], exact()).selectors.len(), 2);
}

#[test]
fn nor_is_the_tool_that_installed_them() {
    let population = Population::default()
        .with("n", &[("app", "a"), ("app.kubernetes.io/managed-by", "Helm")])
        .with("n", &[("app", "b"), ("app.kubernetes.io/managed-by", "Helm")]);
    assert_eq!(population.cover(&[0, 1], exact()).selectors.len(), 2);
}

#[test]
fn a_label_that_not_all_pods_have_stands_for_nobody_and_lets_in() {
    let mut population = shop();
    population.pods[0].push(labels(&[("app", "cart"), ("team", "sell"), ("tier", "api")]));
    let cover = population.cover(&[1, 2], exact());
    assert_eq!(cover.selectors.len(), 2, "team=buy would let in pods of cart: {cover:?}");
    let cover = population.cover(&[0, 1, 2], exact());
    assert!(cover.selectors.iter().any(|selector| selector.stands_for.contains(&0)));
    assert_eq!(cover.selectors.len(), 2);
}

#[test]
fn the_whole_namespace_only_on_request() {
    let all = [0, 1, 2, 3];
    let cover = shop().cover(&all, Limits { whole_namespaces: true, ..exact() });
    assert_eq!(written(&cover), [("shop: ".to_owned(), 4)]);
    assert!(shop().cover(&all, exact()).selectors.iter().all(|selector| !selector.labels.is_empty()));
    let most = shop().cover(&all[1..], Limits { whole_namespaces: true, ..exact() });
    assert!(most.selectors.iter().all(|selector| !selector.labels.is_empty()));
}

#[test]
fn whom_nothing_selects_is_left() {
    let mut population = shop();
    population.own[2] = None;
    let cover = population.cover(&[2, 3, 77], exact());
    assert_eq!((cover.left, cover.selectors.len()), (BTreeSet::from([2]), 1));
}

#[test]
fn a_workload_without_pods_has_its_own_selector_only() {
    let mut population = shop();
    population.pods[1].clear();
    let cover = population.cover(&[0, 1, 2], exact());
    assert_eq!(written(&cover), [("shop: app=pay".to_owned(), 1), ("shop: team=buy".to_owned(), 2)]);
}

#[test]
fn whom_an_own_selector_lets_in_anyway_costs_nothing_and_is_said() {
    let population = Population::default()
        .with("n", &[("app", "a"), ("team", "x")])
        .with("n", &[("app", "a"), ("team", "x"), ("zone", "1")])
        .with("n", &[("app", "b"), ("team", "x")]);
    let cover = population.cover(&[0, 2], exact());
    assert_eq!(written(&cover), [("n: team=x".to_owned(), 2)]);
    assert_eq!(cover.admitted(), BTreeSet::from([1]));
}

#[test]
fn a_budget_buys_the_selector_that_saves_most() {
    assert_eq!(shop().cover(&[0, 1, 3], exact()).selectors.len(), 1, "tier=api is theirs alone");
    let cover = shop().cover(&[0, 2, 3], over(1));
    assert_eq!((cover.selectors.len(), cover.admitted()), (2, BTreeSet::from([1])));
    assert_eq!(shop().cover(&[0, 2, 3], exact()).selectors.len(), 3);
}

#[test]
fn one_budget_is_spent_where_it_saves_most() {
    let mut population = Population::default();
    for (team, size) in [("red", 6), ("blue", 4)] {
        for number in 0..size {
            population = population.with("n", &[("app", &format!("{team}-{number}")), ("team", team)]);
        }
    }
    let members = population.members();
    let rules = [(6..9).collect(), (0..5).collect()];
    let covers = Vocabulary::new(&members).cover_all(&rules, over(1));
    assert_eq!(covers.iter().map(|cover| cover.selectors.len()).collect::<Vec<_>>(), [3, 1]);
    let covers = Vocabulary::new(&members).cover_all(&rules, over(2));
    assert_eq!(covers.iter().map(|cover| cover.selectors.len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_percentage_is_rounded_down() {
    assert_eq!((budget(5, 39), budget(5, 40), budget(0, 1000), budget(200, 3)), (1, 2, 0, 6));
    assert_eq!(budget(u32::MAX, usize::MAX), usize::MAX);
}

/// A population of two namespaces in which labels are shared at random, some workloads have pods of two kinds, some no
/// own selector, and some one that selects others too.
fn population() -> impl Strategy<Value = Population> {
    let pod = prop::collection::vec((0usize..6, 0usize..3), 0..5);
    let workload = (prop::bool::weighted(0.3), prop::collection::vec(pod, 1..3), 0u8..8);
    prop::collection::vec(workload, 1..14).prop_map(|workloads| {
        let mut population = Population::default();
        for (number, (elsewhere, pods, own)) in workloads.into_iter().enumerate() {
            let app = ("app".to_owned(), if own == 1 { "shared".to_owned() } else { format!("w{number}") });
            let key = |key: usize| if key == 5 { "version".to_owned() } else { format!("k{key}") };
            let pods: Vec<Labels> = pods
                .into_iter()
                .map(|pod| pod.into_iter().map(|(k, v)| (key(k), format!("v{v}"))).chain([app.clone()]).collect())
                .collect();
            population.namespaces.push(if elsewhere { "far" } else { "near" }.into());
            population.pods.push(pods);
            population.own.push((own != 0).then(|| Labels::from([app])));
        }
        population
    })
}

/// A population and a part of it.
fn question() -> impl Strategy<Value = (Population, BTreeSet<usize>)> {
    population().prop_flat_map(|population| {
        let size = population.pods.len();
        (Just(population), prop::collection::btree_set(0..size, 0..=size))
    })
}

/// Whom the own selectors of `wanted` let in.
fn let_in_anyway(population: &Population, wanted: &BTreeSet<usize>) -> BTreeSet<usize> {
    wanted
        .iter()
        .filter_map(|position| {
            let labels = population.own[*position].clone()?;
            Some(Selector { namespace: population.namespaces[*position].clone(), labels, ..Selector::default() })
        })
        .flat_map(|selector| population.admitted(&selector))
        .filter(|position| !wanted.contains(position))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_said_of_a_selector_is_so((population, wanted) in question(), budget in 0usize..4) {
        let cover = population.cover(&wanted.iter().copied().collect::<Vec<_>>(), over(budget));
        let mut stood_for = cover.left.clone();
        for selector in &cover.selectors {
            let admitted = population.admitted(selector);
            prop_assert!(!selector.labels.is_empty());
            prop_assert!(selector.labels.len() <= 3 && !selector.labels.contains_key("version"));
            prop_assert_eq!(&selector.admits, &admitted.difference(&wanted).copied().collect());
            for position in &selector.stands_for {
                prop_assert!(population.matches(selector, *position).iter().all(|matched| *matched));
            }
            stood_for.extend(&selector.stands_for);
        }
        prop_assert_eq!(&stood_for, &wanted);
        prop_assert!(cover.left.iter().all(|position| population.own[*position].is_none()));
        prop_assert!(cover.selectors.len() + cover.left.len() <= wanted.len());
        let paid = cover.admitted().difference(&let_in_anyway(&population, &wanted)).count();
        prop_assert!(paid <= budget, "{} let in for {}", paid, budget);
    }

    #[test]
    fn a_budget_never_makes_it_longer((population, wanted) in question()) {
        let wanted: Vec<usize> = wanted.into_iter().collect();
        let without = population.cover(&wanted, exact());
        let with = population.cover(&wanted, over(3));
        prop_assert!(with.selectors.len() <= without.selectors.len());
        // What is bought for others may stand for one that had no selector.
        prop_assert!(with.left.is_subset(&without.left));
    }

    #[test]
    fn many_rules_together_keep_to_one_budget((population, wanted) in question(), budget in 0usize..6) {
        let others: BTreeSet<usize> = (0..population.pods.len()).filter(|position| !wanted.contains(position)).collect();
        let rules = [wanted.clone(), others, wanted];
        let members = population.members();
        let vocabulary = Vocabulary::new(&members);
        let mut paid = 0;
        for (rule, cover) in rules.iter().zip(vocabulary.cover_all(&rules, over(budget))) {
            paid += cover.admitted().difference(&let_in_anyway(&population, rule)).count();
            let alone = vocabulary.cover(rule, exact());
            prop_assert!(cover.selectors.len() <= alone.selectors.len());
        }
        prop_assert!(paid <= budget, "{} let in for {}", paid, budget);
    }

    #[test]
    fn the_order_of_the_population_does_not_matter((population, wanted) in question()) {
        let turned = Population {
            namespaces: population.namespaces.iter().rev().cloned().collect(),
            pods: population.pods.iter().rev().cloned().collect(),
            own: population.own.iter().rev().cloned().collect(),
        };
        let last = population.pods.len() - 1;
        let there = population.cover(&wanted.iter().copied().collect::<Vec<_>>(), exact());
        let back = turned.cover(&wanted.iter().map(|position| last - position).collect::<Vec<_>>(), exact());
        prop_assert_eq!(there.selectors.len(), back.selectors.len());
    }

    #[test]
    fn never_more_selectors_than_a_plain_greedy_cover((population, wanted) in question()) {
        let pods = population.pods.iter().map(|pods| pods.iter().map(Into::into).collect());
        let workloads: Vec<biclique::Workload> = population.namespaces.iter().cloned().zip(pods).collect();
        let cover = population.cover(&wanted.iter().copied().collect::<Vec<_>>(), exact());
        let greedy = biclique::greedy(&workloads, &wanted, may_select);
        prop_assert!(cover.selectors.len() + cover.left.len() <= greedy, "{:?} against {}", cover, greedy);
    }

    #[test]
    fn no_cover_is_shorter((population, wanted) in question()) {
        let cover = population.cover(&wanted.iter().copied().collect::<Vec<_>>(), exact());
        prop_assert_eq!(cover.selectors.len(), shortest(&population, &wanted));
    }
}

/// By brute force over all conjunctions and all choices of them: the fewest selectors for all that can be selected.
fn shortest(population: &Population, wanted: &BTreeSet<usize>) -> usize {
    let free = let_in_anyway(population, wanted);
    let mut groups: BTreeSet<u32> = BTreeSet::new();
    for &position in wanted {
        let namespace = population.namespaces[position].clone();
        let whole = |labels: Labels| Selector { namespace: namespace.clone(), labels, ..Selector::default() };
        let own = population.own[position].clone().map(&whole);
        let mut stable = population.pods[position][0].clone();
        stable.retain(|key, _| key != "version");
        let stable: Vec<(Name, Name)> = stable.into_iter().collect();
        let choices = (1u32..1 << stable.len()).filter(|choice| choice.count_ones() <= 3).map(|choice| {
            let chosen = stable.iter().enumerate().filter(|(bit, _)| choice & (1 << bit) != 0);
            whole(chosen.map(|(_, label)| label.clone()).collect())
        });
        let permitted = |selector: &Selector| {
            population.admitted(selector).iter().all(|other| wanted.contains(other) || free.contains(other))
        };
        let stands_for =
            |selector: &Selector, other: &usize| population.matches(selector, *other).iter().all(|all| *all);
        let group = |selector: Selector| {
            wanted.iter().filter(|other| stands_for(&selector, other)).fold(0u32, |bits, other| bits | 1 << other)
        };
        groups.extend(choices.filter(permitted).map(group).filter(|group| group.count_ones() > 1));
        groups.extend(own.map(|own| group(own) | 1 << position));
    }
    fewest_unions(&groups)
}

/// The fewest of `groups` whose union is that of all.
fn fewest_unions(groups: &BTreeSet<u32>) -> usize {
    let all = groups.iter().fold(0, |bits, group| bits | group);
    let mut reached: BTreeMap<u32, usize> = BTreeMap::from([(0, 0)]);
    for group in groups {
        for (union, count) in reached.clone() {
            let known = reached.entry(union | group).or_insert(usize::MAX);
            *known = (*known).min(count + 1);
        }
    }
    reached[&all]
}
