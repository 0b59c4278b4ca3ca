//! Labels and selectors of the inventory: a map that is read far more often than it is changed, and that many records have in common.

use crate::name::{Name, intern};
use serde::de::{MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Labels, or the labels that a selector asks for: at most one value for each key, sorted by key.
///
/// A clone is O(1). Look-ups are O(log n), changes O(n): sets of labels are small, and whoever builds one collects it.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
// None where there are none, so that this takes no memory beside its place.
pub struct Labels(Option<Arc<[(Name, Name)]>>);

impl Labels {
    /// No labels.
    pub const fn new() -> Self {
        Self(None)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pairs().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Name> {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// The label whose key is `key`.
    pub fn get_key_value(&self, key: &str) -> Option<(&Name, &Name)> {
        let pairs = self.pairs();
        let place = pairs.binary_search_by(|(known, _)| known.as_str().cmp(key)).ok()?;
        pairs.get(place).map(|(key, value)| (key, value))
    }

    /// Whether there is a label with this key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The labels, by key.
    pub fn iter(&self) -> Iter<'_> {
        self.into_iter()
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.pairs().iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.pairs().iter().map(|(_, value)| value)
    }

    /// Sets one label, over an earlier value.
    pub fn insert(&mut self, key: impl Into<Name>, value: impl Into<Name>) {
        self.extend([(key, value)]);
    }

    /// Takes the label with this key away, and tells its value.
    pub fn remove(&mut self, key: &str) -> Option<Name> {
        let value = self.get(key).cloned()?;
        self.retain(|known, _| known != key);
        Some(value)
    }

    /// Keeps the labels for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&Name, &Name) -> bool) {
        let kept: Vec<_> = self.pairs().iter().filter(|(key, value)| keep(key, value)).cloned().collect();
        if kept.len() < self.len() {
            *self = Self::sorted(kept);
        }
    }

    /// Whether the two are one set in memory, which equal ones need not be. Not so for those that are empty.
    #[cfg(test)]
    pub(crate) fn is_shared_with(&self, other: &Labels) -> bool {
        self.0.as_ref().zip(other.0.as_ref()).is_some_and(|(one, other)| Arc::ptr_eq(one, other))
    }

    fn pairs(&self) -> &[(Name, Name)] {
        self.0.as_deref().unwrap_or_default()
    }

    /// `pairs` are sorted, and no key is there twice.
    fn sorted(pairs: Vec<(Name, Name)>) -> Self {
        Self((!pairs.is_empty()).then(|| pairs.into()))
    }
}

/// What [`Labels::iter`] gives.
pub type Iter<'a> = std::iter::Map<std::slice::Iter<'a, (Name, Name)>, fn(&'a (Name, Name)) -> (&'a Name, &'a Name)>;

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a Name, &'a Name);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.pairs().iter().map(|(key, value)| (key, value))
    }
}

impl IntoIterator for Labels {
    type Item = (Name, Name);
    type IntoIter = std::vec::IntoIter<(Name, Name)>;

    fn into_iter(self) -> Self::IntoIter {
        self.pairs().to_vec().into_iter()
    }
}

/// In any order; of several labels with one key the last counts.
impl<K: Into<Name>, V: Into<Name>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut pairs: Vec<(Name, Name)> = pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        if !pairs.is_sorted_by(|(one, _), (next, _)| one < next) {
            // A stable sort, so that the last of equal keys is the last still: `next` goes, and leaves its value.
            pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
            pairs.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                if same {
                    std::mem::swap(&mut next.1, &mut kept.1);
                }
                same
            });
        }
        Self::sorted(pairs)
    }
}

