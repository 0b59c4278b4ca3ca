//! Why a segment is not taken in, and how that is told. Agents act by the status alone (ARCHITECTURE.md, "Taking in").

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no bearer token, or it cannot be one.
    #[error("no bearer token")]
    NoToken,
    /// The API server does not know the token, or not for this audience: it may have expired.
    #[error("the API server does not vouch for the token")]
    NotAuthenticated,
    /// The token is another ServiceAccount's.
    #[error("the token is not that of the agents' ServiceAccount")]
    OtherAccount,
    /// The token is bound to no pod and node, so that it says nothing of where it is used.
    #[error("the token is not bound to a pod on a node: it has to be a projected one")]
    Unbound,
    /// The token is that of another node.
    #[error("the token is bound to another node")]
    OtherNode,
    /// The path names no segment.
    #[error("the path is not /v1/segments/NODE/RUN/SEQUENCE")]
    BadPath,
    /// The body is not compressed as segments are.
    #[error("the body is no zstd file")]
    NotZstd,
    /// The body is larger than any segment may be.
    #[error("the segment is larger than {0} bytes")]
    TooLarge(u64),
    /// The body becomes larger than any segment may be.
    #[error("the segment has more than {0} bytes unpacked")]
    TooLargeUnpacked(u64),
    /// The body is no segment, or not the one that the path names.
    #[error("no segment of this node and run: {0}")]
    Unreadable(String),
    /// It speaks of a time before the window.
    #[error("the segment is older than what is kept")]
    TooOld,
    /// The body took too long to arrive.
    #[error("the body took too long to arrive")]
    Slow,
    /// Too many requests are under way.
    #[error("too many requests are under way")]
    Busy,
    /// Too much waits to be merged.
    #[error("too much waits to be merged")]
    InboxFull,
    /// The API server does not answer.
    #[error("the API server cannot be asked about the token")]
    ReviewFailed,
    /// The store failed.
    #[error("the store cannot take it in at the moment")]
    StoreFailed,
}

impl Refusal {
    /// A word for it, for the metric.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::NotAuthenticated => "not_authenticated",
            Self::OtherAccount => "other_account",
            Self::Unbound => "unbound_token",
            Self::OtherNode => "other_node",
            Self::BadPath => "bad_path",
            Self::NotZstd => "not_zstd",
            Self::TooLarge(_) => "too_large",
            Self::TooLargeUnpacked(_) => "too_large_unpacked",
            Self::Unreadable(_) => "unreadable",
            Self::TooOld => "too_old",
            Self::Slow => "slow",
            Self::Busy => "busy",
            Self::InboxFull => "inbox_full",
            Self::ReviewFailed => "token_review_failed",
            Self::StoreFailed => "store_failed",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::NotAuthenticated => StatusCode::UNAUTHORIZED,
            Self::OtherAccount | Self::Unbound | Self::OtherNode => StatusCode::FORBIDDEN,
            Self::BadPath | Self::Unreadable(_) | Self::TooOld => StatusCode::BAD_REQUEST,
            Self::NotZstd => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) | Self::TooLargeUnpacked(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy | Self::InboxFull | Self::ReviewFailed | Self::StoreFailed => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// After how many seconds to come again, where waiting helps.
    fn retry_after(&self) -> Option<&'static str> {
        match self {
            Self::Busy => Some("1"),
            Self::ReviewFailed | Self::StoreFailed => Some("5"),
            Self::InboxFull => Some("15"),
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(serde_json::json!({ "error": self.cause(), "why": self.to_string() }));
        let mut response = (self.status(), body).into_response();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static(seconds));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            let bearer = header::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        // What was not read of the body is not waited for.
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        response
    }
}
