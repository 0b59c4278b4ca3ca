//! A set in one piece of memory: what an edge or a flow holds several of, and mostly none or one.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::BitOr;

/// A sorted set of few things that is read far more often than it is changed. An empty one takes no memory beside its place, and
/// any other no more than its members.
///
/// It compares, prints and is written as a [`BTreeSet`] of the same. Look-ups are O(log n), changes O(n): whoever adds
/// many one by one uses a `BTreeSet` first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlatSet<T>(Box<[T]>);

impl<T> FlatSet<T> {
    /// The empty set.
    pub fn new() -> Self {
        Self(Box::default())
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members, sorted.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// The members, sorted.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The least member.
    pub fn first(&self) -> Option<&T> {
        self.0.first()
    }
}

impl<T: Ord> FlatSet<T> {
    /// Whether `member` is one.
    pub fn contains<Q: Ord + ?Sized>(&self, member: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.binary_search_by(|own| own.borrow().cmp(member)).is_ok()
    }

    /// Adds one member. False if it was one already.
    pub fn insert(&mut self, member: T) -> bool {
        let Err(place) = self.0.binary_search(&member) else { return false };
        let mut members = std::mem::take(&mut self.0).into_vec();
        members.reserve_exact(1);
        members.insert(place, member);
        self.0 = members.into();
        true
    }
}

impl<T> Default for FlatSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// In any order, and the same more than once.
impl<T: Ord> FromIterator<T> for FlatSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(members: I) -> Self {
        let mut members: Vec<T> = members.into_iter().collect();
        if !members.is_sorted_by(|one, next| one < next) {
            members.sort();
            members.dedup();
        }
        Self(members.into())
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for FlatSet<T> {
    fn from(members: [T; N]) -> Self {
        members.into_iter().collect()
    }
}

/// O(n).
impl<T: Ord> From<BTreeSet<T>> for FlatSet<T> {
    fn from(members: BTreeSet<T>) -> Self {
        members.into_iter().collect()
    }
}

/// What is there already costs a look-up; all that is new is merged in at once.
impl<T: Ord> Extend<T> for FlatSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, members: I) {
        let mut new = members.into_iter().filter(|member| !self.contains(member)).peekable();
        if new.peek().is_some() {
            let new: Vec<T> = new.collect();
            *self = std::mem::take(self).into_iter().chain(new).collect();
        }
    }
}

impl<'a, T: Ord + Copy> Extend<&'a T> for FlatSet<T> {
    fn extend<I: IntoIterator<Item = &'a T>>(&mut self, members: I) {
        self.extend(members.into_iter().copied());
    }
}

/// What is in either. O(n log n).
impl<T: Ord + Clone> BitOr<&BTreeSet<T>> for &FlatSet<T> {
    type Output = FlatSet<T>;

    fn bitor(self, other: &BTreeSet<T>) -> FlatSet<T> {
        self.iter().chain(other).cloned().collect()
    }
}

impl<T> IntoIterator for FlatSet<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_vec().into_iter()
    }
}

impl<'a, T> IntoIterator for &'a FlatSet<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: fmt::Debug> fmt::Debug for FlatSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

impl<T: Serialize> Serialize for FlatSet<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de, T: Ord + Deserialize<'de>> Deserialize<'de> for FlatSet<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(crate::exact::vec(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::{BuildHasher, RandomState};

    fn members() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[a-d]{0,2}", 0..9)
    }

    fn both(members: &[String]) -> (FlatSet<String>, BTreeSet<String>) {
        (members.iter().cloned().collect(), members.iter().cloned().collect())
    }

    fn same(flat: &FlatSet<String>, tree: &BTreeSet<String>) -> bool {
        flat.iter().eq(tree)
            && flat.first() == tree.first()
            && (flat.len(), flat.is_empty()) == (tree.len(), tree.is_empty())
    }

    #[test]
    fn it_is_two_words() {
        assert_eq!(size_of::<FlatSet<String>>(), 2 * size_of::<usize>());
    }

    #[test]
    fn what_is_no_list_of_members_is_refused() {
        for json in ["{}", "1", "null", r#"["a",1]"#] {
            let flat = serde_json::from_str::<FlatSet<String>>(json).unwrap_err();
            assert_eq!(flat.to_string(), serde_json::from_str::<BTreeSet<String>>(json).unwrap_err().to_string());
        }
    }

    proptest! {
        #[test]
        fn it_is_the_set_of_its_members(one in members(), other in members(), member in "[a-d]{0,2}") {
            let ((mut flat, mut tree), (other_flat, other_tree)) = (both(&one), both(&other));
            prop_assert!(same(&flat, &tree));
            prop_assert_eq!(flat.cmp(&other_flat), tree.cmp(&other_tree));
            prop_assert_eq!(flat == other_flat, tree == other_tree);
            prop_assert_eq!(flat.contains(member.as_str()), tree.contains(member.as_str()));
            prop_assert_eq!(format!("{flat:?}"), format!("{tree:?}"));
            let state = RandomState::new();
            let reversed: FlatSet<String> = one.iter().rev().cloned().collect();
            prop_assert_eq!(state.hash_one(&flat), state.hash_one(&reversed));
            prop_assert_eq!(flat.insert(member.clone()), tree.insert(member));
            prop_assert!(same(&flat, &tree));
            prop_assert!(same(&(&flat | &other_tree), &(&tree | &other_tree)));
            flat.extend(other_flat);
            tree.extend(other_tree);
            prop_assert!(same(&flat, &tree));
            prop_assert!(flat.into_iter().eq(tree));
        }

        #[test]
        fn its_form_is_that_of_any_list(members in members()) {
            let (flat, tree) = both(&members);
            prop_assert_eq!(serde_json::to_string(&flat).unwrap(), serde_json::to_string(&tree).unwrap());
            let json = serde_json::to_string(&members).unwrap();
            prop_assert_eq!(serde_json::from_str::<FlatSet<String>>(&json).unwrap(), flat);
        }
    }
}