impl<K: Into<Name>, V: Into<Name>, const N: usize> From<[(K, V); N]> for Labels {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

/// Text of its own for each: for what outlives the records, or knows no names.
impl From<&Labels> for BTreeMap<String, String> {
    fn from(labels: &Labels) -> Self {
        labels.iter().map(|(key, value)| (key.into(), value.into())).collect()
    }
}

/// Over what is there under the same keys.
impl<K: Into<Name>, V: Into<Name>> Extend<(K, V)> for Labels {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        let mut pairs = pairs.into_iter().map(|(key, value)| (key.into(), value.into())).peekable();
        if pairs.peek().is_some() {
            *self = self.pairs().iter().cloned().chain(pairs).collect();
        }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (key, value) in self {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// While a file is read, equal sets become one.
impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut pairs: Vec<(Name, Name)> = Vec::with_capacity(map.size_hint().unwrap_or_default().min(64));
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(intern::labels(pairs.into_iter().collect()))
            }
        }

        deserializer.deserialize_map(Map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Pairs = Vec<(String, String)>;

    fn pairs() -> impl Strategy<Value = Pairs> {
        prop::collection::vec(("[a-e]{0,2}", "[x-z]{0,2}"), 0..8)
    }

    fn both(pairs: &Pairs) -> (Labels, BTreeMap<String, String>) {
        (pairs.iter().cloned().collect(), pairs.iter().cloned().collect())
    }

    fn same(labels: &Labels, map: &BTreeMap<String, String>) -> bool {
        BTreeMap::from(labels) == *map && labels.keys().eq(map.keys()) && labels.values().eq(map.values())
    }

    #[test]
    fn no_labels_take_no_memory_beside_their_place() {
        let mut labels = Labels::from([("a", "b")]);
        labels.retain(|_, _| false);
        assert!(labels.0.is_none() && labels.is_empty() && labels == Labels::new());
        assert!(serde_json::from_str::<Labels>("{}").unwrap().0.is_none());
        assert_eq!(size_of::<Labels>(), 2 * size_of::<usize>());
    }

    #[test]
    fn of_a_key_that_a_file_gives_twice_the_last_value_counts() {
        let json = r#"{"b":"1","a":"2","b":"3","c":"","b":"4"}"#;
        let labels: Labels = serde_json::from_str(json).unwrap();
        assert_eq!(labels, Labels::from([("a", "2"), ("b", "4"), ("c", "")]));
    }

    #[test]
    fn what_is_no_map_of_text_is_refused() {
        for json in ["[]", r#""a""#, "null", r#"{"a":1}"#, r#"{"a":null}"#] {
            let (labels, map) =
                (serde_json::from_str::<Labels>(json), serde_json::from_str::<BTreeMap<String, String>>(json));
            assert_eq!(labels.unwrap_err().to_string(), map.unwrap_err().to_string(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn they_are_the_map_of_their_pairs(one in pairs(), other in pairs(), key in "[a-e]{0,2}") {
            let ((mut labels, mut map), (other_labels, other_map)) = (both(&one), both(&other));
            prop_assert!(same(&labels, &map));
            prop_assert_eq!(labels.cmp(&other_labels), map.cmp(&other_map));
            prop_assert_eq!(labels == other_labels, map == other_map);
            prop_assert_eq!((labels.len(), labels.is_empty()), (map.len(), map.is_empty()));
            prop_assert_eq!(labels.get(&key).map(Name::as_str), map.get(&key).map(String::as_str));
            prop_assert_eq!(labels.contains_key(&key), map.contains_key(&key));
            prop_assert_eq!(format!("{labels:?}"), format!("{map:?}"));
            labels.extend(other_labels.clone());
            map.extend(other_map);
            prop_assert!(same(&labels, &map));
            labels.retain(|key, value| key.len() + value.len() < 3);
            map.retain(|key, value| key.len() + value.len() < 3);
            prop_assert!(same(&labels, &map));
            prop_assert_eq!(labels.remove(&key).map(String::from), map.remove(&key));
            labels.insert(&key, "w");
            map.insert(key, "w".into());
            prop_assert!(same(&labels, &map));
        }

        #[test]
        fn their_form_is_that_of_the_map(pairs in pairs()) {
            let (labels, map) = both(&pairs);
            let json = serde_json::to_string(&labels).unwrap();
            prop_assert_eq!(&json, &serde_json::to_string(&map).unwrap());
            prop_assert_eq!(serde_json::from_str::<Labels>(&json).unwrap(), labels);
        }
    }
}
