//! Typed access to the fields of a manifest, and the list of what was wrong with them. For all readers of this module.

use super::names::Form;
use super::path::Path;
use crate::error::{ParseError, ParseWarning, Problem, Remark};
use crate::model::Origin;
use serde_yaml::{Mapping, Value};

/// What was found in all manifests up to now.
pub(crate) struct Report {
    /// The manifest that is being read.
    pub(crate) origin: Origin,
    pub(crate) errors: Vec<ParseError>,
    pub(crate) warnings: Vec<ParseWarning>,
}

impl Default for Report {
    fn default() -> Self {
        let origin = Origin { file: String::new(), document: 0, line: 0, item: String::new() };
        Self { origin, errors: Vec::new(), warnings: Vec::new() }
    }
}

impl Report {
    pub(crate) fn error(&mut self, at: &Path, problem: Problem) {
        self.errors.push(ParseError { origin: self.document(), field: at.to_string(), problem });
    }

    pub(crate) fn warn(&mut self, at: &Path, remark: Remark) {
        self.warnings.push(ParseWarning { origin: self.document(), field: at.to_string(), remark });
    }

    /// The field path begins at the document, so the origin of a message stops there too.
    fn document(&self) -> Origin {
        Origin { item: String::new(), ..self.origin.clone() }
    }

    /// An object of which all fields are known; others are remarked on.
    pub(crate) fn object<'v>(&mut self, at: &Path, value: &'v Value, known: &[&str]) -> Option<&'v Mapping> {
        let mapping = self.mapping(at, value)?;
        self.unknown_fields(at, mapping, known);
        Some(mapping)
    }

    pub(crate) fn unknown_fields(&mut self, at: &Path, mapping: &Mapping, known: &[&str]) {
        for key in mapping.keys() {
            match key.as_str() {
                Some(name) if known.contains(&name) => {}
                Some(name) => self.warn(&at.field(name), Remark::UnknownField),
                None => self.error(at, Problem::Type { expected: "an object with text as keys", found: type_of(key) }),
            }
        }
    }

    pub(crate) fn mapping<'v>(&mut self, at: &Path, value: &'v Value) -> Option<&'v Mapping> {
        self.typed(at, value, value.as_mapping().filter(|_| !is_tagged(value)), "an object")
    }

    /// Text. Numbers and booleans are none: the API server refuses them too.
    pub(crate) fn text<'v>(&mut self, at: &Path, value: &'v Value) -> Option<&'v str> {
        self.typed(at, value, value.as_str().filter(|_| !is_tagged(value)), "text (put it in quotes)")
    }

    /// The items of a list; none where it is absent or broken.
    pub(crate) fn list<'v>(&mut self, at: &Path, value: Option<&'v Value>) -> &'v [Value] {
        let Some(value) = value else { return &[] };
        let items = value.as_sequence().filter(|_| !is_tagged(value));
        self.typed(at, value, items, "a list").map_or(&[], Vec::as_slice)
    }

    pub(crate) fn typed<T>(&mut self, at: &Path, value: &Value, typed: Option<T>, expected: &'static str) -> Option<T> {
        if typed.is_none() {
            self.error(at, Problem::Type { expected, found: type_of(value) });
        }
        typed
    }

    /// Reports a value that does not have the form it should have.
    pub(crate) fn check(&mut self, at: &Path, value: &str, form: &Form) {
        if !(form.holds)(value) {
            self.error(at, Problem::Invalid { value: value.to_owned(), what: form.what, rule: form.rule });
        }
    }

    /// The entries of a map from text to text. The API server reads `null` as an empty value.
    pub(crate) fn pairs<'v>(&mut self, at: &Path, value: Option<&'v Value>) -> Vec<(&'v str, &'v str)> {
        let Some(mapping) = value.and_then(|value| self.mapping(at, value)) else { return Vec::new() };
        let mut pairs = Vec::with_capacity(mapping.len());
        for (key, value) in mapping {
            let Some(key) = self.typed(at, key, key.as_str(), "an object with text as keys") else { continue };
            let at = at.key(key);
            if value.is_null() {
                self.warn(&at, Remark::Null { meaning: "an empty value" });
                pairs.push((key, ""));
            } else if let Some(value) = self.text(&at, value) {
                pairs.push((key, value));
            }
        }
        pairs
    }
}

/// The value of a field, where it has one: to the API server `null` is as good as no field.
pub(crate) fn present<'v>(mapping: &'v Mapping, field: &str) -> Option<&'v Value> {
    mapping.get(field).filter(|value| !value.is_null())
}

/// `as_str` and its like look through tags, which mean nothing in a manifest.
fn is_tagged(value: &Value) -> bool {
    matches!(value, Value::Tagged(_))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "an object",
        Value::Tagged(_) => "a value with a YAML tag",
    }
}
