//! Things with labels, and which of them a selector selects: through lists of the things by label, not by trying each.
//!
//! For the relation, of classes and namespaces, and for lint, of groups of pods.
//!
//! Only labels that some selector mentions are kept. A value that none mentions is kept as "another value": no selector
//! tells it from the next.

use crate::Labels;
use crate::runs::{Run, Runs};
use crate::selector::{Operator, Requirement, Selector, Values};
use crate::shorthand::{Map, number};
use std::collections::{BTreeMap, BTreeSet};

/// A label key, by its place among the keys that selectors look at.
type Key = u32;
/// A label value, numbered for each key.
type Value = u32;

/// Every label value that no selector mentions.
const OTHER: Value = 0;

/// The keys that selectors look at, and the values they name.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    /// In ascending order.
    keys: Vec<(String, Map<String, Value>)>,
}

/// The values that the last thing had, by key: things with the same labels often follow each other.
#[derive(Debug, Default)]
pub(crate) struct Last<'l>(Vec<Option<(&'l str, Value)>>);

impl Vocabulary {
    pub(crate) fn new<'a>(selectors: impl Iterator<Item = &'a Selector>) -> Self {
        let mut keys: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for requirement in selectors.flat_map(|selector| &selector.requirements) {
            keys.entry(&requirement.key).or_default().extend(named(requirement));
        }
        let values =
            |values: BTreeSet<&str>| values.into_iter().zip(1..).map(|(value, id)| (value.to_owned(), id)).collect();
        Self { keys: keys.into_iter().map(|(key, named)| (key.to_owned(), values(named))).collect() }
    }

    /// Adds to `into`, sorted, what selectors can see of some labels.
    pub(crate) fn see<'l>(&self, labels: &'l Labels, last: &mut Last<'l>, into: &mut Vec<(Key, Value)>) {
        last.0.resize(self.keys.len(), None);
        if self.keys.len() <= labels.len() {
            let found = (0..)
                .zip(&self.keys)
                .zip(&mut last.0)
                .filter_map(|((key, (name, values)), last)| Some((key, value(labels.get(name)?, values, last))));
            into.extend(found);
        } else {
            for (name, text) in labels {
                let Ok(key) = self.keys.binary_search_by(|(key, _)| key.as_str().cmp(name)) else { continue };
                let (Some((_, values)), Some(last)) = (self.keys.get(key), last.0.get_mut(key)) else { continue };
                into.push((number(key), value(text, values, last)));
            }
        }
    }

    /// A selector in numbers. A key that was not among the selectors' is nobody's, as far as this can tell.
    pub(crate) fn compile(&self, selector: &Selector) -> Compiled {
        Compiled(selector.requirements.iter().map(|requirement| self.requirement(requirement)).collect())
    }

    fn requirement(&self, requirement: &Requirement) -> CompiledRequirement {
        let place = self.keys.binary_search_by(|(key, _)| key.as_str().cmp(&requirement.key)).ok();
        let known = place.and_then(|key| self.keys.get(key)).map(|(_, values)| values);
        let mut values: Vec<Value> = named(requirement).filter_map(|value| known?.get(value).copied()).collect();
        values.sort_unstable();
        let test = match requirement.operator {
            Operator::In(_) => Test::In(values),
            Operator::NotIn(_) => Test::NotIn(values),
            Operator::Exists => Test::Exists,
            Operator::DoesNotExist => Test::DoesNotExist,
        };
        CompiledRequirement { key: place.map_or(Key::MAX, number), test }
    }
}

/// The number of a value, found at once if it is that of the thing before.
fn value<'l>(text: &'l str, known: &Map<String, Value>, last: &mut Option<(&'l str, Value)>) -> Value {
    if let Some((before, value)) = last
        && *before == text
    {
        return *value;
    }
    let value = known.get(text).copied().unwrap_or(OTHER);
    *last = Some((text, value));
    value
}

