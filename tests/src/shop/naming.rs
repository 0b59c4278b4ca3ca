//! Names, UIDs and hashes as Kubernetes makes them, but the same in every run.

/// The letters of Kubernetes' generated names: no vowels, no digits that look like letters.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A generated suffix of `length` letters for `of`.
pub(super) fn suffix(of: &str, length: usize) -> String {
    let mut rest = hash(of);
    (0..length)
        .map(|_| {
            let letter = ALPHABET.get(rest as usize % ALPHABET.len()).copied().unwrap_or(b'x');
            rest = hash(&rest.to_string());
            char::from(letter)
        })
        .collect()
}

/// A UID for `of`.
pub(super) fn uid(of: &str) -> String {
    let (high, low) = (hash(of), hash(&format!("{of}#")));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0xfff,
        low & 0xffff_ffff_ffff
    )
}

/// A container id for `of`: 64 hexadecimal digits.
pub(super) fn container_id(of: &str) -> String {
    (0..4).map(|part| format!("{:016x}", hash(&format!("{of}/{part}")))).collect()
}

/// FNV-1a, 64 bits: stable between runs and releases, which the standard hasher does not promise.
fn hash(of: &str) -> u64 {
    let hash = of
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    // The last letters of FNV-1a hardly reach its high bits; names that differ at their end alone should not look alike.
    let mixed = (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 29
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_has_the_usual_form() {
        let uid = uid("shop/front-0");
        let lengths: Vec<usize> = uid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
    }

    #[test]
    fn different_pods_have_different_names() {
        assert_ne!(suffix("a", 5), suffix("b", 5));
        assert_ne!(uid("a"), uid("b"));
        assert_eq!(container_id("a").len(), 64);
    }
}
