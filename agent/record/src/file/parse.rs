//! One line to one record. For the reader, which does this hundreds of thousands of times.
//!
//! What tells the kinds apart is a field of the object, which may stand anywhere in it; so a line has to be read into a tree
//! first, and into its type from there. Whoever writes these files puts the field first: then the type is known at once.

use super::Record;
use serde::de::DeserializeOwned;

/// How a line begins whose kind stands first, as every writer of ours has it.
const START: &[u8] = b"{\"record\":\"";
const FIELD: &[u8] = b"\"record\"";

/// Reads one line. An array is none, although serde would take one for an object without names.
pub(super) fn parse(line: &[u8]) -> serde_json::Result<Record> {
    if let Some(record) = kind_first(line).and_then(|kind| typed(kind, line)) {
        return Ok(record);
    }
    let record = serde_json::from_slice(line)?;
    if line.trim_ascii_start().starts_with(b"{") {
        Ok(record)
    } else {
        Err(serde::de::Error::custom("expected a JSON object"))
    }
}

/// The kind of a record, where that is its first field and certainly its only one of that name (an
/// escape might hide another).
fn kind_first(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(START)?;
    let end = memchr::memchr(b'"', rest)?;
    let (kind, rest) = rest.split_at_checked(end)?;
    let only = memchr::memmem::find(rest, FIELD).is_none() && memchr::memchr(b'\\', rest).is_none();
    only.then_some(kind)
}

/// The record of a frequent kind. `None` for the other kinds, and where something is wrong: what, the long way says.
fn typed(kind: &[u8], line: &[u8]) -> Option<Record> {
    fn read<T: DeserializeOwned>(line: &[u8], record: impl FnOnce(T) -> Record) -> Option<Record> {
        serde_json::from_slice(line).ok().map(record)
    }
    match kind {
        b"edge" => read(line, Record::Edge),
        b"flow" => read(line, Record::Flow),
        b"namespace" => read(line, Record::Namespace),
        b"node" => read(line, Record::Node),
        b"pod" => read(line, Record::Pod),
        b"service" => read(line, Record::Service),
        b"unresolved" => read(line, Record::Unresolved),
        b"workload" => read(line, Record::Workload),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = r#"{"record":"node","name":"n1","labels":{"a":"b"},"addresses":["198.18.1.1"]}"#;

    #[test]
    fn the_place_of_the_kind_changes_nothing() {
        let turned = r#"{"name":"n1","labels":{"a":"b"},"addresses":["198.18.1.1"],"record":"node"}"#;
        assert!(kind_first(turned.as_bytes()).is_none());
        assert_eq!(kind_first(NODE.as_bytes()), Some(&b"node"[..]));
        assert_eq!(parse(NODE.as_bytes()).unwrap(), parse(turned.as_bytes()).unwrap());
    }

    #[test]
    fn two_kinds_are_refused_wherever_they_stand() {
        let twice = NODE.replace("\"name\"", "\"record\":\"node\",\"name\"");
        let escaped = NODE.replace("\"name\"", "\"r\\u0065cord\":\"node\",\"name\"");
        assert!(parse(twice.as_bytes()).is_err() && parse(escaped.as_bytes()).is_err());
    }

    #[test]
    fn what_is_wrong_is_said_as_ever() {
        let wrong = NODE.replace("198.18.1.1", "198.18.1");
        let [found, said] = [parse(wrong.as_bytes()).unwrap_err(), serde_json::from_str::<Record>(&wrong).unwrap_err()];
        assert_eq!(found.to_string(), said.to_string());
    }
}
