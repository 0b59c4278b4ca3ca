//! A stand-in for the API server: it reviews tokens, and counts how often it is asked.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

pub(crate) const AUDIENCE: &str = "netwright-collector";

/// What it was asked, and whether it answers.
#[derive(Debug, Default)]
pub(crate) struct Api {
    pub(crate) reviews: AtomicU32,
    pub(crate) away: AtomicBool,
}

impl Api {
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new().route("/apis/authentication.k8s.io/v1/tokenreviews", post(review)).with_state(self)
    }

    pub(crate) fn client(self: Arc<Self>) -> kube::Client {
        kube::Client::new(self.router(), "default")
    }
}

/// Tokens are `ACCOUNT:NODE`, or a JWT that has this for a head, of which only `exp` is read. One of another audience begins with
/// `other-audience`.
async fn review(State(api): State<Arc<Api>>, Json(review): Json<Value>) -> Result<Json<Value>, StatusCode> {
    api.reviews.fetch_add(1, Ordering::SeqCst);
    if api.away.load(Ordering::SeqCst) {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let token = review["spec"]["token"].as_str().unwrap_or_default();
    let asked = &review["spec"]["audiences"];
    let mut parts = token.split('.');
    let (token, claims) = (parts.next().unwrap_or_default(), parts.next());
    let status = match token.split_once(':') {
        _ if claims.is_some_and(is_over) => json!({ "authenticated": false, "error": "token has expired" }),
        _ if *asked != json!([AUDIENCE]) || token.starts_with("other-audience") => json!({ "authenticated": false }),
        None => json!({ "authenticated": false, "error": "invalid bearer token" }),
        Some((account, node)) => {
            let mut extra = json!({ "authentication.kubernetes.io/pod-uid": ["u1"] });
            if !node.is_empty() {
                extra["authentication.kubernetes.io/node-name"] = json!([node]);
            }
            let username = format!("system:serviceaccount:netwright:{account}");
            json!({ "authenticated": true, "audiences": asked, "user": { "username": username, "extra": extra } })
        }
    };
    Ok(Json(json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}, "spec": {}, "status": status,
    })))
}

/// A token that stands for `node` until `until`, in seconds since 1970.
pub(crate) fn until(node: &str, until: i64) -> String {
    let claims = BASE64_URL_SAFE_NO_PAD.encode(json!({ "exp": until }).to_string());
    format!("netwright-agent:{node}.{claims}.signature")
}

fn is_over(claims: &str) -> bool {
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    claims["exp"].as_i64().unwrap() <= netwright_record::Time::now().as_second()
}
