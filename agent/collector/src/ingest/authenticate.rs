//! Who sends: the API server is asked whose token it is (TokenReview), and what it says is remembered for a short time.
//!
//! A token counts if it was made for this audience, is that of the agents' ServiceAccount, and is bound to a pod on a node: then the
//! node it is bound to is the only one it may speak for. Sources: `authentication.k8s.io/v1` TokenReview, and the extra fields
//! `authentication.kubernetes.io/node-name` and `pod-uid` of bound tokens (KEP-4193).

use super::refusal::Refusal;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, Client};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;

/// How long an answer is remembered: for so long a token may be used after its pod is gone.
const REMEMBERED: Duration = Duration::from_secs(120);
/// How long a refusal is: whoever insists asks the API server no more often.
const REFUSAL_REMEMBERED: Duration = Duration::from_secs(10);
/// How many tokens are remembered: two for each node of the largest clusters.
const MOST: usize = 10_000;
/// Questions to the API server at a time.
const AT_ONCE: usize = 16;
/// How long the API server may take.
const REVIEW: Duration = Duration::from_secs(10);
/// Longer than any token of the API server.
const LONGEST_TOKEN: usize = 8 << 10;

const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// Finds out which node a token speaks for.
pub struct Authenticator {
    reviews: Api<TokenReview>,
    audience: String,
    username: String,
    known: Mutex<HashMap<[u8; 32], Known>>,
    under_way: Semaphore,
}

/// What was said of a token, and until when that counts.
struct Known {
    node: Result<Arc<str>, Refusal>,
    until: Instant,
}

impl Authenticator {
    /// Asks through `client` about tokens for `audience` of the ServiceAccount `account` in `namespace`.
    pub fn new(client: Client, audience: &str, namespace: &str, account: &str) -> Self {
        Self {
            reviews: Api::all(client),
            audience: audience.to_owned(),
            username: format!("system:serviceaccount:{namespace}:{account}"),
            known: Mutex::default(),
            under_way: Semaphore::new(AT_ONCE),
        }
    }

