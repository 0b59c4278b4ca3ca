//! Words that are text to a reader of YAML 1.2 and something else to `kubectl`. For the readers of text fields.
//!
//! `kubectl` turns YAML to JSON with `sigs.k8s.io/yaml`, which reads scalars as YAML 1.1 has them (`resolve.go` of
//! `go.yaml.in/yaml/v2`): a label value `on` reaches the API server as `true`, and is refused; a label key `on` becomes
//! `true` without a word. Sexagesimal numbers (`12:30`) and dates stay text there.

/// What `kubectl` reads in place of a bare scalar that was read as text here; `None` if it reads the same.
pub(crate) fn other_reading(text: &str) -> Option<String> {
    match text.bytes().next()? {
        b'y' | b'Y' | b'n' | b'N' | b'o' | b'O' => boolean(text).map(|value| value.to_string()),
        b'0'..=b'9' | b'+' | b'-' => number(&text.replace('_', "")),
        b'.' if is_grouped(text) => number(&text.replace('_', "")),
        _ => None,
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// A whole number, in the notations of Go's `strconv.ParseInt` with base 0, or a decimal fraction.
fn number(text: &str) -> Option<String> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", text.get(1..)?),
        b'+' => ("", text.get(1..)?),
        _ => ("", text),
    };
    let whole = whole(digits).filter(|value| sign.is_empty() || *value <= i64::MIN.unsigned_abs());
    if let Some(value) = whole {
        return Some(format!("{sign}{value}"));
    }
    let value: f64 = Some(digits).filter(|digits| is_fraction(digits))?.parse().ok()?;
    value.is_finite().then(|| format!("{sign}{value}"))
}

fn whole(digits: &str) -> Option<u64> {
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(digits, radix).ok())?
}

/// `1`, `1.`, `1.5` or `.5`, with an exponent or without.
fn is_fraction(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits(before)
        && is_digits(after)
        && !(before.is_empty() && after.is_empty())
        && exponent.is_none_or(|exponent| {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !digits.is_empty() && is_digits(digits)
        })
}

/// Whether each `_` stands between two digits, as it must where a number begins with its point.
fn is_grouped(text: &str) -> bool {
    text.split('_').skip(1).all(|part| part.starts_with(|c: char| c.is_ascii_digit()))
        && text.rsplit('_').skip(1).all(|part| part.ends_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each was tried with `sigs.k8s.io/yaml` 1.6.0.
    #[test]
    fn scalars_are_read_as_kubectl_reads_them() {
        for (text, read_as) in [
            ("y", "true"),
            ("No", "false"),
            ("OFF", "false"),
            ("1_000", "1000"),
            ("0_7", "7"),
            ("017", "15"),
            ("-010", "-8"),
            ("+0o17", "15"),
            ("0O17", "15"),
            ("0X1F", "31"),
            ("0B11", "3"),
            ("0x1_F", "31"),
            ("09", "9"),
            ("1_0.5", "10.5"),
            ("1_0e3", "10000"),
            (".5_0", "0.5"),
            ("0_", "0"),
            ("08_1", "81"),
        ] {
            assert_eq!(other_reading(text).as_deref(), Some(read_as), "{text}");
        }
    }

    #[test]
    fn other_text_is_text() {
        for text in [
            "",
            "yEs",
            "nO",
            "o",
            "yes ",
            "oN",
            "_1",
            "12:30",
            "2001-12-14",
            "1.2.3",
            "0x",
            "0xg",
            "-",
            "+",
            "1e",
            "1e+",
            ".",
            "0b2",
            "1-2",
            "+-1",
            "0o-7",
            "1e999",
            "18446744073709551616x",
            "a1",
            "٣",
        ] {
            assert_eq!(other_reading(text), None, "{text}");
        }
    }
}
