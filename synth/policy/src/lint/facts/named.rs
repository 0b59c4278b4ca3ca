//! The first few names of many things. For findings, which should not list ten thousand pods.

/// As many as fit into a sentence.
const SHOWN: usize = 8;

/// Names for a finding, escaped for a terminal.
#[derive(Debug, Clone, Default)]
pub(in crate::lint) struct Named {
    pub(in crate::lint) shown: Vec<String>,
    pub(in crate::lint) more: usize,
}

impl Named {
    pub(in crate::lint) fn none() -> Self {
        Self::default()
    }

    pub(in crate::lint) fn one(name: impl ToString) -> Self {
        [name.to_string()].into_iter().collect()
    }
}

impl Named {
    /// The first few of `names`, which has `total` of them: the rest are counted without being written out.
    pub(in crate::lint) fn first_of(names: impl Iterator<Item = String>, total: usize) -> Self {
        let shown: Vec<String> = names.take(SHOWN).map(|name| name.escape_debug().to_string()).collect();
        Self { more: total.saturating_sub(shown.len()), shown }
    }
}

/// Takes names in their order; one that repeats the one before it is left out.
impl FromIterator<String> for Named {
    fn from_iter<T: IntoIterator<Item = String>>(names: T) -> Self {
        let mut named = Self::default();
        let mut last = None;
        for name in names {
            if last.as_ref() == Some(&name) {
                continue;
            }
            if named.shown.len() < SHOWN {
                named.shown.push(name.escape_debug().to_string());
            } else {
                named.more += 1;
            }
            last = Some(name);
        }
        named
    }
}
