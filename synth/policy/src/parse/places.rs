//! On which line of a text a field stands. For messages: the values that are read carry no places, so the text of a
//! document is gone through once more, but only where there is something to say about it.

use super::path::Path;
use granit_parser::{Event, Options, Parser, ScalarStyle};
use std::collections::HashMap;

/// How many aliases and merge keys are followed to find one entry, all that is tried counted.
const HOPS: usize = 256;

/// The places of everything in one document. Aliases stay references, so its room is in proportion to the text.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    nodes: Vec<Node>,
}

/// Where a field stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The line in the document's text, counted from 1: of the key where the field has one.
    pub(crate) line: usize,
    /// Whether the value is a scalar without quotes and without a tag.
    pub(crate) bare: bool,
    /// Whether the key is.
    pub(crate) bare_key: bool,
}

impl Places {
    /// Goes through a text that holds one document; `None` if it cannot be read.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let mut options = Options::default();
        options.set_emit_comments(false);
        let ends: Vec<usize> = text.match_indices('\n').map(|(end, _)| end).collect();
        let mut builder = Builder::default();
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.ok()?;
            if event == Event::DocumentEnd {
                break;
            }
            // By place: the parser takes a carriage return alone for an end of a line too, which editors do not.
            let start = span.start.byte_offset()?;
            builder.event(event, ends.partition_point(|end| *end < start) + 1);
        }
        (!builder.nodes.is_empty()).then_some(Self { nodes: builder.nodes })
    }

    /// The line of a field, or of the innermost part of its path that is there.
    pub(crate) fn line(&self, path: &Path) -> Option<usize> {
        let parent = match (self.find(path), path) {
            (Some(place), _) => return Some(place.line),
            (None, Path::Document) => return None,
            (None, Path::Field(parent, _) | Path::Key(parent, _) | Path::Item(parent, _)) => parent,
        };
        self.line(parent)
    }

    /// The place of a field; `None` where it is not there.
    pub(crate) fn find(&self, path: &Path) -> Option<Place> {
        if let Path::Field(parent, name) | Path::Key(parent, name) = *path {
            let entry = self.entry(self.node(parent)?, name, &mut { HOPS })?;
            return Some(Place { line: entry.line, bare: self.is_bare(entry.value), bare_key: entry.bare });
        }
        let node = self.node(path)?;
        Some(Place { line: self.nodes.get(node)?.line, bare: self.is_bare(node), bare_key: false })
    }

    fn node(&self, path: &Path) -> Option<usize> {
        match *path {
            Path::Document => Some(0),
            Path::Field(parent, name) | Path::Key(parent, name) => {
                self.entry(self.node(parent)?, name, &mut { HOPS }).map(|entry| entry.value)
            }
            Path::Item(parent, index) => match self.content(self.node(parent)?, &mut { HOPS })? {
                Content::List(items) => items.get(index).copied(),
                _ => None,
            },
        }
    }

    /// What stands at a node, or at the one that it is an alias of.
    fn content(&self, node: usize, hops: &mut usize) -> Option<&Content> {
        match &self.nodes.get(node)?.content {
            Content::Alias(target) => {
                *hops = hops.checked_sub(1)?;
                self.content(*target, hops)
            }
            content => Some(content),
        }
    }

    /// The entry of an object, its own or merged into it.
    fn entry(&self, node: usize, name: &str, hops: &mut usize) -> Option<&Entry> {
        let Content::Object(entries) = self.content(node, hops)? else { return None };
        let own = |name: &str| entries.iter().find(|entry| entry.key.as_deref() == Some(name));
        if let Some(entry) = own(name) {
            return Some(entry);
        }
        let merged = own("<<")?.value;
        *hops = hops.checked_sub(1)?;
        self.merged(merged, name, hops)
    }

    /// The entry of an object that is merged, or of the first that has it in a list of such.
    fn merged(&self, node: usize, name: &str, hops: &mut usize) -> Option<&Entry> {
        match self.content(node, hops)? {
            Content::List(items) => items.iter().find_map(|item| self.entry(*item, name, hops)),
            _ => self.entry(node, name, hops),
        }
    }

    fn is_bare(&self, node: usize) -> bool {
        matches!(self.content(node, &mut { HOPS }), Some(Content::Scalar { bare: true }))
    }
}

/// A value, and the line on which it begins.
#[derive(Debug, Clone)]
struct Node {
    line: usize,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Scalar { bare: bool },
    List(Vec<usize>),
    Object(Vec<Entry>),
    Alias(usize),
}

#[derive(Debug, Clone)]
struct Entry {
    /// The key, where it is a scalar.
    key: Option<String>,
    line: usize,
    bare: bool,
    value: usize,
}

