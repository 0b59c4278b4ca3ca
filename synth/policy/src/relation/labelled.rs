//! Things with labels, and which of them a selector selects: through lists of the things by label, not by trying each.
//!
//! Only labels that some selector mentions are kept. A value that none mentions is kept as "another value": no selector
//! tells it from the next.

use super::runs::{Run, Runs};
use super::{Map, number};
use crate::selector::{Operator, Requirement, Selector};

/// A label key, numbered in the order in which keys were met.
type Key = u32;
/// A label value, numbered for each key.
type Value = u32;

/// The value of every label value that no selector mentions.
const OTHER: Value = 0;

/// The keys that selectors look at, and the values they name.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    keys: Map<String, Key>,
    /// By key.
    values: Vec<Map<String, Value>>,
}

impl Vocabulary {
    pub(crate) fn add(&mut self, selector: &Selector) {
        for requirement in &selector.requirements {
            let key = match self.keys.get(&requirement.key) {
                Some(key) => *key,
                None => {
                    let key = number(self.keys.len());
                    self.keys.insert(requirement.key.clone(), key);
                    self.values.push(Map::default());
                    key
                }
            };
            let Some(values) = self.values.get_mut(key as usize) else { continue };
            for value in named(requirement) {
                if !values.contains_key(value) {
                    values.insert(value.clone(), number(values.len() + 1));
                }
            }
        }
    }

    /// Adds to `into` what selectors can see of one label.
    pub(crate) fn see(&self, key: &str, value: &str, into: &mut Vec<(Key, Value)>) {
        let Some(key) = self.keys.get(key) else { return };
        let known = self.values.get(*key as usize).and_then(|values| values.get(value));
        into.push((*key, known.copied().unwrap_or(OTHER)));
    }

    fn key(&self, requirement: &Requirement) -> Option<Key> {
        self.keys.get(&requirement.key).copied()
    }

    fn values(&self, key: Key, requirement: &Requirement) -> Vec<Value> {
        let known = self.values.get(key as usize);
        let mut values: Vec<Value> = named(requirement).filter_map(|value| known?.get(value).copied()).collect();
        values.sort_unstable();
        values
    }
}

fn named(requirement: &Requirement) -> impl Iterator<Item = &String> {
    match &requirement.operator {
        Operator::In(values) | Operator::NotIn(values) => Some(values),
        Operator::Exists | Operator::DoesNotExist => None,
    }
    .into_iter()
    .flatten()
}

/// Things numbered from 0, by their labels.
#[derive(Debug, Default)]
pub(crate) struct Labelled {
    /// The labels of each, sorted.
    labels: Vec<Box<[(Key, Value)]>>,
    with_key: Map<Key, Vec<u32>>,
    with_value: Map<(Key, Value), Vec<u32>>,
}

impl Labelled {
    /// Things with these labels; each thing's have to be sorted.
    pub(crate) fn new(labels: Vec<Box<[(Key, Value)]>>) -> Self {
        let mut with_key: Map<Key, Vec<u32>> = Map::default();
        let mut with_value: Map<(Key, Value), Vec<u32>> = Map::default();
        for (thing, labels) in labels.iter().enumerate() {
            for (key, value) in labels {
                with_key.entry(*key).or_default().push(number(thing));
                with_value.entry((*key, *value)).or_default().push(number(thing));
            }
        }
        Self { labels, with_key, with_value }
    }

    /// The things that a selector selects among those of a run. Linear in the fewest things that hold one of its requirements.
    pub(crate) fn select(&self, vocabulary: &Vocabulary, selector: &Selector, within: Run) -> Runs {
        let requirements: Option<Vec<Compiled>> =
            selector.requirements.iter().map(|requirement| Compiled::new(vocabulary, requirement)).collect();
        // A key that is not in the vocabulary is nobody's: cannot happen for selectors that were added to it.
        let Some(requirements) = requirements else { return Runs::default() };
        let lists = requirements.iter().filter_map(|requirement| self.candidates(requirement, within));
        match lists.min_by_key(Vec::len) {
            Some(candidates) if (candidates.len() as u64) < within.len() => {
                Runs::of_ascending(candidates.into_iter().filter(|thing| self.holds(*thing, &requirements)))
            }
            _ if requirements.is_empty() => Runs::run(within.first, within.last),
            _ => Runs::of_ascending(within.numbers().filter(|thing| self.holds(*thing, &requirements))),
        }
    }

    /// All things of a run that can meet a requirement, ascending; `None` where these are not listed.
    fn candidates(&self, requirement: &Compiled, within: Run) -> Option<Vec<u32>> {
        match &requirement.test {
            Test::In(values) => {
                let lists = values.iter().filter_map(|value| self.with_value.get(&(requirement.key, *value)));
                let mut found: Vec<u32> = lists.flat_map(|list| part(list, within)).copied().collect();
                found.sort_unstable();
                Some(found)
            }
            Test::Exists => {
                let list = self.with_key.get(&requirement.key).map(Vec::as_slice).unwrap_or_default();
                Some(part(list, within).to_vec())
            }
            Test::NotIn(_) | Test::DoesNotExist => None,
        }
    }

    fn holds(&self, thing: u32, requirements: &[Compiled]) -> bool {
        let labels = self.labels.get(thing as usize).map(AsRef::as_ref).unwrap_or_default();
        requirements.iter().all(|requirement| requirement.holds(labels))
    }
}

/// The part of an ascending list that lies in a run.
fn part(list: &[u32], within: Run) -> &[u32] {
    let start = list.partition_point(|thing| *thing < within.first);
    let end = list.partition_point(|thing| *thing <= within.last);
    list.get(start..end).unwrap_or_default()
}

/// A requirement in numbers.
struct Compiled {
    key: Key,
    test: Test,
}

/// Values are sorted.
enum Test {
    In(Vec<Value>),
    NotIn(Vec<Value>),
    Exists,
    DoesNotExist,
}

impl Compiled {
    fn new(vocabulary: &Vocabulary, requirement: &Requirement) -> Option<Self> {
        let key = vocabulary.key(requirement)?;
        let test = match requirement.operator {
            Operator::In(_) => Test::In(vocabulary.values(key, requirement)),
            Operator::NotIn(_) => Test::NotIn(vocabulary.values(key, requirement)),
            Operator::Exists => Test::Exists,
            Operator::DoesNotExist => Test::DoesNotExist,
        };
        Some(Self { key, test })
    }

    fn holds(&self, labels: &[(Key, Value)]) -> bool {
        let found = labels.binary_search_by_key(&self.key, |(key, _)| *key).ok().and_then(|index| labels.get(index));
        let is_listed = |values: &[Value]| found.is_some_and(|(_, value)| values.binary_search(value).is_ok());
        match &self.test {
            Test::In(values) => is_listed(values),
            Test::NotIn(values) => !is_listed(values),
            Test::Exists => found.is_some(),
            Test::DoesNotExist => found.is_none(),
        }
    }
}
