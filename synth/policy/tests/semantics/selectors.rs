//! Which labels a selector matches.

use crate::{OUTSIDE, allows, party, pod};

fn selects(selector: &str, pairs: &[(&str, &str)]) -> bool {
    let pod = pod("shop/any", pairs, &[]);
    !allows(&format!("{{podSelector: {selector}}}"), OUTSIDE, party(&pod))
}

/// "The result of matchLabels and matchExpressions are ANDed."
#[test]
fn requirements_are_all_required() {
    let selector = "{matchLabels: {app: api}, matchExpressions: [{key: tier, operator: Exists}, {key: tier, operator: NotIn, values: [test]}]}";
    assert!(selects(selector, &[("app", "api"), ("tier", "back")]));
    assert!(!selects(selector, &[("app", "api")]));
    assert!(!selects(selector, &[("app", "api"), ("tier", "test")]));
    assert!(!selects(selector, &[("app", "front"), ("tier", "back")]));
}

/// "Valid operators are In, NotIn, Exists and DoesNotExist."
#[test]
fn in_and_exists_need_the_key() {
    let one_of = "{matchExpressions: [{key: tier, operator: In, values: [back, middle]}]}";
    assert!(selects(one_of, &[("tier", "back")]) && selects(one_of, &[("tier", "middle")]));
    assert!(!selects(one_of, &[("tier", "front")]) && !selects(one_of, &[]));
    let exists = "{matchExpressions: [{key: tier, operator: Exists}]}";
    assert!(selects(exists, &[("tier", "")]));
    assert!(!selects(exists, &[("app", "tier")]));
}

/// A label that is not there is in no set and does not exist (`k8s.io/apimachinery/pkg/labels`, `Requirement.Matches`).
#[test]
fn not_in_and_does_not_exist_match_a_missing_key() {
    let not_in = "{matchExpressions: [{key: tier, operator: NotIn, values: [back]}]}";
    assert!(selects(not_in, &[]) && selects(not_in, &[("tier", "front")]));
    assert!(!selects(not_in, &[("tier", "back")]));
    let absent = "{matchExpressions: [{key: tier, operator: DoesNotExist}]}";
    assert!(selects(absent, &[]));
    assert!(!selects(absent, &[("tier", "")]));
}

/// An empty value is a value: it does not match a missing key.
#[test]
fn an_empty_label_value_is_not_a_missing_label() {
    assert!(selects("{matchLabels: {canary: ''}}", &[("canary", "")]));
    assert!(!selects("{matchLabels: {canary: ''}}", &[]));
}
