//! Parts of a file: one range of bytes (RFC 9110, 14), so that a download that broke goes on where it was.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use netwright_record::collector::Export;

/// What is sent of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: u64,
    pub(super) length: u64,
    /// Whether a part was asked for.
    part: bool,
}

/// A range that the file does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unsatisfiable {
    bytes: u64,
}

impl Range {
    /// What `headers` ask for of a file of so many `bytes`. A range in another form than `bytes=A-`, `bytes=A-B` and `bytes=-N` is passed
    /// over, as is one with an `If-Range` of another file: then all is sent.
    pub(super) fn of(headers: &HeaderMap, bytes: u64, tag: &str) -> Result<Self, Unsatisfiable> {
        let whole = Self { from: 0, length: bytes, part: false };
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        if text(header::IF_RANGE).is_some_and(|wanted| wanted.trim_matches('"') != tag) {
            return Ok(whole);
        }
        let Some((from, until)) = text(header::RANGE).and_then(|range| parse(range, bytes)) else { return Ok(whole) };
        if from >= bytes || until < from {
            return Err(Unsatisfiable { bytes });
        }
        Ok(Self { from, length: until.min(bytes - 1) - from + 1, part: true })
    }

    pub(super) fn response(self, content: Body, export: &Export) -> Response {
        let mut response = content.into_response();
        let headers = response.headers_mut();
        let mut set =
            |name, value: String| HeaderValue::from_str(&value).ok().and_then(|value| headers.insert(name, value));
        set(header::CONTENT_TYPE, "application/zstd".into());
        set(header::ACCEPT_RANGES, "bytes".into());
        set(header::ETAG, format!("\"{}\"", export.sha256));
        set(header::CONTENT_LENGTH, self.length.to_string());
        if self.part {
            let last = self.from + self.length - 1;
            set(header::CONTENT_RANGE, format!("bytes {}-{last}/{}", self.from, export.bytes));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        response
    }
}

/// First and last byte.
fn parse(range: &str, bytes: u64) -> Option<(u64, u64)> {
    let (from, until) = range.strip_prefix("bytes=")?.split_once('-')?;
    match (from, until) {
        ("", last) => {
            let last: u64 = last.parse().ok()?;
            // Nothing is the last of nothing: told as a range that is not there.
            Some((if last == 0 { bytes } else { bytes.saturating_sub(last) }, bytes.saturating_sub(1)))
        }
        (from, "") => Some((from.parse().ok()?, u64::MAX)),
        (from, until) => Some((from.parse().ok()?, until.parse().ok()?)),
    }
}

impl IntoResponse for Unsatisfiable {
    fn into_response(self) -> Response {
        let range = format!("bytes */{}", self.bytes);
        (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, range)]).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: Option<&str>, if_range: Option<&str>) -> Result<(u64, u64, bool), Unsatisfiable> {
        let mut headers = HeaderMap::new();
        range.map(|range| headers.insert(header::RANGE, range.parse().unwrap()));
        if_range.map(|tag| headers.insert(header::IF_RANGE, tag.parse().unwrap()));
        Range::of(&headers, 100, "tag").map(|range| (range.from, range.length, range.part))
    }

    #[test]
    fn parts_are_as_asked() {
        assert_eq!(asked(None, None), Ok((0, 100, false)));
        assert_eq!(asked(Some("bytes=10-"), None), Ok((10, 90, true)));
        assert_eq!(asked(Some("bytes=10-19"), None), Ok((10, 10, true)));
        assert_eq!(asked(Some("bytes=90-1000"), None), Ok((90, 10, true)));
        assert_eq!(asked(Some("bytes=-5"), None), Ok((95, 5, true)));
        assert_eq!(asked(Some("bytes=-500"), None), Ok((0, 100, true)));
        assert_eq!(asked(Some("bytes=10-"), Some("\"tag\"")), Ok((10, 90, true)));
    }

    #[test]
    fn what_is_not_there_is_told_and_other_forms_mean_all() {
        for range in ["bytes=100-", "bytes=-0", "bytes=5-4"] {
            assert_eq!(asked(Some(range), None), Err(Unsatisfiable { bytes: 100 }), "{range}");
        }
        for range in ["bytes=1-2,4-5", "lines=1-2", "bytes=a-b", "bytes=5"] {
            assert_eq!(asked(Some(range), None), Ok((0, 100, false)), "{range}");
        }
        assert_eq!(asked(Some("bytes=10-"), Some("\"other\"")), Ok((0, 100, false)));
    }
}
