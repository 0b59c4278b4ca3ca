//! Label selectors: which pods, which namespaces. For policies and their peers.

use std::fmt;

/// A label selector. All its requirements have to hold; one without requirements matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Selector {
    /// `matchLabels`, each pair as an `In` of one value, then `matchExpressions`.
    pub requirements: Vec<Requirement>,
}

impl Selector {
    /// Whether it matches an object whose labels `label` looks up.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(label(&requirement.key)))
    }
}

/// One requirement on one label.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// The label's key.
    pub key: Box<str>,
    /// What is required of it.
    pub operator: Operator,
}

impl Requirement {
    pub(crate) fn holds(&self, value: Option<&str>) -> bool {
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.contains(value)),
            Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

/// `operator` and `values` of a match expression. The lists of values are never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operator {
    /// The label is there and has one of the values.
    In(Values),
    /// The label is absent or has none of the values.
    NotIn(Values),
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// Values of a label, each once and in order. Nearly always there is one, and a large cluster has a million such lists, so
/// one takes no more memory than its texts need. It is no set of the record's: this crate shares nothing with what it judges.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Values(Box<[Box<str>]>);

impl Values {
    /// The values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// The first of them.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(AsRef::as_ref)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `value` is one of them. O(log values).
    pub fn contains(&self, value: &str) -> bool {
        self.0.binary_search_by(|own| own.as_ref().cmp(value)).is_ok()
    }

    /// Whether all of them are among `other`.
    pub fn is_subset(&self, other: &Values) -> bool {
        self.iter().all(|value| other.contains(value))
    }

    /// Whether none of them is among `other`.
    pub fn is_disjoint(&self, other: &Values) -> bool {
        !self.iter().any(|value| other.contains(value))
    }
}

impl<T: Into<Box<str>>> FromIterator<T> for Values {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut values: Vec<Box<str>> = values.into_iter().map(Into::into).collect();
        values.sort_unstable();
        values.dedup();
        Self(values.into())
    }
}

impl<T: Into<Box<str>>, const N: usize> From<[T; N]> for Values {
    fn from(values: [T; N]) -> Self {
        values.into_iter().collect()
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn some() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[ab]{0,2}", 0..5)
    }

    proptest! {
        #[test]
        fn values_are_a_set(one in some(), other in some(), value in "[ab]{0,2}") {
            let sets: [BTreeSet<String>; 2] = [&one, &other].map(|values| values.iter().cloned().collect());
            let values: [Values; 2] = [one, other].map(|values| values.into_iter().collect());
            prop_assert_eq!(values[0].iter().collect::<Vec<_>>(), sets[0].iter().collect::<Vec<_>>());
            prop_assert_eq!(values[0].contains(&value), sets[0].contains(&value));
            prop_assert_eq!(values[0].is_subset(&values[1]), sets[0].is_subset(&sets[1]));
            prop_assert_eq!(values[0].is_disjoint(&values[1]), sets[0].is_disjoint(&sets[1]));
            prop_assert_eq!((values[0].len(), values[0].first()), (sets[0].len(), sets[0].first().map(String::as_str)));
        }
    }
}
