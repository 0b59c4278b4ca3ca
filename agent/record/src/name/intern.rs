//! Makes equal names, and equal sets of labels, that are read from one file one text and one set in memory.
//!
//! A [`Table`] lives as long as the file is being read; what it holds is counted as everybody else's, so that a text goes with the
//! last record that names it. The threads that read share it. Each keeps the names that it met last beside it, which are
//! most of those that it meets next, since a file is sorted: so locks are taken seldom.

use super::Name;
use crate::labels::Labels;
use foldhash::quality::RandomState;
use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

/// How many names a thread keeps beside it: their pointers fit into the smallest cache of a core.
const RECENT: usize = 2048;
/// The threads wait for one another only where they look into the same part of the table.
const PARTS: usize = 16;

/// The names and label sets of one file.
#[derive(Default)]
pub(crate) struct Table {
    state: RandomState,
    names: [Mutex<HashSet<Name, RandomState>>; PARTS],
    sets: Mutex<HashSet<ByAddress, RandomState>>,
}

/// Where names that are read on this thread are looked up.
struct Scope {
    table: Arc<Table>,
    /// By their hash: a name pushes out the one that stood at its place.
    recent: Vec<Option<Name>>,
}

thread_local! {
    static SCOPE: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

impl Table {
    /// Runs `read`; what it deserializes on this thread shares its text with all that was read with this table.
    pub(crate) fn share<T>(self: &Arc<Self>, read: impl FnOnce() -> T) -> T {
        /// Puts back what was there, also when a panic passes.
        struct Restore(Option<Scope>);
        impl Drop for Restore {
            fn drop(&mut self) {
                SCOPE.set(self.0.take());
            }
        }
        let scope = Scope { table: self.clone(), recent: vec![None; RECENT] };
        let _restore = Restore(SCOPE.replace(Some(scope)));
        read()
    }

    fn name(&self, text: &str, hash: u64) -> Name {
        // The set itself goes by other bits.
        let part = usize::try_from(hash >> 32).unwrap_or_default() % PARTS;
        let Some(part) = self.names.get(part) else { return text.into() };
        let mut names = part.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = names.get(text) {
            return name.clone();
        }
        let name = Name::from(text);
        names.insert(name.clone());
        name
    }

    fn labels(&self, labels: Labels) -> Labels {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let labels = ByAddress(labels);
        if let Some(known) = sets.get(&labels) {
            return known.0.clone();
        }
        sets.insert(ByAddress(labels.0.clone()));
        labels.0
    }
}

impl Scope {
    fn name(&mut self, text: &str) -> Name {
        let hash = self.table.state.hash_one(text);
        let place = usize::try_from(hash).unwrap_or_default() % RECENT;
        let Some(recent) = self.recent.get_mut(place) else { return text.into() };
        match recent {
            Some(name) if *name == *text => name.clone(),
            _ => recent.insert(self.table.name(text, hash)).clone(),
        }
    }
}

/// The name for `text`: the one that was read before, where a file is being read.
pub(super) fn name(text: &str) -> Name {
    SCOPE.with_borrow_mut(|scope| match scope {
        Some(scope) => scope.name(text),
        None => text.into(),
    })
}

/// The set equal to `labels` that was read before, where a file is being read and there is one.
pub(crate) fn labels(labels: Labels) -> Labels {
    SCOPE.with_borrow(|scope| match scope {
        Some(scope) if !labels.is_empty() => scope.table.labels(labels),
        _ => labels,
    })
}

/// Labels whose names all come from one table: they are equal exactly if the texts lie at the same places.
struct ByAddress(Labels);

impl ByAddress {
    fn addresses(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.0.iter().map(|(key, value)| (key.address(), value.address()))
    }
}

impl PartialEq for ByAddress {
    fn eq(&self, other: &Self) -> bool {
        self.addresses().eq(other.addresses())
    }
}

impl Eq for ByAddress {}

impl Hash for ByAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.addresses().for_each(|pair| pair.hash(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Labels {
        serde_json::from_str(json).unwrap()
    }

    fn text(json: &str) -> Name {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn names_of_one_file_are_one_text_on_every_thread() {
        let table = Arc::new(Table::default());
        let here = table.share(|| text("\"cart\""));
        let there = std::thread::scope(|scope| scope.spawn(|| table.share(|| text("\"ca\\u0072t\""))).join()).unwrap();
        assert!(here.is_shared_with(&there));
        assert!(!text("\"cart\"").is_shared_with(&here), "no file is being read");
        let other_file = Arc::new(Table::default()).share(|| text("\"cart\""));
        assert!(!other_file.is_shared_with(&here));
    }

    #[test]
    fn many_more_names_than_are_kept_beside_are_still_shared() {
        let table = Arc::new(Table::default());
        let names = || -> Vec<Name> { (0..3 * RECENT).map(|number| text(&format!("\"n{number}\""))).collect() };
        let (once, again) = table.share(|| (names(), names()));
        assert!(once.iter().zip(&again).all(|(one, other)| one.is_shared_with(other)));
        assert!(once.iter().enumerate().all(|(number, name)| *name == format!("n{number}")));
    }

    #[test]
    fn equal_label_sets_of_one_file_are_one_set() {
        let table = Arc::new(Table::default());
        let json = r#"{"app":"cart","tier":"web"}"#;
        let (one, other, fewer) = table.share(|| (read(json), read(json), read(r#"{"app":"cart"}"#)));
        assert!(one.is_shared_with(&other) && !one.is_shared_with(&fewer));
        assert!(!read(json).is_shared_with(&one));
    }

    #[test]
    fn a_text_goes_with_the_last_that_names_it() {
        let table = Arc::new(Table::default());
        let name = table.share(|| text("\"cart\""));
        drop(table);
        assert_eq!(arcstr::ArcStr::strong_count(&name.0), Some(1));
    }
}
