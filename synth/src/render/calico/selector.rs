//! Calico's selector expressions. Values are quoted strings in which nothing can be escaped, so only labels that
//! Kubernetes takes come here; what is not one of those is refused, whoever let it through.

use crate::infer::names::valid_label;
use netwright_record::inventory::Labels;
use std::collections::BTreeSet;

/// Every endpoint in scope.
pub(super) const ALL: &str = "all()";

/// The expression that selects what carries all of `labels`; `None` where a label cannot be written.
pub(super) fn every(labels: &Labels) -> Option<String> {
    if !labels.iter().all(|(key, value)| valid_label(key, value)) {
        return None;
    }
    let terms: Vec<String> = labels.iter().map(|(key, value)| equality(key, value)).collect();
    Some(if terms.is_empty() { ALL.into() } else { terms.join(" && ") })
}

/// The expression that selects what carries all labels of at least one of `sets`.
pub(super) fn any<'a>(sets: impl IntoIterator<Item = &'a Labels>) -> Option<String> {
    let sets: BTreeSet<&Labels> = sets.into_iter().collect();
    let sets: Vec<&Labels> = sets.into_iter().collect();
    match sets.as_slice() {
        [one] => every(one),
        many => values_of_one_key(many).or_else(|| {
            let terms: Option<Vec<String>> = many.iter().map(|labels| every(labels)).collect();
            Some(terms?.iter().map(|term| format!("({term})")).collect::<Vec<_>>().join(" || "))
        }),
    }
}

/// `key in {"a", "b"}`, where the sets differ in the value of their only key.
fn values_of_one_key(sets: &[&Labels]) -> Option<String> {
    let mut keys = BTreeSet::new();
    let mut values = Vec::new();
    for labels in sets {
        let mut labels = labels.iter();
        let (Some((key, value)), None) = (labels.next(), labels.next()) else { return None };
        if !valid_label(key, value) {
            return None;
        }
        keys.insert(key.as_str());
        values.push(format!("\"{value}\""));
    }
    let mut keys = keys.into_iter();
    let (Some(key), None) = (keys.next(), keys.next()) else { return None };
    Some(format!("{key} in {{{}}}", values.join(", ")))
}

/// `key == "value"`.
pub(super) fn equality(key: &str, value: &str) -> String {
    format!("{key} == \"{value}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::labels;

    #[test]
    fn expressions_read_as_people_write_them() {
        let (a, b) = (labels(&[("app", "a")]), labels(&[("app", "b")]));
        let two = labels(&[("app", "a"), ("app.kubernetes.io/tier", "on")]);
        assert_eq!(every(&two).unwrap(), r#"app == "a" && app.kubernetes.io/tier == "on""#);
        assert_eq!(any([&b, &a]).unwrap(), r#"app in {"a", "b"}"#);
        assert_eq!(any([&two, &b]).unwrap(), r#"(app == "a" && app.kubernetes.io/tier == "on") || (app == "b")"#);
        assert_eq!(any([&a]).unwrap(), r#"app == "a""#);
        assert_eq!(every(&labels(&[])).unwrap(), "all()");
    }

    #[test]
    fn what_is_no_label_is_not_written() {
        for hostile in [("app", "x\" || all() || \"y"), ("a == \"b\" || has(c)", "x"), ("app", "a\\")] {
            assert_eq!(every(&labels(&[hostile])), None, "{hostile:?}");
            assert_eq!(any([&labels(&[hostile]), &labels(&[("app", "b")])]), None, "{hostile:?}");
        }
    }
}
