//! Typed access to the fields of a manifest, and the list of what was wrong with them. For all readers of this module.

use super::documents::{Document, without_tabs};
use super::names::Form;
use super::path::Path;
use super::places::{Place, Places};
use super::value::{Mapping, Value};
use super::yaml11;
use crate::error::{ParseError, ParseFailure, ParseWarning, Problem, Remark};
use crate::model::Origin;
use std::borrow::Cow;

/// What was found in all manifests up to now.
pub(crate) struct Report<'t> {
    /// The manifest that is being read.
    pub(crate) origin: Origin,
    /// Whether unknown fields are errors.
    strict: bool,
    text: Text<'t>,
    errors: Vec<ParseError>,
    warnings: Vec<ParseWarning>,
}

/// The text of the document that is being read, and the places in it once they were asked for.
#[derive(Default)]
struct Text<'t> {
    text: &'t str,
    /// The lines of the file before it.
    lines_before: usize,
    is_json: bool,
    places: Option<Option<Places>>,
}

impl Text<'_> {
    fn places(&mut self) -> Option<&Places> {
        self.places.get_or_insert_with(|| Places::new(&without_tabs(self.text, self.is_json))).as_ref()
    }

    fn line(&mut self, at: &Path) -> Option<usize> {
        let before = self.lines_before;
        Some(before + self.places()?.line(at)?)
    }
}

impl<'t> Report<'t> {
    pub(crate) fn new(strict: bool) -> Self {
        let origin = Origin { file: String::new(), document: 0, line: 0, item: String::new() };
        Self { origin, strict, text: Text::default(), errors: Vec::new(), warnings: Vec::new() }
    }

    /// Goes on to another document; what is found from now on is found there.
    pub(crate) fn begin(&mut self, origin: Origin, document: &Document<'t>) {
        self.origin = origin;
        self.text = Text {
            text: document.text,
            lines_before: document.first_line.saturating_sub(1),
            is_json: document.is_json,
            places: None,
        };
    }

    /// The end: the warnings, or all that is wrong.
    pub(crate) fn finish(self) -> Result<Vec<ParseWarning>, ParseFailure> {
        let Self { errors, warnings, .. } = self;
        if errors.is_empty() { Ok(warnings) } else { Err(ParseFailure { errors, warnings }) }
    }

    pub(crate) fn error(&mut self, at: &Path, problem: Problem) {
        let error = ParseError { origin: self.place(at), field: at.to_string(), problem };
        self.errors.push(error);
    }

    pub(crate) fn warn(&mut self, at: &Path, remark: Remark) {
        let warning = ParseWarning { origin: self.place(at), field: at.to_string(), remark };
        self.warnings.push(warning);
    }

    /// A document that cannot be read, with the line on which the reader gave up.
    pub(crate) fn unreadable(&mut self, message: String, line: Option<usize>) {
        let origin = Origin { line: line.unwrap_or(self.origin.line), ..self.origin.clone() };
        self.errors.push(ParseError { origin, field: String::new(), problem: Problem::Syntax { message } });
    }

    /// The field path begins at the document, so the origin of a message stops there too. The line is the field's.
    fn place(&mut self, at: &Path) -> Origin {
        let line = match at {
            Path::Document => None,
            _ => self.text.line(at),
        };
        Origin { item: String::new(), line: line.unwrap_or(self.origin.line), ..self.origin.clone() }
    }

