//! What a check is. For the register, and for whoever prints it.

use super::facts::Facts;
use super::finding::Findings;
use super::profile::Profile;
use std::fmt;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Worth knowing; often meant so.
    Note,
    /// Probably a mistake.
    Warning,
    /// What is written has no effect, or not the one it states.
    Error,
}

impl Level {
    /// The level in lower case: `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One kind of mistake.
pub struct Check {
    /// Its name in kebab-case, by which it can be silenced. Never changes its meaning.
    pub code: &'static str,
    /// How much its findings weigh.
    pub level: Level,
    /// The only profile under which it runs; `None` for all.
    pub profile: Option<Profile>,
    /// Why it matters: one sentence.
    pub why: &'static str,
    /// What to do: one sentence.
    pub advice: &'static str,
    pub(super) run: fn(&Facts<'_>, &mut Findings<'_>),
}

impl Check {
    /// Whether the check is run under a profile.
    pub fn applies_to(&self, profile: Profile) -> bool {
        self.profile.is_none_or(|only| only == profile)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("code", &self.code).field("level", &self.level).finish_non_exhaustive()
    }
}