/// Makes nodes of events. Lists and objects that are not at their end yet lie on `open`, each object with its last
/// key if that still lacks a value.
#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    open: Vec<(usize, Option<Entry>)>,
    anchors: HashMap<usize, usize>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, line: usize) {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let bare = style == ScalarStyle::Plain && tag.is_none();
                self.add(Content::Scalar { bare }, anchor, line, Some(&text));
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Content::List(Vec::new()), anchor, line),
            Event::MappingStart(_, anchor, _) => self.begin(Content::Object(Vec::new()), anchor, line),
            Event::SequenceEnd | Event::MappingEnd => _ = self.open.pop(),
            Event::Alias(anchor) => {
                let target = self.anchors.get(&anchor).copied().unwrap_or(usize::MAX);
                self.add(Content::Alias(target), 0, line, None);
            }
            _ => {}
        }
    }

    fn begin(&mut self, content: Content, anchor: usize, line: usize) {
        let node = self.add(content, anchor, line, None);
        self.open.push((node, None));
    }

    /// Adds a node to the list or object that is open. Anchors are counted from 1; 0 is none.
    fn add(&mut self, content: Content, anchor: usize, line: usize, text: Option<&str>) -> usize {
        let node = self.nodes.len();
        let bare = matches!(content, Content::Scalar { bare: true });
        self.nodes.push(Node { line, content });
        if anchor > 0 {
            self.anchors.insert(anchor, node);
        }
        let Some((parent, key)) = self.open.last_mut() else { return node };
        match self.nodes.get_mut(*parent).map(|parent| &mut parent.content) {
            Some(Content::List(items)) => items.push(node),
            Some(Content::Object(entries)) => match key.take() {
                Some(entry) => entries.push(Entry { value: node, ..entry }),
                None => *key = Some(Entry { key: text.map(str::to_owned), line, bare, value: node }),
            },
            _ => {}
        }
        node
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, path: &Path) -> Option<(usize, bool, bool)> {
        Places::new(text).unwrap().find(path).map(|place| (place.line, place.bare, place.bare_key))
    }

    #[test]
    fn fields_items_and_keys_have_the_line_they_begin_on() {
        let text = "# head\na:\n  - b: [1,\n      '2']\n  - c:\n      'k': |\n        text\n";
        let document = Path::Document;
        let a = document.field("a");
        assert_eq!(place(text, &a), Some((2, false, true)));
        let (first, second) = (a.item(0), a.item(1));
        let b = first.field("b");
        assert_eq!(place(text, &b.item(0)), Some((3, true, false)));
        assert_eq!(place(text, &b.item(1)), Some((4, false, false)));
        assert_eq!(place(text, &second.field("c").key("k")), Some((6, false, false)));
        assert_eq!(place(text, &second.field("d")), None);
        assert_eq!(Places::new(text).unwrap().line(&second.field("d").field("e")), Some(5));
    }

    #[test]
    fn only_a_line_feed_ends_a_line() {
        let text = "a: 1\rb: \"\u{2028}\u{85}\"\nc: 2\r\nd: 3\n";
        for (field, line) in [("b", 1), ("c", 2), ("d", 3)] {
            assert_eq!(place(text, &Path::Document.field(field)).map(|place| place.0), Some(line), "{field}");
        }
    }

    #[test]
    fn aliases_and_merge_keys_lead_to_what_they_stand_for() {
        let text = "x: &x\n  k: on\nl: &l\n  m: &s 'on'\na: *x\nb:\n  <<: [*x, *l]\nc: *s\n";
        let document = Path::Document;
        assert_eq!(place(text, &document.field("a").field("k")), Some((2, true, true)));
        assert_eq!(place(text, &document.field("b").field("m")), Some((4, false, true)));
        assert_eq!(place(text, &document.field("c")), Some((8, false, true)));
    }

    #[test]
    fn circles_and_broken_text_end() {
        let document = Path::Document;
        for text in ["a: &a [*a]\n", "a: &a {<<: *a}\n", "&a {<<: [*a, *a], a: *a}\n"] {
            let Some(places) = Places::new(text) else { continue };
            assert_eq!(places.find(&document.field("a").field("b").field("c")), None, "{text}");
        }
        assert!(Places::new("a: [").is_none());
        assert!(Places::new("").is_none());
    }

    #[test]
    fn tags_and_quotes_are_not_bare() {
        for (text, bare) in [("a: on", true), ("a: !!str on", false), ("a: \"on\"", false), ("a: >-\n  on", false)] {
            assert_eq!(place(text, &Path::Document.field("a")), Some((1, bare, true)), "{text}");
        }
    }
}
