//! A text cut into the documents it holds. For the parser; it decides what is YAML and what is JSON.

use super::value::Value;
use serde::de::Error as _;
use std::borrow::Cow;

/// Brackets left open at one time. The reader refuses more than 128 levels, but only after a scan that takes time
/// quadratic in their number; text that merely holds brackets does not leave so many open.
const OPEN_BRACKETS: usize = 2_000;

/// One document that is not empty.
pub(crate) struct Document<'t> {
    /// The line of its first content, counted from 1.
    pub(crate) line: usize,
    /// What it holds, or why that cannot be told.
    pub(crate) content: Result<Value<'t>, Broken>,
    /// The text it was read from.
    pub(crate) text: &'t str,
    /// The line of the file on which `text` begins, counted from 1.
    pub(crate) first_line: usize,
    /// Whether it was read as JSON.
    pub(crate) is_json: bool,
}

/// Why a document cannot be read.
pub(crate) struct Broken {
    /// What the reader says, with lines counted from the start of the file.
    pub(crate) message: String,
    /// The line of the file, where the reader names one.
    pub(crate) line: Option<usize>,
}

/// The text of a document for a reader of YAML, which does not take the tabs that JSON has between its values. In strings
/// of JSON there are none.
pub(crate) fn without_tabs(text: &str, is_json: bool) -> Cow<'_, str> {
    if is_json && text.contains('\t') { Cow::Owned(text.replace('\t', " ")) } else { Cow::Borrowed(text) }
}

/// All documents that are not empty, each read when its turn comes: as trees they take many times the room of their
/// text. A broken one does not hide those after it.
pub(crate) fn documents(text: &str) -> Box<dyn Iterator<Item = Document<'_>> + '_> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match json(text) {
        Some(documents) => Box::new(documents.into_iter()),
        None => Box::new(chunks(text).into_iter().filter_map(|chunk| chunk.read())),
    }
}

/// JSON objects one after the other, or `None` where the text is not that. YAML admits no tabs, JSON does, so JSON
/// needs its own reader.
fn json(text: &str) -> Option<Vec<Document<'_>>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut found = Vec::new();
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let (mut line, mut counted) = (1, 0);
    loop {
        let rest = text.get(values.byte_offset()..)?;
        let start = text.len() - rest.trim_start().len();
        line += newlines(text.get(counted..start)?);
        counted = start;
        let Some(value) = values.next() else { return Some(found) };
        let content = Ok(value.ok()?);
        let text = text.get(start..values.byte_offset())?;
        found.push(Document { line, content, text, first_line: line, is_json: true });
    }
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// The lines of one YAML document.
struct Chunk<'t> {
    text: &'t str,
    /// The line of the file on which `text` begins, counted from 1.
    first_line: usize,
}

/// Cuts at `---` and `...` in the first column, which YAML has nowhere but between documents. Directives (`%YAML`)
/// stay with the document they introduce.
fn chunks(text: &str) -> Vec<Chunk<'_>> {
    let mut found = Vec::new();
    let (mut start, mut first_line, mut offset) = (0, 1, 0);
    let mut prologue = Prologue::Plain;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let cut = if is_marker(line, "...") {
            Some((offset + line.len(), index + 2))
        } else if is_marker(line, "---") && prologue != Prologue::Directive {
            Some((offset, index + 1))
        } else {
            None
        };
        if let Some((next, next_line)) = cut {
            found.extend(text.get(start..offset).map(|text| Chunk { text, first_line }));
            (start, first_line) = (next, next_line);
        }
        prologue = prologue.after(line);
        offset += line.len();
    }
    found.extend(text.get(start..).map(|text| Chunk { text, first_line }));
    found
}

/// What may stand before the `---` that begins a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prologue {
    /// Nothing but white space and comments so far.
    Plain,
    /// A directive too: it needs a `---` after it.
    Directive,
    /// The document itself has begun.
    Over,
}

impl Prologue {
    fn after(self, line: &str) -> Self {
        match self {
            _ if is_marker(line, "...") => Self::Plain,
            Self::Over => Self::Over,
            Self::Plain | Self::Directive if line.starts_with('%') => Self::Directive,
            kept if is_blank(line) => kept,
            _ => Self::Over,
        }
    }
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Nothing but white space or a comment.
fn is_blank(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

fn is_content(line: &str) -> bool {
    let line = if is_marker(line, "---") { line.get(3..).unwrap_or("") } else { line };
    !is_blank(line)
}

impl<'t> Chunk<'t> {
    fn read(&self) -> Option<Document<'t>> {
        let line = self.first_line + self.text.lines().position(is_content)?;
        let content = if is_too_deep(self.text) {
            Err(Broken { message: "nested too deeply".to_owned(), line: None })
        } else {
            self.value().map_err(|error| self.broken(&error))
        };
        if matches!(content, Ok(Value::Null)) {
            return None;
        }
        Some(Document { line, content, text: self.text, first_line: self.first_line, is_json: false })
    }

    fn broken(&self, error: &serde_yaml::Error) -> Broken {
        let before = self.first_line - 1;
        // By place and not by its line: it takes U+2028 and others for ends of lines too, which editors do not.
        let upto = error.location().map(|location| self.text.bytes().take(location.index()));
        let line = upto.map(|upto| upto.filter(|byte| *byte == b'\n').count() + before + 1);
        Broken { message: with_lines_of_file(&error.to_string(), before), line }
    }

    fn value(&self) -> Result<Value<'t>, serde_yaml::Error> {
        let mut value: Value = serde_yaml::from_str(self.text)?;
        value.apply_merge().map_err(serde_yaml::Error::custom)?;
        Ok(value)
    }
}

fn is_too_deep(text: &str) -> bool {
    let open = text.bytes().scan(0_usize, |open, byte| {
        *open = match byte {
            b'[' | b'{' => *open + 1,
            b']' | b'}' => open.saturating_sub(1),
            _ => *open,
        };
        Some(*open)
    });
    open.max().is_some_and(|open| open > OPEN_BRACKETS)
}

/// The reader counts lines from the start of the document; people look for them in the file.
fn with_lines_of_file(message: &str, before: usize) -> String {
    const AT: &str = "at line ";
    let mut parts = message.split(AT);
    let mut shifted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        shifted.push_str(AT);
        match number.parse::<usize>() {
            Ok(line) => shifted.push_str(&line.saturating_add(before).to_string()),
            Err(_) => shifted.push_str(number),
        }
        shifted.push_str(rest);
    }
    shifted
}