fn named(requirement: &Requirement) -> impl Iterator<Item = &str> {
    match &requirement.operator {
        Operator::In(values) | Operator::NotIn(values) => Some(values),
        Operator::Exists | Operator::DoesNotExist => None,
    }
    .into_iter()
    .flat_map(Values::iter)
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

    /// As [`Labelled::select`], among the things of several runs.
    pub(crate) fn select_among(&self, selector: &Compiled, among: &[Run], found: &mut Vec<Run>) {
        match (among, number(self.labels.len()).checked_sub(1)) {
            ([], _) | (_, None) => {}
            ([run], _) => self.select(selector, *run, found),
            (_, Some(last)) => {
                let mut everywhere = Vec::new();
                self.select(selector, Run::new(0, last), &mut everywhere);
                found.extend_from_slice(Runs::of(everywhere).intersection(&Runs::of(among.to_vec())).as_slice());
            }
        }
    }

    /// Adds to `found` the things that a selector selects among those of a run, in ascending runs. Linear in the fewest
    /// things that hold one of its requirements.
    pub(crate) fn select(&self, selector: &Compiled, within: Run, found: &mut Vec<Run>) {
        let [requirement] = selector.0.as_slice() else { return self.select_by_all(selector, within, found) };
        match (&requirement.test, requirement.values()) {
            // Whatever is listed under the one label there is.
            (Test::In(_), [value]) => extend(found, self.listed(requirement.key, *value, within).iter().copied()),
            (Test::In(_), []) => {}
            _ => self.select_by_all(selector, within, found),
        }
    }

    fn select_by_all(&self, selector: &Compiled, within: Run, found: &mut Vec<Run>) {
        let counted = selector.0.iter().filter_map(|requirement| Some((self.count(requirement, within)?, requirement)));
        match counted.min_by_key(|(count, _)| *count) {
            Some((_, fewest)) => {
                let candidates = self.candidates(fewest, within);
                extend(found, candidates.into_iter().filter(|thing| self.holds(*thing, selector)));
            }
            None if selector.0.is_empty() => found.push(within),
            None => extend(found, within.numbers().filter(|thing| self.holds(*thing, selector))),
        }
    }

    /// The things of a run with a label, ascending.
    fn listed(&self, key: Key, value: Value, within: Run) -> &[u32] {
        self.with_value.get(&(key, value)).map(|list| part(list, within)).unwrap_or_default()
    }

    /// How many things of a run can meet a requirement; `None` where these are not listed.
    fn count(&self, requirement: &CompiledRequirement, within: Run) -> Option<usize> {
        let listed = matches!(requirement.test, Test::In(_) | Test::Exists);
        listed.then(|| self.lists(requirement, within).map(<[u32]>::len).sum())
    }

    /// All things of a run that can meet a requirement of which these are listed, ascending.
    fn candidates(&self, requirement: &CompiledRequirement, within: Run) -> Vec<u32> {
        let mut found = self.lists(requirement, within).collect::<Vec<_>>().concat();
        found.sort_unstable();
        found
    }

    /// The things of a run by the value that lets them meet a requirement; all at once where any value does.
    fn lists(&self, requirement: &CompiledRequirement, within: Run) -> impl Iterator<Item = &[u32]> {
        let with_key = matches!(requirement.test, Test::Exists).then(|| self.with_key.get(&requirement.key));
        let with_key = with_key.flatten().map(|list| part(list, within));
        let values = requirement.values().iter().map(move |value| self.listed(requirement.key, *value, within));
        with_key.into_iter().chain(values)
    }

    fn holds(&self, thing: u32, selector: &Compiled) -> bool {
        let labels = self.labels.get(thing as usize).map(AsRef::as_ref).unwrap_or_default();
        selector.0.iter().all(|requirement| requirement.holds(labels))
    }
}

/// Adds ascending numbers as runs.
fn extend(found: &mut Vec<Run>, numbers: impl Iterator<Item = u32>) {
    let start = found.len();
    for number in numbers {
        match found.get_mut(start..).and_then(<[Run]>::last_mut) {
            Some(run) if run.last.checked_add(1) == Some(number) => run.last = number,
            _ => found.push(Run::new(number, number)),
        }
    }
}

/// The part of an ascending list that lies in a run.
fn part(list: &[u32], within: Run) -> &[u32] {
    let start = list.partition_point(|thing| *thing < within.first);
    let end = list.partition_point(|thing| *thing <= within.last);
    list.get(start..end).unwrap_or_default()
}

/// A selector in numbers.
#[derive(Debug)]
pub(crate) struct Compiled(Vec<CompiledRequirement>);

#[derive(Debug)]
struct CompiledRequirement {
    key: Key,
    test: Test,
}

/// Values are sorted.
#[derive(Debug)]
enum Test {
    In(Vec<Value>),
    NotIn(Vec<Value>),
    Exists,
    DoesNotExist,
}

impl CompiledRequirement {
    /// The values of an `In` or `NotIn`.
    fn values(&self) -> &[Value] {
        match &self.test {
            Test::In(values) | Test::NotIn(values) => values,
            Test::Exists | Test::DoesNotExist => &[],
        }
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
