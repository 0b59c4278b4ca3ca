//! Lists that take no more memory than they hold. For the fields of records, of which an observation holds hundreds of thousands.

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// Reads a list. Most have one element, and nobody says how many before they are read: a list that grows by doubling starts with room for four.
pub(crate) fn vec<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct List<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
            let Some(first) = sequence.next_element()? else { return Ok(Vec::new()) };
            let mut list = Vec::with_capacity(1);
            list.push(first);
            while let Some(next) = sequence.next_element()? {
                list.push(next);
            }
            list.shrink_to_fit();
            Ok(list)
        }
    }

    deserializer.deserialize_seq(List(PhantomData))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_list_has_room_for_what_it_holds() {
        for length in [0, 1, 2, 5, 100] {
            let list: Vec<u64> = (0..length).collect();
            let text = serde_json::to_string(&list).unwrap();
            let read: Vec<u64> = super::vec(&mut serde_json::Deserializer::from_str(&text)).unwrap();
            assert_eq!((read.len(), read.capacity()), (list.len(), list.len()));
            assert_eq!(read, list);
        }
    }
}
