//! Writes Kubernetes objects as YAML that every reader takes the same way. The only place where YAML is written.
//!
//! kubectl reads YAML 1.1, where `on`, `y`, `1_000`, `12:30` and others are not strings unless quoted; the writer used
//! here quotes for both versions. Keys come in the order in which people write them.

use super::RenderError;
use crate::text;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_saphyr::{Commented, DoubleQuoted, ser_options, to_string_with_options};
use std::collections::BTreeMap;

/// Comments that stand beside scalars, by path: `/spec/egress/0/to/1/ipBlock/cidr`. Made safe when written.
pub type Comments = BTreeMap<String, String>;

/// Comments that stand above the items of lists directly below `spec`: by the list's key, one for each item. Made safe
/// when written.
pub type Above = Vec<(&'static str, Vec<String>)>;

/// A file of one document: `object`, its keys in the usual order. The same object gives the same bytes.
pub fn document(object: &impl Serialize, comments: &Comments) -> Result<String, RenderError> {
    let value = serde_json::to_value(object).map_err(|error| RenderError::Yaml(error.to_string()))?;
    body(&Annotated { value: &value, path: String::new(), comments })
}

/// `object` as one document, its keys in the order of its fields; what stands beside a scalar is a [`Noted`]. For what is
/// written by the ten thousand: nothing is copied.
pub fn typed(object: &impl Serialize, above: &Above) -> Result<String, RenderError> {
    insert_above(&body(object)?, above)
}

/// A file of `documents`.
pub fn file(documents: &[String]) -> String {
    documents.join("---\n")
}

/// `file` with `remarks` above it, a line each. Made safe here.
pub fn remarked(file: String, remarks: &[String]) -> String {
    let lines: String = remarks.iter().map(|remark| format!("# {}\n", text::plain(remark))).collect();
    lines + &file
}

fn body(object: &impl Serialize) -> Result<String, RenderError> {
    let options = ser_options! { prefer_block_scalars: false };
    to_string_with_options(object, options).map_err(|error| RenderError::Yaml(error.to_string()))
}

/// Puts each comment on a line of its own above its item. The writer indents by two, puts a list at its key's own depth and
/// no scalar on more than one line, so that an item's first line cannot be mistaken; that every item was met is checked.
fn insert_above(body: &str, above: &Above) -> Result<String, RenderError> {
    let mut text = String::with_capacity(body.len() + above.len() * 128);
    let mut waiting: Option<std::slice::Iter<String>> = None;
    let mut left: usize = above.iter().map(|(_, comments)| comments.len()).sum();
    for line in body.lines() {
        if line.starts_with("  - ") {
            if let Some(comment) = waiting.as_mut().and_then(Iterator::next) {
                text.push_str("  # ");
                text.push_str(&text::comment(comment));
                text.push('\n');
                left -= 1;
            }
        } else if let Some(key) = key_at_two(line) {
            waiting = above.iter().find(|(known, _)| *known == key).map(|(_, comments)| comments.iter());
        }
        text.push_str(line);
        text.push('\n');
    }
    if left > 0 {
        return Err(RenderError::Yaml(format!("{left} comments have found no place")));
    }
    Ok(text)
}

/// The key of a list or a mapping that stands at the depth of `spec`'s own fields.
fn key_at_two(line: &str) -> Option<&str> {
    let key = line.strip_prefix("  ")?.strip_suffix(':')?;
    (!key.starts_with(' ')).then_some(key)
}

/// A scalar with a comment beside it, where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted<T>(pub T, pub Option<String>);

impl<T: Serialize> Serialize for Noted<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.1 {
            Some(comment) => Commented(&self.0, text::comment(comment)).serialize(serializer),
            None => self.0.serialize(serializer),
        }
    }
}

/// A report for programs that read YAML: nothing in it acts on a terminal.
pub fn report(value: &impl Serialize) -> Result<String, RenderError> {
    let value = serde_json::to_value(value).map_err(|error| RenderError::Yaml(error.to_string()))?;
    let options = ser_options! { prefer_block_scalars: false };
    let body =
        to_string_with_options(&Printed(&value), options).map_err(|error| RenderError::Yaml(error.to_string()))?;
    Ok(escape(&body))
}

/// The text with everything beyond printable ASCII written as YAML's escape for it. That stands in double quotes only:
/// see [`Printed`].
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, char| {
        match char {
            '\n' | ' '..='~' => safe.push(char),
            _ => safe.push_str(&format!("\\U{:08x}", u32::from(char))),
        }
        safe
    })
}

/// A key as printable ASCII. The writer puts no key in double quotes on demand, so one beyond it is altered visibly.
fn ascii(key: &str) -> String {
    key.chars().fold(String::with_capacity(key.len()), |mut safe, char| {
        match char {
            ' '..='~' => safe.push(char),
            _ => safe.extend(char.escape_unicode()),
        }
        safe
    })
}

/// A value of which every string beyond printable ASCII is written in double quotes.
struct Printed<'a>(&'a Value);

impl Serialize for Printed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    map.serialize_entry(&ascii(key), &Printed(value))?;
                }
                map.end()
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Printed)),
            Value::String(text) => PrintedText(text).serialize(serializer),
            scalar => scalar.serialize(serializer),
        }
    }
}

struct PrintedText<'a>(&'a str);

