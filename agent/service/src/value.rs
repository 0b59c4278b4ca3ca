//! Values as people write them in flags, environment and files: durations and amounts of bytes. For clap's `value_parser`.

use std::time::Duration;

/// Parses a duration: `500ms`, `90s`, `15m`, `2h`, `14d`, or `1h30m`. Days have 24 hours; it is positive and has no calendar units.
///
/// # Errors
/// Another form, in words that show the right one.
pub fn duration(text: &str) -> Result<Duration, String> {
    let help = "expected a number with a unit, such as 500ms, 90s, 15m, 2h or 14d";
    let span: jiff::Span = text.parse().map_err(|error| format!("{error}; {help}"))?;
    let duration =
        span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|error| format!("{error}; {help}"))?;
    Duration::try_from(duration)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("must be longer than zero; {help}"))
}

/// Parses an amount of bytes as Kubernetes writes quantities: a whole number, and `k`, `M`, `G`, `T` (powers of 1000) or
/// `Ki`, `Mi`, `Gi`, `Ti` (powers of 1024). Source: `resource.Quantity` of apimachinery, without fractions and exponents.
///
/// # Errors
/// Another form, or more than fits 64 bits.
pub fn bytes(text: &str) -> Result<u64, String> {
    let help = "expected a whole number of bytes with a unit, such as 64Mi, 2Gi or 500M";
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit: u64 = match unit {
        "" => 1,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        other => return Err(format!("unknown unit {other:?}; {help}")),
    };
    let number: u64 = digits.parse().map_err(|error| format!("{error}; {help}"))?;
    number.checked_mul(unit).ok_or_else(|| format!("more than 64 bits hold; {help}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_usual_forms() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7200), ("14d", 1_209_600), ("1h30m", 5400)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn other_durations_are_refused_with_an_example() {
        for text in ["", "10", "ten minutes", "0s", "-5s", "1mo", "99999999999999999999s"] {
            assert!(duration(text).unwrap_err().contains("such as"), "{text}");
        }
    }

    #[test]
    fn bytes_are_quantities() {
        for (text, expected) in [("0", 0), ("512", 512), ("64Mi", 64 << 20), ("2Gi", 2 << 30), ("500M", 500_000_000)] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "Mi", "1.5Gi", "-1", "1 Gi", "1GB", "99999999999999999999", "99999999999Gi"] {
            assert!(bytes(text).unwrap_err().contains("such as"), "{text}");
        }
    }
}
