//! The bodies of the fuzz targets, without a fuzzer: the inputs that are kept, and random bytes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use netwright_policy_fuzz::{evaluate, parse, replay};
use proptest::prelude::*;
use std::path::Path;

fn regressions(target: &str, body: fn(&[u8])) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions").join(target);
    let files = replay::directory(&path, body).unwrap();
    assert!(files > 0, "{} holds nothing to replay", path.display());
}

#[test]
fn parse_takes_every_input_that_is_kept() {
    regressions("parse", parse::run);
}

#[test]
fn evaluate_takes_every_input_that_is_kept() {
    regressions("evaluate", evaluate::run);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parse_takes_any_text(text in any::<String>()) {
        parse::run(text.as_bytes());
    }

    #[test]
    fn evaluate_takes_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        evaluate::run(&bytes);
    }
}
