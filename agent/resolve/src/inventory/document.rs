//! From text to single objects: several YAML documents, JSON, and lists within either.

use super::error::{InventoryError, Place, RENDER_FIRST, WRITE_WITH_KUBECTL};
use super::unique::Unique;
use serde::Deserialize;
use serde_json::Value;

/// One object as it stands in the text.
#[derive(Debug)]
pub(super) struct Object {
    /// Where it stands and what it is.
    pub(super) place: Place,
    /// `apiVersion`.
    pub(super) api_version: String,
    /// The whole object.
    pub(super) value: Value,
}

/// Every object of `text`, in order, lists taken apart. `name` is for messages only.
pub(super) fn objects(text: &str, name: &str) -> Result<Vec<Object>, InventoryError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut found = Vec::new();
    for (index, document) in documents(text, name)?.into_iter().enumerate() {
        Reader { name, document: index + 1, file: None }.take(document, &mut found)?;
    }
    Ok(found)
}

/// Every object of the file `name`, in order, lists taken apart, and how many documents are no Kubernetes objects:
/// beside manifests lie values for charts and settings of tools.
pub(super) fn manifests(text: &str, name: &str) -> Result<(Vec<Object>, usize), InventoryError> {
    let text = text.trim_start_matches('\u{feff}');
    let (mut found, mut passed_over) = (Vec::new(), 0);
    for (index, document) in values(text, name)?.into_iter().enumerate() {
        let document_number = index + 1;
        if document.is_null() {
            continue;
        }
        if !document.is_object() {
            passed_over += 1;
            continue;
        }
        let value = document.into_json().map_err(|error| syntax(name, document_number, &error))?;
        Reader { name, document: document_number, file: Some(name) }.take(value, &mut found)?;
    }
    Ok((found, passed_over))
}

/// One document of a text with manifests.
enum Document {
    Json(Value),
    Yaml(serde_yaml::Value),
}

impl Document {
    fn is_null(&self) -> bool {
        match self {
            Self::Json(value) => value.is_null(),
            Self::Yaml(value) => value.is_null(),
        }
    }

    /// Whether it says what it is.
    fn is_object(&self) -> bool {
        ["kind", "apiVersion"].iter().all(|field| match self {
            Self::Json(value) => value.get(field).is_some_and(Value::is_string),
            Self::Yaml(value) => value.get(field).is_some_and(serde_yaml::Value::is_string),
        })
    }

    fn into_json(self) -> serde_json::Result<Value> {
        match self {
            Self::Json(value) => Ok(value),
            Self::Yaml(value) => to_json(value),
        }
    }
}

/// As `serde_json::to_value`, but without a second copy of every text.
fn to_json(value: serde_yaml::Value) -> serde_json::Result<Value> {
    match value {
        serde_yaml::Value::String(text) => Ok(Value::String(text)),
        serde_yaml::Value::Sequence(items) => items.into_iter().map(to_json).collect(),
        serde_yaml::Value::Mapping(fields) if fields.keys().all(is_text) => {
            let fields = fields.into_iter().filter_map(|(name, value)| match name {
                serde_yaml::Value::String(name) => Some((name, value)),
                _ => None,
            });
            fields
                .map(|(name, value)| Ok((name, to_json(value)?)))
                .collect::<serde_json::Result<_>>()
                .map(Value::Object)
        }
        other => serde_json::to_value(other),
    }
}

fn is_text(value: &serde_yaml::Value) -> bool {
    matches!(value, serde_yaml::Value::String(_))
}

/// The documents of `text` as they stand, whatever they are. Merge keys are applied, as people use them in what they write.
fn values(text: &str, name: &str) -> Result<Vec<Document>, InventoryError> {
    if text.trim_start().starts_with('{') {
        // YAML may begin like this too, and is read as such if it is not JSON.
        let values: Result<Vec<Unique>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
        if let Ok(values) = values {
            return Ok(values.into_iter().map(|Unique(value)| Document::Json(value)).collect());
        }
    }
    let mut documents = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let error = |error: serde_yaml::Error| syntax(name, documents.len() + 1, &error);
        let mut value = serde_yaml::Value::deserialize(document).map_err(error)?;
        value.apply_merge().map_err(error)?;
        documents.push(Document::Yaml(value));
    }
    Ok(documents)
}

fn syntax(name: &str, document: usize, why: &impl ToString) -> InventoryError {
    let (name, why) = (name.escape_debug().to_string(), why.to_string().escape_debug().to_string());
    InventoryError::Syntax { name, document, why, advice: RENDER_FIRST }
}

/// What starts like JSON is read as JSON: it is much faster than reading it as the YAML it also is.
fn documents(text: &str, name: &str) -> Result<Vec<Value>, InventoryError> {
    let syntax = |document: usize, why: String| InventoryError::Syntax {
        name: name.escape_debug().to_string(),
        document,
        why: why.escape_debug().to_string(),
        advice: WRITE_WITH_KUBECTL,
    };
    let mut documents = Vec::new();
    if text.trim_start().starts_with('{') {
        for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            documents.push(value.map_err(|error| syntax(documents.len() + 1, error.to_string()))?);
        }
    } else {
        for document in serde_yaml::Deserializer::from_str(text) {
            let value = Value::deserialize(document);
            documents.push(value.map_err(|error| syntax(documents.len() + 1, error.to_string()))?);
        }
    }
    Ok(documents)
}

