//! Whose a token is: asked of the API server, and remembered for a short time.
//!
//! A token has to be for this audience, of exactly one ServiceAccount, and bound to a pod on the node that the segment speaks of
//! (`authentication.kubernetes.io/node-name` of TokenReview, which the API server puts there for projected tokens: KEP-4193).

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The audience that agents ask their tokens for.
pub const AUDIENCE: &str = "netwright-collector";
/// Where TokenReview says on which node the token's pod is.
const NODE: &str = "authentication.kubernetes.io/node-name";
/// For how long an answer holds. The kubelet renews tokens long before they expire, and a pod that was deleted is believed for so long.
const REMEMBERED: Duration = Duration::from_secs(60);
/// For how long a refusal does.
const REFUSED: Duration = Duration::from_secs(5);
/// How many answers are remembered.
const MOST: usize = 20_000;
/// Longer ones are not asked about.
const LONGEST: usize = 16 << 10;

/// Why a token was refused. None of these texts holds any of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is none.
    #[error("no bearer token")]
    Absent,
    /// The API server does not know it, or it has expired.
    #[error("the API server does not accept the token: expired, revoked, or not one of this cluster")]
    NotAuthenticated,
    /// It is meant for somebody else.
    #[error("the token is for another audience than {AUDIENCE}")]
    Audience,
    /// It is not an agent's.
    #[error("the token is of another account than the agents'")]
    Account,
    /// It is of an agent on another node.
    #[error("the token is bound to another node, or to none")]
    Node,
    /// The API server did not answer.
    #[error("the API server could not be asked about the token: {0}")]
    Unavailable(String),
}

impl Refusal {
    /// A word for metrics.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::NotAuthenticated => "not-authenticated",
            Self::Audience => "audience",
            Self::Account => "account",
            Self::Node => "node",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// The node of a token's pod, or why it is refused.
type Verdict = Result<String, Refusal>;

/// Asks about tokens.
pub struct Tokens {
    reviews: Api<TokenReview>,
    account: String,
    remembered: Mutex<HashMap<[u8; 32], (Verdict, Instant)>>,
}

impl Tokens {
    /// Accepts tokens of the ServiceAccount `name` in `namespace` alone.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        let account = format!("system:serviceaccount:{namespace}:{name}");
        Self { reviews: Api::all(client), account, remembered: Mutex::default() }
    }

    /// Whether `token` is that of the agent on `node`.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self, token: Option<&str>, node: &str) -> Result<(), Refusal> {
        let token = token.filter(|token| !token.is_empty()).ok_or(Refusal::Absent)?;
        if token.len() > LONGEST {
            return Err(Refusal::NotAuthenticated);
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let verdict = match self.remembered(&digest) {
            Some(verdict) => verdict,
            None => {
                let verdict = self.ask(token).await;
                self.remember(digest, &verdict);
                verdict
            }
        };
        match verdict? {
            bound if bound == node => Ok(()),
            _ => Err(Refusal::Node),
        }
    }

    async fn ask(&self, token: &str) -> Verdict {
        let spec = TokenReviewSpec { audiences: Some(vec![AUDIENCE.to_owned()]), token: Some(token.to_owned()) };
        let review = TokenReview { spec, ..TokenReview::default() };
        let answer = self.reviews.create(&PostParams::default(), &review).await;
        let answer = answer.map_err(|error| Refusal::Unavailable(error.to_string().escape_debug().to_string()))?;
        judge(&answer.status.unwrap_or_default(), &self.account)
    }

    fn remembered(&self, digest: &[u8; 32]) -> Option<Verdict> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (verdict, until) = remembered.get(digest)?;
        (*until > Instant::now()).then(|| verdict.clone())
    }

    fn remember(&self, digest: [u8; 32], verdict: &Verdict) {
        let time = match verdict {
            Ok(_) => REMEMBERED,
            // Asked again at once.
            Err(Refusal::Unavailable(_)) => return,
            Err(_) => REFUSED,
        };
        let now = Instant::now();
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST {
            remembered.retain(|_, (_, until)| *until > now);
        }
        if remembered.len() < MOST {
            remembered.insert(digest, (verdict.clone(), now + time));
        }
    }
}

/// What the API server's answer means.
fn judge(status: &TokenReviewStatus, account: &str) -> Verdict {
    if status.authenticated != Some(true) {
        let audience = status.error.as_deref().is_some_and(|error| error.contains("audience"));
        return Err(if audience { Refusal::Audience } else { Refusal::NotAuthenticated });
    }
    // One that knows nothing of audiences must not be believed.
    if !status.audiences.iter().flatten().any(|audience| audience == AUDIENCE) {
        return Err(Refusal::Audience);
    }
    let user = status.user.as_ref();
    if user.and_then(|user| user.username.as_deref()) != Some(account) {
        return Err(Refusal::Account);
    }
    let node = user.and_then(|user| user.extra.as_ref()?.get(NODE)?.first().cloned());
    node.filter(|node| !node.is_empty()).ok_or(Refusal::Node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ACCOUNT: &str = "system:serviceaccount:netwright:netwright-agent";

    fn judged(change: impl FnOnce(&mut Value)) -> Verdict {
        let mut status = json!({
            "authenticated": true, "audiences": [AUDIENCE],
            "user": {"username": ACCOUNT, "extra": {NODE: ["n1"]}},
        });
        change(&mut status);
        judge(&serde_json::from_value(status).unwrap(), ACCOUNT)
    }

    #[test]
    fn only_a_token_that_is_right_in_every_way_is_believed() {
        assert_eq!(judged(|_| {}), Ok("n1".into()));
        assert_eq!(judged(|status| status["authenticated"] = json!(false)), Err(Refusal::NotAuthenticated));
        assert_eq!(judged(|status| *status = json!({})), Err(Refusal::NotAuthenticated));
        assert_eq!(
            judged(|status| status["audiences"] = json!(["https://kubernetes.default.svc"])),
            Err(Refusal::Audience)
        );
        assert_eq!(judged(|status| status["audiences"] = Value::Null), Err(Refusal::Audience));
        for user in
            ["system:serviceaccount:netwright:default", "system:serviceaccount:other:netwright-agent", "admin", ""]
        {
            assert_eq!(judged(|status| status["user"]["username"] = json!(user)), Err(Refusal::Account), "{user}");
        }
        assert_eq!(judged(|status| status["user"]["extra"] = json!({})), Err(Refusal::Node));
        assert_eq!(judged(|status| status["user"]["extra"][NODE] = json!([""])), Err(Refusal::Node));
    }
}
