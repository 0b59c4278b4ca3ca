//! What the collector's answer to an upload means for the segment.

use hyper::{HeaderMap, StatusCode, header};
use netwright_record::Time;
use serde::Deserialize;
use std::time::Duration;

/// The longest wait that a collector is believed.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// How much of what a refusal says is repeated.
const LONGEST_QUOTE: usize = 200;

/// What to do with the segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The collector has it for good.
    Acknowledged,
    /// The collector will never take it.
    Refused {
        /// What it said, escaped.
        why: String,
    },
    /// Try again.
    Later {
        /// Why, escaped.
        why: String,
        /// No sooner than that, if the collector said so.
        wait: Option<Duration>,
    },
}

/// The body of an acknowledgement.
#[derive(Debug, Deserialize)]
struct Acknowledgement {
    state: String,
}

/// Reads an answer, by the table in ARCHITECTURE.md. Whatever is in neither of its lists is no reason to lose a segment: a
/// proxy or another server may have said it.
pub fn read(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Time) -> Answer {
    match status {
        StatusCode::OK if is_acknowledgement(body) => Answer::Acknowledged,
        StatusCode::OK => Answer::Later { why: format!("no acknowledgement: {}", quote(body)), wait: None },
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Answer::Refused { why: format!("{status}: {}", quote(body)) }
        }
        _ => Answer::Later { why: format!("{status}: {}", quote(body)), wait: retry_after(headers, now) },
    }
}

fn is_acknowledgement(body: &[u8]) -> bool {
    serde_json::from_slice::<Acknowledgement>(body)
        .is_ok_and(|acknowledgement| matches!(acknowledgement.state.as_str(), "stored" | "known"))
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: Time) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            Duration::try_from(date.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.trim().chars().take(LONGEST_QUOTE).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str, retry_after: Option<&str>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
        }
        let now = "1994-11-06T08:49:00Z".parse().unwrap();
        read(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes(), now)
    }

    #[test]
    fn only_the_collectors_own_word_is_an_acknowledgement() {
        for body in [r#"{"state":"stored"}"#, r#"{"state":"known","more":1}"#] {
            assert_eq!(answer(200, body, None), Answer::Acknowledged);
        }
        for body in ["", "ok", "<html>", r#"{"state":"received"}"#, "{}"] {
            assert!(matches!(answer(200, body, None), Answer::Later { .. }), "{body}");
        }
    }

    #[test]
    fn what_will_never_be_read_is_refused_and_all_else_is_tried_again() {
        for status in [400, 413, 415] {
            assert!(matches!(answer(status, "no", None), Answer::Refused { .. }), "{status}");
        }
        for status in [201, 204, 302, 401, 403, 404, 405, 408, 409, 429, 500, 502, 503, 504] {
            assert!(matches!(answer(status, "", None), Answer::Later { .. }), "{status}");
        }
    }

    #[test]
    fn the_wait_is_read_in_both_forms_and_bounded() {
        let wait = |value| match answer(503, "", Some(value)) {
            Answer::Later { wait, .. } => wait,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(37)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("99999999"), Some(LONGEST_WAIT));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn what_it_said_is_escaped_and_clipped() {
        let Answer::Refused { why } = answer(400, &format!("a\n\u{1b}[31m{}", "x".repeat(999)), None) else { panic!() };
        assert!(why.contains("a\\n\\u{1b}[31m") && why.len() < 300, "{why}");
    }
}