struct Reader<'a> {
    name: &'a str,
    document: usize,
    /// The file, where messages have to tell it from others.
    file: Option<&'a str>,
}

impl Reader<'_> {
    fn take(&self, mut value: Value, found: &mut Vec<Object>) -> Result<(), InventoryError> {
        if value.is_null() {
            // What stands between two `---`, or after the last one.
            return Ok(());
        }
        let kind = text_of(&value, "kind");
        let Some(element) = kind.strip_suffix("List").filter(|_| value.get("items").is_some()) else {
            found.push(self.object(None, value)?);
            return Ok(());
        };
        let api_version = text_of(&value, "apiVersion");
        let items = match value.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            Some(Value::Null) | None => Vec::new(),
            Some(_) => return Err(self.not_an_object(None, "`items` is no list")),
        };
        for (index, mut item) in items.into_iter().enumerate() {
            inherit(&mut item, element, &api_version);
            found.push(self.object(Some(index + 1), item)?);
        }
        Ok(())
    }

    fn object(&self, item: Option<usize>, value: Value) -> Result<Object, InventoryError> {
        if !value.is_object() {
            return Err(
                self.not_an_object(item, "a Kubernetes object is expected here, with apiVersion, kind, metadata")
            );
        }
        let (kind, api_version) = (text_of(&value, "kind"), text_of(&value, "apiVersion"));
        if kind.is_empty() || api_version.is_empty() {
            return Err(self.not_an_object(item, "`kind` or `apiVersion` is missing"));
        }
        let metadata = value.get("metadata").unwrap_or(&Value::Null);
        let (namespace, name) = (text_of(metadata, "namespace"), text_of(metadata, "name"));
        Ok(Object {
            place: Place { file: self.file.map(str::to_owned), document: self.document, item, kind, namespace, name },
            api_version,
            value,
        })
    }

    fn not_an_object(&self, item: Option<usize>, why: &str) -> InventoryError {
        InventoryError::NotAnObject {
            name: self.name.escape_debug().to_string(),
            document: self.document,
            item,
            why: why.to_owned(),
        }
    }
}

/// The items of a `PodList`, as the API itself returns it, do not say that they are pods.
fn inherit(item: &mut Value, element: &str, api_version: &str) {
    let Some(fields) = item.as_object_mut().filter(|_| !element.is_empty()) else { return };
    fields.entry("kind").or_insert_with(|| element.into());
    fields.entry("apiVersion").or_insert_with(|| api_version.into());
}

fn text_of(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_becomes_json_as_serde_has_it() {
        for text in [
            "{a: [1, -1, 0.5, .nan, ~, true, {b: c, d: {}}], e: []}",
            "{1: a, true: b, c: {0.5: d}, '1': e}",
            "a: !x {b: !y c, !z d: e}",
            "{a: {~: b}}",
            "{[a]: b}",
        ] {
            let value: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
            let (expected, found) = (serde_json::to_value(&value), to_json(value));
            assert_eq!(found.map_err(|e| e.to_string()), expected.map_err(|e| e.to_string()), "{text}");
        }
    }

    fn kinds(text: &str) -> Vec<String> {
        objects(text, "test").unwrap().into_iter().map(|object| object.place.to_string()).collect()
    }

    #[test]
    fn takes_lists_apart_and_numbers_items() {
        let text =
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a, namespace: b}\n";
        assert_eq!(kinds(text), ["document 1, item 1 (Pod b/a)"]);
    }

    #[test]
    fn reads_several_documents_and_skips_empty_ones() {
        let text = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n}\n---\n---\napiVersion: v1\nkind: Pod\n";
        assert_eq!(kinds(text), ["document 1 (Node n)", "document 3 (Pod without a name)"]);
    }

    #[test]
    fn reads_json_and_lists_that_say_the_kind_once() {
        let text =
            r#"{"apiVersion":"v1","kind":"PodList","items":[{"metadata":{"name":"a"}}]} {"kind":"List","items":null}"#;
        assert_eq!(kinds(text), ["document 1, item 1 (Pod a)"]);
    }

    #[test]
    fn names_the_document_that_is_no_yaml() {
        let error = objects("kind: Pod\napiVersion: v1\n---\na: [", "inv.yaml").unwrap_err().to_string();
        assert!(error.starts_with("inventory inv.yaml, document 2: this is neither YAML nor JSON"), "{error}");
        assert!(error.contains("kubectl get ns,nodes"), "{error}");
    }

    #[test]
    fn names_the_item_that_is_no_object() {
        let error = objects("apiVersion: v1\nkind: List\nitems: [3]", "i").unwrap_err().to_string();
        assert!(error.starts_with("inventory i, document 1, item 1: a Kubernetes object is expected"), "{error}");
    }
}