impl Serialize for PrintedText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.chars().all(|char| matches!(char, ' '..='~')) {
            self.0.serialize(serializer)
        } else {
            DoubleQuoted(self.0).serialize(serializer)
        }
    }
}

/// A value with the comments that stand inside it.
struct Annotated<'a> {
    value: &'a Value,
    path: String,
    comments: &'a Comments,
}

impl<'a> Annotated<'a> {
    fn child(&self, key: &str, value: &'a Value) -> Annotated<'a> {
        Annotated { value, path: format!("{}/{key}", self.path), comments: self.comments }
    }
}

impl Serialize for Annotated<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.value, self.comments.get(&self.path)) {
            (Value::Object(fields), _) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                let mut keys: Vec<&String> = fields.keys().collect();
                keys.sort_by_key(|key| (rank(key), *key));
                for (key, value) in keys.into_iter().filter_map(|key| Some((key, fields.get(key)?))) {
                    map.serialize_entry(key, &self.child(key, value))?;
                }
                map.end()
            }
            (Value::Array(items), _) => {
                let mut sequence = serializer.serialize_seq(Some(items.len()))?;
                for (index, item) in items.iter().enumerate() {
                    sequence.serialize_element(&self.child(&index.to_string(), item))?;
                }
                sequence.end()
            }
            (scalar, Some(comment)) => Commented(scalar, text::comment(comment)).serialize(serializer),
            (scalar, None) => scalar.serialize(serializer),
        }
    }
}

/// The fields that people put first, in their order; the others follow by name.
const ORDER: [&str; 22] = [
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "namespace",
    "labels",
    "annotations",
    "spec",
    "namespaceSelector",
    "podSelector",
    "policyTypes",
    "ingress",
    "egress",
    "matchLabels",
    "from",
    "to",
    "ipBlock",
    "cidr",
    "except",
    "ports",
    "protocol",
    "port",
];

fn rank(key: &str) -> usize {
    ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Strings that some YAML reader takes for something else, or that end a scalar early.
    const HOSTILE: [&str; 32] = [
        "on",
        "off",
        "y",
        "N",
        "yes",
        "True",
        "null",
        "~",
        "",
        "1_000",
        "12:30",
        "12:30:45",
        "=",
        "<<",
        "0x1f",
        "0o17",
        "017",
        "1e3",
        ".inf",
        ".5",
        "-",
        "- a",
        "a: b",
        "# x",
        "a # x",
        "a\nb: c",
        "\t",
        "*a",
        "&a",
        "!x",
        "2026-11-01",
        "\u{2028}\u{1b}[31m",
    ];

    #[test]
    fn hostile_strings_survive_as_keys_and_as_values() {
        let object: BTreeMap<&str, &str> = HOSTILE.iter().map(|text| (*text, *text)).collect();
        let yaml = document(&object, &Comments::new()).unwrap();
        let read: BTreeMap<String, String> = serde_yaml::from_str(&yaml).unwrap();
        assert_eq!(read, HOSTILE.iter().map(|text| ((*text).to_owned(), (*text).to_owned())).collect());
    }

    #[test]
    fn a_report_is_ascii_and_means_what_it_meant() {
        let beyond = ["caf\u{e9}", "\u{202e}evil", "\u{7f}\u{9b}31m", "\u{1f600}: x", "\\\u{e9}\"'"];
        let texts: Vec<&str> = HOSTILE.iter().copied().chain(beyond).collect();
        let yaml = report(&json!({ "texts": texts, "k\u{202e}": 1 })).unwrap();
        assert!(yaml.chars().all(|char| matches!(char, '\n' | ' '..='~')), "{yaml}");
        let read: Value = serde_yaml::from_str(&yaml).unwrap();
        assert_eq!(read, json!({ "texts": texts, "k\\u{202e}": 1 }));
    }

    #[test]
    fn what_yaml_1_1_takes_for_something_else_is_quoted() {
        for text in
            ["on", "off", "y", "N", "yes", "True", "null", "~", "1_000", "12:30", "12:30:45", "=", "<<", "0x1f", "017"]
        {
            let yaml = document(&json!({ "key": text, text: "value" }), &Comments::new()).unwrap();
            for line in yaml.lines() {
                assert!(line.contains(['"', '\'']), "{text:?} is bare in {line:?}");
            }
        }
    }

    #[test]
    fn a_comment_cannot_leave_its_line() {
        let comments = Comments::from([("/a/0/cidr".into(), "x.example\n- evil: \u{85}true\r# \u{2029}".into())]);
        let yaml = document(&json!({"a": [{"cidr": "198.18.0.1/32"}]}), &comments).unwrap();
        assert_eq!(yaml.lines().count(), 2, "{yaml}");
        assert!(yaml.contains("- cidr: 198.18.0.1/32 # x.example\\u{a}"), "{yaml}");
        let read: Value = serde_yaml::from_str(&yaml).unwrap();
        assert_eq!(read, json!({"a": [{"cidr": "198.18.0.1/32"}]}));
    }

    #[test]
    fn fields_come_in_the_usual_order() {
        let object = json!({"spec": {"egress": [], "podSelector": {}}, "kind": "K", "apiVersion": "v1"});
        let yaml = document(&object, &Comments::new()).unwrap();
        assert_eq!(yaml, format!("apiVersion: v1\nkind: K\nspec:\n  podSelector: {{}}\n  egress: []\n"));
    }
}
