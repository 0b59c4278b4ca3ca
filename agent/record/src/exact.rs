//! Lists that take no more memory than they hold. For the fields of records, of which an observation holds hundreds of thousands.

use serde::{Deserialize, Deserializer};

/// Reads a list, and gives back the room that it got while nobody knew how long it would be.
pub(crate) fn vec<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let mut list = Vec::deserialize(deserializer)?;
    list.shrink_to_fit();
    Ok(list)
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
