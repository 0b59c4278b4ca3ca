//! What a document holds, as a tree that borrows from the text what stands there as it is. For the readers of this
//! module.
//!
//! It is what `serde_yaml::Value` would be, a field that stands twice is the same error, and merge keys mean the same;
//! but most objects of a manifest have a handful of fields, which need neither hashing nor texts of their own.

use serde::de::{Deserialize, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_yaml::Number;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher};

/// The key under which other objects are merged into one.
const MERGE: &str = "<<";
/// Up to so many fields are gone through one by one.
const FEW: usize = 16;

/// Any value of YAML or JSON.
#[derive(Debug, Clone, PartialEq, Hash)]
pub(crate) enum Value<'t> {
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'t, str>),
    Sequence(Vec<Value<'t>>),
    Mapping(Mapping<'t>),
    /// With the tag's name.
    Tagged(String, Box<Value<'t>>),
}

impl Eq for Value<'_> {}

impl<'t> Value<'t> {
    /// The value behind its tags.
    fn untagged(&self) -> &Self {
        match self {
            Value::Tagged(_, value) => value.untagged(),
            value => value,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.untagged(), Value::Null)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = self.untagged() { Some(text) } else { None }
    }

    pub(crate) fn as_sequence(&self) -> Option<&[Value<'t>]> {
        if let Value::Sequence(items) = self.untagged() { Some(items) } else { None }
    }

    pub(crate) fn as_mapping(&self) -> Option<&Mapping<'t>> {
        if let Value::Mapping(mapping) = self.untagged() { Some(mapping) } else { None }
    }

    /// Puts the fields of objects under [`MERGE`] beside it, where they are not yet.
    ///
    /// # Errors
    ///
    /// What stands there is neither an object nor a list of objects.
    pub(crate) fn apply_merge(&mut self) -> Result<(), &'static str> {
        match self {
            Value::Mapping(mapping) => {
                if let Some(merged) = mapping.remove(MERGE) {
                    mapping.merge(merged)?;
                }
                mapping.entries.iter_mut().rev().try_for_each(|(_, value)| value.apply_merge())
            }
            Value::Sequence(items) => items.iter_mut().rev().try_for_each(Value::apply_merge),
            Value::Tagged(_, value) => value.apply_merge(),
            _ => Ok(()),
        }
    }
}

type Places<'t> = HashMap<Value<'t>, usize>;

/// An object: its fields in the order of the text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mapping<'t> {
    entries: Vec<(Value<'t>, Value<'t>)>,
    /// The places of keys, where there are or were many.
    places: Option<Box<Places<'t>>>,
}

impl<'t> Mapping<'t> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Value<'t>, &Value<'t>)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Value<'t>> {
        self.entries.iter().map(|(key, _)| key)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value<'t>> {
        self.entries.get(self.place_of(name)?).map(|(_, value)| value)
    }

    pub(crate) fn contains_key(&self, name: &str) -> bool {
        self.place_of(name).is_some()
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(&Value::String(Cow::Borrowed(name))).copied(),
            None => self.keys().position(|key| matches!(key, Value::String(text) if text == name)),
        }
    }

    fn place(&self, key: &Value<'_>) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(key).copied(),
            None => self.keys().position(|known| known == key),
        }
    }

    /// Adds a field that is not there yet.
    fn push(&mut self, key: Value<'t>, value: Value<'t>) {
        self.entries.push((key, value));
        if self.places.is_some() || self.len() > FEW {
            let places = self.places.get_or_insert_default();
            let unknown = self.entries.iter().enumerate().skip(places.len());
            places.extend(unknown.map(|(place, (key, _))| (key.clone(), place)));
        }
    }

    /// Takes out a field; the last one takes its place.
    fn remove(&mut self, name: &str) -> Option<Value<'t>> {
        let place = self.place_of(name)?;
        let (key, value) = self.entries.swap_remove(place);
        if let Some(places) = &mut self.places {
            places.remove(&key);
            places.extend(self.entries.get(place).map(|(moved, _)| (moved.clone(), place)));
        }
        Some(value)
    }

    fn merge(&mut self, merged: Value<'t>) -> Result<(), &'static str> {
        match merged {
            Value::Mapping(mapping) => self.add(mapping),
            Value::Sequence(items) => {
                for item in items {
                    match item {
                        Value::Mapping(mapping) => self.add(mapping),
                        Value::Sequence(_) => return Err("expected a mapping for merging, but found sequence"),
                        Value::Tagged(..) => return Err("unexpected tagged value in merge"),
                        _ => return Err("expected a mapping for merging, but found scalar"),
                    }
                }
            }
            Value::Tagged(..) => return Err("unexpected tagged value in merge"),
            _ => return Err("expected a mapping or list of mappings for merging, but found scalar"),
        }
        Ok(())
    }

    /// Adds the fields of another object that it does not have itself.
    fn add(&mut self, other: Mapping<'t>) {
        for (key, value) in other.entries {
            if self.place(&key).is_none() {
                self.push(key, value);
            }
        }
    }
}

