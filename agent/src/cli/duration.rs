//! Durations on the command line: `90s`, `15m`, `2h`, `14d`, or `1h30m`.

use std::time::Duration;

/// Parses a duration. Everything that jiff's friendly format takes, as long as it is positive and has no calendar units.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let help = "expected a number with a unit, such as 500ms, 90s, 15m, 2h or 14d";
    let span: jiff::Span = text.parse().map_err(|error| format!("{error}; {help}"))?;
    let duration =
        span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|error| format!("{error}; {help}"))?;
    Duration::try_from(duration)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("must be longer than zero; {help}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_forms_are_understood() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7200), ("14d", 1_209_600), ("1h30m", 5400)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn others_are_refused_with_an_example() {
        for text in ["", "10", "ten minutes", "0s", "-5s", "1mo", "99999999999999999999s"] {
            assert!(parse(text).unwrap_err().contains("such as"), "{text}");
        }
    }
}
