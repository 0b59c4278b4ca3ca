//! What may stand in the path of a segment.

/// Whether it can be a node's name: a DNS subdomain (RFC 1123), as the API server has them.
pub(super) fn is_node(name: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    name.len() <= 253 && name.bytes().all(allowed) && is_end(name.as_bytes().first()) && is_end(name.as_bytes().last())
}

/// Whether it can be the name of a run.
pub(super) fn is_run(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (1..=128).contains(&name.len()) && name.bytes().all(allowed)
}

/// The number of a segment: decimal, in one form only, and such that a database can count on from it.
pub(super) fn sequence(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    let in_range = i64::try_from(number).is_ok_and(|number| number < i64::MAX);
    (in_range && number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_api_server_allows_is_a_node() {
        for name in ["n1", "ip-10-0-0-1.eu-west-1.compute.internal", "0"] {
            assert!(is_node(name), "{name}");
        }
        for name in ["", "-a", "a-", "N1", "a/b", "a\"b", "a b", "ä", "..", &"a".repeat(254)] {
            assert!(!is_node(name), "{name}");
        }
    }

    #[test]
    fn runs_are_plain() {
        assert!(is_run("20261101T000000Z-1f2e") && is_run("a"));
        for name in ["", "a/b", "a\\b", "a\nb", "ä", &"a".repeat(129)] {
            assert!(!is_run(name), "{name}");
        }
    }

    #[test]
    fn a_number_has_one_form() {
        assert_eq!((sequence("0"), sequence("17")), (Some(0), Some(17)));
        for text in ["", "-1", "+1", "01", "1.0", "1e3", "18446744073709551615", "9223372036854775807"] {
            assert_eq!(sequence(text), None, "{text}");
        }
    }
}