    /// An object of which all fields are known; others are remarked on.
    pub(crate) fn object<'v>(
        &mut self,
        at: &Path,
        value: &'v Value<'v>,
        known: &'static [&'static str],
    ) -> Option<&'v Mapping<'v>> {
        let mapping = self.mapping(at, value)?;
        self.unknown_fields(at, mapping, known);
        Some(mapping)
    }

    pub(crate) fn unknown_fields(&mut self, at: &Path, mapping: &Mapping, known: &'static [&'static str]) {
        for key in mapping.keys() {
            match self.key(at, key) {
                Some(name) if known.contains(&name.as_ref()) => {}
                Some(name) if self.strict => self.error(&at.field(&name), Problem::UnknownField { known }),
                Some(name) => self.warn(&at.field(&name), Remark::UnknownField { known }),
                None => {}
            }
        }
    }

    /// A key as text: JSON has no other keys, so `kubectl` makes text of whole numbers and booleans.
    fn key<'v>(&mut self, at: &Path, key: &'v Value<'v>) -> Option<Cow<'v, str>> {
        let text = match key {
            Value::String(text) => Some(Cow::Borrowed(text.as_ref())),
            Value::Bool(value) => Some(Cow::Owned(value.to_string())),
            Value::Number(value) => value.as_i64().map(|value| Cow::Owned(value.to_string())),
            _ => None,
        };
        self.typed(at, key, text, "an object with text as keys")
    }

    pub(crate) fn mapping<'v>(&mut self, at: &Path, value: &'v Value<'v>) -> Option<&'v Mapping<'v>> {
        self.typed(at, value, value.as_mapping().filter(|_| !is_tagged(value)), "an object")
    }

    /// Text. Numbers and booleans are none: the API server refuses them too. Nor is what `kubectl` reads as such.
    pub(crate) fn text<'v>(&mut self, at: &Path, value: &'v Value<'v>) -> Option<&'v str> {
        let text = self.typed(at, value, value.as_str().filter(|_| !is_tagged(value)), "text (put it in quotes)")?;
        self.needs_no_quotes(at, text, |place| place.bare).then_some(text)
    }

    /// Whether a text is the same text to `kubectl`: its reader knows more numbers and booleans. `bare` tells
    /// whether it stands there without quotes.
    fn needs_no_quotes(&mut self, at: &Path, text: &str, bare: fn(Place) -> bool) -> bool {
        let Some(read_as) = yaml11::other_reading(text).filter(|_| !self.text.is_json) else { return true };
        // Where the place cannot be found it may be in quotes or not; what may be read otherwise proves nothing.
        let place = self.text.places().and_then(|places| places.find(at));
        if !place.is_none_or(bare) {
            return true;
        }
        self.error(at, Problem::NeedsQuotes { value: text.to_owned(), read_as });
        false
    }

    /// The items of a list; none where it is absent or broken.
    pub(crate) fn list<'v>(&mut self, at: &Path, value: Option<&'v Value<'v>>) -> &'v [Value<'v>] {
        let Some(value) = value else { return &[] };
        let items = value.as_sequence().filter(|_| !is_tagged(value));
        self.typed(at, value, items, "a list").unwrap_or_default()
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
    pub(crate) fn pairs<'v>(&mut self, at: &Path, value: Option<&'v Value<'v>>) -> Vec<(Cow<'v, str>, &'v str)> {
        let Some(mapping) = value.and_then(|value| self.mapping(at, value)) else { return Vec::new() };
        let mut pairs = Vec::with_capacity(mapping.len());
        for (key, value) in mapping.iter() {
            let Some(text) = self.key(at, key) else { continue };
            let is_text = key.as_str().is_some();
            let at = at.key(&text);
            if !is_text && mapping.contains_key(text.as_ref()) {
                self.error(&at, Problem::KeyTwice);
                return pairs;
            }
            if is_text && !self.needs_no_quotes(&at, &text, |place| place.bare_key) {
                continue;
            }
            if value.is_null() {
                self.warn(&at, Remark::Null { meaning: "an empty value" });
                pairs.push((text, ""));
            } else if let Some(value) = self.text(&at, value) {
                pairs.push((text, value));
            }
        }
        pairs
    }
}

/// The value of a field, where it has one: to the API server `null` is as good as no field.
pub(crate) fn present<'v>(mapping: &'v Mapping<'v>, field: &str) -> Option<&'v Value<'v>> {
    mapping.get(field).filter(|value| !value.is_null())
}

/// `as_str` and its like look through tags, which mean nothing in a manifest.
fn is_tagged(value: &Value) -> bool {
    matches!(value, Value::Tagged(..))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "an object",
        Value::Tagged(..) => "a value with a YAML tag",
    }
}
