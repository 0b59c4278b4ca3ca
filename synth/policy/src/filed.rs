//! Things that have selectors, each filed under the rarest label it requires, so that what may select a pod is found by
//! the pod's labels and not by trying all. For the index of policies and for the long lists of peers.

use crate::selector::{Operator, Requirement, Selector, Values};
use crate::shorthand::Map;
use std::collections::BTreeMap;

/// Label key, then label value, to something.
type ByLabel<T> = BTreeMap<String, Map<String, T>>;

/// Things by a label they require.
#[derive(Debug, Clone)]
pub(crate) struct Filed<T> {
    /// Of one key or two, most often.
    by_label: ByLabel<Vec<Entry<T>>>,
    /// Those that require no label to have one of some values: `{}`, `NotIn`, `Exists`.
    unfiled: Vec<Entry<T>>,
}

/// A thing as it is filed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<T> {
    pub(crate) thing: T,
    /// Whether its selector requires nothing but the label it is filed under.
    pub(crate) is_certain: bool,
}

impl<T> Default for Filed<T> {
    fn default() -> Self {
        Self { by_label: ByLabel::new(), unfiled: Vec::new() }
    }
}

impl<T: Copy> Filed<T> {
    /// O(requirements), with a look-up of each of their labels.
    pub(crate) fn new(things: &[(T, &Selector)]) -> Self {
        let mut frequency = BTreeMap::<(&str, &str), usize>::new();
        for pair in things.iter().flat_map(|(_, selector)| required(selector)).flat_map(pairs) {
            *frequency.entry(pair).or_default() += 1;
        }
        let commonness =
            |requirement: &&Requirement| pairs(requirement).filter_map(|pair| frequency.get(&pair)).sum::<usize>();
        let mut filed = Self::default();
        for (thing, selector) in things {
            let requirements = selector.requirements.len();
            match required(selector).min_by_key(commonness) {
                Some(requirement) => filed.file(Entry { thing: *thing, is_certain: requirements == 1 }, requirement),
                None => filed.unfiled.push(Entry { thing: *thing, is_certain: requirements == 0 }),
            }
        }
        filed
    }

    fn file(&mut self, entry: Entry<T>, requirement: &Requirement) {
        for (key, value) in pairs(requirement) {
            self.by_label.entry(key.to_owned()).or_default().entry(value.to_owned()).or_default().push(entry);
        }
    }

    /// All that may select what has the labels that `label` looks up, each once: nobody has two values for a key.
    pub(crate) fn candidates<'a>(
        &'a self,
        label: impl Fn(&str) -> Option<&'a str> + 'a,
    ) -> impl Iterator<Item = &'a Entry<T>> {
        let with_label = self.by_label.iter().filter_map(move |(key, values)| values.get(label(key)?)).flatten();
        self.unfiled.iter().chain(with_label)
    }
}

/// The requirements under which a thing can be filed.
fn required(selector: &Selector) -> impl Iterator<Item = &Requirement> {
    selector.requirements.iter().filter(|requirement| matches!(requirement.operator, Operator::In(_)))
}

fn pairs(requirement: &Requirement) -> impl Iterator<Item = (&str, &str)> {
    let values = match &requirement.operator {
        Operator::In(values) => Some(values),
        _ => None,
    };
    values.into_iter().flat_map(Values::iter).map(|value| (&*requirement.key, value))
}
