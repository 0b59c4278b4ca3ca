//! Texts that are kept so that the lines of fields can be told after reading. For reports on policies.

use super::documents::{Document, without_tabs};
use super::path::Path;
use super::places::Places;
use crate::model::NetworkPolicy;
use std::ops::Range;
use std::sync::OnceLock;

/// The text of a document that policies were read from.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    text: String,
    lines_before: usize,
    /// Which policies of the set.
    policies: Range<usize>,
    /// Worked out when first asked for.
    places: OnceLock<Option<Places>>,
}

impl Kept {
    pub(crate) fn new(document: &Document, policies: Range<usize>) -> Self {
        Self {
            text: without_tabs(document.text, document.is_json).into_owned(),
            lines_before: document.first_line.saturating_sub(1),
            policies,
            places: OnceLock::new(),
        }
    }
}

/// The line of a field of the policy with that number, or of the innermost part of its path that is there.
pub(crate) fn line(kept: &[Kept], number: usize, policy: &NetworkPolicy, field: &str) -> Option<usize> {
    let document = kept.get(kept.partition_point(|kept| kept.policies.end <= number))?;
    let places = document.places.get_or_init(|| Places::new(&document.text)).as_ref()?;
    let item = policy.origin.item.as_str();
    let path = if item.is_empty() || field.is_empty() { format!("{item}{field}") } else { format!("{item}.{field}") };
    Some(document.lines_before + follow(places, &Path::Document, &path)?)
}

/// Goes along a path as it is written in messages. A key with an escape in it is not found, but what it is a key of is.
fn follow(places: &Places, at: &Path, rest: &str) -> Option<usize> {
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    if let Some((key, rest)) = rest.strip_prefix("[\"").and_then(|rest| rest.split_once("\"]")) {
        return follow(places, &at.key(key), rest);
    }
    if let Some((index, rest)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return follow(places, &at.item(index.parse().ok()?), rest);
    }
    if rest.is_empty() {
        return places.line(at);
    }
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (name, rest) = rest.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
    follow(places, &at.field(name), rest)
}
