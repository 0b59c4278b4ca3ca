//! Text that stands in many records: the name of a namespace, a workload, a node, a label. For every type of this crate.
//!
//! A large cluster names the same few hundred thousand things millions of times. So a name is immutable and shared: a clone is a
//! count, one pointer is all that a record holds, and two names that were read from the same file and are equal are one text
//! (see [`intern`]). Nothing outlives its last use: text that pods choose cannot pile up in a program that runs for weeks.

mod convert;
pub(crate) mod intern;

use arcstr::ArcStr;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// Immutable, shared text. It compares, hashes and prints as its text does.
///
/// The size of a pointer; a clone is O(1) and so is the comparison of a name with its clone.
#[derive(Clone, Default)]
pub struct Name(ArcStr);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the two are one text in memory, which equal names need not be.
    pub fn is_shared_with(&self, other: &Name) -> bool {
        ArcStr::ptr_eq(&self.0, &other.0)
    }

    /// Where the text lies: equal for clones of one another.
    fn address(&self) -> usize {
        self.0.as_ptr().addr()
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.is_shared_with(other) || self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is_shared_with(other) { Ordering::Equal } else { self.as_str().cmp(other.as_str()) }
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As that of `str`, which [`std::borrow::Borrow`] asks for.
impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeSet, HashSet};

    #[test]
    fn a_name_is_one_pointer_also_where_it_may_be_absent() {
        assert_eq!(size_of::<Name>(), size_of::<usize>());
        assert_eq!(size_of::<Option<Name>>(), size_of::<usize>());
    }

    #[test]
    fn a_clone_is_the_same_text_and_an_equal_name_need_not_be() {
        let name = Name::from("cart");
        assert!(name.is_shared_with(&name.clone()));
        assert!(!name.is_shared_with(&Name::from("cart")));
        assert_eq!(name, Name::from("cart"));
        assert_eq!(format!("{name:>6}|{name:?}"), "  cart|\"cart\"");
    }

    proptest! {
        #[test]
        fn it_stands_for_its_text(texts in prop::collection::vec("[a-c]{0,3}", 2..8)) {
            let names: Vec<Name> = texts.iter().map(Name::from).collect();
            for (name, text) in names.iter().zip(&texts) {
                for (other, other_text) in names.iter().zip(&texts) {
                    prop_assert_eq!(name.cmp(other), text.cmp(other_text));
                    prop_assert_eq!(name == other, text == other_text);
                }
            }
            let hashed: HashSet<Name> = names.iter().cloned().collect();
            let sorted: BTreeSet<Name> = names.into_iter().collect();
            for text in &texts {
                prop_assert!(hashed.contains(text.as_str()) && sorted.contains(text.as_str()));
            }
            prop_assert_eq!(hashed.len(), texts.iter().collect::<HashSet<_>>().len());
        }
    }
}
