//! Which labels a selector matches.

use crate::{OUTSIDE, allows, party, pod};

fn selects(selector: &str, pairs: &[(&str, &str)]) -> bool {
    let pod = pod("shop/any", pairs, &[]);
    !allows(&format!("{{podSelector: {selector}}}"), OUTSIDE, party(&pod))
}

/// "The result of matchLabels and matchExpressions are ANDed." (meta/v1 LabelSelector)
#[test]
fn requirements_are_all_required() {
    let selector = "{matchLabels: {app: api}, matchExpressions: [{key: tier, operator: Exists}, {key: tier, operator: NotIn, values: [test]}]}";
    assert!(selects(selector, &[("app", "api"), ("tier", "back")]));
    assert!(!selects(selector, &[("app", "api")]));
    assert!(!selects(selector, &[("app", "api"), ("tier", "test")]));
    assert!(!selects(selector, &[("app", "front"), ("tier", "back")]));
}

/// "Valid operators are In, NotIn, Exists and DoesNotExist." (meta/v1 LabelSelectorRequirement), and "The operator is In,
/// Labels has the Requirement's key and Labels' value for that key is in Requirement's value set." (apimachinery,
/// `pkg/labels`, `Requirement.Matches`)
#[test]
fn in_and_exists_need_the_key() {
    let one_of = "{matchExpressions: [{key: tier, operator: In, values: [back, middle]}]}";
    assert!(selects(one_of, &[("tier", "back")]) && selects(one_of, &[("tier", "middle")]));
    assert!(!selects(one_of, &[("tier", "front")]) && !selects(one_of, &[]));
    let exists = "{matchExpressions: [{key: tier, operator: Exists}]}";
    assert!(selects(exists, &[("tier", "")]));
    assert!(!selects(exists, &[("app", "tier")]));
}

/// "The operator is DoesNotExist or NotIn and Labels does not have the Requirement's key." is a match (apimachinery,
/// `pkg/labels`, `Requirement.Matches`).
#[test]
fn not_in_and_does_not_exist_match_a_missing_key() {
    let not_in = "{matchExpressions: [{key: tier, operator: NotIn, values: [back]}]}";
    assert!(selects(not_in, &[]) && selects(not_in, &[("tier", "front")]));
    assert!(!selects(not_in, &[("tier", "back")]));
    let absent = "{matchExpressions: [{key: tier, operator: DoesNotExist}]}";
    assert!(selects(absent, &[]));
    assert!(!selects(absent, &[("tier", "")]));
}

/// `Requirement.Matches` asks for the key before the value: an empty value is a value, and no missing key.
#[test]
fn an_empty_label_value_is_not_a_missing_label() {
    assert!(selects("{matchLabels: {canary: ''}}", &[("canary", "")]));
    assert!(!selects("{matchLabels: {canary: ''}}", &[]));
    let not_empty = "{matchExpressions: [{key: canary, operator: NotIn, values: ['']}]}";
    assert!(selects(not_empty, &[]) && selects(not_empty, &[("canary", "yes")]));
    assert!(!selects(not_empty, &[("canary", "")]));
    let is_empty = "{matchExpressions: [{key: canary, operator: In, values: ['', x]}]}";
    assert!(selects(is_empty, &[("canary", "")]) && !selects(is_empty, &[]) && !selects(is_empty, &[("canary", "y")]));
}