    /// The node that `token` speaks for.
    pub(super) async fn node(&self, token: &str) -> Result<Arc<str>, Refusal> {
        if token.is_empty() || token.len() > LONGEST_TOKEN {
            return Err(Refusal::NoToken);
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(node) = self.remembered(&digest) {
            return node;
        }
        let _turn = self.under_way.acquire().await.map_err(|_| Refusal::ReviewFailed)?;
        // Another request may have asked meanwhile.
        if let Some(node) = self.remembered(&digest) {
            return node;
        }
        let node = judge(&self.review(token).await?, &self.audience, &self.username);
        self.remember(digest, node.clone(), expiry(token));
        node
    }

    async fn review(&self, token: &str) -> Result<TokenReviewStatus, Refusal> {
        let spec = TokenReviewSpec { token: Some(token.to_owned()), audiences: Some(vec![self.audience.clone()]) };
        let review = TokenReview { spec, ..TokenReview::default() };
        let parameters = PostParams::default();
        let asked = tokio::time::timeout(REVIEW, self.reviews.create(&parameters, &review));
        match asked.await {
            Ok(Ok(review)) => review.status.ok_or(Refusal::ReviewFailed),
            Ok(Err(error)) => {
                tracing::error!(
                    "the API server was asked about a token and failed: {}",
                    error.to_string().escape_debug()
                );
                Err(Refusal::ReviewFailed)
            }
            Err(_) => {
                tracing::error!("the API server was asked about a token and did not answer in {REVIEW:?}");
                Err(Refusal::ReviewFailed)
            }
        }
    }

    fn remembered(&self, digest: &[u8; 32]) -> Option<Result<Arc<str>, Refusal>> {
        let known = self.known();
        known.get(digest).filter(|known| known.until > Instant::now()).map(|known| known.node.clone())
    }

    fn remember(&self, digest: [u8; 32], node: Result<Arc<str>, Refusal>, expires_in: Option<Duration>) {
        let longest = if node.is_ok() { REMEMBERED } else { REFUSAL_REMEMBERED };
        let now = Instant::now();
        let until = now + expires_in.map_or(longest, |left| left.min(longest));
        let mut known = self.known();
        if known.len() >= MOST {
            known.retain(|_, known| known.until > now);
        }
        // Where all of so many are fresh, somebody is trying tokens: what is known already stays.
        if known.len() < MOST {
            known.insert(digest, Known { node, until });
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<[u8; 32], Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the API server's answer means. One that knows nothing of audiences must not be believed.
fn judge(status: &TokenReviewStatus, audience: &str, username: &str) -> Result<Arc<str>, Refusal> {
    let for_us = status.audiences.iter().flatten().any(|told| told == audience);
    if status.authenticated != Some(true) || !for_us {
        return Err(Refusal::NotAuthenticated);
    }
    let user = status.user.as_ref().ok_or(Refusal::NotAuthenticated)?;
    if user.username.as_deref() != Some(username) {
        return Err(Refusal::OtherAccount);
    }
    let only = |key: &str| match user.extra.as_ref().and_then(|extra| extra.get(key)).map(Vec::as_slice) {
        Some([one]) if !one.is_empty() => Ok(one),
        _ => Err(Refusal::Unbound),
    };
    only(POD_UID)?;
    only(NODE_NAME).map(|node| node.as_str().into())
}

/// For how long a token is valid, by its own word, which the API server has confirmed. `None` where it says nothing.
fn expiry(token: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Claims {
        exp: u64,
    }
    let payload = token.split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(claims.exp).saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const AUDIENCE: &str = "netwright-collector";
    const ACCOUNT: &str = "system:serviceaccount:netwright:netwright-agent";

    fn judged(change: impl FnOnce(&mut Value)) -> Result<Arc<str>, Refusal> {
        let mut status = json!({
            "authenticated": true, "audiences": [AUDIENCE],
            "user": {"username": ACCOUNT, "extra": {NODE_NAME: ["n1"], POD_UID: ["u1"]}},
        });
        change(&mut status);
        judge(&serde_json::from_value(status).unwrap(), AUDIENCE, ACCOUNT)
    }

    #[test]
    fn only_a_token_that_is_right_in_every_way_is_believed() {
        assert_eq!(judged(|_| {}), Ok("n1".into()));
        assert_eq!(judged(|status| status["authenticated"] = json!(false)), Err(Refusal::NotAuthenticated));
        assert_eq!(judged(|status| *status = json!({})), Err(Refusal::NotAuthenticated));
        for audiences in [Value::Null, json!([]), json!(["https://kubernetes.default.svc"])] {
            assert_eq!(judged(|status| status["audiences"] = audiences), Err(Refusal::NotAuthenticated));
        }
        for user in
            ["system:serviceaccount:netwright:default", "system:serviceaccount:other:netwright-agent", "admin", ""]
        {
            assert_eq!(judged(|status| status["user"]["username"] = json!(user)), Err(Refusal::OtherAccount), "{user}");
        }
        for key in [NODE_NAME, POD_UID] {
            for value in [json!([]), json!([""]), json!(["n1", "n2"])] {
                assert_eq!(judged(|status| status["user"]["extra"][key] = value), Err(Refusal::Unbound), "{key}");
            }
        }
    }

    #[test]
    fn a_token_says_when_it_expires() {
        let with = |claims: &str| expiry(&format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims)));
        assert_eq!(with(r#"{"exp": 1000000000}"#), Some(Duration::ZERO), "long ago");
        assert!(with(r#"{"exp": 32503680000}"#) > Some(Duration::from_secs(3600)));
        assert_eq!((with("{}"), expiry("abc"), expiry("a.b.c")), (None, None, None));
    }
}
