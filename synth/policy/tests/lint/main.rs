//! Each check of the linter: a case that it reports, and a near miss that it lets pass.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

mod dns;
mod empties;
mod order;
mod profiles;
mod quiet;
mod rules;
mod selectors;
mod services;
mod world;
