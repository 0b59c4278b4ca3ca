//! What is probably a mistake in a set of policies, given the pods, Services and nodes they are meant for. For
//! `netwright check`, and for whoever reviews policies before they are applied.
//!
//! Each check is a file under `checks`, with a code name that never changes its meaning; [`CHECKS`] is the register of
//! them. What is not known is not judged: without pods no selector is said to select nothing.

mod check;
mod checks;
mod facts;
mod field;
mod finding;
mod input;
mod profile;

pub use check::{Check, Level};
pub use checks::CHECKS;
pub use field::{Field, Part};
pub use finding::Finding;
pub use input::{Input, Node, Service, ServicePort, Subject};
pub use profile::{Difference, Evidence, Profile, UnknownProfile};

use facts::Facts;
use finding::Findings;

/// Runs every check of the profile over the policies.
///
/// The findings are in the order of the policies' origins, then of the fields in a policy; what concerns no single
/// policy is last. They depend on nothing but `input`, and not on the order of its pods, Services and nodes.
///
/// Pods that are alike to every selector are looked at once, and selectors find them by their labels, so that the time
/// grows with policies and pods, not with their product; rules for very many pods each, all of them different, are the
/// exception.
pub fn lint(input: &Input<'_>) -> Vec<Finding> {
    let facts = Facts::new(*input);
    let mut found = Vec::new();
    for check in CHECKS.iter().filter(|check| check.applies_to(input.profile)) {
        let mut findings = Findings::new(check, &facts);
        (check.run)(&facts, &mut findings);
        found.append(&mut findings.found);
    }
    found.sort_by(|a, b| a.order().cmp(&b.order()));
    found
}
