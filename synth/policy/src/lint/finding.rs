//! What a check found. For the caller, who prints it.

use super::check::{Check, Level};
use super::facts::{Facts, Named};
use super::field::Field;
use crate::Origin;
use std::fmt;

/// One probable mistake. The text in it is escaped: it can be shown on a terminal as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The code name of the check.
    pub code: &'static str,
    /// How much it weighs.
    pub level: Level,
    /// The namespace it concerns.
    pub namespace: String,
    /// The policy, where it concerns one.
    pub policy: Option<String>,
    /// Where the policy was read.
    pub origin: Option<Origin>,
    /// The field of the policy.
    pub field: Option<Field>,
    /// The line of that field in the policy's file, counted from 1: see [`PolicySet::line`](crate::PolicySet::line).
    pub line: Option<usize>,
    /// What is the matter.
    pub message: String,
    /// The first few of the things it is about: workloads, addresses, Services.
    pub objects: Vec<String>,
    /// How many more of them there are.
    pub more: usize,
}

impl Finding {
    /// By origin and field, as a reader goes through the files; what has no origin is last.
    pub(super) fn order(&self) -> impl Ord + '_ {
        (self.origin.is_none(), &self.origin, &self.namespace, &self.policy, self.field, self.code, &self.message)
    }
}

/// For messages: `warning: shop/cart (cart.yaml:1, document 1): spec.podSelector (line 5): selects no pod [selects-nothing]`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.level, self.namespace)?;
        if let Some(policy) = &self.policy {
            write!(f, "/{policy}")?;
        }
        if let Some(origin) = &self.origin {
            write!(f, " ({origin})")?;
        }
        if let Some(field) = &self.field {
            write!(f, ": {field}")?;
        }
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        write!(f, ": {}", self.message)?;
        if !self.objects.is_empty() {
            write!(f, ": {}", self.objects.join(", "))?;
        }
        if self.more > 0 {
            write!(f, " and {} more", self.more)?;
        }
        write!(f, " [{}]", self.code)
    }
}

/// Where one check puts what it finds.
pub(super) struct Findings<'a> {
    check: &'static Check,
    facts: &'a Facts<'a>,
    pub(super) found: Vec<Finding>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(check: &'static Check, facts: &'a Facts<'a>) -> Self {
        Self { check, facts, found: Vec::new() }
    }

    /// Reports something in the policy with this index; `objects` are what it is about.
    pub(super) fn policy(&mut self, index: usize, field: Field, message: impl Into<String>, objects: Named) {
        let Some(policy) = self.facts.input.policies.policies().get(index) else { return };
        let finding = Finding {
            policy: Some(policy.name.escape_debug().to_string()),
            origin: Some(policy.origin.clone()),
            field: Some(field),
            line: self.facts.input.policies.line(index, &field.to_string()),
            ..self.finding(&policy.namespace, message, objects)
        };
        self.found.push(finding);
    }

    /// Reports something that concerns a namespace and no single policy.
    pub(super) fn namespace(&mut self, namespace: &str, message: impl Into<String>, objects: Named) {
        let finding = self.finding(namespace, message, objects);
        self.found.push(finding);
    }

    fn finding(&self, namespace: &str, message: impl Into<String>, objects: Named) -> Finding {
        Finding {
            code: self.check.code,
            level: self.check.level,
            namespace: namespace.escape_debug().to_string(),
            policy: None,
            origin: None,
            field: None,
            line: None,
            message: message.into(),
            objects: objects.shown,
            more: objects.more,
        }
    }
}
