//! Every verb that reports has the same forms, and they say the same.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod common;

use common::shop;
use netwright_record::file;
use serde_json::Value;

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/shop");

#[test]
fn yaml_says_what_json_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.nwo");
    file::write_path(&shop().build(), &path).unwrap();
    let observation = path.to_str().unwrap();
    let policies = format!("{SHOP}/policies.yaml");
    for arguments in [
        vec!["inspect", observation],
        vec!["check", observation, "--policies", &policies],
        vec!["connectivity", "--policies", &policies, "--inventory", observation],
        vec!["diff", &policies, &policies, "--inventory", observation],
        vec!["diff", observation, observation],
    ] {
        let form = |form: &str| {
            let mut command = assert_cmd::cargo::cargo_bin_cmd!("netwright");
            let output = command.args(&arguments).args(["-o", form]).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let json: Value = serde_json::from_str(&form("json")).unwrap();
        assert_eq!(serde_yaml::from_str::<Value>(&form("yaml")).unwrap(), json, "{arguments:?}");
        assert!(json.as_object().is_none_or(|report| !report.is_empty()), "{arguments:?} reports nothing");
        assert!(!form("table").is_empty(), "{arguments:?}");
    }
}