/// The order of fields says nothing. Objects are compared only where they are keys.
impl PartialEq for Mapping<'_> {
    fn eq(&self, other: &Self) -> bool {
        let same = |(key, value): &(Value, Value)| {
            other.place(key).and_then(|place| other.entries.get(place)).is_some_and(|(_, theirs)| theirs == value)
        };
        self.len() == other.len() && self.entries.iter().all(same)
    }
}

impl Hash for Mapping<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let hashes = self.entries.iter().map(|entry| BuildHasherDefault::<DefaultHasher>::default().hash_one(entry));
        hashes.fold(0, u64::wrapping_add).hash(state);
    }
}

impl<'t> Deserialize<'t> for Value<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'t> Visitor<'t> for Reader {
    type Value = Value<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value<'t>, E> {
        Ok(Value::Null)
    }

    /// Where a text of YAML holds no value at all.
    fn visit_none<E>(self) -> Result<Value<'t>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'t>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'t>, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'t>, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'t>, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'t>, E> {
        Ok(Value::String(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'t str) -> Result<Value<'t>, E> {
        Ok(Value::String(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut items: A) -> Result<Value<'t>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Sequence(list))
    }

    fn visit_map<A: MapAccess<'t>>(self, mut fields: A) -> Result<Value<'t>, A::Error> {
        let mut mapping = Mapping::default();
        while let Some(key) = fields.next_key()? {
            if mapping.place(&key).is_some() {
                return Err(A::Error::custom(twice(&key)));
            }
            let value = fields.next_value()?;
            mapping.push(key, value);
        }
        Ok(Value::Mapping(mapping))
    }

    fn visit_enum<A: EnumAccess<'t>>(self, data: A) -> Result<Value<'t>, A::Error> {
        let (tag, content) = data.variant::<String>()?;
        if tag.is_empty() {
            return Err(A::Error::custom("empty YAML tag is not allowed"));
        }
        Ok(Value::Tagged(tag, Box::new(content.newtype_variant()?)))
    }
}

fn twice(key: &Value) -> String {
    match key {
        Value::Null => "duplicate entry with null key".to_owned(),
        Value::Bool(value) => format!("duplicate entry with key `{value}`"),
        Value::Number(value) => format!("duplicate entry with key {value}"),
        Value::String(text) => format!("duplicate entry with key {text:?}"),
        _ => "duplicate entry in YAML map".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value as `serde_yaml` has it.
    fn plain(value: &Value) -> serde_yaml::Value {
        match value {
            Value::Null => serde_yaml::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(value) => serde_yaml::Value::Number(value.clone()),
            Value::String(text) => text.as_ref().into(),
            Value::Sequence(items) => items.iter().map(plain).collect(),
            Value::Mapping(mapping) => {
                let fields = mapping.iter().map(|(key, value)| (plain(key), plain(value)));
                serde_yaml::Value::Mapping(fields.collect())
            }
            Value::Tagged(tag, value) => {
                let tag = serde_yaml::value::Tag::new(tag);
                serde_yaml::Value::Tagged(Box::new(serde_yaml::value::TaggedValue { tag, value: plain(value) }))
            }
        }
    }

    /// Reads a text, both ways: what either gives, in the order of its fields.
    fn read(text: &str) -> [Result<String, String>; 2] {
        let ours = serde_yaml::from_str::<Value>(text).map_err(|error| error.to_string()).and_then(|mut value| {
            value.apply_merge()?;
            Ok(plain(&value))
        });
        let theirs = serde_yaml::from_str::<serde_yaml::Value>(text).and_then(|mut value| {
            value.apply_merge()?;
            Ok(value)
        });
        [ours, theirs.map_err(|error| error.to_string())].map(|read| read.map(|value| format!("{value:?}")))
    }

    /// An object of `count` fields.
    fn many(count: usize) -> String {
        (0..count).map(|number| format!("k{number}: {number}, ")).collect()
    }

    #[test]
    fn what_is_read_is_what_serde_yaml_reads() {
        let (few, lot) = (many(3), many(FEW + 4));
        for text in [
            "[~, true, 1, -1, 0.5, .nan, 18446744073709551615, text, 'quoted', \"esc\\u0061ped\", |\n block\n]",
            "{1: a, true: b, ~: c, 0.5: d, [e]: f, {g: h}: i, !t j: k}",
            "!a {b: !c [d, !e f]}",
            "!!str 1",
            "! x",
            "99999999999999999999",
            "a: &a {b: c}\nd: *a\n",
            "",
            &format!("{{{lot}}}"),
        ] {
            let [ours, theirs] = read(text);
            assert_eq!(ours, theirs, "{text}");
        }
        for twice in ["k1", "'k1'", "1", "~", "true", "[a]", "{a: 1, b: 2}", "!x a"] {
            for fields in [&few, &lot] {
                let again = if twice.starts_with('{') { "{b: 2, a: 1}" } else { twice };
                let [ours, theirs] = read(&format!("- a\n- {{{fields}? {twice} : a,\n ? {again} : b, c: d}}"));
                assert!(ours.as_ref().is_err_and(|error| error.contains("duplicate entry")), "{twice}: {ours:?}");
                assert_eq!(ours, theirs);
            }
        }
    }

    #[test]
    fn merge_keys_mean_what_they_mean_to_serde_yaml() {
        let (few, lot) = (many(3), many(FEW + 4));
        for fields in [&few, &lot] {
            for merged in
                ["{k1: x, z: y, a: w}", &format!("{{{lot} z: y}}"), "[{z: 1}, {z: 2, y: 3}]", "{<<: {z: 1}, y: 2}"]
            {
                let [ours, theirs] =
                    read(&format!("b: {{{fields} <<: {merged}, a: {{<<: {{n: 1}}}}, l: [{{\"\\x3c<\": {{m: 1}}}}]}}"));
                assert!(ours.is_ok());
                assert_eq!(ours, theirs, "{merged}");
            }
        }
        for broken in ["1", "[1]", "[[a]]", "!x {a: b}", "[!x {a: b}]", "~"] {
            let [ours, theirs] = read(&format!("a: {{<<: {broken}}}\nb: {{<<: {{}}}}\n"));
            assert!(ours.is_err());
            assert_eq!(ours, theirs, "{broken}");
        }
        let [ours, theirs] = read("a: {<<: 1}\nb: [{<<: [[]]}, {<<: !x {}}]\n");
        assert_eq!(ours, theirs);
    }

    #[test]
    fn a_field_is_found_wherever_it_stands() {
        let text = format!("{{{} <<: 1, last: 2}}", many(FEW + 2));
        let Ok(Value::Mapping(mut mapping)) = serde_yaml::from_str::<Value>(&text) else { panic!("{text}") };
        assert_eq!(mapping.remove(MERGE), Some(Value::Number(1.into())));
        assert!(!mapping.contains_key(MERGE) && mapping.remove(MERGE).is_none());
        assert_eq!(mapping.get("last"), Some(&Value::Number(2.into())));
        assert_eq!(mapping.get("k7"), Some(&Value::Number(7.into())));
        assert_eq!(mapping.len(), FEW + 3);
    }

    #[test]
    fn text_is_borrowed_where_it_stands_as_it_is() {
        for text in [r#"{"a": "b"}"#, "a: b", "'a': \"b\""] {
            let Ok(Value::Mapping(mapping)) = serde_yaml::from_str::<Value>(text) else { panic!("{text}") };
            assert!(mapping.iter().all(|(key, value)| {
                matches!((key, value), (Value::String(Cow::Borrowed("a")), Value::String(Cow::Borrowed("b"))))
            }));
        }
    }
}
