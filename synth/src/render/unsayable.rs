//! What a plan says and a dialect cannot: listed beside what was written, in the summary and the evidence, never dropped.

use crate::infer::rules::RuleDirection;
use crate::text::{comment, plain};
use serde::Serialize;
use std::fmt;

/// One thing that a dialect cannot say as the plan does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unsayable {
    /// Of which policy, as `namespace/name`; absent where it is of all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Of which of its directions.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "direction")]
    pub direction: Option<RuleDirection>,
    /// What cannot be said. May hold text from outside, not escaped.
    pub what: String,
    /// Why not.
    pub why: &'static str,
    /// What stands in its place.
    pub effect: Effect,
}

/// What follows from something that cannot be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// What the plan denies stays allowed.
    Open,
    /// What is written allows more than the plan.
    Wider {
        /// How many pairs of workloads more, as far as the inventory knows them.
        pairs: usize,
    },
    /// What is written allows the plan's addresses, and not what the dialect could have named instead.
    Addresses,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("not restricted"),
            Self::Wider { pairs: 0 } => f.write_str("written wider"),
            Self::Wider { pairs: 1 } => f.write_str("written wider by 1 pair of workloads"),
            Self::Wider { pairs } => write!(f, "written wider by {pairs} pairs of workloads"),
            Self::Addresses => f.write_str("written as the addresses that were seen"),
        }
    }
}

impl Unsayable {
    /// What of which policy, and what stands in its place. On one line, safe for a terminal and for a comment.
    pub fn place(&self) -> String {
        let direction = self.direction.map(|direction| direction.as_str().to_owned());
        let place: Vec<String> = self.policy.iter().map(|policy| plain(policy)).chain(direction).collect();
        let place = if place.is_empty() { String::new() } else { place.join(" ") + ": " };
        format!("{place}{}: {}", plain(&self.what), self.effect)
    }

    /// As a comment in the policy itself, which need not be named.
    pub fn remark(&self) -> String {
        let direction = self.direction.map_or(String::new(), |direction| format!("{}: ", direction.as_str()));
        format!("{direction}{}: {}, since {}", comment(&self.what), self.effect, self.why)
    }
}

/// On one line, safe for a terminal and for a comment.
impl fmt::Display for Unsayable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, since {}", self.place(), self.why)
    }
}

fn direction<S: serde::Serializer>(direction: &Option<RuleDirection>, serializer: S) -> Result<S::Ok, S::Error> {
    direction.map(RuleDirection::as_str).serialize(serializer)
}
