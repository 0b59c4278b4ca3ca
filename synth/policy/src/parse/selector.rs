//! Label selectors from manifests (`LabelSelector` of `meta/v1`). For the reader of policies and peers.

use super::names::{LABEL_KEY, LABEL_VALUE};
use super::path::Path;
use super::report::{Report, present};
use super::value::Value;
use crate::error::{Problem, Remark};
use crate::selector::{Operator, Requirement, Selector, Values};

pub(crate) fn read(report: &mut Report, at: &Path, value: &Value) -> Selector {
    let Some(object) = report.object(at, value, &["matchLabels", "matchExpressions"]) else {
        return Selector::default();
    };
    let labels = at.field("matchLabels");
    let mut requirements = Vec::new();
    for (key, value) in report.pairs(&labels, present(object, "matchLabels")) {
        report.check(&labels.key(&key), &key, &LABEL_KEY);
        report.check(&labels.key(&key), value, &LABEL_VALUE);
        let operator = Operator::In(Values::from([value]));
        requirements.push(Requirement { key: key.as_ref().into(), operator });
    }
    let expressions = at.field("matchExpressions");
    for (index, value) in report.list(&expressions, present(object, "matchExpressions")).iter().enumerate() {
        requirements.extend(expression(report, &expressions.item(index), value));
    }
    requirements.shrink_to_fit();
    Selector { requirements }
}

fn expression(report: &mut Report, at: &Path, value: &Value) -> Option<Requirement> {
    let object = report.object(at, value, &["key", "operator", "values"])?;
    let key = match present(object, "key") {
        Some(key) => report.text(&at.field("key"), key)?,
        None => "",
    };
    report.check(&at.field("key"), key, &LABEL_KEY);
    let list = at.field("values");
    let values = values(report, &list, present(object, "values"));
    let operator_at = at.field("operator");
    let operator = match present(object, "operator") {
        Some(operator) => report.text(&operator_at, operator)?,
        None => "",
    };
    Some(Requirement { key: key.into(), operator: self::operator(report, [&operator_at, &list], operator, values)? })
}

fn values(report: &mut Report, at: &Path, value: Option<&Value>) -> Values {
    let mut values = Vec::new();
    for (index, value) in report.list(at, value).iter().enumerate() {
        let at = at.item(index);
        if value.is_null() {
            report.warn(&at, Remark::Null { meaning: "an empty value" });
            values.push("");
        } else if let Some(value) = report.text(&at, value) {
            report.check(&at, value, &LABEL_VALUE);
            values.push(value);
        }
    }
    values.into_iter().collect()
}

/// The operator with its values: `In` and `NotIn` need some, the others forbid them.
fn operator(report: &mut Report, [at, values_at]: [&Path; 2], operator: &str, values: Values) -> Option<Operator> {
    let (name, needs_values, operator) = match operator {
        "In" => ("In", true, Operator::In(values.clone())),
        "NotIn" => ("NotIn", true, Operator::NotIn(values.clone())),
        "Exists" => ("Exists", false, Operator::Exists),
        "DoesNotExist" => ("DoesNotExist", false, Operator::DoesNotExist),
        other => {
            let allowed = "In, NotIn, Exists or DoesNotExist";
            report.error(at, Problem::Unsupported { value: other.to_owned(), allowed });
            return None;
        }
    };
    match (needs_values, values.is_empty()) {
        (true, true) => report.error(values_at, Problem::ValuesMissing { operator: name }),
        (false, false) => report.error(values_at, Problem::ValuesForbidden { operator: name }),
        _ => {}
    }
    Some(operator)
}
